"""Work on disk: the folder of a piece of work, the folder of a run, and the data of a run."""

from keras_attention.runs.data import load_data, read_once
from keras_attention.runs.folder import WorkFolder
from keras_attention.runs.run import Run

__all__ = ["Run", "WorkFolder", "load_data", "read_once"]

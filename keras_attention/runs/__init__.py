"""Work on disk: the folder of a piece of work, the run as the smallest of them, and the data that a run names."""

from keras_attention.runs.data import load_data
from keras_attention.runs.folder import WorkFolder
from keras_attention.runs.run import Run

__all__ = ["Run", "WorkFolder", "load_data"]

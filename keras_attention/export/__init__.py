"""Models as they leave: files that run without this package, each run and compared after it is written."""

from keras_attention.export.card import read_card
from keras_attention.export.formats import FORMATS, QUANTIZATIONS
from keras_attention.export.job import export_model
from keras_attention.export.listing import list_models
from keras_attention.export.run import export_run

__all__ = ["FORMATS", "QUANTIZATIONS", "export_model", "export_run", "list_models", "read_card"]

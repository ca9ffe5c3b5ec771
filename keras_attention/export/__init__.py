"""Exports: models as files that run without this package; each file is checked against the Keras model when written."""

from keras_attention.export.card import read_card
from keras_attention.export.formats import FORMATS, QUANTIZATIONS
from keras_attention.export.job import export_model
from keras_attention.export.listing import list_models
from keras_attention.export.run import export_run

__all__ = ["FORMATS", "QUANTIZATIONS", "export_model", "export_run", "list_models", "read_card"]

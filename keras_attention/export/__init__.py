"""Exports: models as files that run without this package; each file is checked against the Keras model when written."""

from keras_attention.cards import FORMATS, QUANTIZATIONS, list_models, read_card
from keras_attention.export.int8 import Calibration
from keras_attention.export.job import export_model
from keras_attention.export.run import export_run
from keras_attention.export.verification import Examples

__all__ = [
    "FORMATS",
    "QUANTIZATIONS",
    "Calibration",
    "Examples",
    "export_model",
    "export_run",
    "list_models",
    "read_card",
]

"""Models as they leave: files that run without this package, each run and compared after it is written."""

from keras_attention.export.card import CARD, damaged, is_card, read_card
from keras_attention.export.formats import FORMATS, QUANTIZATIONS, check_formats, format_of
from keras_attention.export.graph import require_tensorflow
from keras_attention.export.job import export_model
from keras_attention.export.listing import COLUMNS, list_models, models_table, refresh_listing
from keras_attention.export.run import HEADLINES, default_folder, export_run

__all__ = [
    "CARD",
    "COLUMNS",
    "FORMATS",
    "HEADLINES",
    "QUANTIZATIONS",
    "check_formats",
    "damaged",
    "default_folder",
    "export_model",
    "export_run",
    "format_of",
    "is_card",
    "list_models",
    "models_table",
    "read_card",
    "refresh_listing",
    "require_tensorflow",
]

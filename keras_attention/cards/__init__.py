"""Exported models by their cards: their formats and files, whether these are undamaged, and a list of all models."""

from keras_attention.cards.card import CARD, damaged, is_card, looks_by, names_of, read_card, sha256
from keras_attention.cards.formats import FORMATS, QUANTIZATIONS, check_force, check_formats, format_of, needs
from keras_attention.cards.listing import FOLDER, list_models, models_table, refresh_listing

__all__ = [
    "CARD",
    "FOLDER",
    "FORMATS",
    "QUANTIZATIONS",
    "check_force",
    "check_formats",
    "damaged",
    "format_of",
    "is_card",
    "list_models",
    "looks_by",
    "models_table",
    "names_of",
    "needs",
    "read_card",
    "refresh_listing",
    "sha256",
]

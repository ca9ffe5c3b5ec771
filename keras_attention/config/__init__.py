"""The settings of a run: each is one row, from which the parser, the checks and the documentation are made."""

from keras_attention.config.defaults import DEFAULT_COMPARISON, DEFAULT_SEARCH
from keras_attention.config.model_settings import DEFAULT_BACKBONE
from keras_attention.config.rules import UNIFORM, WHOLE_BACKBONE
from keras_attention.config.setting import Setting, settings_of
from keras_attention.config.train_config import TrainConfig, is_older, with_current_names, with_older_start
from keras_attention.config.weight_settings import VIEWS

__all__ = [
    "DEFAULT_BACKBONE",
    "DEFAULT_COMPARISON",
    "DEFAULT_SEARCH",
    "UNIFORM",
    "VIEWS",
    "WHOLE_BACKBONE",
    "Setting",
    "TrainConfig",
    "is_older",
    "settings_of",
    "with_current_names",
    "with_older_start",
]

"""Training: from settings to a finished run."""

from keras_attention.training.callbacks import best_row, require_monitor
from keras_attention.training.fitting import fit_run, fit_stage
from keras_attention.training.hooks import WholeTraining
from keras_attention.training.job import train
from keras_attention.training.map_watch import MapWatch
from keras_attention.training.networks import (
    build_backbone,
    build_model,
    build_networks,
    compile_network,
)
from keras_attention.training.results import shown_examples
from keras_attention.training.stages import fill_cache, make_stages
from keras_attention.training.together import train_together, what_is_shared

__all__ = [
    "MapWatch",
    "WholeTraining",
    "best_row",
    "build_backbone",
    "build_model",
    "build_networks",
    "compile_network",
    "fill_cache",
    "fit_run",
    "fit_stage",
    "make_stages",
    "require_monitor",
    "shown_examples",
    "train",
    "train_together",
    "what_is_shared",
]

"""Training: settings in, a finished run out."""

from keras_attention.training.job import train
from keras_attention.training.networks import build_backbone, build_model, load_data

__all__ = ["build_backbone", "build_model", "load_data", "train"]

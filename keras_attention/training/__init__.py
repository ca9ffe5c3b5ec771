"""Training: settings in, a finished run out."""

from keras_attention.training.job import train
from keras_attention.training.networks import build_backbone, build_model, compile_network, load_data
from keras_attention.training.stages import stages

__all__ = ["build_backbone", "build_model", "compile_network", "load_data", "stages", "train"]

"""Prediction with saved models of any format: images → classes, probabilities and maps."""

from keras_attention.prediction.loading import load_predictor
from keras_attention.prediction.predictor import Predictor
from keras_attention.prediction.sources import find_images, images_of_table
from keras_attention.prediction.stream import Prediction, predict_files

__all__ = [
    "Prediction",
    "Predictor",
    "find_images",
    "images_of_table",
    "load_predictor",
    "predict_files",
]

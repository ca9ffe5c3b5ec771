"""A model of any form in use: images in, classes, probabilities and maps out."""

from keras_attention.prediction.loading import load_predictor
from keras_attention.prediction.predictor import Predictor
from keras_attention.prediction.sources import find_images
from keras_attention.prediction.stream import Prediction, predict_files

__all__ = [
    "Prediction",
    "Predictor",
    "find_images",
    "load_predictor",
    "predict_files",
]

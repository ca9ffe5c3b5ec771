"""A model of any form in use: images in, classes, probabilities and maps out."""

from keras_attention.predict.loading import load_predictor
from keras_attention.predict.predictor import Predictor

__all__ = ["Predictor", "load_predictor"]

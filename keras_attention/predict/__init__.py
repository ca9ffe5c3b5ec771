"""A model of any form in use: images in, classes, probabilities and maps out."""

from keras_attention.predict.loading import load_predictor
from keras_attention.predict.predictor import Predictor
from keras_attention.predict.sources import find_images, images_in
from keras_attention.predict.stream import Prediction, even_batch_size, predict_files, predict_padded

__all__ = [
    "Prediction",
    "Predictor",
    "even_batch_size",
    "find_images",
    "images_in",
    "load_predictor",
    "predict_files",
    "predict_padded",
]

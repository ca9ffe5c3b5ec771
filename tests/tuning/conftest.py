"""Searches without training: a figure follows from the settings of a trial."""

import hashlib
import json

import keras
import numpy as np
import pytest

from keras_attention import TrainConfig


@pytest.fixture(scope="session", autouse=True)
def _tensorflow():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("a search trains runs, which need the TensorFlow backend")


@pytest.fixture(scope="session")
def config():
    """The settings of networks that no test of this folder trains."""
    return TrainConfig(data_options={"count": 90}, image_size=32, width=0.25, epochs=9)


@pytest.fixture(scope="session")
def dataset():
    """Twelve grey images."""
    from keras_attention.data import load

    labels = np.arange(12) % 2
    images = np.zeros((12, 32, 32, 3), "uint8") + 100 * labels[:, None, None, None].astype("uint8")
    return load(dict.fromkeys(("train", "validation", "test"), (images, labels)))


@pytest.fixture(scope="session")
def figure_of():
    """`figure_of(settings)`: a figure from 0 to 1 that follows from settings alone."""
    return _figure_of


def _figure_of(settings):
    text = json.dumps(settings, sort_keys=True, default=str)
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 16**8

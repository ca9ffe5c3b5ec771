"""Small networks that are not trained, which is enough to test the page."""

import json

import keras
import numpy as np
import pytest
import seams
from PIL import Image

CLASSES = ("cat", "<b>dog", "hen")
SIZE = 32


@pytest.fixture(scope="session", autouse=True)
def _tensorflow():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("saved models need the TensorFlow backend")


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """`saved(attend)`: the path of a `.keras` file with its class names beside it."""
    from keras_attention import VGG16BN, attention_classifier

    def save(attend):
        with pytest.MonkeyPatch.context() as patched:
            seams.shallow_backbone(patched)
            backbone = VGG16BN((SIZE, SIZE, 3), width=0.05)
        folder = tmp_path_factory.mktemp("model")
        attention_classifier(backbone, len(CLASSES), attend=attend, units=5).save(folder / "model.keras")
        (folder / "metrics.json").write_text(json.dumps({"class_names": CLASSES}))
        return folder / "model.keras"

    return save


@pytest.fixture(scope="session")
def attentive(saved):
    """The path of a network with two attended layers."""
    return saved(("block3_pool", "block4_pool"))


@pytest.fixture(scope="session")
def photo():
    """A `PIL.Image` of noise that is not square."""
    return Image.fromarray(np.random.default_rng(3).integers(0, 256, (30, 46, 3)).astype("uint8"))

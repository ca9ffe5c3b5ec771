"""Tiny classifiers, and a finished run that was never trained."""

import keras
import numpy as np
import pytest
from PIL import Image

from keras_attention.config import TrainConfig
from keras_attention.members import SPLITS
from keras_attention.metrics import METRICS
from keras_attention.models import VGG16BN, attention_classifier
from keras_attention.precision import dtype_policy
from keras_attention.runs import Run, load_data

CLASSES = ("cat", "dog", "eel")


@pytest.fixture(scope="session", autouse=True)
def _tensorflow():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("exports need the TensorFlow backend")


@pytest.fixture(scope="module", autouse=True)
def _shallow_backbone(shallow_backbone):
    """All models of this folder are shallow, also those of other fixtures."""


@pytest.fixture(scope="session")
def tiny_model():
    """`tiny_model(policy, …)`: a classifier of images of 32 pixels whose normalizations are not the identity."""

    def make(policy="float32", backbone=None, width=0.05, **options):
        with dtype_policy(policy):
            backbone = VGG16BN((32, 32, 3), width=width) if backbone is None else backbone
            model = attention_classifier(backbone, len(CLASSES), **{"units": 4, **options})
        return disturbed(model)

    return make


def disturbed(model):
    """The model with weights as after training, so that errors in normalizations or logits would show."""
    rng = np.random.default_rng(5)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
        elif layer.name == "logits":
            layer.set_weights([rng.normal(0, 0.02, weight.shape) for weight in layer.get_weights()])
    return model


@pytest.fixture(scope="session")
def images():
    return np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3)).astype("uint8")


@pytest.fixture(scope="session")
def coloured():
    """`coloured(count)`: images of red, green and blue noise, and their class numbers."""

    def make(count, seed=0):
        rng, labels = np.random.default_rng(seed), np.arange(count) % 3
        images = rng.integers(0, 100, (count, 32, 32, 3)).astype("uint8")
        images[np.arange(count), ..., labels] += rng.integers(60, 150, (count, 32, 32)).astype("uint8")
        return images, labels

    return make


@pytest.fixture(scope="module")  # not for the session, before whose fixtures the backbone is not shallow
def colour_model(tiny_model, coloured):
    """A classifier of the three colours, whose answers are so clear that no rounding changes them."""
    model = tiny_model(width=0.1, units=8)
    images, labels = coloured(60)
    features = keras.Model(model.input, model.get_layer("logits").input).predict(images, verbose=0)
    centred = features - features.mean(0)
    ridge = 0.01 * np.trace(centred.T @ centred) / len(centred.T) * np.eye(len(centred.T))
    kernel = np.linalg.solve(centred.T @ centred + ridge, centred.T @ (8.0 * np.eye(3)[labels] - 8 / 3))
    logits = model.get_layer("logits")
    logits.set_weights([kernel, -features.mean(0) @ kernel][: len(logits.get_weights())])
    return model


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory):
    """A folder of images of three classes, with a licence."""
    root, rng = tmp_path_factory.mktemp("data") / "animals", np.random.default_rng(3)
    for name in CLASSES:
        (root / name).mkdir(parents=True)
        for number in range(10):
            Image.fromarray(rng.integers(0, 256, (32, 32, 3)).astype("uint8")).save(root / name / f"{number}.png")
    (root / "LICENSE.txt").write_text("Public domain.")
    return root


@pytest.fixture(scope="session")
def untrained_run(tiny_model, image_folder, tmp_path_factory):
    """A run with the files of a finished one on the folder of images; tests only read it."""
    run = Run(tmp_path_factory.mktemp("runs") / "untrained")
    config = TrainConfig(data=str(image_folder), image_size=32, width=0.05, units=4)
    run.begin(config)
    run.save_model(tiny_model())
    data = load_data(config)
    counts = {split: data.split(split).count for split in SPLITS}
    figures = dict.fromkeys(METRICS, 0.5) | {"count": counts["test"]}
    run.finish(figures | {"class_names": list(data.class_names), "images": counts, "licence": data.licence})
    return run

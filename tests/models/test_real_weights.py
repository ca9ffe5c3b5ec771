"""ImageNet's VGG16 on photographs of skin: the plain network's features, before and after calibration."""

import pathlib

import keras
import numpy as np
import pytest
from PIL import Image

from keras_attention.models import VGG16BN, calibrate_batch_norm

SHARED = pathlib.Path(__file__).parents[3] / "shared"
WEIGHTS = SHARED / "weights" / "vgg16_imagenet_features.safetensors"
PHOTOGRAPHS = sorted((SHARED / "data" / "isic2017" / "images" / "validation").glob("*/*.jpg"))
SIDE = 96

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not WEIGHTS.is_file(), reason="the weights of ImageNet are not on this machine"),
    pytest.mark.skipif(not PHOTOGRAPHS, reason="the photographs of ISIC 2017 are not on this machine"),
]


@pytest.fixture(scope="module")
def images():
    opened = [Image.open(path).convert("RGB").resize((SIDE, SIDE)) for path in PHOTOGRAPHS[::10]]
    return np.stack([np.asarray(image, "float32") for image in opened])


@pytest.fixture(scope="module")
def plain():
    """Keras's own VGG16, with biases and without batch normalization, under torchvision's preprocessing."""
    from safetensors.numpy import load_file

    arrays = load_file(WEIGHTS)
    inputs = keras.Input((SIDE, SIDE, 3))
    mean, deviation = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
    normalized = keras.layers.Normalization(mean=mean, variance=np.square(deviation))(inputs)
    network = keras.applications.VGG16(weights=None, include_top=False, input_shape=(SIDE, SIDE, 3))
    convolutions = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    for layer, place in zip(convolutions, (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28), strict=True):
        kernel, bias = arrays[f"features.{place}.weight"], arrays[f"features.{place}.bias"]
        layer.set_weights([kernel.transpose(2, 3, 1, 0), bias])
    return keras.Model(inputs, network(normalized))


@pytest.mark.long
def test_calibrated_features_are_those_of_the_plain_network(images, plain):
    expected = plain.predict(images, verbose=0)
    backbone = VGG16BN((SIDE, SIDE, 3), WEIGHTS)
    for _ in ("before", "after calibration"):
        found = backbone.predict(images, verbose=0)
        assert np.abs(found - expected).max() < 1e-3 * np.abs(expected).max()
        assert calibrate_batch_norm(backbone, images) == len(images)
    variances = [layer.get_weights()[3] for layer in backbone.layers if "bn" in layer.name]
    assert all((variance > 0).mean() > 0.5 for variance in variances)


@pytest.mark.long
def test_other_networks_give_other_features(images, plain):
    """The test above can fail: with random weights the features are far off."""
    expected = plain.predict(images[:2], verbose=0)
    found = VGG16BN((SIDE, SIDE, 3)).predict(images[:2], verbose=0)
    assert np.abs(found - expected).max() > 0.1 * np.abs(expected).max()

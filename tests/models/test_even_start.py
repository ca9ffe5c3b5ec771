"""Before training no score is saturated, whatever the scale of the features: scores are compared on equal ground."""

import keras
import numpy as np
import pytest
from cases import some_now

from keras_attention.layers import SCORES, SpatialAttention
from keras_attention.maps import entropy
from keras_attention.models import VGG16BN, load_pretrained

SIDE, UNITS, IMAGES = 128, 128, 8
LEAST, MOST = 0.80, 0.99
LAYERS = {"block3_pool": (16, 256), "block4_pool": (8, 512)}  # of VGG16 at 128 px: positions of a side, channels


def starts(query, features, kind):
    """Score → the mean entropy of its softmax maps over the logarithm of the positions, with new weights."""
    found = {}
    for name in SCORES:
        keras.utils.set_random_seed(3)
        layer = SpatialAttention(name, units=UNITS, normalize=kind)
        maps = layer(query, features, return_attention_scores=True, training=True)[1]
        found[name] = float(entropy(keras.ops.convert_to_numpy(maps)).mean())
    return found


def assert_even(found):
    """`dot` is the plain product by name: normalized, its scores have the standard deviation √units."""
    assert found.pop("dot") < LEAST
    assert {name: value for name, value in found.items() if not LEAST <= value <= MOST} == {}


@pytest.mark.portable
@pytest.mark.parametrize("kind", some_now(["layer", "batch"], "layer"))
@pytest.mark.parametrize("scale", some_now([1e-2, 1.0, 1e2], "100.0"))
@pytest.mark.parametrize("layer", LAYERS)
def test_of_random_features_of_any_scale(layer, scale, kind, rng):
    side, channels = LAYERS[layer]
    # As after ReLU, with a part that all positions of an image have in common.
    common = rng.normal(size=(IMAGES, 1, 1, channels))
    features = np.maximum(0, common + rng.normal(size=(IMAGES, side, side, channels))).astype("float32")
    query = np.maximum(0, rng.normal(size=(IMAGES, 4, 4, 512))).astype("float32")
    assert_even(starts(scale * query, scale * features, kind))


@pytest.mark.slow
@pytest.mark.long
def test_of_photographs(photographs):
    """Over the dimensions of each vector; over a batch, dimensions that vary together leave the maps at .66 to .92."""
    query = photographs.pop("block5_pool")
    for features in photographs.values():
        assert_even(starts(query, features, "layer"))


@pytest.fixture
def photographs(shared):
    """Layer → its features of photographs of skin, by VGG16 with the weights of ImageNet."""
    paths = sorted((shared("data/isic2017") / "images" / "validation" / "nevus").iterdir())[:IMAGES]
    images = np.stack(
        [keras.utils.img_to_array(keras.utils.load_img(path, target_size=(SIDE, SIDE))) for path in paths]
    )
    backbone = VGG16BN((SIDE, SIDE, 3))
    load_pretrained(backbone, shared("weights") / "vgg16_imagenet_features.safetensors")
    outputs = {name: backbone.get_layer(name).output for name in (*LAYERS, "block5_pool")}
    return keras.Model(backbone.input, outputs).predict(images, verbose=0)

"""Maps of a model, scaled by half-pixel centres, and joined."""

import re

import keras
import numpy as np
import pytest

from keras_attention.explain import attention_maps, joint_map, resize_maps
from keras_attention.models import VGG16BN, attention_classifier, attention_outputs

SIDE = 32


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(3)
    return attention_classifier(VGG16BN((SIDE, SIDE, 3), width=0.05), 3, units=7)


def resized(maps, size):
    """Bilinear with half-pixel centres, in float64: position (i + ½)·n/size − ½, kept inside the map."""
    maps = np.asarray(maps, "float64")
    for axis in (1, 2):
        length = maps.shape[axis]
        places = np.clip((np.arange(size) + 0.5) * length / size - 0.5, 0, length - 1)
        low = np.floor(places).astype(int)
        high, share = np.minimum(low + 1, length - 1), places - low
        share = share.reshape([-1 if number == axis else 1 for number in range(3)])
        maps = (1 - share) * np.take(maps, low, axis) + share * np.take(maps, high, axis)
    return maps


def test_the_maps_of_a_model(model, rng):
    images = rng.uniform(0, 255, (5, SIDE, SIDE, 3)).astype("float32")
    maps = attention_maps(model, images)
    assert {name: (values.shape, values.dtype) for name, values in maps.items()} == {
        "attention_block3_pool": ((5, 4, 4), np.float32),
        "attention_block4_pool": ((5, 2, 2), np.float32),
    }
    expected = attention_outputs(model)(images)
    for name, values in maps.items():
        np.testing.assert_allclose(values.sum((1, 2)), 1, rtol=1e-5)
        np.testing.assert_allclose(values, keras.ops.convert_to_numpy(expected[name]), rtol=1e-4, atol=1e-6)
        assert np.ptp(values, axis=0).max() > 0
    for name, values in attention_maps(model, images, batch_size=2).items():
        np.testing.assert_allclose(values, maps[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("arguments", [{"attend": ()}, {"score": None}], ids=["plain", "no score"])
def test_a_model_without_attention(arguments):
    model = attention_classifier(VGG16BN((SIDE, SIDE, 3), width=0.05), 3, name="control", **arguments)
    message = "The model has no attention layers. Expected a model with SpatialAttention layers. Received: control."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        attention_maps(model, np.zeros((1, SIDE, SIDE, 3)))


@pytest.mark.parametrize(
    ("height", "width", "size"), [(2, 2, 4), (4, 4, 32), (3, 5, 7), (7, 7, 7), (1, 1, 5), (13, 11, 5)]
)
def test_scaling(height, width, size, rng):
    maps = rng.random((3, height, width))
    found = resize_maps(maps, size)
    assert (found.shape, found.dtype) == ((3, size, size), np.float32)
    np.testing.assert_allclose(found, resized(maps, size), rtol=1e-5, atol=1e-6)


def test_scaling_by_hand():
    found = resize_maps(np.array([[[0, 4]]]), 4)
    # Centres of four pixels over two: −¼, ¼, ¾, 1¼.
    assert found[0].tolist() == [[0, 1, 3, 4]] * 4


@pytest.mark.parametrize("value", [1 / 49, 0.1, 1 / 3])
def test_a_constant_map_stays_exactly_constant(value):
    assert len(np.unique(resize_maps(np.full((1, 7, 7), value), 32))) == 1


def test_the_joint_map_is_the_product_of_what_is_left_of_the_largest(rng):
    maps = {"a": rng.random((3, 4, 4)), "b": 7 * rng.random((3, 2, 2))}
    found = joint_map(maps, 11)
    assert found.shape == (3, 11, 11)
    parts = [resized(values, 11) for values in maps.values()]
    expected = np.prod([part / part.max((1, 2), keepdims=True) for part in parts], axis=0)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert found.min() >= 0
    assert found.max() <= 1


def test_a_joint_map_of_one_block_and_of_an_empty_one(rng):
    maps = rng.random((2, 3, 3))
    maps[1] = 0
    found = joint_map({"a": maps}, 3)
    np.testing.assert_allclose(found[0], maps[0] / maps[0].max(), rtol=1e-6)
    assert found[1].tolist() == np.zeros((3, 3)).tolist()
    assert joint_map({"a": maps, "b": np.ones((2, 5, 5))}, 3)[1].max() == 0

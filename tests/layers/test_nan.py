"""NaN in is NaN out, in every pair and backwards too, so that a diverged network is noticed; −∞ hides a key."""

import keras
import numpy as np
import pytest
from cases import unlike_now
from keras import ops

from keras_attention.layers import ALIGNMENTS, MAP_REGULARIZERS, SCORES, Attention, SpatialAttention
from keras_attention.models import MaskDice, MaskOverlap

PAIRS = [(score, alignment) for score in SCORES for alignment in ALIGNMENTS]
if keras.backend.backend() != "tensorflow":  # each single call compiles there
    PAIRS = [pair for pair in PAIRS if "additive" in pair or "softmax" in pair]
SAMPLING_WARNS = pytest.mark.filterwarnings("ignore:.*samples, but nothing rewards it")


@pytest.fixture
def inputs(rng):
    """Query, value and key."""
    return [rng.normal(size=(2, 5, 4)).astype("float32") for _ in range(3)]


@SAMPLING_WARNS
@pytest.mark.portable
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("score", "alignment"), unlike_now(PAIRS))
def test_nan_is_never_hidden(score, alignment, training, inputs, gradients):
    layer, (query, value, key) = Attention(score, alignment), inputs
    key[0, 2, 1] = np.nan
    if layer.score.blind:
        pytest.skip("it looks at neither query nor key")

    def energy(key):
        return ops.sum(ops.square(layer(query, value, key, training=training)))

    layer(query, value, key)
    context, weights = layer(query, value, key, return_attention_scores=True, training=training)
    assert np.isnan(ops.convert_to_numpy(weights)[0]).any(axis=-1).all()
    assert np.isnan(ops.convert_to_numpy(context)[0]).any()
    assert np.isfinite(ops.convert_to_numpy(context)[1]).all()  # of the other example
    assert np.isnan(gradients(energy, key)[0]).any()


@SAMPLING_WARNS
@pytest.mark.parametrize("alignment", list(ALIGNMENTS))
@pytest.mark.parametrize("training", [False, True])
def test_nan_of_a_masked_key_does_not_matter(training, alignment, inputs):
    layer, (query, value, key) = Attention("additive", alignment), inputs
    mask = np.ones((2, 5), "bool")
    mask[:, 3:] = False
    key[:, 3:] = np.nan
    assert np.isfinite(ops.convert_to_numpy(layer(query, value, key, value_mask=mask, training=training))).all()


@pytest.mark.parametrize("score", list(SCORES))
def test_weights_that_are_nan_give_maps_of_nan(score, rng):
    layer = SpatialAttention(score, "softmax", units=3)
    query, features = (rng.normal(size=(2, 4, 4, 3)).astype("float32") for _ in range(2))
    layer(query, features)
    if not layer.weights:
        pytest.skip("it has no weights")
    for weight in layer.weights:
        weight.assign(np.full(weight.shape, np.nan, "float32"))
    context, found = layer(query, features, return_attention_scores=True)
    assert np.isnan(ops.convert_to_numpy(found)).all()
    assert np.isnan(ops.convert_to_numpy(context)).all()


def test_a_map_of_one_position_may_be_nan():
    layer = SpatialAttention("dot", "softmax")
    context = layer(np.full((1, 3), np.nan, "float32"), np.ones((1, 1, 1, 3), "float32"))
    assert np.isnan(ops.convert_to_numpy(context)).all()


@pytest.mark.parametrize("name", list(MAP_REGULARIZERS))
def test_regularizers_of_maps_do_not_hide_nan(name):
    assert np.isnan(float(MAP_REGULARIZERS[name](0.1)(np.array([[[np.nan, 1.0], [0.5, 0.5]]], "float32"))))
    assert np.isfinite(float(MAP_REGULARIZERS[name](0.1)(np.zeros((1, 2, 2), "float32"))))


@pytest.mark.parametrize("loss", [MaskDice, MaskOverlap])
def test_losses_of_masks_do_not_hide_nan(loss):
    mask = np.array([[[1, 1], [0, 0]]], "uint8")
    assert np.isnan(float(loss()(mask, np.full((1, 2, 2), np.nan, "float32"))))

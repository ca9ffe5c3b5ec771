"""Padding changes no answer: what is masked is as if it were not there, for every alignment."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_attention.layers import ALIGNMENTS, Attention, LocalMonotonicAlignment, LocalPredictiveAlignment

BATCH, KEYS, PADDING, DIMENSION = 2, 6, 20, 4
PLACES = {  # where the visible keys lie among the padded ones
    "trailing": np.arange(KEYS),
    "leading": np.arange(KEYS) + PADDING,
    "inner": np.r_[np.arange(2), np.arange(2, KEYS) + PADDING],
    "scattered": 4 * np.arange(KEYS) + 1,
}
every_alignment = pytest.mark.parametrize("alignment", list(ALIGNMENTS))
every_place = pytest.mark.parametrize("place", list(PLACES))


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def padded(values, place, rng):
    """Values `(B, T, d)` at the visible places of longer ones, and their mask `(B, T + padding)`."""
    longer = rng.normal(size=(len(values), KEYS + PADDING, values.shape[-1])).astype("float32")
    mask = np.zeros(longer.shape[:2], "bool")
    longer[:, PLACES[place]], mask[:, PLACES[place]] = values, True
    return longer, mask


@pytest.fixture
def values(rng):
    return rng.normal(size=(BATCH, KEYS, DIMENSION)).astype("float32")


@pytest.mark.parametrize(
    ("queries", "place"),
    [
        pytest.param(queries, place, marks=pytest.mark.portable if (queries, place) == (3, "scattered") else [])
        for queries in (1, 3, 9)
        for place in PLACES
    ],
)
@every_alignment
def test_masked_keys_are_as_if_they_were_not_there(queries, alignment, place, values, rng):
    layer, query = Attention("scaled_dot", alignment), rng.normal(size=(BATCH, queries, DIMENSION)).astype("float32")
    context, weights = layer(query, values, return_attention_scores=True)
    longer, mask = padded(values, place, rng)
    found, spread = layer(query, longer, value_mask=mask, return_attention_scores=True)
    np.testing.assert_allclose(numpy(spread)[:, :, PLACES[place]], numpy(weights), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(numpy(found), numpy(context), rtol=1e-5, atol=1e-6)


@every_place
@every_alignment
@pytest.mark.parametrize("masks", [("value_mask",), ("query_mask", "value_mask")], ids="-".join)
def test_a_padded_sequence_attends_to_itself_as_a_short_one(masks, alignment, place, values, rng):
    layer = Attention("scaled_dot", alignment)
    context = numpy(layer(values, values))
    longer, mask = padded(values, place, rng)
    found = numpy(layer(longer, longer, **dict.fromkeys(masks, mask)))
    np.testing.assert_allclose(found[:, PLACES[place]], context, rtol=1e-5, atol=1e-6)


@every_place
@every_alignment
def test_masked_queries_are_as_if_they_were_not_there(alignment, place, values, rng):
    layer, keys = Attention("scaled_dot", alignment), rng.normal(size=(BATCH, 9, DIMENSION)).astype("float32")
    context = numpy(layer(values, keys))
    longer, mask = padded(values, place, rng)
    found = numpy(layer(longer, keys, query_mask=mask))
    np.testing.assert_allclose(found[:, PLACES[place]], context, rtol=1e-5, atol=1e-6)


@every_alignment
def test_a_prediction_does_not_depend_on_the_rest_of_the_batch(alignment, rng):
    """Keras passes the mask of `Masking` on by itself."""
    sequence = keras.Input((None, DIMENSION))
    masked = layers.Masking()(sequence)
    model = keras.Model(sequence, Attention("scaled_dot", alignment)(masked, masked))
    short = rng.normal(size=(1, KEYS, DIMENSION)).astype("float32")
    batch = np.concatenate([short, np.zeros((1, PADDING, DIMENSION), "float32")], axis=1)
    batch = np.concatenate([batch, rng.normal(size=batch.shape).astype("float32")])
    alone = numpy(model(short))[0]
    np.testing.assert_allclose(numpy(model(batch))[0, :KEYS], alone, rtol=1e-5, atol=1e-6)


def test_a_causal_mask_leaves_each_query_at_its_own_key(rng):
    scores, causal = rng.normal(size=(5, 5)).astype("float32"), np.tril(np.ones((5, 5), "bool"))
    weights = numpy(LocalMonotonicAlignment(3)(scores, mask=causal))
    for row in range(5):
        shares = np.exp(scores[row, max(0, row - 1) : row + 1])
        np.testing.assert_allclose(weights[row, max(0, row - 1) : row + 1], shares / shares.sum(), rtol=1e-5)


def test_the_place_that_is_predicted_is_among_the_visible_keys():
    """With kernels of zeros it is the middle: 3 of 6 visible keys, whatever lies around them."""
    layer = LocalPredictiveAlignment(window=2, kernel_initializer="zeros")
    mask = np.zeros((1, KEYS + PADDING), "bool")
    mask[0, PLACES["scattered"]] = True
    weights = numpy(layer(np.zeros((1, KEYS + PADDING)), mask=mask, query=np.ones((1, 3))))
    expected = np.exp(-2 * (np.arange(KEYS) - 3.0) ** 2 / 4) / KEYS
    np.testing.assert_allclose(weights[0, PLACES["scattered"]], expected, rtol=1e-5)

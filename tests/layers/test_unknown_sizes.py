"""Layers and regularizers take inputs of unknown batch, length, height and width: eager, in a graph, and compiled."""

import keras
import numpy as np
import pytest
from cases import some_now
from keras import layers
from members import STAR

from keras_attention.layers import MAP_REGULARIZERS, Attention, MapDisagreement, SpatialAttention
from keras_attention.models import attention_classifier

pytestmark = [
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="other backends know all sizes in a call"),
    pytest.mark.filterwarnings("ignore:.*samples, but nothing rewards it"),
]
# Each is compiled; sequences take the same path as maps.
FEW = ("additive-softmax", "additive-local_predictive", "additive-hard", "additive-entmax")
one_now = pytest.mark.parametrize(("score", "alignment"), some_now(STAR, FEW[0]))
some_members = pytest.mark.parametrize(("score", "alignment"), some_now(STAR, *FEW))
LENGTHS = [(5, 7), (1, 1)]  # of queries and keys
SIZES = [(4, 5), (1, 1)]


def agree(model, *inputs):
    """Checks that calls agree: eager, in a graph of unknown sizes, and compiled; returns the eager result."""
    import tensorflow as tf

    expected = model(list(inputs))
    unknown = [tf.TensorSpec(given.shape, tf.float32) for given in model.inputs]
    traced = tf.function(lambda *given: model(list(given)), input_signature=unknown)
    compiled = tf.function(lambda *given: model(list(given)), jit_compile=True)
    for found in (traced(*inputs), compiled(*inputs)):
        for one, other in zip(keras.tree.flatten(found), keras.tree.flatten(expected), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    training = tf.function(lambda *given: model(list(given), training=True), input_signature=unknown)
    assert all(np.isfinite(values).all() for values in keras.tree.flatten(training(*inputs)))
    return expected


@one_now
def test_sequences_of_any_length(score, alignment, rng):
    query, value = keras.Input((None, 4)), keras.Input((None, 4))
    model = keras.Model([query, value], Attention(score, alignment)(query, value))
    for batch, (queries, keys) in enumerate(LENGTHS, start=1):
        given = [rng.normal(size=(batch, length, 4)).astype("float32") for length in (queries, keys)]
        assert agree(model, *given).shape == (batch, queries, 4)


@some_members
@pytest.mark.long
def test_maps_of_any_size(score, alignment, rng):
    query, features = keras.Input((4,)), keras.Input((None, None, 4))
    attention = SpatialAttention(score, alignment, map_regularizer=list(MAP_REGULARIZERS))
    model = keras.Model([query, features], attention(query, features, return_attention_scores=True))
    for batch, size in enumerate(SIZES, start=1):
        given = [rng.normal(size=(batch, *shape, 4)).astype("float32") for shape in ((), size)]
        _, maps = agree(model, *given)
        assert maps.shape == (batch, *size)


@pytest.mark.parametrize(
    "options", some_now([{"num_heads": 2}, {"feature_wise": True}, {"dropout": 0.5}], "{'dropout': 0.5}")
)
def test_forms_of_attention(options, rng):
    query, value = keras.Input((None, 4)), keras.Input((None, 4))
    model = keras.Model([query, value], Attention("additive", **options)(query, value))
    for batch, (queries, keys) in enumerate(LENGTHS, start=1):
        agree(model, *(rng.normal(size=(batch, length, 4)).astype("float32") for length in (queries, keys)))


@pytest.mark.long
def test_maps_of_any_two_sizes_disagree(rng):
    query, features = keras.Input((4,)), keras.Input((None, None, 4))
    both = [features, layers.MaxPooling2D(2)(features)]
    contexts, maps = zip(
        *(SpatialAttention("dot")(query, each, return_attention_scores=True) for each in both), strict=True
    )
    model = keras.Model([query, features], MapDisagreement(1.0)(layers.Add()(contexts), maps))
    for size in ((4, 6), (7, 5), (9, 9)):
        given = [rng.normal(size=(2, *shape, 4)).astype("float32") for shape in ((), size)]
        agree(model, *given)
        eager = MapDisagreement(1.0)
        eager(np.zeros((2, 4)), [_map_of(model, number, given) for number in (0, 1)])
        model(given)
        assert float(model.losses[0]) == pytest.approx(float(eager.losses[0]), rel=1e-5)


def _map_of(model, number, given):
    attention = [layer for layer in model.layers if isinstance(layer, SpatialAttention)][number]
    return keras.Model(model.inputs, attention.output[1])(given)


@pytest.mark.parametrize(
    "options",
    [
        {"query": "classes"},
        pytest.param(
            {"query": "pool", "pool_query": True, "attend": ("conv", "pool"), "disagreement": 0.1},
            marks=pytest.mark.long,
        ),
    ],
    ids=str,
)
def test_classifiers_of_images_of_any_size(options, rng):
    image = keras.Input((None, None, 3))
    features = layers.Conv2D(4, 3, padding="same", name="conv")(image)
    backbone = keras.Model(image, layers.MaxPooling2D(2, name="pool")(features))
    model = attention_classifier(backbone, 3, **{"attend": ("conv",), "units": 4, **options})
    for batch, side in enumerate((8, 11), start=1):
        images = rng.normal(size=(batch, side, side, 3)).astype("float32")
        np.testing.assert_allclose(model.predict(images, verbose=0), model(images), rtol=1e-4, atol=1e-5)

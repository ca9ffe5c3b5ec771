"""What `SpatialAttention` may have besides: a query for each head, a gate of the context, and registers."""

import keras
import numpy as np
import pytest
from cases import some_now
from keras import ops
from seams import assert_three_parts

from keras_attention.layers import ALIGNMENTS, EfficientProbing, SpatialAttention

BATCH, HEIGHT, WIDTH, CHANNELS, DIMENSION, HEADS, REGISTERS = 2, 4, 3, 8, 8, 2, 3
PLACED = ("local_monotonic", "local_predictive")
UNPLACED = [name for name in ALIGNMENTS if name not in PLACED]
pytestmark = pytest.mark.portable


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def softmax(scores):
    exponents = np.exp(scores - scores.max(-1, keepdims=True))
    return exponents / exponents.sum(-1, keepdims=True)


@pytest.fixture
def features(rng):
    return rng.normal(size=(BATCH, HEIGHT, WIDTH, CHANNELS)).astype("float32")


@pytest.fixture
def queries(rng):
    """The query in each form: one vector, several, and a map."""
    shapes = {"vector": (DIMENSION,), "vectors": (HEADS, DIMENSION), "map": (2, 3, DIMENSION)}
    return {name: rng.normal(size=(BATCH, *shape)).astype("float32") for name, shape in shapes.items()}


def build(query, features, *parts, **options):
    """A layer with random weights: gates of ½ and registers without values would hide errors."""
    layer = SpatialAttention(*parts, **options)
    layer.build(query.shape, features.shape)
    rng = np.random.default_rng(7)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.weights])
    return layer


def outputs(layer, query, features):
    return [numpy(tensor) for tensor in layer(query, features, return_attention_scores=True)]


def weight(layer, name):
    (found,) = [numpy(each) for each in layer.weights if each.path.endswith(name)]
    return found


def test_each_head_asks_its_query_of_its_channels(features, queries):
    layer = build(queries["vectors"], features, "scaled_dot", num_heads=HEADS, query_per_head=True, normalize="none")
    context, maps = outputs(layer, queries["vectors"], features)
    keys = features.reshape(BATCH, -1, CHANNELS).astype("float64")
    weights = softmax(np.einsum("bqc,bnc->bqn", queries["vectors"], keys) / np.sqrt(CHANNELS))
    np.testing.assert_allclose(maps, weights.reshape(BATCH, HEADS, HEIGHT, WIDTH), atol=1e-6)
    parts = [weights[:, head, :, None] * np.split(keys, HEADS, axis=-1)[head] for head in range(HEADS)]
    np.testing.assert_allclose(context, np.concatenate([part.sum(axis=1) for part in parts], axis=-1), atol=1e-6)


def test_with_the_query_of_each_head_it_is_efficient_probing_of_the_same_values(features, rng):
    """Up to the projection of the values, which is the identity here."""
    probing = EfficientProbing(HEADS)
    probing.build(features.shape)
    learned = rng.normal(size=(HEADS, CHANNELS)).astype("float32")
    probing.set_weights([learned, np.eye(CHANNELS)])
    query = np.broadcast_to(learned, (BATCH, HEADS, CHANNELS))
    layer = SpatialAttention("scaled_dot", num_heads=HEADS, query_per_head=True, normalize="none")
    for ours, theirs in zip(
        layer(query, features, return_attention_scores=True),
        probing(features, return_attention_scores=True),
        strict=True,
    ):
        np.testing.assert_allclose(numpy(ours), numpy(theirs), atol=1e-6)


@pytest.mark.parametrize("form", ["vector", "vectors", "map"])
def test_the_context_is_gated_by_the_query(form, features, queries):
    gated = build(queries[form], features, "dot", units=5, gate=True)
    plain = SpatialAttention("dot", units=5)
    plain.build(queries[form].shape, features.shape)
    plain.set_weights(gated.get_weights()[: len(plain.weights)])
    (context, attention_map), (expected, same_map) = (outputs(each, queries[form], features) for each in (gated, plain))
    query = queries[form].mean(axis=(1, 2)) if form == "map" else queries[form]
    gate = 1 / (1 + np.exp(-(query @ weight(gated, "context_gate/kernel") + weight(gated, "context_gate/bias"))))
    np.testing.assert_allclose(context, expected * gate, atol=1e-5)
    np.testing.assert_array_equal(attention_map, same_map)


@pytest.mark.parametrize("form", ["vector", "vectors", "map"])
def test_registers_take_weight_that_no_position_gets(form, features, queries):
    query = queries[form]
    layer = build(query, features, "dot", registers=REGISTERS, normalize="none")
    context, attention_map = outputs(layer, query, features)
    # A dot product, so that the registers are as further positions for a single query.
    asked = query.mean(axis=(1, 2)) if form == "map" else query
    asked = asked if form == "vectors" else asked[:, None]
    scores = asked @ weight(layer, "register/keys")[0].T
    if form == "map":
        alone = build(query, features, "dot", normalize="none")
        places = numpy(alone._scores(query, features))[:, 0]
    else:
        places = np.einsum("bqd,bnd->bqn", asked, features.reshape(BATCH, -1, CHANNELS))
    weights = softmax(np.concatenate([places, scores], axis=-1).astype("float64"))
    shown = weights[..., :-REGISTERS].reshape(BATCH, -1, HEIGHT, WIDTH)
    np.testing.assert_allclose(attention_map.reshape(shown.shape), shown, atol=1e-5)
    values = np.concatenate(
        [features.reshape(BATCH, -1, CHANNELS), np.stack([weight(layer, "register/values")] * BATCH)], axis=1
    )
    np.testing.assert_allclose(context.reshape(BATCH, -1, CHANNELS), weights @ values, atol=1e-5)
    assert (attention_map.sum(axis=(-2, -1)) < 1).all()


@pytest.mark.parametrize("alignment", some_now(UNPLACED, "softmax", "sparsemax", "hard"))
def test_every_option_together_reloads_and_keeps_its_promise(alignment, features, queries, reload):
    options = {"units": 4, "num_heads": HEADS, "normalize": "layer", "gate": True, "registers": 1}
    query, features = keras.Input(queries["vectors"].shape[1:]), keras.Input(features.shape[1:])
    layer = SpatialAttention("scaled_dot", alignment, query_per_head=True, **options)
    context, attention_map = layer(query, features, return_attention_scores=True)
    assert context.shape == (None, CHANNELS)
    assert attention_map.shape == (None, HEADS, HEIGHT, WIDTH)
    model = keras.Model([query, features], [context, attention_map])
    rng = np.random.default_rng(3)
    given = [rng.normal(size=(BATCH, *each.shape[1:])).astype("float32") for each in model.inputs]
    found, again = ([numpy(each) for each in which(given)] for which in (model, reload(model)))
    for first, second in zip(found, again, strict=True):
        np.testing.assert_array_equal(first, second)
    assert layer.get_config()["registers"] == 1


@pytest.mark.parametrize(
    ("options", "wrong", "received"),
    [
        ({"registers": -1}, "`registers`", "registers=-1"),
        ({"alignment": "local_predictive", "registers": 1}, "`local_predictive` weighs by places", "registers=1"),
    ],
)
def test_registers_that_make_no_sense_are_refused(options, wrong, received):
    assert_three_parts(lambda: SpatialAttention("dot", **options), wrong, received)


@pytest.mark.parametrize("form", ["vector", "vectors", "map"])
def test_each_head_needs_one_query(form, features, queries):
    layer = SpatialAttention("dot", units=4, num_heads=3, query_per_head=True)
    query = queries[form]
    assert_three_parts(lambda: layer(query, features), "Each head must have one query", str(query.shape))

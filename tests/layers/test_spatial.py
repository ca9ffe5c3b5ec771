"""Attention over a feature map with every pair of score and alignment, with a query vector or a query map."""

import re

import keras
import numpy as np
import pytest
from cases import some_now, unlike_now
from keras import ops
from members import STAR, WITHOUT_SAMPLING
from seams import assert_three_parts

from keras_attention.layers import ALIGNMENTS, SCORES, AdditiveScore, SpatialAttention, UniformScore

BATCH, HEIGHT, WIDTH, CHANNELS = 2, 7, 5, 11
QUERY_HEIGHT, QUERY_WIDTH, QUERY_DIMENSION, UNITS = 3, 2, 13, 17

every_member = pytest.mark.parametrize(("score", "alignment"), STAR, ids=["-".join(pair) for pair in STAR])
unlike_members = pytest.mark.parametrize(("score", "alignment"), unlike_now(STAR))
every_score = pytest.mark.parametrize("score", list(SCORES))
every_alignment = pytest.mark.parametrize("alignment", list(ALIGNMENTS))
every_query = pytest.mark.parametrize("asked_by", ["vector", "map"])
maps_now = pytest.mark.parametrize("asked_by", some_now(["vector", "map"], "map"))


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def build(layer, query, features):
    """The layer with random weights; the initial biases of 0 would hide a forgotten bias."""
    layer.build(query.shape, features.shape)
    rng = np.random.default_rng(19)
    layer.set_weights([rng.normal(size=weight.shape) / np.sqrt(1 + len(weight.shape)) for weight in layer.weights])
    return layer


def values(layer):
    """The weights by name; the name of a projection is included."""
    names = [
        weight.path.removeprefix(f"{layer.name}/").removeprefix(f"{layer.score.name}/") for weight in layer.weights
    ]
    return {name: numpy(weight).astype("float64") for name, weight in zip(names, layer.weights, strict=True)}


def outputs(layer, query, features, **arguments):
    return [numpy(tensor) for tensor in layer(query, features, return_attention_scores=True, **arguments)]


def interpolation(size, new_size):
    """The matrix (new_size, size) of linear interpolation with half-pixel centres, without antialiasing."""
    place = np.clip((np.arange(new_size) + 0.5) * size / new_size - 0.5, 0, size - 1)
    return np.maximum(1 - np.abs(place[:, None] - np.arange(size)), 0)


def resize(query_map, height, width):
    rows, columns = interpolation(query_map.shape[1], height), interpolation(query_map.shape[2], width)
    return np.einsum("Hh,Ww,bhwd->bHWd", rows, columns, query_map.astype("float64"))


def softmax(scores):
    shares = np.exp(scores - scores.max(axis=(1, 2), keepdims=True))
    return shares / shares.sum(axis=(1, 2), keepdims=True)


@pytest.fixture
def features(rng):
    return rng.normal(size=(BATCH, HEIGHT, WIDTH, CHANNELS)).astype("float32")


@pytest.fixture
def queries(rng):
    shapes = {"vector": (BATCH, QUERY_DIMENSION), "map": (BATCH, QUERY_HEIGHT, QUERY_WIDTH, QUERY_DIMENSION)}
    return {kind: rng.normal(size=shape).astype("float32") for kind, shape in shapes.items()}


def test_the_reference_interpolation_is_that_of_half_pixel_centres():
    # 2 → 4: the new centres are at −¼, ¼, ¾, 1¼ of the old ones, and values beyond the ends are held.
    expected = [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]]
    np.testing.assert_array_equal(interpolation(2, 4), expected)


# Against NumPy


@every_query
@pytest.mark.parametrize(("height", "width"), [(HEIGHT, WIDTH), (2, 1)], ids=["finer", "coarser"])
def test_additive_and_softmax(asked_by, height, width, features, queries):
    features, query = features[:, :height, :width], queries[asked_by]
    layer = build(SpatialAttention("additive", "softmax", units=UNITS, normalize="none"), query, features)
    context, attention_map = layer(query, features, return_attention_scores=True)
    weights = values(layer)
    whole = query[:, None, None] if asked_by == "vector" else resize(query, height, width)
    hidden = np.tanh(whole @ weights["query_kernel"] + features @ weights["key_kernel"] + weights["bias"])
    expected = softmax((hidden @ weights["output_kernel"])[..., 0])
    np.testing.assert_allclose(numpy(attention_map), expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(numpy(context), np.einsum("bhw,bhwc->bc", expected, features), rtol=1e-4, atol=1e-5)


@every_query
def test_dot_in_projected_dimensions(asked_by, features, queries):
    query = queries[asked_by]
    layer = build(SpatialAttention("dot", "softmax", units=UNITS, normalize="none"), query, features)
    _, attention_map = layer(query, features, return_attention_scores=True)
    weights = values(layer)
    assert {name: weight.shape for name, weight in weights.items()} == {
        "query_projection/kernel": (QUERY_DIMENSION, UNITS),
        "key_projection/kernel": (CHANNELS, UNITS),
    }
    whole = query[:, None, None] if asked_by == "vector" else resize(query, HEIGHT, WIDTH)
    scores = np.sum((whole @ weights["query_projection/kernel"]) * (features @ weights["key_projection/kernel"]), -1)
    np.testing.assert_allclose(numpy(attention_map), softmax(scores), rtol=2e-5, atol=1e-7)


def test_the_gate_of_yan_et_al(features, queries):
    query = queries["map"]
    score = AdditiveScore(UNITS, activation="relu", use_bias=False, use_output_bias=True)
    layer = build(SpatialAttention(score, "sigmoid", normalize="none"), query, features)
    context, attention_map = layer(query, features, return_attention_scores=True)
    weights = values(layer)
    # R = φ(ReLU(W_f F + up(W_g G))), projected before it is upsampled; A = σ(R); context = mean(A·F).
    projected = resize(query @ weights["query_kernel"], HEIGHT, WIDTH)
    hidden = np.maximum(features @ weights["key_kernel"] + projected, 0)
    gate = 1 / (1 + np.exp(-(hidden @ weights["output_kernel"])[..., 0] - weights["output_bias"]))
    np.testing.assert_allclose(numpy(attention_map), gate, rtol=1e-5)
    expected = np.mean(gate[..., None] * features, axis=(1, 2))
    np.testing.assert_allclose(numpy(context), expected, rtol=1e-4, atol=1e-6)


@every_score
def test_projecting_before_upsampling_is_projecting_after(score, features, queries):
    query = queries["map"]
    layer = build(SpatialAttention(score, "softmax", units=UNITS, normalize="none"), query, features)
    upsampled = resize(query, HEIGHT, WIDTH).astype("float32")
    for before, after in zip(outputs(layer, query, features), outputs(layer, upsampled, features), strict=True):
        np.testing.assert_allclose(before, after, rtol=1e-4, atol=1e-6)


@every_member
def test_a_vector_is_a_map_of_one_position(score, alignment, features, queries):
    query = queries["vector"]
    layer = build(SpatialAttention(score, alignment, units=UNITS), query, features)
    as_map = outputs(layer, query[:, None, None], features)
    for vector, same in zip(outputs(layer, query, features), as_map, strict=True):
        np.testing.assert_allclose(vector, same, rtol=1e-5, atol=1e-6)


# Every pair


@pytest.mark.portable
@maps_now
@unlike_members
def test_shapes_and_the_context_of_the_map(score, alignment, asked_by, features, queries):
    layer = build(SpatialAttention(score, alignment, units=UNITS), queries[asked_by], features)
    context, attention_map = layer(queries[asked_by], features, return_attention_scores=True)
    assert tuple(context.shape) == (BATCH, CHANNELS)
    assert tuple(attention_map.shape) == (BATCH, HEIGHT, WIDTH)
    total = np.einsum("bhw,bhwc->bc", numpy(attention_map).astype("float64"), features)
    expected = total / (HEIGHT * WIDTH if alignment == "sigmoid" else 1)
    np.testing.assert_allclose(numpy(context), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(numpy(layer(queries[asked_by], features)), numpy(context))


@pytest.mark.portable
@maps_now
@every_member
def test_every_weight_gets_a_gradient(score, alignment, asked_by, features, queries, gradients):
    query = queries[asked_by]
    layer = build(SpatialAttention(score, alignment, units=UNITS), query, features)

    def loss(query, features, *weights):
        context, _ = layer.stateless_call(list(weights), layer.non_trainable_variables, query, features)
        return ops.sum(ops.square(context))

    found = gradients(loss, query, features, *(numpy(weight) for weight in layer.trainable_weights))
    assert all(np.isfinite(gradient).all() for gradient in found)
    names = ["query", "features", *(weight.path for weight in layer.trainable_weights)]
    if alignment in ("hard", "reinforced"):  # whose policy has its gradient from the reward
        return
    moving = {name: bool(np.abs(gradient).max() > 0) for name, gradient in zip(names, found, strict=True)}
    assert moving == dict.fromkeys(names, True)


@maps_now
@unlike_members
def test_reload_gives_the_same_outputs(score, alignment, asked_by, features, queries, reload):
    inputs = [queries[asked_by], features]
    tensors = [keras.Input(array.shape[1:]) for array in inputs]
    layer = build(SpatialAttention(score, alignment, units=UNITS, dropout=0.3, seed=23), *inputs)
    model = keras.Model(tensors, layer(*tensors, return_attention_scores=True))
    loaded = reload(model)
    layer.alignment.is_rewarded = loaded.layers[-1].alignment.is_rewarded = True
    for training in (False, True):
        for before, after in zip(model(inputs, training=training), loaded(inputs, training=training), strict=True):
            np.testing.assert_array_equal(numpy(after), numpy(before))
    restored = loaded.layers[-1]
    assert (restored.units, restored.dropout, restored.seed) == (UNITS, 0.3, 23)


@maps_now
@unlike_members
def test_a_symbolic_call_promises_what_an_eager_one_gives(score, alignment, asked_by, features, queries):
    inputs = queries[asked_by], features
    for policy in ("float32", "mixed_bfloat16"):
        layer = SpatialAttention(score, alignment, units=UNITS, dtype=policy)
        symbolic = layer(*(keras.KerasTensor(array.shape) for array in inputs), return_attention_scores=True)
        eager = layer(*inputs, return_attention_scores=True)
        assert [tensor.shape for tensor in symbolic] == [tuple(tensor.shape) for tensor in eager]
        dtypes = [keras.backend.standardize_dtype(tensor.dtype) for tensor in eager]
        assert [tensor.dtype for tensor in symbolic] == dtypes == [layer.compute_dtype, "float32"]
        assert layer.compute_output_shape(*(array.shape for array in inputs)) == tuple(eager[0].shape)


@pytest.mark.parametrize(
    ("policy", "digit"), [("mixed_float16", 2**-8), pytest.param("mixed_bfloat16", 2**-3, marks=pytest.mark.long)]
)
@maps_now
@unlike_members
def test_half_precision(score, alignment, asked_by, policy, digit, features, queries):
    query = queries[asked_by]
    exact = build(SpatialAttention(score, alignment, units=UNITS), query, features)
    layer = build(SpatialAttention(score, alignment, units=UNITS, dtype=policy), query, features)
    assert {part.dtype_policy.name for part in (layer.score, layer.alignment, layer.dropout_layer)} == {policy}
    context, attention_map = layer(query, features, return_attention_scores=True)
    assert keras.backend.standardize_dtype(attention_map.dtype) == "float32"
    # Inputs and projections have 11 or 8 bits, so a score near 10 has an error of 2⁻⁷ or 2⁻⁴, and a weight less. In
    # bfloat16 `general` rounds twice, as its kernel is a projection too, and how sums are rounded is the processor's.
    expected = exact(query, features, return_attention_scores=True)
    np.testing.assert_allclose(numpy(attention_map), numpy(expected[1]), atol=digit)
    np.testing.assert_allclose(numpy(ops.cast(context, "float32")), numpy(expected[0]), atol=2 * digit)


@every_alignment
def test_large_features_do_not_overflow_half_precision(alignment, queries):
    features = np.full((BATCH, 37, 31, 3), 1e3, "float32")
    layer = SpatialAttention("dot", alignment, units=UNITS, dtype="mixed_float16")
    query = np.zeros((BATCH, 3), "float32")
    context, attention_map = layer(query, features, return_attention_scores=True)
    expected = 1e3 * numpy(attention_map)[0].sum() / (37 * 31 if layer.alignment.averages else 1)
    np.testing.assert_allclose(numpy(context), expected, rtol=2e-3)


@pytest.mark.parametrize("alignment", some_now(WITHOUT_SAMPLING, "softmax", "sparsemax", "local_predictive"))
def test_dropout_drops_positions_in_training_only(alignment, queries):
    # As many channels as positions, each 1 at one position: the context shows the weights that multiply the features.
    features = np.broadcast_to(np.eye(35, dtype="float32").reshape(1, 7, 5, 35), (BATCH, 7, 5, 35))
    query = queries["map"]
    layer = build(
        SpatialAttention("additive", alignment, units=UNITS, dropout=0.4, seed=29, normalize="none"), query, features
    )
    resting = numpy(layer(query, features))
    np.testing.assert_array_equal(numpy(layer(query, features, training=False)), resting)
    context, attention_map = outputs(layer, query, features, training=True)
    np.testing.assert_array_equal(attention_map, outputs(layer, query, features)[1])
    kept = context != 0
    assert 0.2 < kept[resting != 0].mean() < 0.9
    np.testing.assert_allclose(context[kept], (resting / 0.6)[kept], rtol=1e-5)


@maps_now
@pytest.mark.parametrize(
    ("score", "alignment"), unlike_now([pair for pair in STAR if pair[1] != "budget"])
)  # of 3 positions
def test_a_map_of_one_position(score, alignment, asked_by, features, queries):
    features = features[:, :1, :1]
    layer = build(SpatialAttention(score, alignment, units=UNITS), queries[asked_by], features)
    context, attention_map = layer(queries[asked_by], features, return_attention_scores=True)
    assert tuple(attention_map.shape) == (BATCH, 1, 1)
    if layer.alignment.normalized:
        np.testing.assert_allclose(numpy(attention_map), 1, rtol=1e-6)
    np.testing.assert_allclose(numpy(context), (numpy(attention_map)[..., None] * features)[:, 0, 0], rtol=1e-6)


@unlike_members
def test_a_vector_asks_a_map_of_any_size(score, alignment, features, queries):
    query, maps = keras.Input((QUERY_DIMENSION,)), keras.Input((None, None, CHANNELS))
    layer = build(SpatialAttention(score, alignment, units=UNITS), queries["vector"], features)
    context, attention_map = layer(query, maps, return_attention_scores=True)
    assert context.shape == (None, CHANNELS)
    assert attention_map.shape == (None, None, None)
    model = keras.Model([query, maps], [context, attention_map])
    for part in (features, features[:, :3, :2]):
        found = model([queries["vector"], part])
        for tensor, expected in zip(found, outputs(layer, queries["vector"], part), strict=True):
            np.testing.assert_allclose(numpy(tensor), expected, rtol=1e-5, atol=1e-6)


# `units`


@pytest.mark.parametrize("score", ["additive", AdditiveScore], ids=["name", "class"])
def test_units_are_those_of_a_score_that_has_them(score, features, queries):
    layer = build(SpatialAttention(score, units=UNITS, normalize="none"), queries["map"], features)
    assert layer.score.units == UNITS
    assert sorted(values(layer)) == ["bias", "key_kernel", "output_kernel", "query_kernel"]


def test_a_score_given_as_an_instance_keeps_its_own(features, queries):
    layer = build(SpatialAttention(AdditiveScore(3), units=UNITS, normalize="none"), queries["map"], features)
    assert layer.score.units == 3
    assert sorted(values(layer)) == ["bias", "key_kernel", "output_kernel", "query_kernel"]


def test_without_units_a_score_has_its_default_and_nothing_is_projected(features, queries):
    assert SpatialAttention("additive").score.units == AdditiveScore().units
    layer = build(SpatialAttention("dot", normalize="none"), queries["map"][..., :CHANNELS], features)
    assert layer.weights == []


def shaped(*shapes):
    return [np.ones(shape, "float32") for shape in shapes]


ERRORS = [
    ("score", lambda: SpatialAttention("aditive"), "Unknown score 'aditive' (did you mean 'additive'?).", "'aditive'."),
    ("units", lambda: SpatialAttention(units=0), "`units` is out of range.", "Received: units=0."),
    ("dropout", lambda: SpatialAttention(dropout=-0.1), "`dropout` is out of range.", "Received: dropout=-0.1."),
    (
        "features",
        lambda: SpatialAttention()(*shaped((2, 5), (2, 7, 5))),
        "The features must be a feature map.",
        "Received: query shape=(2, 5), features shape=(2, 7, 5).",
    ),
    (
        "query",
        lambda: SpatialAttention()(*shaped((2, 1, 1, 3, 5), (2, 7, 5, 11))),
        "The query must be a vector, several vectors or a map.",
        "Received: query shape=(2, 1, 1, 3, 5), features shape=(2, 7, 5, 11).",
    ),
    (
        "batches",
        lambda: SpatialAttention("dot", units=3)(*shaped((3, 5), (2, 7, 5, 11))),
        "Query and features must have the same batch size.",
        "Received: query shape=(3, 5), features shape=(2, 7, 5, 11).",
    ),
    (
        "size",
        lambda: SpatialAttention()(keras.Input((3, 3, 5)), keras.Input((None, None, 11))),
        "A query map needs feature maps of known size.",
        "Received: query shape=(None, 3, 3, 5), features shape=(None, None, None, 11).",
    ),
    (
        "dimensions",
        lambda: SpatialAttention("dot")(*shaped((2, 5), (2, 7, 5, 11))),
        "`dot` needs a query and a key of the same dimension.",
        "Received: query dimension 5 and key dimension 11.",
    ),
]


@pytest.mark.parametrize(("make", "wrong", "received"), [row[1:] for row in ERRORS], ids=[row[0] for row in ERRORS])
def test_errors_have_three_parts(make, wrong, received):
    assert_three_parts(make, wrong, received)


@every_query
@pytest.mark.parametrize("alignment", ["softmax", "sparsemax", "entmax"])
def test_the_uniform_score_gives_even_weights_and_the_plain_average(alignment, asked_by, features, queries):
    layer = SpatialAttention(UniformScore(), alignment, units=UNITS)
    context, weights = outputs(layer, queries[asked_by], features)
    assert weights == pytest.approx(np.full((BATCH, HEIGHT, WIDTH), 1 / (HEIGHT * WIDTH)), abs=1e-6)
    assert context == pytest.approx(features.mean((1, 2)), abs=1e-5)
    assert layer.weights == []
    again = SpatialAttention.from_config(layer.get_config())
    assert numpy(again(queries[asked_by], features)) == pytest.approx(context, abs=1e-6)


# Heads


@every_query
@pytest.mark.parametrize(
    ("score", "alignment", "units"),
    [("additive", "softmax", UNITS), ("dot", "sigmoid", UNITS), ("general", "local_predictive", None)],
)
def test_a_head_is_attention_over_its_part_of_the_channels(score, alignment, units, asked_by, queries, rng):
    heads, channels = 3, 15
    query, features = queries[asked_by], rng.normal(size=(BATCH, HEIGHT, WIDTH, channels)).astype("float32")
    layer = build(SpatialAttention(score, alignment, units, num_heads=heads, normalize="none"), query, features)
    context, maps = outputs(layer, query, features)
    assert (context.shape, maps.shape) == ((BATCH, channels), (BATCH, heads, HEIGHT, WIDTH))
    for head, part in enumerate(np.split(np.arange(channels), heads)):
        single = SpatialAttention(score, alignment, units, normalize="none")
        single.build(query.shape, features.shape)
        single.alignment.set_weights(layer.alignment.get_weights())
        single.score.set_weights(layer.head_scores[head].get_weights())
        for name in ("query_projection", "key_projection"):
            if getattr(layer, name) is not None:
                kernels = np.split(getattr(layer, name).get_weights()[0], heads, axis=-1)
                getattr(single, name).set_weights([kernels[head]])
        alone, attention_map = outputs(single, query, features)
        np.testing.assert_allclose(maps[:, head], attention_map, atol=1e-6)
        np.testing.assert_allclose(context[:, part], alone[:, part], atol=1e-5)


@pytest.mark.portable
def test_heads_reload_with_their_weights(queries, features, reload):
    query, channels = queries["map"], features[..., :10]
    inputs = keras.Input(query.shape[1:]), keras.Input(channels.shape[1:])
    layer = SpatialAttention("additive", "hard", UNITS, num_heads=2)
    model = keras.Model(inputs, layer(*inputs, return_attention_scores=True))
    expected = model.predict([query, channels], verbose=0)
    for before, after in zip(expected, reload(model).predict([query, channels], verbose=0), strict=True):
        np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"num_heads": 2},
            "The number of channels must be a multiple of `num_heads`. Expected a divisor of 11. "
            "Received: num_heads=2.",
        ),
        ({"num_heads": 0}, "`num_heads` is out of range. Expected an integer at least 1. Received: num_heads=0."),
        (
            {"num_heads": 11, "units": None},
            "Several heads of `dot` need `units`, or they would all be the same. Expected `units`, the dimension to "
            "which each head projects. "
            "Received: score='dot', units=None.",
        ),
    ],
)
def test_heads_that_make_no_sense_are_refused(arguments, message, features):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        SpatialAttention(**{"score": "dot", "units": UNITS} | arguments)(features[:, :2, :2], features)

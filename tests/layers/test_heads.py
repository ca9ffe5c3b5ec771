"""Several heads, and weights for each dimension of the value."""

import keras
import numpy as np
import pytest
from cases import some_now, unlike_now
from keras import ops
from members import STAR
from seams import assert_three_parts

from keras_attention.layers import AdditiveScore, Attention, ConcatScore, HardAlignment

BATCH, QUERIES, KEYS, DIMENSION, VALUE_DIMENSION, HEADS = 2, 3, 7, 6, 11, 3


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.fixture
def inputs(rng):
    """Query, value and key."""
    shapes = (QUERIES, DIMENSION), (KEYS, VALUE_DIMENSION), (KEYS, 5)
    return [rng.normal(size=(BATCH, *shape)).astype("float32") for shape in shapes]


@pytest.mark.parametrize("arguments", [{}, {"value_dim": 4}, {"use_bias": False}], ids=str)
@pytest.mark.parametrize("masked", [False, True])
def test_scaled_dot_is_the_multi_head_attention_of_keras(arguments, masked, inputs, rng):
    if "value_dim" in arguments and keras.backend.backend() == "jax":
        pytest.skip("Keras's own layer fails on JAX where the values have another dimension than the keys")
    theirs = keras.layers.MultiHeadAttention(HEADS, key_dim=5, **arguments)
    ours = Attention("scaled_dot", num_heads=HEADS, key_dim=5, **arguments)
    mask = rng.random((BATCH, QUERIES, KEYS)) < 0.7 if masked else None
    mask = None if mask is None else mask | (np.arange(KEYS) == 0)  # Keras gives uniform weights if no key is visible
    query, value, key = inputs
    for layer in (theirs, ours):
        layer(query, value, key)
    weights = [rng.normal(size=weight.shape) for weight in theirs.get_weights()]
    theirs.set_weights(weights)
    ours.set_weights(weights)  # the same shapes in the same order
    expected = theirs(query, value, key, attention_mask=mask, return_attention_scores=True)
    found = ours(query, value, key, attention_mask=mask, return_attention_scores=True)
    np.testing.assert_allclose(numpy(found[0]), numpy(expected[0]), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(numpy(found[1]), numpy(expected[1]), rtol=1e-5, atol=1e-6)


@pytest.mark.portable
@pytest.mark.parametrize(("score", "alignment"), unlike_now(STAR))
def test_each_head_is_attention_by_itself(score, alignment, inputs):
    query, value, key = inputs
    layer = Attention(score, alignment, num_heads=HEADS, key_dim=5, value_dim=4)
    context, weights = layer(query, value, key, return_attention_scores=True)
    assert tuple(context.shape) == (BATCH, QUERIES, DIMENSION)
    assert tuple(weights.shape) == (BATCH, HEADS, QUERIES, KEYS)
    split = layer.heads.split(*(ops.convert_to_tensor(array) for array in inputs))
    contexts = []
    for head in range(HEADS):
        own = layer.head_scores[min(head, len(layer.head_scores) - 1)]
        alone = Attention(own, layer.alignment)
        of_head, weights_of_head = alone(*(part[:, head] for part in split), return_attention_scores=True)
        np.testing.assert_allclose(numpy(weights)[:, head], numpy(weights_of_head), rtol=1e-5, atol=1e-6)
        contexts.append(numpy(of_head))
    kernel, bias = layer.heads.output_projection.get_weights()
    expected = np.einsum("hbqv,hvd->bqd", contexts, kernel) + bias
    np.testing.assert_allclose(numpy(context), expected, rtol=1e-4, atol=1e-5)


def test_each_head_has_a_score_of_its_own(inputs):
    layer = Attention(AdditiveScore(4), num_heads=HEADS, key_dim=5)
    layer(*inputs)
    kernels = [numpy(score.query_kernel) for score in layer.head_scores]
    assert len(kernels) == HEADS
    assert all((kernels[0] != other).all() for other in kernels[1:])
    # All heads share a score without parameters.
    plain = Attention("dot", num_heads=HEADS, key_dim=5)
    plain(*inputs)
    assert len(plain.head_scores) == 1


def test_the_dimension_of_a_head_is_its_share_of_the_query(inputs):
    query, _, key = inputs
    layer = Attention("dot", num_heads=HEADS)
    layer(query, key)
    assert layer.heads.query_projection.kernel.shape == (DIMENSION, HEADS, DIMENSION // HEADS)


@pytest.mark.parametrize("heads", [None, HEADS])
@pytest.mark.parametrize(
    "alignment",
    some_now(
        ["softmax", "sigmoid", "entmax", "local_monotonic", "local_predictive", "hard"], "softmax", "sigmoid", "hard"
    ),
)
@pytest.mark.parametrize("score", [AdditiveScore, ConcatScore])
def test_feature_wise_weights(score, alignment, heads, inputs):
    query, value, key = inputs
    layer = Attention(score(4), alignment, num_heads=heads, feature_wise=True, **({"key_dim": 5} if heads else {}))
    context, weights = layer(query, value, key, return_attention_scores=True)
    features = VALUE_DIMENSION if heads is None else 5
    assert tuple(weights.shape) == (
        (BATCH, QUERIES, KEYS, features) if heads is None else (BATCH, heads, QUERIES, KEYS, features)
    )
    assert layer.score.features == features
    if heads is None:
        # The weights for dimension j of the value come from the j-th output of the score alone.
        scores = numpy(layer.score(query, key))
        assert scores.shape == weights.shape
        divisor = KEYS if layer.alignment.averages else 1
        expected = np.einsum("bqkf,bkf->bqf", numpy(weights), value) / divisor
        np.testing.assert_allclose(numpy(context), expected, rtol=1e-5, atol=1e-6)
        first = layer.alignment(scores[..., 0], query=query)
        np.testing.assert_allclose(numpy(weights)[..., 0], numpy(first), rtol=1e-5, atol=1e-7)
    if layer.alignment.normalized:
        np.testing.assert_allclose(numpy(weights).sum(axis=-2), 1, rtol=1e-5)


@pytest.mark.parametrize("heads", [None, HEADS])
@pytest.mark.parametrize("feature_wise", [False, True])
def test_masks_hide_from_every_head_and_feature(heads, feature_wise, inputs):
    query, value, _ = inputs
    layer = Attention("additive", num_heads=heads, feature_wise=feature_wise)
    visible = np.array([[1, 0, 1, 1, 1, 0, 1], [0, 1, 1, 1, 0, 1, 1]], "bool")
    _, weights = layer(query, value, value, value_mask=visible, return_attention_scores=True)
    weights = np.moveaxis(
        numpy(weights),
        {(False, False): 2, (False, True): 2, (True, False): 3, (True, True): 3}[heads is not None, feature_wise],
        1,
    )
    assert (weights[~visible] == 0).all()
    assert (weights[visible] > 0).all()


FORMS = [
    {"num_heads": HEADS, "key_dim": 5},
    {"num_heads": 2, "value_dim": 3, "use_bias": False},
    {"feature_wise": True},
    {"num_heads": 3, "feature_wise": True},
]


@pytest.mark.parametrize(
    "arguments", [pytest.param(form, marks=[] if form == FORMS[-1] else pytest.mark.long) for form in FORMS], ids=str
)
def test_reload_and_symbolic_calls(arguments, inputs, reload):
    tensors = [keras.Input(array.shape[1:]) for array in inputs]
    layer = Attention(AdditiveScore(4, activation="relu"), **arguments)
    outputs = layer(*tensors, return_attention_scores=True)
    model = keras.Model(tensors, outputs)
    found = model(inputs)
    assert [(BATCH, *tensor.shape[1:]) for tensor in outputs] == [tuple(tensor.shape) for tensor in found]
    for before, after in zip(found, reload(model)(inputs), strict=True):
        np.testing.assert_array_equal(numpy(after), numpy(before))


@pytest.mark.parametrize("arguments", FORMS, ids=str)
def test_every_weight_moves(arguments, inputs, rng):
    tensors = [keras.Input(array.shape[1:]) for array in inputs]
    context = Attention(AdditiveScore(4), **arguments)(*tensors)
    model = keras.Model(tensors, context)
    model.compile(keras.optimizers.SGD(1.0), "mse", run_eagerly=keras.backend.backend() == "tensorflow")
    before = model.get_weights()
    model.train_on_batch(inputs, rng.normal(size=(BATCH, *context.shape[1:])))
    still = [
        w.path for w, old, new in zip(model.weights, before, model.get_weights(), strict=True) if (old == new).all()
    ]
    # A number added to all scores of a query does not change softmax, so the key bias of a dot product has no effect.
    assert still == []


ERRORS = [
    ("heads", lambda: Attention(num_heads=0), "`num_heads` is out of range.", "num_heads=0."),
    ("key_dim", lambda: Attention(num_heads=2, key_dim=0), "`key_dim` is out of range.", "key_dim=0."),
    (
        "no heads",
        lambda: Attention(key_dim=3),
        "`key_dim` and `value_dim` need `num_heads`.",
        "num_heads=None, key_dim=3, value_dim=None.",
    ),
    (
        "shares",
        lambda: Attention(num_heads=4)(np.ones((2, 3, 6)), np.ones((2, 7, 6))),
        "The dimension of the query must be a multiple of `num_heads`.",
        "num_heads=4 and query dimension 6.",
    ),
    (
        "feature-wise",
        lambda: Attention("dot", feature_wise=True),
        "`feature_wise=True` needs a score with an output for each dimension of the value.",
        "score='dot', feature_wise=True.",
    ),
    (
        "features",
        lambda: Attention(AdditiveScore(4, features=3), feature_wise=True)(np.ones((2, 3, 6)), np.ones((2, 7, 6))),
        "`features` of the score must be the dimension of the value.",
        "features=3.",
    ),
    (
        "features without feature-wise",
        lambda: Attention(AdditiveScore(4, features=3)),
        "A score with several outputs needs `feature_wise=True`.",
        "features=3, feature_wise=False.",
    ),
]


@pytest.mark.parametrize(("make", "wrong", "received"), [row[1:] for row in ERRORS], ids=[row[0] for row in ERRORS])
def test_errors_have_three_parts(make, wrong, received):
    assert_three_parts(make, wrong, f"Received: {received}")


def test_hard_heads_choose_by_themselves(inputs):
    layer = Attention("scaled_dot", HardAlignment(), num_heads=HEADS, key_dim=5)
    _, weights = layer(*inputs, return_attention_scores=True)
    assert (numpy(weights).sum(axis=-1) == 1).all()

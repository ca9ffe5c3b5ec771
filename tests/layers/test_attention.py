"""Attention with every pair of score and alignment: masks, dropout, precision, files."""

import keras
import numpy as np
import pytest
from cases import some_now, unlike_now
from keras import ops
from members import STAR, STAR_WITHOUT_PLACE, WITHOUT_SAMPLING
from seams import assert_three_parts

from keras_attention.layers import (
    ALIGNMENTS,
    SCORES,
    AdditiveScore,
    Attention,
    DotScore,
    SigmoidAlignment,
    SoftmaxAlignment,
)

BATCH, QUERIES, KEYS, DIMENSION, VALUE_DIMENSION, UNITS = 2, 3, 7, 5, 11, 13

# True is visible. Every row has a visible key, and no two rows are alike.
QUERY_MASK = np.array([[1, 0, 1], [1, 1, 0]], "bool")
VALUE_MASK = np.array([[1, 1, 0, 1, 1, 0, 1], [1, 0, 1, 1, 1, 1, 0]], "bool")
KEY_MASK = np.array([[1, 1, 1, 0, 1, 1, 1], [1, 1, 1, 1, 0, 1, 1]], "bool")
ATTENTION_MASK = np.array([[1, 1, 1, 1, 1, 1, 0], [0, 1, 1, 1, 1, 1, 1], [1, 1, 0, 0, 1, 1, 1]], "bool")
MASKS = {
    "query_mask": (QUERY_MASK, QUERY_MASK[:, :, None]),
    "value_mask": (VALUE_MASK, VALUE_MASK[:, None, :]),
    "key_mask": (KEY_MASK, KEY_MASK[:, None, :]),
    "attention_mask": (ATTENTION_MASK, ATTENTION_MASK[None]),
}

every_member = pytest.mark.parametrize(("score", "alignment"), STAR, ids=["-".join(pair) for pair in STAR])
unlike_members = pytest.mark.parametrize(("score", "alignment"), unlike_now(STAR))
every_member_without_place = pytest.mark.parametrize(
    ("score", "alignment"), STAR_WITHOUT_PLACE, ids=["-".join(pair) for pair in STAR_WITHOUT_PLACE]
)
unlike_members_without_place = pytest.mark.parametrize(("score", "alignment"), unlike_now(STAR_WITHOUT_PLACE))
every_alignment = pytest.mark.parametrize("alignment", list(ALIGNMENTS))
unlike_alignments = pytest.mark.parametrize("alignment", some_now(ALIGNMENTS, "softmax", "sparsemax", "hard", "budget"))


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def make(score, alignment, **arguments):
    """The layer with a small score, with the same random weights each time."""
    keras.utils.set_random_seed(17)
    return Attention(SCORES.get(score, units=UNITS, seed=19), alignment, **arguments)


@pytest.fixture
def inputs(rng):
    """Query, value and key."""
    shapes = (QUERIES, DIMENSION), (KEYS, VALUE_DIMENSION), (KEYS, DIMENSION)
    return [rng.normal(size=(BATCH, *shape)).astype("float32") for shape in shapes]


# The worked example of METHOD: q = I₂, k = [[0, 1], [1, 0]], v = [[1, 2], [3, 4]]; results of the first query.
WORKED = [
    ("dot", "softmax", (0.2689, 0.7311), (2.4621, 3.4621)),
    ("scaled_dot", "softmax", (0.3302, 0.6698), (2.3395, 3.3395)),
    # e = (0, 1): σ = (.5, .7311), and the context is the mean of (.5·1, .7311·3) and (.5·2, .7311·4).
    ("dot", "sigmoid", (0.5, 0.7311), (1.3466, 1.9621)),
]


@pytest.mark.parametrize(("score", "alignment", "weights", "context"), WORKED)
def test_worked_numbers(score, alignment, weights, context):
    query, key, value = np.eye(2)[None], np.array([[[0.0, 1], [1, 0]]]), np.array([[[1.0, 2], [3, 4]]])
    found = Attention(score, alignment)(query, value, key, return_attention_scores=True)
    np.testing.assert_allclose(numpy(found[0])[0, 0], context, atol=6e-5)
    np.testing.assert_allclose(numpy(found[1])[0, 0], weights, atol=6e-5)


def test_worked_numbers_of_additive():
    query, key, value = np.eye(2)[None], np.array([[[0.0, 1], [1, 0]]]), np.array([[[1.0, 2], [3, 4]]])
    score = AdditiveScore(2, use_bias=False)
    score.build(query.shape, key.shape)
    score.set_weights([np.eye(2), np.eye(2), np.ones((2, 1))])
    context, weights = Attention(score)(query, value, key, return_attention_scores=True)
    np.testing.assert_allclose(numpy(weights)[0, 0], (0.6363, 0.3637), atol=5e-5)
    np.testing.assert_allclose(numpy(context)[0, 0], (1.7275, 2.7275), atol=5e-5)


@pytest.mark.portable
@every_member
def test_weights_are_the_aligned_scores_and_the_context_their_sum_or_mean(score, alignment, inputs):
    query, value, key = inputs
    layer = make(score, alignment)
    context, weights = layer(query, value, key, return_attention_scores=True)
    assert weights.shape == (BATCH, QUERIES, KEYS)
    aligned = numpy(layer.alignment(layer.score(query, key), query=query))
    np.testing.assert_allclose(numpy(weights), aligned, rtol=1e-6)
    expected = numpy(weights).astype("float64") @ value / (KEYS if alignment == "sigmoid" else 1)
    np.testing.assert_allclose(numpy(context), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(numpy(layer(query, value, key)), numpy(context))


@pytest.mark.parametrize("name", list(MASKS))
@unlike_members_without_place
def test_a_masked_key_is_as_if_it_were_not_there(score, alignment, name, inputs):
    query, value, key = inputs
    layer = make(score, alignment)
    given, whole = MASKS[name]
    context, weights = map(numpy, layer(query, value, key, return_attention_scores=True, **{name: given}))
    whole = np.broadcast_to(whole, weights.shape)
    assert (weights[~whole] == 0).all()
    for item, row in np.ndindex(BATCH, QUERIES):
        seen = whole[item, row]
        if not seen.any():
            assert (context[item, row] == 0).all()
            continue
        alone = layer(
            query[item : item + 1, row : row + 1],
            value[item : item + 1, seen],
            key[item : item + 1, seen],
            return_attention_scores=True,
        )
        np.testing.assert_allclose(context[item, row], numpy(alone[0])[0, 0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(weights[item, row][seen], numpy(alone[1])[0, 0], rtol=1e-5, atol=1e-6)


@every_alignment
def test_masks_together_hide_what_any_of_them_hides(alignment, inputs):
    layer = make("dot", alignment)
    together = layer(*inputs, **{name: given for name, (given, _) in MASKS.items()})
    joined = np.logical_and.reduce([np.broadcast_to(whole, (BATCH, QUERIES, KEYS)) for _, whole in MASKS.values()])
    np.testing.assert_array_equal(numpy(together), numpy(layer(*inputs, attention_mask=joined)))


@pytest.mark.portable
@every_member
def test_a_query_that_sees_nothing_gets_nothing_and_a_finite_gradient(score, alignment, inputs, gradients):
    layer, mask = make(score, alignment), ATTENTION_MASK.copy()
    mask[1] = False
    assert (numpy(layer(*inputs, attention_mask=mask))[:, 1] == 0).all()
    found = gradients(lambda *inputs: ops.sum(ops.square(layer(*inputs, attention_mask=mask))), *inputs)
    assert all(np.isfinite(gradient).all() for gradient in found)
    query, _, _ = found
    assert (query[:, 1] == 0).all()
    # An argmax has no gradient, and neither need a row with all its weight on one key.
    assert alignment == "hard" or (query[:, [0, 2]] != 0).any()
    assert alignment != "softmax" or (query[:, [0, 2]] != 0).any(axis=-1).all()


@pytest.fixture
def embedded():
    """Queries and keys from an Embedding layer, with the masks of their padding."""
    embedding = keras.layers.Embedding(23, DIMENSION, mask_zero=True)
    words, others = np.array([[3, 5, 0], [7, 0, 0]]), np.array([[2, 3, 5, 7, 11, 0, 0], [13, 17, 19, 0, 0, 0, 0]])
    return embedding, words, others


@unlike_members
def test_implicit_masks_are_those_given_by_hand(score, alignment, embedded):
    embedding, words, others = embedded
    layer = make(score, alignment)
    context, weights = layer(embedding(words), embedding(others), return_attention_scores=True)
    visible = (words > 0)[:, :, None] & (others > 0)[:, None, :]
    assert (numpy(weights)[~visible] == 0).all()
    if alignment in ("softmax", "sigmoid"):
        assert (numpy(weights)[visible] > 0).all()
    np.testing.assert_array_equal(numpy(context._keras_mask), words > 0)
    bare = [numpy(embedding(array)) for array in (words, others)]
    by_hand = layer(*bare, query_mask=words > 0, value_mask=others > 0)
    np.testing.assert_allclose(numpy(context), numpy(by_hand), rtol=1e-6)


@unlike_alignments
def test_implicit_masks_reach_the_next_layer_of_a_model(alignment, embedded, reload):
    embedding, words, others = embedded
    query, value = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
    context = make("additive", alignment)(embedding(query), embedding(value))
    model = keras.Model([query, value], keras.layers.GlobalAveragePooling1D()(context))
    rows = numpy(make("additive", alignment)(embedding(words), embedding(others)))
    expected = [rows[item, words[item] > 0].mean(axis=0) for item in range(BATCH)]
    np.testing.assert_allclose(numpy(model([words, others])), expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(numpy(reload(model)([words, others])), expected, rtol=1e-5, atol=1e-7)


def test_the_key_is_the_value_where_it_is_left_out(inputs):
    query, _, key = inputs
    layer = Attention("dot")
    np.testing.assert_array_equal(numpy(layer(query, key)), numpy(layer(query, key, key)))


def test_leading_axes_are_independent(inputs):
    layer = make("additive", "sigmoid")
    context, weights = layer(*inputs, return_attention_scores=True, value_mask=VALUE_MASK)
    headed = layer(*(array[:, None] for array in inputs), return_attention_scores=True, value_mask=VALUE_MASK[:, None])
    np.testing.assert_allclose(numpy(headed[0])[:, 0], numpy(context), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(numpy(headed[1])[:, 0], numpy(weights), rtol=1e-6)


@pytest.mark.parametrize("masked", [False, True])
def test_dot_and_softmax_are_the_attention_of_keras(masked, inputs):
    query, value, key = inputs
    masks = (QUERY_MASK, VALUE_MASK) if masked else (None, None)
    theirs = keras.layers.Attention(use_scale=False)
    expected = theirs([query, value, key], mask=list(masks), return_attention_scores=True)
    masks = dict(zip(("query_mask", "value_mask"), masks, strict=True))
    found = Attention("dot")(query, value, key, **masks, return_attention_scores=True)
    np.testing.assert_allclose(numpy(found[0]), numpy(expected[0]), rtol=1e-5, atol=1e-6)
    # In Keras, a masked query keeps its weights, and only its context is 0.
    shown = QUERY_MASK if masked else np.ones((BATCH, QUERIES), "bool")
    np.testing.assert_allclose(numpy(found[1])[shown], numpy(expected[1])[shown], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("alignment", WITHOUT_SAMPLING)
def test_dropout_drops_weights_in_training_only(alignment, inputs):
    query, _, key = inputs
    # With the identity as value, the context shows the weights by which values are multiplied.
    value = np.broadcast_to(np.eye(KEYS, dtype="float32"), (BATCH, KEYS, KEYS))
    without = make("dot", alignment)(query, value, key)
    layer = make("dot", alignment, dropout=0.4, seed=23)
    np.testing.assert_array_equal(numpy(layer(query, value, key)), numpy(without))
    np.testing.assert_array_equal(numpy(layer(query, value, key, training=False)), numpy(without))
    context, weights = layer(query, value, key, training=True, return_attention_scores=True)
    np.testing.assert_array_equal(numpy(weights), numpy(layer(query, value, key, return_attention_scores=True)[1]))
    there = numpy(without) != 0
    kept = numpy(context) != 0
    assert 0.3 < kept[there].mean() < 0.9
    np.testing.assert_allclose(numpy(context)[kept], (numpy(without) / 0.6)[kept], rtol=1e-5)


def test_dropout_follows_its_seed(inputs):
    def train(seed):
        return numpy(Attention("dot", dropout=0.5, seed=seed)(*inputs, training=True))

    np.testing.assert_array_equal(train(29), train(29))
    assert (train(29) != train(31)).any()


@unlike_members
def test_a_symbolic_call_promises_what_an_eager_one_gives(score, alignment, inputs):
    for policy in ("float32", "mixed_bfloat16"):
        layer = make(score, alignment, dtype=policy)
        symbolic = layer(*(keras.KerasTensor(array.shape) for array in inputs), return_attention_scores=True)
        eager = layer(*inputs, return_attention_scores=True)
        assert [tensor.shape for tensor in symbolic] == [tuple(tensor.shape) for tensor in eager]
        dtypes = [keras.backend.standardize_dtype(tensor.dtype) for tensor in eager]
        assert [tensor.dtype for tensor in symbolic] == dtypes == [layer.compute_dtype, "float32"]
        assert layer.compute_output_shape(*(array.shape for array in inputs)) == tuple(eager[0].shape)


def test_masks_may_be_positional_in_a_symbolic_call_too(inputs):
    query, value, key = (keras.Input(array.shape[1:]) for array in inputs)
    query_mask, value_mask = keras.Input((QUERIES,), dtype="bool"), keras.Input((KEYS,), dtype="bool")
    layer = Attention("dot")
    context = layer(query, value, key, query_mask, value_mask)
    assert context.shape == (None, QUERIES, VALUE_DIMENSION)
    model = keras.Model([query, value, key, query_mask, value_mask], context)
    expected = layer(*inputs, query_mask=QUERY_MASK, value_mask=VALUE_MASK)
    np.testing.assert_allclose(numpy(model([*inputs, QUERY_MASK, VALUE_MASK])), numpy(expected), rtol=1e-6)


@pytest.mark.parametrize(
    ("policy", "digit"), [("mixed_float16", 2**-8), pytest.param("mixed_bfloat16", 2**-5, marks=pytest.mark.long)]
)
@unlike_members
def test_half_precision(score, alignment, policy, digit, inputs):
    exact = make(score, alignment)(*inputs, return_attention_scores=True)
    layer = make(score, alignment, dtype=policy)
    context, weights = layer(*inputs, return_attention_scores=True)
    assert keras.backend.standardize_dtype(context.dtype) == policy.removeprefix("mixed_")
    assert keras.backend.standardize_dtype(weights.dtype) == "float32"
    # The inputs are rounded to 11 or 8 bits; sums of five products lose two or three more.
    np.testing.assert_allclose(numpy(weights), numpy(exact[1]), atol=digit)
    np.testing.assert_allclose(numpy(ops.cast(context, "float32")), numpy(exact[0]), atol=4 * digit)


@pytest.mark.parametrize("policy", ["float16", "bfloat16"])
@every_member
def test_policies_of_half_precision_alone(score, alignment, policy, inputs):
    layer = make(score, alignment, dtype=policy)
    context, weights = layer(*inputs, return_attention_scores=True)
    assert keras.backend.standardize_dtype(context.dtype) == policy
    assert keras.backend.standardize_dtype(weights.dtype) == "float32"
    assert np.isfinite(numpy(ops.cast(context, "float32"))).all()


@every_alignment
@pytest.mark.parametrize("masked", [False, True])
def test_large_values_of_many_keys_do_not_overflow_half_precision(alignment, masked):
    keys = 1009
    query, key = np.zeros((1, 1, DIMENSION)), np.zeros((1, keys, DIMENSION))
    value = np.full((1, keys, 1), 1e3)
    mask = np.ones((1, keys), "bool") if masked else None
    layer = Attention("dot", alignment, dtype="mixed_float16")
    context, weights = layer(query, value, key, key_mask=mask, return_attention_scores=True)
    # A thousand weights of a half add up to 5e5, above 65504, the maximum of float16; their mean is far below it.
    expected = 1e3 * (numpy(weights).mean() if layer.alignment.averages else numpy(weights).sum())
    assert numpy(context)[0, 0, 0] == pytest.approx(expected, rel=2e-3)


@every_member
def test_the_dtype_of_the_layer_is_that_of_what_it_makes(score, alignment):
    layer = Attention(score, alignment, dtype="mixed_bfloat16")
    assert {part.dtype_policy.name for part in (layer.score, layer.alignment)} == {"mixed_bfloat16"}


@pytest.mark.portable
@unlike_members
def test_reload_gives_the_same_outputs(score, alignment, inputs, reload):
    layer = make(score, alignment, dropout=0.3, seed=5)
    layer.alignment.is_rewarded = True
    tensors = [keras.Input(array.shape[1:]) for array in inputs]
    model = keras.Model(tensors, layer(*tensors, return_attention_scores=True))
    loaded = reload(model)
    loaded.layers[-1].alignment.is_rewarded = True
    for before, after in zip(model(inputs), loaded(inputs), strict=True):
        np.testing.assert_array_equal(numpy(after), numpy(before))
    assert (loaded.layers[-1].dropout, loaded.layers[-1].seed) == (0.3, 5)
    # The same state of the same seed drops and samples the same.
    for before, after in zip(model(inputs, training=True), loaded(inputs, training=True), strict=True):
        np.testing.assert_array_equal(numpy(after), numpy(before))


def test_reload_keeps_what_score_and_alignment_were_made_with(inputs, reload):
    layer = Attention(AdditiveScore(UNITS, activation="relu", use_output_bias=True), SoftmaxAlignment(0.3))
    tensors = [keras.Input(array.shape[1:]) for array in inputs]
    model = keras.Model(tensors, layer(*tensors))
    np.testing.assert_array_equal(numpy(reload(model)(inputs)), numpy(model(inputs)))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a SavedModel is TensorFlow's")
def test_export_gives_the_same_outputs(inputs, tmp_path):
    import tensorflow as tf

    tensors = [keras.Input((None, array.shape[-1])) for array in inputs]
    model = keras.Model(tensors, make("additive", "sigmoid")(*tensors))
    model.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(tmp_path / "exported")
    np.testing.assert_allclose(numpy(exported.serve(inputs)), numpy(model(inputs)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("score", "alignment"),
    [
        ("dot", "sigmoid"),
        (DotScore, SigmoidAlignment),
        (DotScore(), SigmoidAlignment()),
        (keras.saving.serialize_keras_object(DotScore()), keras.saving.serialize_keras_object(SigmoidAlignment())),
    ],
    ids=["name", "class", "instance", "config"],
)
def test_a_score_and_an_alignment_are_given_in_any_form(score, alignment, inputs):
    layer = Attention(score, alignment)
    assert (type(layer.score), type(layer.alignment)) == (DotScore, SigmoidAlignment)
    np.testing.assert_array_equal(numpy(layer(*inputs)), numpy(Attention("dot", "sigmoid")(*inputs)))


def shaped(*shapes):
    return [np.ones(shape, "float32") for shape in shapes]


ERRORS = [
    ("score", lambda: Attention("dott"), "Unknown score 'dott'", "Received: score='dott'."),
    ("alignment", lambda: Attention("dot", "softmaks"), "Unknown alignment 'softmaks'", "'softmaks'."),
    ("dropout", lambda: Attention(dropout=1.0), "`dropout` is out of range.", "Received: dropout=1.0."),
    (
        "rank",
        lambda: Attention("dot")(*shaped((2, 5), (2, 5))),
        "Query, value and key must have the same rank, at least 3.",
        "Received: query shape=(2, 5), value shape=(2, 5), key shape=(2, 5).",
    ),
    (
        "ranks",
        lambda: Attention("dot")(*shaped((2, 3, 5), (2, 1, 7, 5))),
        "Query, value and key must have the same rank, at least 3.",
        "Received: query shape=(2, 3, 5), value shape=(2, 1, 7, 5), key shape=(2, 1, 7, 5).",
    ),
    (
        "batches",
        lambda: Attention("dot")(*shaped((2, 3, 5), (3, 7, 5))),
        "Query, value and key must have the same batch size.",
        "Received: query shape=(2, 3, 5), value shape=(3, 7, 5), key shape=(3, 7, 5).",
    ),
    (
        "numbers of keys",
        lambda: Attention("dot")(*shaped((2, 3, 5), (2, 7, 11), (2, 13, 5))),
        "There must be as many values as keys.",
        "Received: query shape=(2, 3, 5), value shape=(2, 7, 11), key shape=(2, 13, 5).",
    ),
    (
        "dimensions",
        lambda: Attention("dot")(*shaped((2, 3, 5), (2, 7, 11))),
        "`dot` needs a query and a key of the same dimension.",
        "Received: query dimension 5 and key dimension 11.",
    ),
    (
        "mask",
        lambda: Attention("dot")(*shaped((2, 3, 5), (2, 7, 5)), attention_mask=np.ones((3, 11), "bool")),
        "`attention_mask` must fit the scores.",
        "Received: attention_mask shape=(3, 11).",
    ),
    (
        "symbolic mask",
        lambda: Attention("dot")(
            keras.Input((3, 5)), keras.Input((7, 5)), attention_mask=keras.Input((3, 11), dtype="bool")
        ),
        "`attention_mask` must fit the scores.",
        "Received: attention_mask shape=(None, 3, 11).",
    ),
    (
        "mask of the keys",
        lambda: Attention("dot")(*shaped((2, 3, 5), (2, 7, 5)), value_mask=np.ones((2, 3), "bool")),
        "`value_mask` must fit the scores. Expected the shape (2, 7).",
        "Received: value_mask shape=(2, 3).",
    ),
    (
        "mask of the queries",
        lambda: Attention("dot")(*shaped((2, 3, 5), (2, 7, 5)), query_mask=np.ones((3,), "bool")),
        "`query_mask` must fit the scores. Expected the shape (2, 3).",
        "Received: query_mask shape=(3,).",
    ),
    (
        "mask of numbers",
        lambda: Attention("dot")(*shaped((2, 3, 5), (2, 7, 5)), attention_mask=np.zeros((3, 7), "float32")),
        "`attention_mask` must be boolean or integer.",
        "Received: attention_mask dtype=float32.",
    ),
]


@pytest.mark.parametrize(("make", "wrong", "received"), [row[1:] for row in ERRORS], ids=[row[0] for row in ERRORS])
def test_errors_have_three_parts(make, wrong, received):
    assert_three_parts(make, wrong, received)

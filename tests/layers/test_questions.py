"""Several queries for one feature map, each with the result it would get alone; policies of sampled alignments."""

import re

import keras
import numpy as np
import pytest
from keras import ops
from members import SAMPLED

from keras_attention.layers import ALIGNMENTS, SCORES, Attention, LearnedQueries, SpatialAttention

BATCH, QUESTIONS, HEIGHT, WIDTH, CHANNELS, UNITS = 2, 3, 7, 5, 10, 4

# Every score with two alignments that need different inputs, and every alignment with one score.
ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
_SCORES, _MIXED = (
    (list(SCORES), ("softmax", "local_predictive")) if ON_TENSORFLOW else (["additive", "cosine"], ("softmax",))
)
_PAIRS = list(dict.fromkeys([(s, a) for s in _SCORES for a in _MIXED] + [("additive", name) for name in ALIGNMENTS]))
CASES = [(*pair, 1, "float32") for pair in _PAIRS]
CASES += [(*pair, 2, "mixed_bfloat16") for pair in _PAIRS if "local_predictive" not in pair or "additive" in pair]
CASES += [("additive", "local_predictive", 2, "float32"), ("general", "entmax", 2, "float32")]


def numpy(tensor):
    return ops.convert_to_numpy(ops.cast(tensor, "float32"))


@pytest.fixture
def features(rng):
    return rng.normal(size=(BATCH, HEIGHT, WIDTH, CHANNELS)).astype("float32")


@pytest.fixture
def questions(rng):
    return rng.normal(size=(BATCH, QUESTIONS, 13)).astype("float32")


@pytest.mark.parametrize(("score", "alignment", "heads", "policy"), CASES, ids=["-".join(map(str, c)) for c in CASES])
def test_each_question_gets_what_it_would_get_alone(score, alignment, heads, policy, questions, features):
    layer = SpatialAttention(score, alignment, UNITS, num_heads=heads, dtype=policy)
    context, maps = layer(questions, features, return_attention_scores=True)
    assert tuple(context.shape) == (BATCH, QUESTIONS, CHANNELS)
    assert tuple(maps.shape) == (BATCH, *([heads] if heads > 1 else []), QUESTIONS, HEIGHT, WIDTH)
    assert [keras.backend.standardize_dtype(part.dtype) for part in (context, maps)] == [layer.compute_dtype, "float32"]
    # All queries as single vectors, each with a copy of the features.
    vectors, repeated = questions.reshape(-1, 13), np.repeat(features, QUESTIONS, axis=0)
    alone, attention_map = layer(vectors, repeated, return_attention_scores=True)
    digits = 2e-6 if policy == "float32" else 2e-2
    np.testing.assert_allclose(numpy(context).reshape(-1, CHANNELS), numpy(alone), atol=digits, rtol=digits)
    of_each = np.moveaxis(numpy(maps), -3, 1).reshape(attention_map.shape)
    np.testing.assert_allclose(of_each, numpy(attention_map), atol=1e-6, rtol=1e-5)
    # They differ, so that the test would notice a swapped axis.
    if score != "activated_general" and alignment not in SAMPLED:
        assert np.abs(numpy(maps)[..., 0, :, :] - numpy(maps)[..., 1, :, :]).max() > 1e-5


@pytest.mark.parametrize("heads", [1, 2])
def test_a_symbolic_call_promises_what_an_eager_one_gives(heads, questions, features):
    layer = SpatialAttention("dot", "entmax", UNITS, num_heads=heads)
    symbolic = layer(keras.Input((None, 13)), keras.Input((HEIGHT, WIDTH, CHANNELS)), return_attention_scores=True)
    eager = layer(questions, features, return_attention_scores=True)
    assert [len(tensor.shape) for tensor in symbolic] == [len(tensor.shape) for tensor in eager]
    assert layer.compute_output_shape(questions.shape, features.shape) == tuple(eager[0].shape)
    inputs = keras.KerasTensor(questions.shape), keras.KerasTensor(features.shape)
    known = layer.compute_output_spec(*inputs, return_attention_scores=True)
    assert [tuple(tensor.shape) for tensor in known] == [tuple(tensor.shape) for tensor in eager]


@pytest.mark.portable
@pytest.mark.parametrize("alignment", ["softmax", *SAMPLED])
def test_training_samples_for_each_question_and_reaches_the_query(alignment, questions, features, gradients):
    layer = SpatialAttention("additive", alignment, UNITS, dropout=0.1, seed=3)
    layer.build(questions.shape, features.shape)
    layer.alignment.is_rewarded = True

    def loss(questions):
        return ops.sum(ops.square(layer(questions, features, training=True)))

    (gradient,) = gradients(loss, questions)
    assert np.isfinite(gradient).all()
    if alignment != "reinforced":  # where a subset of one position has the weight 1, whoever asks
        assert (np.abs(gradient).max(axis=(0, 2)) > 0).all()


@pytest.mark.parametrize("layer", [SpatialAttention, Attention])
def test_dropout_and_sample_of_one_seed_are_independent(layer):
    # As many channels as positions: a context of zeros shows that the sampled position was dropped.
    features = np.broadcast_to(np.eye(35, dtype="float32"), (200, 35, 35))
    inputs = np.zeros((200, 1, 35), "float32"), features
    if layer is SpatialAttention:
        inputs = inputs[0], features.reshape(200, 7, 5, 35)
    context = numpy(layer("dot", "hard", dropout=0.5, seed=3)(*inputs, training=True))
    assert 0.35 < (context.sum(axis=(1, 2)) > 0).mean() < 0.65


@pytest.mark.skipif(not ON_TENSORFLOW, reason="one backend shows it")
def test_questions_reload(questions, features, reload):
    inputs = keras.Input((QUESTIONS, 13)), keras.Input((HEIGHT, WIDTH, CHANNELS))
    layer = SpatialAttention("general", "local_predictive", num_heads=2)
    model = keras.Model(inputs, layer(*inputs, return_attention_scores=True))
    for before, after in zip(model([questions, features]), reload(model)([questions, features]), strict=True):
        np.testing.assert_array_equal(numpy(after), numpy(before))


# Learned queries


@pytest.mark.portable
def test_learned_queries_are_the_same_for_every_image(features):
    layer = LearnedQueries(QUESTIONS)
    queries = numpy(layer(features))
    assert queries.shape == (BATCH, QUESTIONS, CHANNELS) == layer.compute_output_shape(features.shape)
    np.testing.assert_array_equal(queries[0], numpy(layer.queries))
    np.testing.assert_array_equal(queries[0], queries[1])
    again = LearnedQueries.from_config(layer.get_config())
    assert (again.count, type(again.initializer)) == (QUESTIONS, type(layer.initializer))
    assert keras.backend.standardize_dtype(LearnedQueries(2, dtype="mixed_bfloat16")(features).dtype) == "bfloat16"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LearnedQueries(0), "`count` is out of range. Expected an integer at least 1. Received: count=0."),
        (
            lambda: LearnedQueries(2).build((None, 3, 3, None)),
            "The number of channels must be known. Expected features of shape (batch, ..., channels). "
            "Received: features shape=(None, 3, 3, None).",
        ),
    ],
)
def test_learned_queries_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        make()


# Policies


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("asked_by", ["vector", "questions", "map"])
@pytest.mark.parametrize("alignment", SAMPLED)
def test_a_policy_has_the_shape_of_the_map(alignment, asked_by, heads, questions, features):
    query = {"vector": questions[:, 0], "questions": questions, "map": questions[:, None]}[asked_by]
    layer = SpatialAttention("additive", alignment, UNITS, num_heads=heads, dtype="mixed_bfloat16")
    probabilities, choice = (numpy(part) for part in layer.policy(query, features))
    attention_map = numpy(layer(query, features, return_attention_scores=True)[1])
    assert probabilities.shape == choice.shape == attention_map.shape
    assert set(np.unique(choice)) <= {0, 1}
    # Its choice is its map outside training.
    np.testing.assert_array_equal(choice > 0, attention_map > 0)


def test_the_policy_of_hard_is_softmax_and_its_largest(questions, features):
    layer = SpatialAttention("dot", "hard", UNITS)
    probabilities, choice = (numpy(part) for part in layer.policy(questions, features))
    soft = SpatialAttention("dot", "softmax", UNITS)
    soft.build(questions.shape, features.shape)
    soft.set_weights(layer.get_weights())
    np.testing.assert_allclose(
        probabilities, numpy(soft(questions, features, return_attention_scores=True)[1]), atol=1e-6
    )
    np.testing.assert_array_equal(choice.sum((-2, -1)), 1)
    assert (probabilities[choice == 1] == probabilities.max((-2, -1)).ravel()).all()


def test_the_policy_of_reinforced_is_a_probability_of_each_position():
    scores = np.array([-2.0, 0.5, 1.0, 3.0], "float32")
    layer = SpatialAttention("dot", "reinforced", normalize="none")
    query, features = np.ones((1, 1), "float32"), scores.reshape(1, 2, 2, 1)
    layer.build(query.shape, features.shape)
    for scale, bias, kept in ((1.0, 0.0, [0, 1, 1, 1]), (2.0, -1.5, [0, 0, 1, 1]), (1.0, -9.0, [0, 0, 0, 1])):
        layer.alignment.policy_scale.assign(scale)
        layer.alignment.policy_bias.assign(bias)
        probabilities, choice = (numpy(part).ravel() for part in layer.policy(query, features))
        np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-scale * scores - bias)), rtol=1e-5)
        np.testing.assert_array_equal(choice, kept)


@pytest.mark.parametrize("alignment", SAMPLED)
def test_a_hidden_key_has_no_part_in_the_policy(alignment):
    layer = ALIGNMENTS.get(alignment)
    layer.build((1, 4))
    scores = np.array([[1.0, -np.inf, 0.5, -np.inf], [-np.inf] * 4], "float32")
    for part in (layer.probabilities, layer.choice):
        found = numpy(layer.over_visible(part, scores))
        assert np.isfinite(found).all()
        assert found[0, 0] > 0
        np.testing.assert_array_equal(found[:, [1, 3]], 0)
        np.testing.assert_array_equal(found[1], 0)


def test_an_alignment_that_does_not_sample_has_no_policy(questions, features):
    message = (
        "The alignment must be one that samples. Expected one of: hard, reinforced. Received: alignment='softmax'."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        SpatialAttention("additive", "softmax").policy(questions, features)

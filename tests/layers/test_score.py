"""Every score function against its formula in float64, and what all of them have in common."""

import re
from typing import NamedTuple

import keras
import numpy as np
import pytest
from keras import ops
from seams import assert_three_parts

from keras_attention.layers import SCORES, AdditiveScore, DotScore, Score
from keras_attention.layers.score.product import ProductScore

BATCH, QUERIES, KEYS = 2, 3, 7
# Scales at which a tanh does not amplify the rounding of its argument.
SOFT = (1e-3, 1.0)

ACTIVATIONS = {
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "linear": lambda x: x,
    "softplus": lambda x: np.logaddexp(0, x),
}


# The formulas of the papers, for one query (dq,) and one key (dk,), in float64.


def additive(query, key, weights, activation="tanh", **_):
    hidden = query @ weights["query_kernel"] + key @ weights["key_kernel"] + weights.get("bias", 0)
    return (ACTIVATIONS[activation](hidden) @ weights["output_kernel"])[0] + weights.get("output_bias", 0)


def dot(query, key, weights):
    return query @ key


def scaled_dot(query, key, weights):
    return query @ key / np.sqrt(key.size)


def concat(query, key, weights, activation="tanh", **_):
    hidden = np.concatenate([query, key]) @ weights["kernel"] + weights.get("bias", 0)
    return (ACTIVATIONS[activation](hidden) @ weights["output_kernel"])[0] + weights.get("output_bias", 0)


def general(query, key, weights, **_):
    return key @ (weights["kernel"].T @ query)


def biased_general(query, key, weights, **_):
    return key @ (weights["kernel"].T @ query + weights["bias"])


def activated_general(query, key, weights, activation="tanh", **_):
    return ACTIVATIONS[activation](key @ (weights["kernel"].T @ query) + weights.get("bias", 0))


def euclidean(query, key, weights, squared=False):
    square = np.sum((query - key) ** 2)
    return -square if squared else -np.sqrt(square)


def cosine(query, key, weights, temperature=None, learned=False):
    temperature = temperature or np.sqrt(len(query))
    temperature = np.exp(weights["log_temperature"]) if learned else temperature
    return temperature * (query @ key) / (np.linalg.norm(query) * np.linalg.norm(key))


class Case(NamedTuple):
    name: str
    arguments: dict
    formula: callable
    weights: tuple = ()
    query_dimension: int = 5
    key_dimension: int = 5
    # At which float32 rounding stays small relative to the largest score, unlike the tanh of large numbers.
    scales: tuple = (1e-3, 1.0, 1e3)

    def layer(self, **arguments):
        """The built layer with random weights; the initial biases of 0 would hide a forgotten bias."""
        layer = SCORES[self.name](**self.arguments, **arguments)
        layer.build((BATCH, QUERIES, self.query_dimension), (BATCH, KEYS, self.key_dimension))
        rng = np.random.default_rng(13)
        layer.set_weights([rng.normal(size=weight.shape).astype(weight.dtype) for weight in layer.weights])
        return layer

    def inputs(self, rng, scale=1.0, dtype="float32"):
        query = rng.normal(size=(BATCH, QUERIES, self.query_dimension))
        key = rng.normal(size=(BATCH, KEYS, self.key_dimension))
        return (scale * query).astype(dtype), (scale * key).astype(dtype)

    def expected(self, query, key, layer):
        weights = {weight.name: numpy(weight).astype("float64") for weight in layer.weights}
        query, key = query.astype("float64"), key.astype("float64")
        return np.array(
            [
                [[self.formula(q, k, weights, **self.arguments) for k in keys] for q in queries]
                for queries, keys in zip(query, key, strict=True)
            ]
        )


CASES = [
    Case(
        "additive",
        {"units": 11, "activation": "relu", "use_bias": False, "use_output_bias": True},
        additive,
        weights=("query_kernel", "key_kernel", "output_kernel", "output_bias"),
        key_dimension=13,
    ),
    Case(
        "additive",
        {"units": 11},
        additive,
        weights=("query_kernel", "key_kernel", "output_kernel", "bias"),
        key_dimension=13,
        scales=(1e-3, 1.0),
    ),
    Case(
        "concat",
        {"units": 11, "activation": "relu", "use_output_bias": True},
        concat,
        weights=("kernel", "output_kernel", "bias", "output_bias"),
        key_dimension=13,
        scales=(1e-3, 1.0, 1e3),
    ),
    Case(
        "concat", {"units": 11, "use_bias": False}, concat, ("kernel", "output_kernel"), key_dimension=13, scales=SOFT
    ),
    Case("dot", {}, dot),
    Case("scaled_dot", {}, scaled_dot),
    # W is cheaper on the side of the queries, and then on that of the keys.
    Case("general", {}, general, weights=("kernel",), query_dimension=11, key_dimension=5),
    Case("general", {}, general, weights=("kernel",), query_dimension=2, key_dimension=13),
    Case("biased_general", {}, biased_general, weights=("kernel", "bias"), query_dimension=11, key_dimension=5),
    Case("biased_general", {}, biased_general, weights=("kernel", "bias"), query_dimension=2, key_dimension=13),
    Case(
        "activated_general",
        {"activation": "softplus"},
        activated_general,
        ("kernel", "bias"),
        11,
        5,
        scales=(1e-3, 1.0, 1e3),
    ),
    Case("activated_general", {}, activated_general, ("kernel", "bias"), 2, 13, scales=(1e-3, 0.1)),
    Case("euclidean", {}, euclidean),
    Case("euclidean", {"squared": True}, euclidean),
    Case("cosine", {}, cosine),
    Case("cosine", {"temperature": 3.0}, cosine),
    Case("cosine", {"learned": True}, cosine, weights=("log_temperature",)),
]

# The worked example of METHOD: q = I₂, k = [[0, 1], [1, 0]]; the softmax weights of the first query.
WORKED = [
    ("dot", {}, None, (0.2689, 0.7311)),
    ("scaled_dot", {}, None, (0.3302, 0.6698)),
    ("additive", {"units": 2, "use_bias": False}, (np.eye(2), np.eye(2), np.ones((2, 1))), (0.6363, 0.3637)),
    ("concat", {"units": 2, "use_bias": False}, (np.eye(2)[[0, 1, 0, 1]], np.ones((2, 1))), (0.6363, 0.3637)),
    ("general", {}, (np.eye(2),), (0.2689, 0.7311)),
    ("euclidean", {}, None, (0.1956, 0.8044)),
    ("euclidean", {"squared": True}, None, (0.1192, 0.8808)),
    ("cosine", {"temperature": 1.0}, None, (0.2689, 0.7311)),
]

every_case = pytest.mark.parametrize("case", CASES, ids=[f"{case.name}-{n}" for n, case in enumerate(CASES)])
every_case_with_weights = pytest.mark.parametrize(
    "case", [case for case in CASES if case.weights], ids=[case.name for case in CASES if case.weights]
)
every_half_precision = pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
float64_only_on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="Keras gives float64 to the TensorFlow backend only"
)


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def model_of(case):
    query, key = keras.Input((QUERIES, case.query_dimension)), keras.Input((KEYS, case.key_dimension))
    layer = case.layer()
    return keras.Model([query, key], layer(query, key))


def assert_close(scores, expected, tolerance=1e-6):
    """Asserts closeness relative to the largest score, because sums that cancel lose their digits."""
    np.testing.assert_allclose(scores, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def test_the_table_is_complete():
    assert {case.name for case in CASES} == set(SCORES)


@pytest.mark.portable
@pytest.mark.parametrize(
    ("case", "scale"), [(case, scale) for case in CASES for scale in case.scales], ids=lambda x: getattr(x, "name", x)
)
def test_value_is_that_of_the_formula(case, scale, rng):
    layer, (query, key) = case.layer(), case.inputs(rng, scale)
    scores = layer(query, key)
    assert keras.backend.standardize_dtype(scores.dtype) == "float32"
    # Allows eight roundings of 6e-8 each, but no wrong formula.
    assert_close(numpy(scores), case.expected(query, key, layer))


@pytest.mark.parametrize(("name", "arguments", "weights", "expected"), WORKED, ids=[row[0] for row in WORKED])
def test_worked_vectors(name, arguments, weights, expected):
    query, key = np.eye(2, dtype="float32"), np.array([[0, 1], [1, 0]], "float32")
    layer = SCORES[name](**arguments)
    layer.build(query.shape, key.shape)
    if weights:
        layer.set_weights(weights)
    np.testing.assert_allclose(numpy(ops.softmax(layer(query, key)))[0], expected, atol=5e-5)


@every_case
def test_weights_are_those_of_the_formula(case):
    assert [weight.name for weight in case.layer().trainable_weights] == list(case.weights)


@every_case
def test_leading_axes_are_independent(case, rng):
    layer, (query, key) = case.layer(), case.inputs(rng)
    flat = numpy(layer(query, key))
    assert_close(numpy(layer(query[:, None], key[:, None])), flat[:, None])
    assert_close(numpy(layer(query[0], key[0])), flat[0])
    assert_close(numpy(layer(query, key[:1]))[1], numpy(layer(query[1], key[0])))


@every_case
def test_permuting_keys_and_queries_permutes_scores(case, rng):
    layer, (query, key) = case.layer(), case.inputs(rng)
    keys, queries = rng.permutation(KEYS), rng.permutation(QUERIES)
    permuted = numpy(layer(query[:, queries], key[:, keys]))
    assert_close(permuted, numpy(layer(query, key))[:, queries][:, :, keys])


@every_case
def test_pair_is_one_entry_of_the_table(case, rng):
    layer, (query, key) = case.layer(), case.inputs(rng)
    aligned = layer.pair(layer.project_query(query), layer.project_key(key[:, :QUERIES]))
    assert tuple(aligned.shape) == (BATCH, QUERIES)
    diagonal = np.diagonal(numpy(layer(query, key)), axis1=1, axis2=2)
    assert_close(numpy(aligned), diagonal)


@every_case
def test_projecting_the_query_is_affine(case, rng):
    layer, (query, _) = case.layer(), case.inputs(rng)
    first, second = query[:, 0], query[:, 1]
    mixed = layer.project_query(0.25 * first + 0.75 * second)
    assert_close(numpy(mixed), numpy(0.25 * layer.project_query(first) + 0.75 * layer.project_query(second)))


@pytest.mark.portable
@every_case
def test_reload_gives_the_same_scores(case, rng, reload):
    model, inputs = model_of(case), case.inputs(rng)
    np.testing.assert_array_equal(numpy(reload(model)(inputs)), numpy(model(inputs)))


@pytest.mark.portable
@every_case
def test_query_and_key_get_a_gradient(case, rng, gradients):
    layer = case.layer()
    for gradient in gradients(lambda query, key: ops.sum(ops.sin(layer(query, key))), *case.inputs(rng)):
        assert np.isfinite(gradient).all()
        assert (np.abs(gradient) > 0).any(axis=-1).all()


@every_case_with_weights
def test_every_weight_moves_in_one_step(case, rng):
    model = model_of(case)
    model.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=True)
    before = model.get_weights()
    model.train_on_batch(list(case.inputs(rng)), rng.normal(size=(BATCH, QUERIES, KEYS)))
    moved = [bool(np.any(old != new)) for old, new in zip(before, model.get_weights(), strict=True)]
    assert dict(zip(case.weights, moved, strict=True)) == dict.fromkeys(case.weights, True)


@float64_only_on_tensorflow
@every_case
def test_gradient_agrees_with_finite_differences(case, rng, gradients):
    layer = case.layer(dtype="float64")
    factors = rng.normal(size=(BATCH, QUERIES, KEYS))

    def value(query, key, *weights):
        scores, _ = layer.stateless_call(list(weights), [], query, key)
        return ops.sum(scores * factors)

    points = [*case.inputs(rng, dtype="float64"), *layer.get_weights()]
    found = gradients(value, *points)
    assert {gradient.dtype.name for gradient in found} == {"float64"}
    # Along a random direction of one input or weight at a time. The error of the step is 1e-12, its rounding 1e-10.
    step = 1e-6
    for position, (point, gradient) in enumerate(zip(points, found, strict=True)):
        direction = rng.normal(size=point.shape)
        ahead, behind = list(points), list(points)
        ahead[position], behind[position] = point + step * direction, point - step * direction
        difference = (numpy(value(*ahead)) - numpy(value(*behind))) / (2 * step)
        assert np.sum(gradient * direction) == pytest.approx(difference, rel=1e-6)


@every_half_precision
@every_case
def test_half_precision_policies_leave_the_scores_in_float32(case, policy, rng):
    query, key = case.inputs(rng)
    exact = numpy(case.layer()(query, key))
    layer = case.layer(dtype=policy)
    scores = layer(query, key)
    assert keras.backend.standardize_dtype(scores.dtype) == "float32"
    # Products with a kernel are in bfloat16: both factors and the result are rounded to 8 bits.
    has_kernel = any("kernel" in name for name in case.weights) and policy == "mixed_bfloat16"
    assert_close(numpy(scores), exact, tolerance=4 * 2**-8 if has_kernel else 1e-6)
    # Half-precision inputs lose only their own rounding: 8 bits are a relative error of 2⁻⁸.
    lost = layer(ops.cast(query, layer.compute_dtype), ops.cast(key, layer.compute_dtype))
    assert keras.backend.standardize_dtype(lost.dtype) == "float32"
    assert_close(numpy(lost), exact, tolerance=3 * 2**-8)


@every_half_precision
@every_case
def test_large_inputs_stay_finite_in_half_precision(case, policy, rng):
    query, key = case.inputs(rng, 1e4)
    layer = case.layer(dtype=policy)
    scores = numpy(layer(ops.cast(query, layer.compute_dtype), ops.cast(key, layer.compute_dtype)))
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@every_case
def test_a_symbolic_call_promises_what_an_eager_one_gives(case, policy, rng):
    layer, inputs = case.layer(dtype=policy), case.inputs(rng)
    symbolic = layer(*(keras.KerasTensor(array.shape) for array in inputs))
    eager = layer(*inputs)
    assert symbolic.shape == tuple(eager.shape) == (BATCH, QUERIES, KEYS)
    assert symbolic.dtype == keras.backend.standardize_dtype(eager.dtype)


@every_case
def test_unknown_lengths_stay_unknown(case):
    query, key = keras.Input((None, case.query_dimension)), keras.Input((None, case.key_dimension))
    assert case.layer()(query, key).shape == (None, None, None)


@every_case
def test_a_mask_on_the_query_raises_no_warning_and_ends_here(case, rng):
    query, key = case.inputs(rng)
    masked = keras.layers.Masking()(query)
    assert masked._keras_mask is not None
    assert getattr(case.layer()(masked, key), "_keras_mask", None) is None


@pytest.mark.parametrize("use_output_bias", [False, True])
@pytest.mark.parametrize("use_bias", [False, True])
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@pytest.mark.parametrize("name", ["additive", "concat"])
def test_options_of_the_hidden_layer(name, activation, use_bias, use_output_bias, rng):
    arguments = {"units": 11, "activation": activation, "use_bias": use_bias, "use_output_bias": use_output_bias}
    case = Case(name, arguments, {"additive": additive, "concat": concat}[name], key_dimension=13)
    layer, (query, key) = case.layer(), case.inputs(rng)
    assert len(layer.weights) == {"additive": 3, "concat": 2}[name] + use_bias + use_output_bias
    assert_close(numpy(layer(query, key)), case.expected(query, key, layer))


def test_additive_takes_a_callable_activation(rng):
    case = Case("additive", {"units": 11, "activation": ops.tanh, "use_bias": False}, additive, key_dimension=13)
    query, key = case.inputs(rng)
    named = Case("additive", {"units": 11, "use_bias": False}, additive, key_dimension=13)
    assert_close(numpy(case.layer()(query, key)), numpy(named.layer()(query, key)))


def test_additive_uses_its_initializers_regularizers_and_constraints():
    layer = AdditiveScore(
        3,
        use_output_bias=True,
        kernel_initializer="ones",
        bias_initializer=keras.initializers.Constant(2.0),
        kernel_regularizer=keras.regularizers.L2(0.5),
        bias_regularizer=keras.regularizers.L1(0.25),
        kernel_constraint="non_neg",
        bias_constraint="unit_norm",
    )
    layer.build((BATCH, QUERIES, 5), (BATCH, KEYS, 7))
    kernels, biases = (layer.query_kernel, layer.key_kernel, layer.output_kernel), (layer.bias, layer.output_bias)
    assert [np.unique(numpy(weight)).tolist() for weight in (*kernels, *biases)] == [[1.0]] * 3 + [[2.0]] * 2
    assert {type(weight.constraint) for weight in kernels} == {keras.constraints.NonNeg}
    assert {type(weight.constraint) for weight in biases} == {keras.constraints.UnitNorm}
    losses = sorted(float(loss) for loss in layer.losses)
    # L2: half the number of ones, 5·3, 7·3 and 3. L1: a quarter of twice 3 and 1.
    assert losses == [0.5, 1.5, 1.5, 7.5, 10.5]


def test_additive_starts_with_kernels_that_differ():
    layer = AdditiveScore(11)
    layer.build((BATCH, QUERIES, 5), (BATCH, KEYS, 5))
    assert np.all(numpy(layer.query_kernel) != numpy(layer.key_kernel))


@pytest.mark.parametrize("name", ["general", "biased_general", "activated_general"])
@pytest.mark.parametrize(
    ("queries", "keys", "query_dimension", "key_dimension"),
    [(3, 7, 2, 13), (3, 7, 11, 5), (1, 29, 7, 5), (29, 1, 7, 5)],
)
def test_general_multiplies_in_the_cheaper_order(name, queries, keys, query_dimension, key_dimension, monkeypatch):
    layer = SCORES[name]()
    layer.build((queries, query_dimension), (keys, key_dimension))
    counts, matmul = [], ops.matmul

    def counting(first, second):
        if len(second.shape) > 1:  # not the bias
            counts.append(first.shape[0] * first.shape[1] * second.shape[1])
        return matmul(first, second)

    monkeypatch.setattr(ops, "matmul", counting)
    layer(np.ones((queries, query_dimension), "float32"), np.ones((keys, key_dimension), "float32"))
    by_queries = queries * query_dimension * key_dimension + queries * keys * key_dimension
    by_keys = keys * query_dimension * key_dimension + queries * keys * query_dimension
    assert sum(counts) == min(by_queries, by_keys)


@pytest.mark.portable
@pytest.mark.parametrize("squared", [False, True])
def test_euclidean_at_distance_zero(squared, rng, gradients):
    layer = SCORES["euclidean"](squared=squared)
    query = 1e3 * rng.normal(size=(KEYS, 5)).astype("float32")
    layer.build(query.shape, query.shape)
    scores = numpy(layer(query, query))
    # ‖q‖² is about 5·10⁶, and the root of its rounding about 1.
    assert np.abs(np.diagonal(scores)).max() < 2
    assert (scores <= 0).all()
    for form in (lambda q, k: ops.sum(layer(q, k)), lambda q, k: ops.sum(layer.pair(q, k))):
        for gradient in gradients(form, query, query):
            assert np.isfinite(gradient).all()
            assert np.abs(gradient).max() < 1e5
    assert (numpy(layer.pair(query, query)) == 0).all()


@pytest.mark.parametrize("size", [0.0, 1e-30, 1e30])
def test_cosine_of_vectors_of_any_length(size, rng, gradients):
    layer = SCORES["cosine"]()
    query, key = rng.normal(size=(QUERIES, 5)).astype("float32"), rng.normal(size=(KEYS, 5)).astype("float32")
    expected = numpy(layer(query, key))
    expected = np.zeros_like(expected) if size == 0 else expected
    assert_close(numpy(layer(np.float32(size) * query, key)) + 1e-30, expected + 1e-30)
    for gradient in gradients(lambda q, k: ops.sum(layer(q, k)), np.float32(size) * query, key):
        assert np.isfinite(gradient).all()


def test_a_learned_temperature_starts_where_it_is_told(rng):
    query, key = rng.normal(size=(QUERIES, 5)), rng.normal(size=(KEYS, 5))
    learned, fixed = SCORES["cosine"](temperature=5.0, learned=True), SCORES["cosine"](temperature=5.0)
    assert_close(numpy(learned(query, key)), numpy(fixed(query, key)))


def test_concat_begins_as_one_matrix():
    layer = SCORES["concat"](97, kernel_initializer=keras.initializers.VarianceScaling(1.0, "fan_in", "uniform"))
    layer.build((3, 50), (7, 150))
    # The limit of the uniform distribution is √(3 / (50 + 150)) for both parts.
    for part in (numpy(layer.kernel)[:50], numpy(layer.kernel)[50:]):
        assert np.abs(part).max() == pytest.approx(np.sqrt(3 / 200), rel=0.01)


class Distance(Score):
    """A score that defines `pair` only."""

    def pair(self, query, key):
        return -ops.sum(ops.square(query - key), axis=-1)


def test_pair_is_all_that_a_new_score_needs(rng):
    query, key = rng.normal(size=(BATCH, QUERIES, 5)), rng.normal(size=(BATCH, KEYS, 5))
    expected = -np.sum((query[:, :, None] - key[:, None]) ** 2, axis=-1)
    assert_close(numpy(Distance()(query, key)), expected)


def test_without_pair_a_score_says_what_is_missing(rng):
    with pytest.raises(NotImplementedError, match="Score must define `pair`"):
        Score()(np.ones((BATCH, QUERIES, 5), "float32"), np.ones((BATCH, KEYS, 5), "float32"))


ERRORS = [
    (
        "rank",
        lambda: DotScore().build((5,), (7, 5)),
        "The query of a score must have positions and a known dimension.",
        "query shape=(5,)",
    ),
    (
        "key rank",
        lambda: DotScore().build((3, 5), (5,)),
        "The key of a score must have positions and a known dimension.",
        "key shape=(5,)",
    ),
    (
        "unknown dimension",
        lambda: AdditiveScore(3).build((2, 3, 5), (2, 7, None)),
        "The key of a score must have positions and a known dimension.",
        "key shape=(2, 7, None)",
    ),
    (
        "dimensions",
        lambda: DotScore()(np.ones((2, 3, 5), "float32"), np.ones((2, 7, 11), "float32")),
        "`dot` needs a query and a key of the same dimension.",
        "query dimension 5 and key dimension 11",
    ),
    (
        "dimensions of a class without a name",
        lambda: ProductScore().build((3, 5), (7, 11)),
        "`ProductScore` needs a query and a key of the same dimension.",
        "query dimension 5 and key dimension 11",
    ),
    ("no units", lambda: AdditiveScore(units=0), "`units` is out of range.", "units=0"),
    ("no features", lambda: AdditiveScore(features=0), "`features` is out of range.", "features=0"),
    ("temperature", lambda: SCORES["cosine"](temperature=0), "`temperature` is out of range.", "temperature=0"),
    (
        "activation",
        lambda: AdditiveScore(activation="tahn"),
        "Unknown activation 'tahn' (did you mean 'tanh'?).",
        "activation='tahn'",
    ),
    (
        "activation of general",
        lambda: SCORES["activated_general"](activation="sigmiod"),
        "Unknown activation 'sigmiod' (did you mean 'sigmoid'?).",
        "activation='sigmiod'",
    ),
    (
        "initializer",
        lambda: AdditiveScore(kernel_initializer="zeroes"),
        "Unknown initializer 'zeroes' (did you mean 'zeros'?).",
        "initializer='zeroes'",
    ),
    ("half a unit", lambda: AdditiveScore(units=2.5), "`units` is out of range.", "units=2.5"),
]


@pytest.mark.parametrize(("make", "wrong", "received"), [row[1:] for row in ERRORS], ids=[row[0] for row in ERRORS])
def test_errors_have_three_parts(make, wrong, received):
    what, _, got = assert_three_parts(make, wrong, received)
    assert (what, got) == (wrong, f"{received}.")


@pytest.mark.parametrize(
    ("name", "option"),
    [("euclidean", "squared"), ("cosine", "learned"), ("additive", "use_bias"), ("concat", "use_output_bias")],
)
def test_a_text_is_no_truth_value(name, option):
    expected = f"`{option}` must be True or False. Expected a boolean. Received: {option}='False'."
    with pytest.raises(TypeError, match=re.escape(expected)):
        SCORES[name](**{option: "False"})


def test_the_error_for_different_dimensions_names_the_way_out():
    with pytest.raises(
        ValueError, match=r"or `additive`, `concat` or `general`, which take any two dimensions; or `units`"
    ):
        DotScore().build((3, 5), (7, 11))

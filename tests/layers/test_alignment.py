"""Every alignment against its formula in float64, and what all of them have in common."""

import re
from typing import NamedTuple

import keras
import numpy as np
import pytest
from cases import some_now
from keras import ops
from members import LOCAL

from keras_attention.layers import (
    ALIGNMENTS,
    Alignment,
    BudgetAlignment,
    SigmoidAlignment,
    SoftmaxAlignment,
    SpatialAttention,
)

BATCH, QUERIES, KEYS = 2, 3, 7
# True for visible keys. Their number differs between rows, so that the test notices a swapped axis.
MASK = np.array(
    [
        [[1, 1, 1, 1, 1, 1, 1], [1, 0, 1, 1, 0, 1, 0], [0, 0, 0, 0, 0, 0, 1]],
        [[0, 1, 0, 0, 0, 0, 1], [1, 1, 1, 1, 1, 1, 0], [0, 0, 0, 1, 1, 1, 1]],
    ],
    "bool",
)


# The formulas of the papers, for the scores (n,) of one query, in float64.


def softmax(scores, temperature=1.0):
    shares = np.exp((scores - scores.max()) / temperature)
    return shares / shares.sum()


def sigmoid(scores):
    return 1 / (1 + np.exp(-scores))


def shifted_sigmoid(scores, bias):
    return sigmoid(scores - np.log(scores.size))


def softmax1(scores):
    exponents = np.exp(scores - max(scores.max(), 0))
    return exponents / (np.exp(-max(scores.max(), 0)) + exponents.sum())


def budget(scores, k=3):
    """By bisection, in double precision."""
    if scores.size <= k:
        return np.ones(scores.size)
    low, high = scores.min() - 50, scores.max() + 50
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if sigmoid(scores - middle).sum() > k else (low, middle)
    return sigmoid(scores - low)


def sparsemax(scores):
    return entmax(scores, alpha=2.0)


def entmax(scores, alpha=1.5, learned=False):
    """By bisection for the threshold, in double precision: another method than in the layer."""
    scores = (alpha - 1) * (scores - scores.max())
    low, high = -1.0, 0.0
    for _ in range(200):
        middle = (low + high) / 2
        heavy = (np.maximum(scores - middle, 0) ** (1 / (alpha - 1))).sum() >= 1
        low, high = (middle, high) if heavy else (low, middle)
    weights = np.maximum(scores - low, 0) ** (1 / (alpha - 1))
    return weights / weights.sum()


def hard(scores, estimator="straight_through"):
    return np.eye(scores.size)[scores.argmax()]


def reinforced(scores):
    kept = scores + 1 > 0  # the policy at its start: σ(e + 1) > ½
    kept = kept if kept.any() else scores == scores.max()
    weights = np.where(kept, np.exp(scores - scores.max()), 0)
    return weights / weights.sum()


class Case(NamedTuple):
    name: str
    arguments: dict
    formula: callable
    normalized: bool = True
    sparse: bool = False  # whether a visible key may have weight 0
    rounding: float = 1e-6  # tolerance for a weight, if sparse
    smooth: bool = True  # whether weights have a gradient, without a jump at the points of the finite differences

    def layer(self, **arguments):
        return ALIGNMENTS[self.name](**self.arguments, **arguments)

    def alone(self, scores):
        """The weights of these keys, without others; 1 for each if a budget exceeds them."""
        return np.ones(scores.shape) if self.arguments.get("k", 0) > scores.shape[-1] else numpy(self.layer()(scores))

    def expected(self, scores):
        return np.apply_along_axis(self.formula, -1, scores.astype("float64"), **self.arguments)


CASES = [
    Case("softmax", {}, softmax),
    Case("softmax", {"temperature": 0.3}, softmax),
    Case("softmax1", {}, softmax1, normalized=False),
    Case("sigmoid", {}, sigmoid, normalized=False),
    Case("sigmoid", {"bias": "log_n"}, shifted_sigmoid, normalized=False),
    Case("budget", {"k": 2}, budget, normalized=False),
    Case("budget", {"k": 0.5}, budget, normalized=False),
    Case("sparsemax", {}, sparsemax, sparse=True),
    Case("entmax", {}, entmax, sparse=True),
    Case("entmax", {"alpha": 1.1}, entmax, sparse=True),
    Case("entmax", {"alpha": 1.5, "learned": True}, entmax, sparse=True),
    Case("entmax", {"alpha": 1.8}, entmax, sparse=True),
    Case("entmax", {"alpha": 2.0}, entmax, sparse=True),
    Case("hard", {}, hard, sparse=True, smooth=False),
    Case("hard", {"estimator": "reinforce"}, hard, sparse=True, smooth=False),
    Case("reinforced", {}, reinforced, sparse=True),
]
if keras.backend.backend() != "tensorflow":
    # A loop compiles in every single call. The learned α uses the same code as these two cases.
    CASES = [case for case in CASES if case.arguments not in ({"alpha": 1.1}, {"alpha": 1.8})]

# The worked example of METHOD: the weights for e = [−2, 0, .5].
WORKED = [
    ("softmax", {}, (0.0486, 0.3592, 0.5922)),
    ("softmax", {"temperature": 0.5}, (0.0049, 0.2676, 0.7275)),
    ("softmax1", {}, (0.0358, 0.2643, 0.4357)),
    ("sigmoid", {}, (0.1192, 0.5, 0.6225)),
    ("sigmoid", {"bias": "log_n"}, (0.0432, 0.25, 0.3547)),
    ("sparsemax", {}, (0, 0.25, 0.75)),
    ("entmax", {}, (0, 0.3260, 0.6740)),
    ("entmax", {"alpha": 2.0}, (0, 0.25, 0.75)),
    ("entmax", {"alpha": 1 + 1e-6}, (0.0486, 0.3592, 0.5922)),
    ("hard", {}, (0, 0, 1)),
    ("reinforced", {}, (0, 0.3775, 0.6225)),  # −2 + 1 is below 0: dropped
    ("local_monotonic", {"window": 1}, (0, 1, 0)),  # one query stands in the middle
    ("local_monotonic", {"window": 2}, (0, 0.3775, 0.6225)),
]

every_case = pytest.mark.parametrize("case", CASES, ids=[f"{case.name}-{n}" for n, case in enumerate(CASES)])
# For tests of what they all have from one place.
FEW = ("softmax", "sparsemax", "reinforced", "budget")
FEW_NOW = [
    pytest.param(case, marks=[] if case.name in FEW else pytest.mark.long, id=f"{case.name}-{n}")
    for n, case in enumerate(CASES)
]
float64_only_on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="Keras gives float64 to the TensorFlow backend only"
)


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.fixture
def scores(rng):
    return rng.normal(size=(BATCH, QUERIES, KEYS)).astype("float32")


def test_the_table_is_complete():
    assert {case.name for case in CASES} | set(LOCAL) == set(ALIGNMENTS)


@pytest.mark.portable
@every_case
@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
def test_value_is_that_of_the_formula(case, scale, scores):
    weights = case.layer()(scale * scores)
    assert keras.backend.standardize_dtype(weights.dtype) == "float32"
    # An exponent e/τ of 300 has a rounding error of 300 · 6e-8, and so has the logarithm of the weight. A budget knows
    # its threshold only as well as the sum of the weights, which may all be near 0 and 1.
    absolute = case.sparse or case.name == "budget"
    digits = {"rtol": 5e-6, "atol": case.rounding} if absolute else {"rtol": 1e-6 + 2e-5 * (scale > 1), "atol": 1e-30}
    np.testing.assert_allclose(numpy(weights), case.expected(scale * scores), **digits)


@pytest.mark.parametrize(("name", "arguments", "expected"), WORKED, ids=[row[0] for row in WORKED])
def test_worked_numbers(name, arguments, expected):
    weights = ALIGNMENTS[name](**arguments)(np.array([-2.0, 0.0, 0.5], "float32"))
    np.testing.assert_allclose(numpy(weights), expected, atol=5e-5)


@every_case
def test_weights_sum_to_one_where_the_layer_says_so(case, scores):
    layer = case.layer()
    sums = numpy(layer(scores)).sum(axis=-1)
    assert layer.normalized is case.normalized
    assert np.allclose(sums, 1, atol=1e-6) is case.normalized
    masked = numpy(layer(scores, mask=MASK)).sum(axis=-1)
    assert np.allclose(masked, 1, atol=1e-6) is case.normalized


@every_case
def test_weights_lie_between_zero_and_one(case, scores):
    weights = numpy(case.layer()(100 * scores))
    assert weights.min() >= 0
    assert weights.max() <= 1


@pytest.mark.portable
@every_case
def test_a_masked_key_has_weight_zero_and_a_visible_one_has_not(case, scores):
    weights = numpy(case.layer()(scores, mask=MASK))
    assert weights.shape == MASK.shape
    assert (weights[~MASK] == 0).all()
    assert case.sparse or (weights[MASK] > 0).all()
    assert (weights.sum(axis=-1) > 0).all()


@every_case
def test_masking_is_truncating(case, scores):
    weights = numpy(case.layer()(scores, mask=MASK))
    for place in np.ndindex(BATCH, QUERIES):
        visible = MASK[place]
        np.testing.assert_allclose(weights[place][visible], case.alone(scores[place][visible]), rtol=2e-6, atol=1e-7)


@every_case
@pytest.mark.parametrize("fill", [1e30, -1e30, np.inf, -np.inf], ids=str)
def test_what_a_masked_key_scores_does_not_matter(case, fill, scores):
    weights = numpy(case.layer()(np.where(MASK, scores, np.float32(fill)), mask=MASK))
    np.testing.assert_array_equal(weights, numpy(case.layer()(scores, mask=MASK)))


@pytest.mark.portable
@every_case
def test_a_row_without_visible_keys_is_all_zero_and_has_a_finite_gradient(case, scores, gradients):
    mask = MASK.copy()
    mask[0, 1] = False
    weights = numpy(case.layer()(scores, mask=mask))
    assert (weights[0, 1] == 0).all()
    assert (weights[1] > 0).any(axis=-1).all()
    (gradient,) = gradients(lambda scores: ops.sum(ops.square(case.layer()(scores, mask=mask))), scores)
    assert np.isfinite(gradient).all()
    assert (gradient[~mask] == 0).all()
    assert case.sparse or (gradient[1, 1][mask[1, 1]] != 0).all()


@every_case
@pytest.mark.parametrize("shape", [(KEYS,), (1, KEYS), (QUERIES, KEYS), (BATCH, 1, KEYS), (BATCH, QUERIES, 1)], ids=str)
def test_a_mask_is_broadcast(case, shape, scores, rng):
    mask = rng.random(shape) < 0.5
    whole = np.broadcast_to(mask, scores.shape)
    np.testing.assert_array_equal(numpy(case.layer()(scores, mask=mask)), numpy(case.layer()(scores, mask=whole)))


@every_case
def test_a_mask_of_numbers_is_one_of_booleans(case, scores):
    expected = numpy(case.layer()(scores, mask=MASK))
    np.testing.assert_array_equal(numpy(case.layer()(scores, mask=MASK.astype("int32"))), expected)


@every_case
def test_permuting_keys_permutes_weights(case, scores, rng):
    order = rng.permutation(KEYS)
    permuted = numpy(case.layer()(scores[..., order], mask=MASK[..., order]))
    expected = numpy(case.layer()(scores, mask=MASK))[..., order]
    np.testing.assert_allclose(permuted, expected, rtol=2e-6, atol=1e-7)


@every_case
def test_leading_axes_are_independent(case, scores):
    weights = numpy(case.layer()(scores, mask=MASK))
    alone = numpy(case.layer()(scores[1, 2], mask=MASK[1, 2]))
    np.testing.assert_allclose(alone, weights[1, 2], rtol=2e-6, atol=1e-7)
    inner = numpy(case.layer()(scores[:, None], mask=MASK[:, None]))
    np.testing.assert_allclose(inner, weights[:, None], rtol=2e-6, atol=1e-7)


@every_case
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_large_half_precision_scores_give_float32_weights(case, dtype, scores):
    large = ops.cast(1e4 * np.sign(scores), dtype)
    for mask in (None, MASK, np.zeros_like(MASK)):
        weights = case.layer(dtype=f"mixed_{dtype}")(large, mask=mask)
        assert keras.backend.standardize_dtype(weights.dtype) == "float32"
        assert np.isfinite(numpy(weights)).all()
    # A row of equal scores has equal weights, so nothing overflowed.
    first = numpy(case.layer(dtype=f"mixed_{dtype}")(ops.full((1, KEYS), 1e4, dtype)))
    if case.name != "hard":  # which takes the first of equal scores
        np.testing.assert_allclose(first, case.expected(np.full((1, KEYS), 1e4)), rtol=2e-6)


@every_case
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_policies_leave_the_weights_in_float32(case, policy, scores):
    weights = numpy(case.layer(dtype=policy)(scores, mask=MASK))
    np.testing.assert_array_equal(weights, numpy(case.layer()(scores, mask=MASK)))


@float64_only_on_tensorflow
@pytest.mark.parametrize(
    "case", [case for case in CASES if case.smooth], ids=lambda case: f"{case.name}-{case.arguments}"
)
@pytest.mark.parametrize("scale", [1e-3, 1.0, 10.0])
def test_gradient_agrees_with_finite_differences(case, scale, scores, rng, gradients):
    layer, factors = case.layer(dtype="float64"), rng.normal(size=scores.shape)
    scores = scale * scores.astype("float64")

    def value(scores):
        return ops.sum(layer(scores, mask=MASK) * factors)

    (gradient,) = gradients(value, scores)
    assert gradient.dtype == "float64"
    direction, step = rng.normal(size=scores.shape), 1e-6 * scale
    ahead, behind = value(scores + step * direction), value(scores - step * direction)
    assert np.sum(gradient * direction) == pytest.approx((numpy(ahead) - numpy(behind)) / (2 * step), rel=2e-6)


@pytest.mark.portable
@pytest.mark.parametrize("case", FEW_NOW)
def test_reload_gives_the_same_weights(case, scores, reload):
    inputs, mask = keras.Input((QUERIES, KEYS)), keras.Input((QUERIES, KEYS), dtype="bool")
    model = keras.Model([inputs, mask], case.layer()(inputs, mask=mask))
    np.testing.assert_array_equal(numpy(reload(model)([scores, MASK])), numpy(model([scores, MASK])))
    np.testing.assert_array_equal(numpy(model([scores, MASK])), numpy(case.layer()(scores, mask=MASK)))


@every_case
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_a_symbolic_call_promises_what_an_eager_one_gives(case, policy, scores):
    symbolic = case.layer(dtype=policy)(keras.KerasTensor(scores.shape))
    eager = case.layer(dtype=policy)(scores)
    assert symbolic.shape == tuple(eager.shape) == scores.shape
    assert symbolic.dtype == keras.backend.standardize_dtype(eager.dtype)


@every_case
def test_an_explicit_mask_does_not_stay_on_the_weights(case, scores):
    assert getattr(case.layer()(scores, mask=MASK), "_keras_mask", None) is None


def test_a_low_temperature_is_sharp_and_a_high_one_even(scores):
    def peaks(temperature):
        return numpy(SoftmaxAlignment(temperature)(scores)).max(axis=-1)

    assert (peaks(0.01) > peaks(1.0)).all()
    assert (peaks(1.0) > peaks(100.0)).all()
    np.testing.assert_allclose(numpy(SoftmaxAlignment(1e6)(scores)), 1 / KEYS, rtol=1e-5)


def test_without_align_an_alignment_says_what_is_missing(scores):
    with pytest.raises(NotImplementedError, match="Alignment must define `align`"):
        Alignment()(scores)


@pytest.mark.parametrize("alpha", [1.0 + 1e-7, 1.0 + 1e-4])
def test_entmax_near_one_is_softmax(alpha, scores):
    weights = numpy(ALIGNMENTS["entmax"](alpha)(3 * scores))
    # The difference is of the order of α − 1.
    np.testing.assert_allclose(weights, numpy(SoftmaxAlignment()(3 * scores)), rtol=100 * (alpha - 1) + 1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [1.05, 1.25, 1.5, 1.75, 2.0])
@pytest.mark.parametrize("spread", [0.0, 0.01, 1.0, 100.0])
def test_entmax_of_many_scores_agrees_with_bisection(alpha, spread, rng):
    scores = (spread * rng.normal(size=(5, 1009))).astype("float32")
    weights = numpy(ALIGNMENTS["entmax"](alpha)(scores))
    expected = np.stack([entmax(row.astype("float64"), alpha) for row in scores])
    np.testing.assert_allclose(weights, expected, rtol=2e-4, atol=2e-6)
    np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=2e-6)


@pytest.mark.parametrize("alpha", [1.2, 1.4, 1.5, 1.7, 1.9, 1.99, 2.0])
@pytest.mark.parametrize("spread", [1e-4, 0.01, 1.0])
@pytest.mark.parametrize("keys", [50, 1000, 5000])
def test_the_gradient_of_nearly_equal_scores(keys, spread, alpha, rng, gradients):
    """Against the implicit derivative at the weights of a bisection in float64: s·(g − Σ s·g / Σ s), s = p^(2 − α)."""
    scores, factors = (spread * rng.normal(size=keys)).astype("float32"), rng.normal(size=keys)
    layer = ALIGNMENTS["entmax"](alpha)
    (found,) = gradients(lambda scores: ops.sum(layer(scores[None]) * factors.astype("float32")), scores)
    weights = entmax(scores.astype("float64"), alpha)
    slope = np.where(weights > 0, np.maximum(weights, 1e-300) ** (2 - alpha), 0)
    np.testing.assert_allclose(found, slope * (factors - slope @ factors / slope.sum()), atol=1e-5)
    np.testing.assert_allclose(numpy(layer(scores[None]))[0], weights, atol=2e-7)


def test_entmax_of_two_is_sparsemax(scores):
    for form in ({"alpha": 2.0}, {"alpha": 2 - 1e-6}):
        weights = numpy(ALIGNMENTS["entmax"](**form)(scores))
        np.testing.assert_allclose(weights, numpy(ALIGNMENTS["sparsemax"]()(scores)), atol=5e-6)


def test_sparsemax_of_equal_steps_and_of_two_scores():
    sparsemax = ALIGNMENTS["sparsemax"]()
    np.testing.assert_allclose(numpy(sparsemax(np.arange(1, 6, dtype="float32") / 10)), np.arange(5) / 10, atol=1e-6)
    for first in (-3.0, -0.4, 0.0, 0.7, 5.0):
        share = np.clip((first + 1) / 2, 0, 1)
        np.testing.assert_allclose(numpy(sparsemax(np.array([first, 0], "float32"))), [share, 1 - share], atol=1e-6)


@pytest.mark.portable
@float64_only_on_tensorflow
@pytest.mark.parametrize("alpha", [1.2, 1.5, 1.8])
def test_the_gradient_of_a_learned_alpha(alpha, scores, rng):
    import tensorflow as tf

    layer, factors, step = (
        ALIGNMENTS["entmax"](alpha, learned=True, dtype="float64"),
        rng.normal(size=scores.shape),
        1e-6,
    )
    layer.build(scores.shape)
    scores = scores.astype("float64")

    def value():
        return ops.sum(layer(scores) * factors)

    with tf.GradientTape() as tape:
        result = value()
    gradient = numpy(tape.gradient(result, layer.raw_alpha.value))
    start = numpy(layer.raw_alpha)
    differences = []
    for move in (step, -step):
        layer.raw_alpha.assign(start + move)
        differences.append(numpy(value()))
    assert gradient == pytest.approx((differences[0] - differences[1]) / (2 * step), rel=2e-6)
    assert gradient != 0


@every_case
@pytest.mark.parametrize("dtype", some_now(["float16", "bfloat16", "float32"], "float16"))
def test_a_score_of_minus_infinity_hides_its_key(case, dtype, gradients):
    scores = np.array([[0, -np.inf, 0], [-np.inf] * 3, [1e4, -np.inf, -1e4], [-np.inf, 3, -np.inf]], "float32")
    policy = dtype if dtype == "float32" else f"mixed_{dtype}"
    layer = case.layer(dtype=policy)
    for mask in (None, np.array([1, 1, 0], "bool")):
        weights = numpy(layer(ops.cast(scores, dtype), mask=mask))
        assert np.isfinite(weights).all()
        assert (weights[np.isinf(scores)] == 0).all()
        np.testing.assert_array_equal(weights[3], [0, case.alone(np.array([3.0]))[0], 0])
        (gradient,) = gradients(lambda scores, mask=mask: ops.sum(ops.square(layer(scores, mask=mask))), scores)
        assert np.isfinite(gradient).all()
    if case.normalized and case.name != "hard":
        np.testing.assert_allclose(numpy(layer(scores))[0], [0.5, 0, 0.5], rtol=1e-6)


@every_case
def test_one_key_gets_everything(case):
    scores = np.array([[-3.0], [0.0], [5.0]], "float32")
    expected = [[1]] * 3 if case.normalized else case.expected(scores)
    np.testing.assert_allclose(case.alone(scores), expected, rtol=1e-6)


def test_a_budget_is_spent_and_no_key_takes_more_than_one(scores):
    for k in (0.5, 2, 4.5, KEYS):
        weights = numpy(ALIGNMENTS["budget"](k=k)(30 * scores))
        np.testing.assert_allclose(weights.sum(axis=-1), k, rtol=1e-5)
        assert weights.max() <= 1
    tall = np.zeros((1, 4000), "float32")
    tall[0, :3] = 60
    np.testing.assert_allclose(numpy(ALIGNMENTS["budget"](k=3)(tall))[0, :3], 1, atol=1e-6)


@pytest.mark.parametrize(
    ("k", "message"),
    [
        (0, "`k` is out of range. Expected a number above 0. Received: k=0."),
        (KEYS + 1, f"`k` exceeds the number of keys. Expected at most {KEYS}. Received: k={KEYS + 1}."),
    ],
)
def test_a_budget_out_of_range(k, message, scores):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        ALIGNMENTS["budget"](k=k)(scores)
    if k:
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            SpatialAttention("dot", BudgetAlignment(k))(np.ones((1, 2)), np.ones((1, 1, KEYS, 2)))


def test_open_softmax_may_look_nowhere():
    weights = numpy(ALIGNMENTS["softmax1"]()(np.full((1, KEYS), -30.0, "float32")))
    assert 0 < weights.sum() < 1e-11
    np.testing.assert_allclose(numpy(ALIGNMENTS["softmax1"]()(np.array([200.0, -200.0], "float32"))), [1, 0], atol=1e-6)


def test_a_mask_of_numbers_that_are_meant_to_be_added(scores):
    expected = "Expected booleans or integers, true for what is visible. Received: mask dtype=float32."
    with pytest.raises(TypeError, match=re.escape(f"`mask` must be boolean or integer. {expected}")):
        SoftmaxAlignment()(scores, mask=np.where(MASK, 0, -1e9).astype("float32"))


@pytest.mark.parametrize(
    "arguments", [{"alpha": 1}, {"alpha": 0.5}, {"alpha": 2.1}, {"alpha": 2.0, "learned": True}], ids=str
)
def test_an_alpha_out_of_range(arguments):
    with pytest.raises(ValueError, match=r"^`alpha` is out of range\. Expected a number above 1.* Received: alpha="):
        ALIGNMENTS["entmax"](**arguments)


@pytest.mark.parametrize("temperature", [0, -1.0, float("nan"), float("inf"), "1", None, True], ids=str)
def test_a_temperature_out_of_range(temperature):
    expected = f"`temperature` is out of range. Expected a number above 0. Received: temperature={temperature!r}."
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        SoftmaxAlignment(temperature=temperature)


@every_case
@pytest.mark.parametrize("shape", [(KEYS + 1,), (QUERIES + 1, 1), (1, BATCH, QUERIES, KEYS)], ids=str)
def test_a_mask_that_cannot_be_broadcast(case, shape, scores):
    expected = f"Expected a shape that broadcasts to {scores.shape}. Received: mask shape={shape}."
    with pytest.raises(ValueError, match=re.escape(f"The mask must fit the scores. {expected}")):
        case.layer()(scores, mask=np.ones(shape, "bool"))


def test_a_sigmoid_has_no_temperature():
    with pytest.raises((TypeError, ValueError), match="temperature"):
        SigmoidAlignment(temperature=2.0)

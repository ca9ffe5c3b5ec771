"""Alignments that sample: what they draw, and that their gradients match those computed by enumeration."""

import re
import warnings

import keras
import numpy as np
import pytest
from keras import ops
from seams import assert_three_parts

from keras_attention.layers import HardAlignment, ReinforcedAlignment

# One query and four keys: few enough to sum over all possible samples.
SCORES = np.array([0.5, -0.3, 0.2, 0.0])
VALUES = np.array([1.0, -0.5, 2.0, 0.3])


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def softmax(scores):
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)


def task_loss(weights):
    """A loss that is not linear in the context: L = c²."""
    return ops.square(ops.sum(weights * VALUES.astype("float32"), axis=-1))


def rewarded(layer):
    layer.is_rewarded = True
    layer.build((None, 4))
    return layer


def numerical_gradient(function, point, step=1e-6):
    return np.array(
        [(function(point + step * unit) - function(point - step * unit)) / (2 * step) for unit in np.eye(len(point))]
    )


def estimates(layer, gradients, count, task_too=False):
    """`count` independent estimates of the gradient with respect to the scores, one for each example of a batch."""
    batch = np.broadcast_to(SCORES.astype("float32"), (count, 1, 4))

    def value(scores):
        weights = layer(scores, training=True)[:, 0]
        loss = task_loss(weights)
        return ops.sum((loss if task_too else 0.0) + (layer.reinforce_loss(loss) if layer.needs_reward else 0.0))

    (found,) = gradients(value, np.array(batch))
    return found[:, 0].astype("float64")


def assert_mean_is(found, expected):
    """Asserts that means are within four standard errors, and that these are small enough to be telling."""
    error = found.std(axis=0) / np.sqrt(len(found))
    assert (np.abs(found.mean(axis=0) - expected) < 4 * error + 1e-9).all(), (found.mean(axis=0), expected, error)
    assert error.max() < 0.1 * np.abs(expected).max()


def expected_loss_of_hard(scores):
    return float(np.sum(softmax(scores) * VALUES**2))


def expected_loss_of_reinforced(scores, scale=1.0, bias=1.0, keep_cost=0.3):
    """E[L + λ·share] over all subsets with constant weights, whose gradient is that of the policy alone."""
    keep = 1 / (1 + np.exp(-(scale * scores + bias)))
    total = 0.0
    for number in range(16):
        kept = np.array([number >> key & 1 for key in range(4)], bool)
        probability = np.prod(np.where(kept, keep, 1 - keep))
        shown = kept if kept.any() else SCORES.max() == SCORES
        weights = np.where(shown, np.exp(SCORES), 0)
        total += probability * ((weights / weights.sum() @ VALUES) ** 2 + keep_cost * kept.mean())
    return total


@pytest.mark.portable
def test_hard_draws_from_softmax():
    layer = HardAlignment(seed=3)
    drawn = numpy(layer(np.broadcast_to(SCORES, (40_000, 4)), training=True))
    assert set(np.unique(drawn)) == {0.0, 1.0}
    assert (drawn.sum(axis=-1) == 1).all()
    error = np.sqrt(softmax(SCORES) * (1 - softmax(SCORES)) / 40_000)
    assert (np.abs(drawn.mean(axis=0) - softmax(SCORES)) < 4 * error).all()


@pytest.mark.portable
def test_reinforced_draws_each_key_by_itself():
    layer = rewarded(ReinforcedAlignment(seed=3))
    drawn = numpy(layer(np.broadcast_to(SCORES, (40_000, 4)), training=True)) > 0
    keep = 1 / (1 + np.exp(-(SCORES + 1)))
    # If nothing was drawn, the largest score is taken.
    expected = keep + np.array([np.prod(1 - keep), 0, 0, 0])
    assert (np.abs(drawn.mean(axis=0) - expected) < 4 * np.sqrt(expected * (1 - expected) / 40_000)).all()


@pytest.mark.parametrize("layer", [HardAlignment(seed=3), ReinforcedAlignment(seed=3)], ids=["hard", "reinforced"])
def test_elsewhere_than_in_training_nothing_is_drawn(layer):
    scores = np.random.default_rng(1).normal(size=(5, 3, 7)).astype("float32")
    first = numpy(layer(scores))
    np.testing.assert_array_equal(numpy(layer(scores, training=False)), first)
    np.testing.assert_array_equal(numpy(layer(scores)), first)
    assert not layer.has_sample


@pytest.mark.parametrize("make", [HardAlignment, ReinforcedAlignment])
def test_what_is_drawn_follows_the_seed(make):
    scores = np.zeros((5, 3, 7), "float32")

    def draw(seed):
        layer = make(seed=seed)
        layer.is_rewarded = True
        return numpy(layer(scores, training=True))

    np.testing.assert_array_equal(draw(5), draw(5))
    assert (draw(5) != draw(7)).any()


@pytest.mark.parametrize("make", [lambda: HardAlignment("reinforce", seed=3), lambda: ReinforcedAlignment(seed=3)])
def test_masked_keys_are_never_drawn(make):
    layer, mask = rewarded(make()), np.array([1, 0, 1, 0], "bool")
    weights = numpy(layer(np.zeros((1000, 1, 4), "float32"), mask=mask, training=True))
    assert (weights[..., ~mask] == 0).all()
    np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-6)
    hidden = numpy(layer(np.zeros((3, 1, 4), "float32"), mask=np.zeros(4, "bool"), training=True))
    assert (hidden == 0).all()


def entropy_of_hard(scores):
    shares = softmax(scores)
    return -np.sum(shares * np.log(shares))


def entropy_of_reinforced(scores):
    keep = 1 / (1 + np.exp(-(scores + 1)))
    return -np.sum(keep * np.log(keep) + (1 - keep) * np.log(1 - keep))


# The alignment whose samples cost nothing, and the entropy of its policy.
ENTROPIES = {
    "hard": (lambda: HardAlignment("reinforce", entropy_bonus=0.5, seed=3), entropy_of_hard),
    "reinforced": (lambda: ReinforcedAlignment(keep_cost=0, entropy_bonus=0.5, seed=3), entropy_of_reinforced),
}


@pytest.mark.parametrize("name", ENTROPIES)
@pytest.mark.parametrize("hidden", [[], [1, 3], [0, 1, 2, 3]], ids=str)
def test_the_entropy_is_that_of_the_visible_keys(name, hidden, gradients):
    """Its gradient alone is left where no sample is rewarded; that of a hidden key is 0."""
    make, entropy = ENTROPIES[name]
    layer, visible = rewarded(make()), ~np.isin(np.arange(4), hidden)

    def value(scores):
        layer(scores, mask=visible, training=True)
        return ops.sum(layer.reinforce_loss(ops.zeros(1)))

    (found,) = gradients(value, SCORES.astype("float32")[None, None])
    expected = np.zeros(4)
    if visible.any():
        expected[visible] = -0.5 * numerical_gradient(entropy, SCORES[visible])
    np.testing.assert_allclose(found[0, 0], expected, rtol=1e-4, atol=1e-6)
    assert (found[0, 0][~visible] == 0).all()


def test_reinforce_of_hard_is_the_enumerated_gradient(gradients):
    layer = rewarded(HardAlignment("reinforce", entropy_bonus=0.0, seed=3))
    assert_mean_is(estimates(layer, gradients, 40_000), numerical_gradient(expected_loss_of_hard, SCORES))


def test_a_baseline_changes_the_variance_and_not_the_mean(gradients):
    layers = [rewarded(HardAlignment("reinforce", entropy_bonus=0.0, seed=3)) for _ in range(2)]
    layers[1].baseline.assign(-expected_loss_of_hard(SCORES))
    without, with_baseline = (estimates(layer, gradients, 40_000) for layer in layers)
    assert_mean_is(with_baseline, numerical_gradient(expected_loss_of_hard, SCORES))
    assert with_baseline.var(axis=0).sum() < 0.8 * without.var(axis=0).sum()


def test_the_entropy_bonus_of_hard(gradients):
    layer = rewarded(HardAlignment("reinforce", entropy_bonus=0.5, seed=3))

    def expected(scores):
        shares = softmax(scores)
        return expected_loss_of_hard(scores) + 0.5 * np.sum(shares * np.log(shares))

    assert_mean_is(estimates(layer, gradients, 40_000), numerical_gradient(expected, SCORES))


def test_reinforce_of_reinforced_is_the_enumerated_gradient(gradients):
    layer = rewarded(ReinforcedAlignment(keep_cost=0.3, entropy_bonus=0.0, seed=3))
    assert_mean_is(estimates(layer, gradients, 160_000), numerical_gradient(expected_loss_of_reinforced, SCORES))


def test_straight_through_is_biased_by_what_its_docstring_says(gradients):
    layer = HardAlignment("straight_through", seed=3)
    layer.build((None, 4))
    found = estimates(layer, gradients, 400_000, task_too=True).mean(axis=0)
    expected = numerical_gradient(expected_loss_of_hard, SCORES)
    bias = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    documented = float(re.search(r"the\s+true\s+gradient\s+by\s+([\d.]+)", HardAlignment.__doc__)[1])
    assert bias == pytest.approx(documented, abs=0.02)


def test_the_baseline_is_the_moving_average_of_the_rewards():
    layer = rewarded(HardAlignment("reinforce", baseline_decay=0.75))
    expected = 0.0
    for loss in ([1.0, 3.0], [0.0, 0.5]):
        layer(np.zeros((2, 1, 4), "float32"), training=True)
        added = numpy(layer.reinforce_loss(ops.convert_to_tensor(loss)))
        np.testing.assert_array_equal(added, [0, 0])  # the value is 0, the gradient is not
        expected = 0.75 * expected - 0.25 * np.mean(loss)
        assert float(numpy(layer.baseline)) == pytest.approx(expected)
    assert not layer.has_sample


def test_a_sample_that_nobody_rewards_is_worth_a_warning():
    for layer in (HardAlignment("reinforce"), ReinforcedAlignment()):
        with pytest.warns(UserWarning, match="samples, but nothing rewards it"):
            layer(np.zeros((2, 3, 4), "float32"), training=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        HardAlignment()(np.zeros((2, 3, 4), "float32"), training=True)


ERRORS = [
    ("estimator", lambda: HardAlignment("gumbel"), "Unknown estimator 'gumbel'", "estimator='gumbel'."),
    ("temperature", lambda: HardAlignment(temperature=0), "`temperature` is out of range.", "temperature=0."),
    ("bonus", lambda: HardAlignment(entropy_bonus=-1), "`entropy_bonus` is out of range.", "entropy_bonus=-1."),
    ("decay", lambda: ReinforcedAlignment(baseline_decay=1), "`baseline_decay` is out of range.", "baseline_decay=1."),
    ("cost", lambda: ReinforcedAlignment(keep_cost=-0.1), "`keep_cost` is out of range.", "keep_cost=-0.1."),
]


@pytest.mark.parametrize(("make", "wrong", "received"), [row[1:] for row in ERRORS], ids=[row[0] for row in ERRORS])
def test_errors_have_three_parts(make, wrong, received):
    assert_three_parts(make, wrong, f"Received: {received}")


@pytest.mark.portable
def test_reload_keeps_every_argument(reload):
    scores = keras.Input((3, 7))
    arguments = {"entropy_bonus": 0.1, "baseline_decay": 0.5, "seed": 11}
    for layer in (
        HardAlignment("straight_through", temperature=0.3, **arguments),
        ReinforcedAlignment(keep_cost=0.7, initial_bias=-0.2, **arguments),
    ):
        loaded = reload(keras.Model(scores, layer(scores))).layers[-1]
        assert {**loaded.get_config(), "name": ""} == {**layer.get_config(), "name": ""}

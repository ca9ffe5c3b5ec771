"""The statistics: against SciPy where one source of chance is left, worked by hand, and on simulated comparisons whose
truth is known."""

import math
import re

import numpy as np
import pytest
from scipy import stats

from keras_attention.comparison.statistics import (
    HELPS,
    HURTS,
    NO_EVIDENCE,
    NO_INTERVAL,
    Estimate,
    estimate,
    holm,
    verdict,
)
from keras_attention.metrics.resampling import draw_weights

SIMULATIONS = 1000
SEEDS, IMAGES, RESAMPLES = 3, 80, 100


@pytest.mark.parametrize("seeds", [2, 3, 5, 11])
def test_without_chance_of_the_images_it_is_students_t(seeds, rng):
    values = rng.normal(0.02, 0.05, seeds)
    found = estimate(values, np.repeat(values[:, None], 7, axis=1), images=100)
    expected = stats.ttest_1samp(values, 0)
    assert found.image_error == pytest.approx(0, abs=1e-12)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-6)
    assert found.interval() == pytest.approx(tuple(expected.confidence_interval(0.95)), rel=1e-9)
    assert found.interval(0.8) == pytest.approx(tuple(expected.confidence_interval(0.8)), rel=1e-9)


def test_without_chance_of_the_seeds_it_is_the_error_of_a_mean_over_images(rng):
    right = rng.random(400) < 0.8
    weights = draw_weights(400, 4000)
    resampled = np.stack([weights @ right / 400] * 3)
    found = estimate([right.mean()] * 3, resampled, images=400)
    assert found.seed_error == 0
    assert found.image_error == pytest.approx(stats.sem(right), rel=0.05)
    half = (found.interval()[1] - found.interval()[0]) / 2
    assert half == pytest.approx(stats.t.ppf(0.975, 399) * found.image_error)


def test_both_parts_add_as_squares():
    found = Estimate(mean=0.1, seeds=3, images=200, seed_error=0.03, image_error=0.04)
    expected = math.hypot(0.03 * stats.t.ppf(0.975, 2), 0.04 * stats.t.ppf(0.975, 199))
    assert found.interval() == pytest.approx((0.1 - expected, 0.1 + expected))
    p_value = found.p_value
    low, high = found.interval(1 - p_value)
    assert low == pytest.approx(0, abs=1e-9)
    assert high == pytest.approx(0.2)
    assert found.detectable(0.05, 0.8) == pytest.approx(expected + found.half_width(0.4))


def test_ends_of_the_p_value():
    assert Estimate(0.0, 3, 100, 0.1, 0.1).p_value == 1
    assert Estimate(1e-9, 3, 100, 0.1, 0.1).p_value == pytest.approx(1, abs=1e-6)
    assert Estimate(0.5, 3, 100, 0.0, 0.0).p_value == 1e-12
    assert Estimate(-0.2, 3, 100, 0.03, 0.04).p_value == Estimate(0.2, 3, 100, 0.03, 0.04).p_value


def test_one_seed_gives_no_interval():
    found = estimate([0.3], [[0.1, 0.5]], images=10)
    assert (found.mean, found.seeds) == (0.3, 1)
    assert (found.interval(), found.p_value, found.detectable(), found.needed()) == (None,) * 4
    assert verdict(found, None) == NO_INTERVAL


def test_resamples_that_do_not_define_the_figure_are_left_out():
    resampled = np.array([[0.1, np.nan, 0.3, 0.2], [0.3, 0.2, 0.5, np.nan]])
    assert estimate([0.1, 0.3], resampled, images=10).image_error == pytest.approx(np.std([0.2, 0.4], ddof=1))
    assert estimate([0.1, 0.3], np.full((2, 4), np.nan), images=10).image_error == 0


@pytest.mark.parametrize(
    ("values", "resampled"), [([], np.zeros((0, 3))), ([1.0], np.zeros((2, 3))), ([[1.0]], np.zeros((1, 3)))]
)
def test_values_and_resamples_must_fit(values, resampled):
    what = "`values` and `resampled` must have the same number of seeds."
    expected = "Expected (seeds,) and (seeds, resamples), at least one seed."
    message = f"{what} {expected} Received: {np.shape(values)} and {resampled.shape}."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        estimate(values, resampled, 10)


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        ([0.04, 0.01, 0.03, 0.005], [0.06, 0.03, 0.06, 0.02]),
        ([0.6, 0.7], [1, 1]),
        ([0.02], [0.02]),
        ([None, 0.02, None, 0.01], [None, 0.02, None, 0.02]),
        ([], []),
    ],
)
def test_holm_by_hand(p_values, expected):
    assert holm(p_values) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("mean", "p_corrected", "more_is_better", "expected"),
    [
        (0.2, 0.01, True, HELPS),
        (-0.2, 0.01, True, HURTS),
        (0.2, 0.01, False, HURTS),
        (-0.2, 0.01, False, HELPS),
        (0.2, 0.05, True, NO_EVIDENCE),  # not after the correction
        (0.01, 0.01, True, NO_EVIDENCE),  # the interval holds 0
        (0.0, 0.01, True, NO_EVIDENCE),
    ],
)
def test_the_rules_of_the_verdict(mean, p_corrected, more_is_better, expected):
    assert verdict(Estimate(mean, 5, 200, 0.02, 0.02), p_corrected, more_is_better) == expected


def test_answers_that_are_the_same():
    assert verdict(Estimate(0.0, 5, 200, 0.0, 0.0), 1.0) == "the same"
    assert verdict(Estimate(0.0, 5, 200, 0.0, 0.01), 1.0) == NO_EVIDENCE


def test_what_would_be_needed():
    found = Estimate(0.05, 3, 200, 0.02, 0.01)
    seeds, images = found.needed()
    assert images == 200
    assert found.scaled(seeds, 1).detectable() <= 0.05 < found.scaled(seeds - 1, 1).detectable()
    assert found.needed(0.001)[0] > seeds
    # Where the images are what is uncertain, no number of seeds helps.
    seeds, images = Estimate(0.05, 3, 200, 0.001, 0.05).needed()
    assert images > 200
    assert Estimate(1e-5, 3, 200, 0.02, 0.05).needed() is None
    assert Estimate(0.0, 3, 200, 0.02, 0.05).needed() is None


def simulate(rng, effects, seed_spread, image_spread, own_spread, seeds=SEEDS):
    """Estimates of the differences of several variants to one reference, all over the same images and seeds.

    Of an image, a variant's figure is effect + seed's part + image's part + a part of its own.
    """
    weights = draw_weights(IMAGES, RESAMPLES, seed=int(rng.integers(2**31)))
    reference = rng.normal(0, own_spread, (seeds, IMAGES)) + rng.normal(0, seed_spread, (seeds, 1))
    found = []
    for effect in effects:
        seed_part, image_part = rng.normal(0, seed_spread, (seeds, 1)), rng.normal(0, image_spread, IMAGES)
        difference = effect + seed_part + image_part + rng.normal(0, own_spread, (seeds, IMAGES)) - reference
        found.append(estimate(difference.mean(1), difference @ weights.T / IMAGES, IMAGES))
    return found


# (spread of the seeds, of the images, of both): which of them rules decides where a wrong interval would fail.
SPREADS = {"seeds": (0.05, 0.1, 0.1), "images": (0.0, 0.5, 0.05), "both": (0.03, 0.3, 0.1)}


@pytest.mark.parametrize("seeds", [2, 5])
@pytest.mark.parametrize("spreads", SPREADS.values(), ids=SPREADS)
def test_intervals_cover_at_their_level(spreads, seeds, rng):
    found = [simulate(rng, [0.04], *spreads, seeds)[0] for _ in range(SIMULATIONS)]
    covered = np.mean([low <= 0.04 <= high for low, high in (each.interval() for each in found)])
    # Three standard errors of 1,000 simulations below .95; above it, the joined interval may be wide.
    assert 0.929 <= covered <= 0.998


@pytest.mark.parametrize("spreads", SPREADS.values(), ids=SPREADS)
def test_holm_holds_the_error_of_the_family(spreads, rng):
    errors = false_alarms = 0
    for _ in range(SIMULATIONS):
        found = simulate(rng, [0.0] * 6, *spreads)
        corrected = holm([each.p_value for each in found])
        judged = [verdict(each, p_value) for each, p_value in zip(found, corrected, strict=True)]
        errors += any(kind != NO_EVIDENCE for kind in judged)
        false_alarms += any(each.p_value < 0.05 for each in found)
    assert errors / SIMULATIONS <= 0.071
    assert false_alarms > 2 * errors  # without the correction it would not hold


def test_no_difference_is_no_evidence_and_a_large_one_is_found(rng):
    kinds = {0.0: [], 0.4: [], -0.4: []}
    for _ in range(SIMULATIONS):
        found = simulate(rng, list(kinds), *SPREADS["both"])
        corrected = holm([each.p_value for each in found])
        for effect, each, p_value in zip(kinds, found, corrected, strict=True):
            kinds[effect].append(verdict(each, p_value))
    assert kinds[0.0].count(NO_EVIDENCE) / SIMULATIONS >= 0.929
    for effect, right in ((0.4, HELPS), (-0.4, HURTS)):
        assert kinds[effect].count(right) / SIMULATIONS > 0.9


def test_what_is_said_to_be_detectable_is_detected(rng):
    spreads = (0.01, 0.3, 0.1)
    detectable = np.median([simulate(rng, [0.0], *spreads)[0].detectable() for _ in range(100)])
    found = [simulate(rng, [detectable], *spreads)[0] for _ in range(SIMULATIONS)]
    power = np.mean([each.p_value < 0.05 for each in found])
    assert 0.7 <= power <= 0.97

"""The maps of an export against those of the Keras model: relative to their largest weight, and by order."""

import itertools

import numpy as np
import pytest
from scipy import stats

from keras_attention.export.map_check import EQUALS, MapDeviation, compare_maps

RANDOM = np.random.default_rng(0)
SOFT = RANDOM.dirichlet(np.ones(28 * 28), 5).reshape(5, 28, 28)  # weights of about .001, as of a large map


def one_hot(places, side=28):
    maps = np.zeros((len(places), side * side))
    maps[np.arange(len(places)), places] = 1
    return maps.reshape(-1, side, side)


def test_equal_maps():
    assert compare_maps(SOFT, SOFT) == MapDeviation(0.0, 1.0)


def test_a_difference_counts_relative_to_the_largest_weight_of_its_map():
    found = SOFT.copy()
    found[2, 3, 4] += 0.1 * SOFT[2].max()
    assert compare_maps(found, SOFT).relative == pytest.approx(0.1)


def pairs_of(found, expected, equal):
    """+1, −1 or 0 for each pair of positions that differs clearly in one of two maps, as the definition says it."""
    for (a, b), (c, d) in itertools.combinations(zip(found.ravel(), expected.ravel(), strict=True), 2):
        if max(abs(a - c), abs(b - d)) > equal * expected.max():
            yield np.sign(a - c) * np.sign(b - d)


@pytest.mark.parametrize("equal", [1e-3, 0.2])
def test_the_agreement_is_the_mean_rank_correlation_of_the_images(equal):
    expected = SOFT[:, :9, :9]
    found = expected + RANDOM.normal(0, 5e-4, expected.shape)
    gammas = [np.mean([*pairs_of(a, b, equal)]) for a, b in zip(found, expected, strict=True)]
    assert compare_maps(found, expected, equal).agreement == pytest.approx(np.mean(gammas), abs=1e-9)


def test_a_large_map_is_judged_by_some_of_its_pairs():
    found = SOFT + RANDOM.normal(0, 3e-4, SOFT.shape)
    taus = [stats.kendalltau(a.ravel(), b.ravel()).statistic for a, b in zip(found, SOFT, strict=True)]
    assert compare_maps(found, SOFT).agreement == pytest.approx(np.mean(taus), abs=0.01)


CHANGES = [
    np.zeros_like,
    lambda m: np.roll(m, 1, -1),
    lambda m: m.swapaxes(-1, -2),
    lambda m: m[:, ::-1],
    lambda m: 1 - m,
]
NAMES = ["zeros", "shifted", "transposed", "flipped", "inverted"]


@pytest.mark.parametrize(
    "change",
    CHANGES,
    ids=NAMES,
)
def test_another_map_has_another_order(change):
    deviation = compare_maps(change(SOFT), SOFT)
    assert deviation.agreement < 0.2
    assert deviation.relative > 0.5


SMALL = np.array([[[0.5, 0.35], [0.1, 0.05]], [[0.1, 0.6], [0.25, 0.05]], [[0.02, 0.5], [0.03, 0.45]]])


@pytest.mark.parametrize("equal", EQUALS.values(), ids=str)
@pytest.mark.parametrize("change", CHANGES, ids=NAMES)
def test_another_map_of_four_positions_has_another_order(change, equal):
    assert compare_maps(change(SMALL), SMALL, equal).agreement < 0.8


def test_equals_may_change_places():
    """Among four positions a swap takes a fifth of a rank correlation, which a processor's rounding decided."""
    expected = np.array([[[0.30, 0.29], [0.21, 0.20]]])
    swapped = np.array([[[0.29, 0.30], [0.20, 0.21]]])
    assert compare_maps(swapped, expected).agreement < 0.5
    assert compare_maps(swapped, expected, equal=0.2) == MapDeviation(pytest.approx(1 / 30), 1.0)
    assert compare_maps(swapped[..., ::-1, :], expected, equal=0.2).agreement == -1


@pytest.mark.parametrize("seed", range(20))
def test_rounding_within_the_tolerance_keeps_the_order_of_any_small_map(seed):
    rng = np.random.default_rng(seed)
    expected = rng.dirichlet(np.ones(4), 5).reshape(5, 2, 2)
    largest = expected.max((1, 2), keepdims=True)
    found = expected + rng.uniform(-0.1, 0.1, expected.shape) * largest
    assert compare_maps(found, expected, equal=0.2).agreement > 0.95


def test_rounding_makes_no_order():
    even = np.full((3, 7, 7), 1 / 49)
    assert compare_maps(even * (1 + 1e-5 * RANDOM.standard_normal(even.shape)), even).agreement == 1
    half = np.where(np.arange(49).reshape(7, 7) % 2, SOFT[:3, :7, :7], 0.0)
    assert compare_maps(half + 1e-9 * RANDOM.random(half.shape), half).agreement > 0.9999


def test_an_even_map_is_not_one_with_an_order():
    assert compare_maps(np.full_like(SOFT, 1 / 784), SOFT).agreement == 0
    assert compare_maps(SOFT, np.full_like(SOFT, 1 / 784)).agreement == 0


def test_maps_are_left_out_that_show_no_more_than_rounding():
    nearly = (1 + 0.05 * RANDOM.random((5, 7, 7))) / 49
    rounded = nearly * (1 + 0.05 * RANDOM.random(nearly.shape))
    assert compare_maps(rounded, nearly).agreement < 0.95
    assert compare_maps(rounded, nearly, equal=0.2).agreement == 1
    both = np.concatenate([nearly, SOFT[:1, :7, :7]]), np.concatenate([rounded, SOFT[1:2, :7, :7]])
    assert compare_maps(*both, equal=0.2).agreement < 0.5


def test_maps_of_a_few_points_agree_by_where_their_largest_weight_is():
    expected = one_hot([3, 40, 500, 700])
    assert compare_maps(expected, expected) == MapDeviation(0.0, 1.0, points=True)
    assert compare_maps(one_hot([3, 40, 501, 700]), expected) == MapDeviation(1.0, 0.75, points=True)
    twice = one_hot([3, 40]) + one_hot([4, 41])
    assert compare_maps(twice * [[[1.0]], [[1.0]]] + 1e-7 * one_hot([4, 41]), twice).agreement == 1


def test_maps_of_each_class_count_each():
    several = np.stack([SOFT, SOFT[::-1]], axis=1)
    assert compare_maps(several, several) == MapDeviation(0.0, 1.0)
    swapped = several.copy()
    swapped[:, 1] = SOFT
    assert compare_maps(swapped, several).agreement == pytest.approx(0.6, abs=0.05)


def test_a_map_of_zeros_and_nan():
    assert compare_maps(np.zeros((2, 7, 7)), np.zeros((2, 7, 7))).relative == 0
    assert np.isnan(compare_maps(np.full((2, 7, 7), np.nan), SOFT[:2, :7, :7]).relative)

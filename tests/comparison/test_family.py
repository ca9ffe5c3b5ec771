"""The correction of a family: between no correction and Holm's, and right where the answer is known."""

import numpy as np
import pytest
from scipy import stats

from keras_attention.comparison.family import corrected, first_step_level, holm


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


def test_independent_comparisons_are_as_sidak_has_them():
    found = corrected([0.01, 0.2, 0.5], np.eye(3))
    assert found[0] == pytest.approx(1 - 0.99**3, abs=0.003)
    assert found[1] == pytest.approx(1 - 0.8**2, abs=0.01)
    assert found[2] == pytest.approx(0.5)


def test_the_same_comparison_many_times_costs_nothing():
    assert corrected([0.03] * 6, np.ones((6, 6))) == pytest.approx([0.03] * 6, abs=0.003)


def test_comparisons_to_one_reference_are_as_dunnett_has_them():
    """The two-sided 5 % points of Dunnett's test with infinite degrees of freedom: 2.21, 2.51 and 2.79 for 2, 5, 12."""
    for size, point in ((2, 2.21), (5, 2.51), (12, 2.79)):
        correlation = np.full((size, size), 0.5) + 0.5 * np.eye(size)
        assert first_step_level(0.05, correlation) == pytest.approx(2 * stats.norm.sf(point), rel=0.1)
        p_values = [2 * stats.norm.sf(point)] + [0.9] * (size - 1)
        assert corrected(p_values, correlation)[0] == pytest.approx(0.05, abs=0.004)


def test_it_lies_between_no_correction_and_holm(rng):
    for _ in range(20):
        p_values = list(rng.random(7) ** 3)
        root = rng.normal(size=(7, 3))
        covariance = root @ root.T + np.eye(7)
        errors = np.sqrt(np.diag(covariance))
        found = corrected(p_values, covariance / errors / errors[:, None])
        for single, middle, bound in zip(p_values, found, holm(p_values), strict=True):
            assert single - 1e-12 <= middle <= bound + 1e-12
        order = np.argsort(p_values)
        assert (np.diff(np.array(found)[order]) >= 0).all()


def test_p_values_too_small_for_any_draw_are_bounded_by_holm():
    assert corrected([1e-9, 1e-7, 0.4], np.eye(3)) == pytest.approx([3e-9, 2e-7, 0.4], rel=0.7)


def test_missing_p_values_stay_missing():
    assert corrected([None, 0.02, None], np.eye(3)) == [None, pytest.approx(0.02), None]
    assert corrected([], np.zeros((0, 0))) == []
    assert corrected([None], np.eye(1)) == [None]


def test_it_is_the_same_every_time():
    assert corrected([0.01, 0.02], np.eye(2)) == corrected([0.01, 0.02], np.eye(2))


def test_the_level_of_the_first_step():
    assert first_step_level(0.05, np.eye(1)) == 0.05
    assert first_step_level(0.05, np.eye(10)) == pytest.approx(1 - 0.95**0.1, rel=0.08)
    assert first_step_level(0.05, np.ones((10, 10))) == pytest.approx(0.05, rel=0.05)

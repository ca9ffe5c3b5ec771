"""Differences and ranks over several data sets, against published examples and simulations."""

import numpy as np
import pytest
from scipy import stats

from keras_attention.comparison.datasets import join, rank

# Demšar 2006, table 6: areas under the ROC curve of C4.5 on 14 data sets: plain, with m tuned, cf tuned, both.
# The last digit of one figure of `voting` tells two apart that are equal as printed, though not in rank.
DEMSAR = [
    (0.763, 0.768, 0.771, 0.798),
    (0.599, 0.591, 0.590, 0.569),
    (0.954, 0.971, 0.968, 0.967),
    (0.628, 0.661, 0.654, 0.657),
    (0.882, 0.888, 0.886, 0.898),
    (0.936, 0.931, 0.916, 0.931),
    (0.661, 0.668, 0.609, 0.685),
    (0.583, 0.583, 0.563, 0.625),
    (0.775, 0.838, 0.866, 0.875),
    (1.000, 1.000, 1.000, 1.000),
    (0.940, 0.962, 0.965, 0.962),
    (0.619, 0.666, 0.614, 0.669),
    (0.972, 0.981, 0.9751, 0.975),
    (0.957, 0.978, 0.946, 0.970),
]


def test_demsars_worked_example():
    found = rank(DEMSAR)
    np.testing.assert_allclose(found.mean, [3.143, 2.000, 2.893, 1.964], atol=5e-4)
    assert round(found.chi_square, 2) == 9.28
    assert round(found.statistic, 2) == 3.69
    assert found.p_value < 0.05
    assert round(found.critical, 2) == 1.25
    assert round(rank(DEMSAR, level=0.1).critical, 2) == 1.12


def test_ranks_turn_round_where_less_is_better(rng):
    figures = rng.random((6, 4))
    np.testing.assert_allclose(rank(figures).mean + rank(figures, more_is_better=False).mean, 5)


def test_perfect_agreement_is_certain():
    found = rank(np.tile([0.1, 0.2, 0.3], (5, 1)))
    assert (found.mean.tolist(), found.p_value) == ([3, 2, 1], 0)


@pytest.mark.parametrize("figures", [[[0.1, 0.2]], [[0.1], [0.2]], [[0.1, np.nan], [0.2, 0.3]], [0.1, 0.2]])
def test_ranks_need_every_figure(figures):
    with pytest.raises(ValueError, match=r"^Ranks need a figure of every variant on every data set\."):
        rank(figures)


def test_equal_errors_without_excess_give_the_plain_mean():
    found = join([0.01, 0.02, 0.03], [0.05, 0.05, 0.05])
    assert (round(found.mean, 12), found.between, found.count) == (0.02, 0, 3)
    # Hartung and Knapp's factor would be below 1 here.
    assert found.error == pytest.approx(0.05 / np.sqrt(3))


def test_differences_without_errors_are_a_t_test():
    means = np.array([0.02, 0.05, 0.035, 0.01])
    found = join(means, np.zeros(4))
    assert found.error == pytest.approx(stats.sem(means), rel=1e-6)
    assert found.p_value == pytest.approx(stats.ttest_1samp(means, 0).pvalue, rel=1e-6)
    assert found.between == pytest.approx(means.std(ddof=1), rel=1e-6)


def test_a_precise_data_set_counts_more_while_they_agree():
    found = join([0.0, 0.1], [0.1, 0.3])
    assert found.mean == pytest.approx(0.01)


@pytest.mark.parametrize(("means", "errors"), [([0.1], [0.1]), ([0.1, 0.2], [0.1]), ([0.1, 0.2], [0.1, -1.0])])
def test_a_mean_needs_two_data_sets(means, errors):
    with pytest.raises(ValueError, match=r"^A mean over data sets needs a difference and an error of each\."):
        join(means, errors)


@pytest.mark.parametrize("between", [0.0, 0.02])
@pytest.mark.parametrize("count", [2, 4, 8])
def test_intervals_cover_the_mean(count, between, rng):
    """Over 1,000 simulations of a difference of .03, with errors that differ threefold."""
    errors, inside = rng.uniform(0.01, 0.03, (1000, count)), 0
    means = 0.03 + between * rng.normal(size=errors.shape) + errors * rng.normal(size=errors.shape)
    for row, error in zip(means, errors, strict=True):
        low, high = join(row, error).interval()
        inside += low <= 0.03 <= high
    assert inside >= 935

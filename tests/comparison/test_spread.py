"""The variances over the seeds: against least squares, against simulated priors, and with runs that are missing."""

import numpy as np
import pytest
from scipy import special

from keras_attention.comparison.spread import (
    MOST_PRIOR,
    prior_of_variances,
    spread_of_residuals,
    spread_over_seeds,
)


def test_a_complete_table_by_hand(rng):
    figures = rng.normal(size=(5, 4))
    residuals = figures - figures.mean(1, keepdims=True) - figures.mean(0) + figures.mean()
    found = spread_of_residuals(figures)
    np.testing.assert_allclose(found.own, (residuals**2).sum(1) / 3 * 5 / 4)
    assert found.pooled_df == 4 * 3
    assert found.own.mean() == pytest.approx((residuals**2).sum() / found.pooled_df)  # the mean square of both
    assert found.own_df.tolist() == [3] * 5


def test_two_variants_are_a_paired_t(rng):
    figures = rng.normal(size=(2, 6))
    found = spread_of_residuals(figures)
    variance, df = found.of_sum(np.array([1, 1]))
    assert variance == pytest.approx((figures[1] - figures[0]).var(ddof=1))
    assert df == 5


def test_what_seeds_do_to_all_variants_does_not_count(rng):
    figures = rng.normal(size=(4, 5))
    moved = figures + 10 * rng.normal(size=5)
    np.testing.assert_allclose(spread_of_residuals(moved).own, spread_of_residuals(figures).own)
    assert (spread_over_seeds(moved).own > 5 * spread_over_seeds(figures).own).all()
    np.testing.assert_allclose(spread_over_seeds(figures).own, figures.var(1, ddof=1))


def test_missing_runs_leave_the_variances_unbiased(rng):
    sizes = np.array([1.0, 2.0, 1.0, 1.5, 1.0, 1.0])
    found = []
    for _ in range(3000):
        figures = rng.normal(size=(6, 4)) * sizes[:, None]
        figures[0, 0] = figures[1, 2] = figures[1, 3] = figures[5, 1:] = np.nan
        found.append(spread_of_residuals(figures))
    assert found[0].own_df.tolist() == [2, 1, 3, 3, 3, 0]
    assert found[0].pooled_df == 18 - (6 + 4 - 1)
    # What is left of two ways mixes the variants a little: a fifth of the mean of the variances of the others.
    assert np.mean([each.own[2] for each in found]) == pytest.approx(1 + 0.2 * (np.mean(sizes**2) - 1), rel=0.1)
    assert all(each.own[5] == 0 for each in found)


def test_a_variant_with_one_seed_has_what_all_have_in_common(rng):
    figures = rng.normal(size=(5, 4))
    figures[4, 1:] = np.nan
    found = spread_of_residuals(figures)
    assert found.moderated[4] == pytest.approx(found.prior)
    assert found.df[4] == pytest.approx(found.prior_df)


def test_with_one_seed_nothing_is_known():
    found = spread_of_residuals(np.array([[0.7], [0.8], [0.9]]))
    assert found.pooled_df == 0
    assert np.isnan(found.moderated).all()
    variance, df = found.of_sum(np.ones(3))
    assert np.isnan(variance)
    assert df == 0


def test_the_prior_is_found_among_many_variances(rng):
    """Variances that are scaled inverse χ² with 2 degrees of freedom, each seen with 6."""
    true = 0.3 * 2 / rng.chisquare(2, 20_000)
    seen = true * rng.chisquare(6, 20_000) / 6
    variance, df = prior_of_variances(seen, np.full(20_000, 6))
    assert variance == pytest.approx(0.3, rel=0.05)
    assert df == pytest.approx(2, rel=0.05)


def test_equal_variances_count_for_three_seeds_and_not_more(rng):
    seen = 0.3 * rng.chisquare(6, 20_000) / 6
    variance, df = prior_of_variances(seen, np.full(20_000, 6))
    assert df == MOST_PRIOR
    assert variance == pytest.approx(0.3, rel=0.05)


def test_few_variances_count_less(rng):
    """The excess is taken a standard error higher, which is worth more of three variances than of thirty."""
    few = np.exp(np.array([-1.0, 0.0, 1.0]))
    many = np.exp(np.concatenate([[-1.0, 1.0] * 10, [0.0] * 10]))
    assert many.var() < few.var() * 2
    assert prior_of_variances(few, np.full(3, 2))[1] < prior_of_variances(many, np.full(30, 2))[1]


@pytest.mark.parametrize(
    ("variances", "df", "expected"),
    [([0.0, 0.0], [2, 2], (0.0, 0.0)), ([], [], (0.0, 0.0)), ([0.0, 4.0], [2, 0], None)],
)
def test_nothing_to_find_a_prior_in(variances, df, expected):
    assert prior_of_variances(np.array(variances), np.array(df)) == (expected or (0.0, 0.0))


def test_a_single_variance_has_no_prior():
    variance, df = prior_of_variances(np.array([4.0]), np.array([3]))
    assert (variance, df) == (4.0, 0.0)


def test_a_moderated_variance_lies_between(rng):
    figures = rng.normal(size=(8, 3)) * np.geomspace(0.5, 2, 8)[:, None]
    found = spread_of_residuals(figures)
    low, high = np.minimum(found.own, found.prior), np.maximum(found.own, found.prior)
    assert ((low <= found.moderated) & (found.moderated <= high)).all()
    assert (found.df <= found.pooled_df).all()
    weights = (2 * found.own + found.prior_df * found.prior) / (2 + found.prior_df)
    np.testing.assert_allclose(found.moderated, weights)


def test_a_sum_has_satterthwaites_degrees_of_freedom(rng):
    found = spread_of_residuals(rng.normal(size=(8, 4)) * np.geomspace(0.2, 2, 8)[:, None])
    factors = np.array([1, 0, 0, 0, 0, 0, 0, 0.5])
    parts = factors * found.moderated
    variance, df = found.of_sum(factors)
    assert variance == pytest.approx(parts.sum())
    shares = parts / parts.sum()
    common = (shares * found.prior_df / (3 + found.prior_df)).sum() ** 2 * special.polygamma(1, 1.5) / 8
    assert df == pytest.approx(2 / ((shares**2 * 2 / found.df).sum() + common))

"""How probable it is that a variant is the best, and that a difference is within a margin."""

import numpy as np
import pytest
from scipy import stats

from keras_attention.comparison.chances import chance_of_margin, chances_of_rank, variant_means
from keras_attention.comparison.contrasts import Estimate, JointModel


def model_of(figures):
    return JointModel(figures, np.zeros((*figures.shape, 1)), images=300)


def test_equal_variants_have_equal_chances():
    figures = np.array([[0.70, 0.72, 0.71], [0.71, 0.70, 0.72], [0.72, 0.71, 0.70]])
    best, rank = chances_of_rank(model_of(figures))
    np.testing.assert_allclose(best, 1 / 3, atol=0.02)
    np.testing.assert_allclose(rank, 2, atol=0.03)


def test_two_variants_are_as_the_pair_has_it(rng):
    """The chance of the better of two is that of a positive difference, apart from which t it is taken from."""
    model = model_of(rng.normal(0.7, 0.02, (2, 12)) + np.array([[0.0], [0.01]]))
    best, rank = chances_of_rank(model)
    assert best[1] == pytest.approx(model.contrast(model.pair(1, 0)).chance_above(0), abs=0.03)
    assert rank[1] == pytest.approx(2 - best[1])
    worse, _ = chances_of_rank(model, more_is_better=False)
    assert worse[0] == pytest.approx(best[1], abs=0.02)


def test_images_make_it_uncertain(rng):
    figures = np.array([[0.70, 0.71, 0.72], [0.75, 0.76, 0.77]])
    deviations = (rng.normal(size=(2, 1, 100)) * 0.01).repeat(3, axis=1)
    sure, _ = chances_of_rank(model_of(figures))
    unsure, _ = chances_of_rank(JointModel(figures, deviations, images=100))
    assert 0.5 < unsure[1] < sure[1]


def test_missing_runs_favour_nobody():
    """The second variant ran only with the seed that is good for all."""
    figures = np.array([[0.6, 0.8], [np.nan, 0.8], [np.nan, np.nan]])
    assert variant_means(figures)[:2] == pytest.approx([0.7, 0.7])
    assert np.isnan(variant_means(figures)[2])
    complete = np.array([[0.6, 0.8], [0.7, 0.9]])
    np.testing.assert_allclose(variant_means(complete), complete.mean(1))


def test_a_variant_without_runs_and_one_seed(rng):
    figures = rng.normal(0.7, 0.02, (4, 3))
    figures[2] = np.nan
    best, rank = chances_of_rank(model_of(figures))
    assert np.isnan(best[2])
    assert best[[0, 1, 3]].sum() == pytest.approx(1)
    assert rank[[0, 1, 3]].sum() == pytest.approx(6)
    assert chances_of_rank(model_of(figures[:, :1])) is None


def test_two_one_sided_tests():
    found = Estimate(0.004, 5, 300, seed_error=0.003, seed_df=4.0, image_error=0.0)
    upper = stats.t.sf((0.01 - 0.004) / 0.003, 4)
    assert chance_of_margin(found, 0.01) == pytest.approx(upper, rel=1e-5)
    low, high = found.interval(0.9)
    assert (chance_of_margin(found, max(-low, high)), 0.05) == (pytest.approx(0.05, rel=1e-4), 0.05)
    assert chance_of_margin(found, 0.001) > 0.5
    assert chance_of_margin(Estimate(0.1, 1, 10, None, 0.0, 0.1), 0.5) is None

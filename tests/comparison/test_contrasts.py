"""Differences from all runs together: against SciPy where one source of chance is left, and worked by hand."""

import math
import re

import numpy as np
import pytest
from scipy import stats

from keras_attention.comparison.contrasts import Estimate, JointModel, as_correlation, least_error

IMAGES = 60


def model_of(rng, variants=4, seeds=3, spread=0.02, own=0.3, common=0.3, **options):
    """A table of accuracies, with each run's images; `common` is what an image does to all runs of a variant."""
    deviations = rng.normal(0, own, (variants, seeds, IMAGES)) + rng.normal(0, common, (variants, 1, IMAGES))
    deviations = (deviations - deviations.mean(-1, keepdims=True)) / np.sqrt(IMAGES * (IMAGES - 1))
    return JointModel(rng.normal(0.7, spread, (variants, seeds)), deviations, IMAGES, **options)


@pytest.mark.parametrize("seeds", [2, 3, 11])
def test_two_variants_without_chance_of_the_images_are_students_t(seeds, rng):
    figures = rng.normal(0.7, 0.05, (2, seeds))
    model = JointModel(figures, np.zeros((2, seeds, 1)), IMAGES)
    found = model.contrast(model.pair(1, 0))
    expected = stats.ttest_rel(figures[1], figures[0])
    assert (found.mean, found.seed_df, found.image_error) == (pytest.approx(np.diff(figures.mean(1))[0]), seeds - 1, 0)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-6)
    assert found.interval() == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert found.interval(0.8) == pytest.approx(tuple(expected.confidence_interval(0.8)))
    assert found.chance_above(0) == pytest.approx(stats.t.cdf(expected.statistic, seeds - 1), rel=1e-6)


def test_runs_that_agree_leave_the_error_of_the_images(rng):
    """Every seed gives the same answers, so that the images are all that varies, and they count once."""
    right = (rng.random((2, 1, 400)) < [[[0.8]], [[0.6]]]).repeat(3, axis=1).astype(float)
    deviations = (right - right.mean(-1, keepdims=True)) / np.sqrt(400 * 399)
    model = JointModel(right.mean(-1), deviations, 400)
    found = model.contrast(model.pair(1, 0))
    expected = stats.ttest_rel(right[1, 0], right[0, 0])
    assert (found.seed_error, found.run_error) == (0, 0)
    assert found.image_error == pytest.approx(stats.sem(right[1, 0] - right[0, 0]))
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-4)


def test_runs_that_agree_on_all_images_are_not_believed_to_agree_on_all_others():
    """Of n images without a disagreement up to 3 in n may be ones on which they disagree, as the interval says."""
    figures, deviations = np.full((3, 4), 0.9), np.zeros((3, 4, 1))
    model = JointModel(figures, deviations, 300, least_error=least_error(1.0, 300))
    found = model.contrast(model.pair(1, 0))
    assert (found.seed_error, found.image_error, found.p_value) == (0, 0.005, 1.0)
    assert found.interval() == pytest.approx((-0.01, 0.01), rel=0.02)
    assert model.mean(0).interval()[1] - 0.9 == pytest.approx(0.01, rel=0.02)


def test_the_least_error_adds_nothing_to_a_larger_one(rng):
    model = model_of(rng)
    error = model.contrast(model.pair(1, 0)).error
    same, more = (
        JointModel(model.figures, model.deviations, IMAGES, least_error=factor * error) for factor in (0.9, 1.5)
    )
    assert same.contrast(same.pair(1, 0)).interval() == model.contrast(model.pair(1, 0)).interval()
    assert more.contrast(more.pair(1, 0)).error == pytest.approx(1.5 * error)


def test_the_least_error_of_a_figure_without_a_limit_is_that_of_one_unit():
    assert least_error(np.inf, 300) == least_error(1.0, 300) == 0.005


def test_what_an_image_does_to_single_runs_is_in_the_spread_already(rng):
    """Without anything in common, the images add nothing; all of it is in `run_error`."""
    model = model_of(rng, variants=2, seeds=200, spread=0.1, common=0.0)
    found = model.contrast(model.pair(1, 0))
    assert found.image_error < 0.15 * found.run_error * math.sqrt(200)
    assert found.run_error == pytest.approx(math.sqrt(2 * 0.3**2 / IMAGES / 200), rel=0.1)
    both = model_of(rng, variants=2, seeds=200, common=0.4)
    assert both.contrast(both.pair(1, 0)).image_error == pytest.approx(math.sqrt(2 * 0.4**2 / IMAGES), rel=0.25)


def test_the_part_in_common_is_the_covariance_of_other_seeds(rng):
    model = model_of(rng)
    difference = model.deviations[2] - model.deviations[0]
    expected = (difference @ difference.T)[~np.eye(3, dtype=bool)].mean()
    assert model.image_variance(model.pair(2, 0)) == pytest.approx(expected)
    assert model.contrast(model.pair(2, 0)).image_error == pytest.approx(math.sqrt(max(expected, 0)))


def test_missing_runs_and_the_seeds_of_a_pair(rng):
    whole = model_of(rng)
    figures = whole.figures.copy()
    figures[0, 2] = figures[3, 0] = figures[3, 1] = np.nan
    model = JointModel(figures, whole.deviations, IMAGES)
    found = model.contrast(model.pair(2, 0))
    assert (found.mean, found.seeds) == (pytest.approx((figures[2, :2] - figures[0, :2]).mean()), 2)
    difference = whole.deviations[2] - whole.deviations[0]
    assert model.image_covariance[1, 2] == pytest.approx(whole.image_covariance[1, 2])
    assert model.image_covariance[0, 0] == pytest.approx(whole.deviations[0, 0] @ whole.deviations[0, 1])
    assert np.isfinite(difference).all()
    assert not model.pair(3, 0).any()  # no seed in common
    single = model.contrast(model.pair(3, 1))  # one seed: its spread is that of the others
    assert single.seeds == 1
    assert single.has_interval
    assert single.half_width(0.05) > model.contrast(model.pair(2, 1)).half_width(0.05)


def test_one_seed_gives_no_interval(rng):
    model = model_of(rng, seeds=1)
    found = model.contrast(model.pair(1, 0))
    assert (found.seeds, found.seed_error, found.interval(), found.p_value) == (1, None, None, None)
    assert (found.chance_above(0), found.has_interval) == (None, False)


def test_a_variants_own_mean_has_the_spread_of_its_figures(rng):
    figures = rng.normal(0.7, 0.01, (3, 4)) + rng.normal(0, 0.1, 4)
    model = JointModel(figures, np.zeros((3, 4, 1)), IMAGES)
    found = model.mean(1)
    assert found.mean == pytest.approx(figures[1].mean())
    assert found.seed_error > 3 * model.contrast(model.pair(1, 0)).seed_error
    alone = JointModel(figures[1:2], np.zeros((1, 4, 1)), IMAGES).mean(0)
    assert alone.seed_error == pytest.approx(stats.sem(figures[1]))
    assert alone.seed_df == 3


def test_pooled_is_the_mean_of_the_pairs(rng):
    model = model_of(rng, variants=5)
    found = model.pooled([2, 3, 4], 0)
    assert found.mean == pytest.approx((model.figures[2:] - model.figures[0]).mean())
    weights = np.mean([model.pair(variant, 0) for variant in (2, 3, 4)], axis=0)
    assert found.image_error == pytest.approx(math.sqrt(max(model.image_variance(weights), 0)))
    per_seed = (model.figures[2:] - model.figures[0]).mean(0)
    by_model = model.contrast(weights).seed_error ** 2
    assert found.seed_error == pytest.approx(math.sqrt((3 * by_model + 2 * per_seed.var(ddof=1) / 3) / 5))
    assert model.pooled([2], 0) == model.contrast(model.pair(2, 0))
    assert model.pooled([], 0) is None


def test_correlations_share_the_reference_and_the_images(rng):
    model = JointModel(rng.normal(0.7, 0.02, (40, 6)), np.zeros((40, 6, 1)), IMAGES)
    correlation = model.correlation([model.pair(variant, 0) for variant in range(1, 40)])
    np.testing.assert_allclose(np.diag(correlation), 1)
    assert correlation[np.triu_indices(39, 1)].mean() == pytest.approx(0.5, abs=0.25)
    images = model_of(rng, variants=3, spread=1e-9, own=1e-3, common=0.3)
    pairs = [images.pair(variant, 0) for variant in (1, 2)]
    one, two, both = (images.image_variance(*each) for each in ((pairs[0],), (pairs[1],), pairs))
    assert images.correlation(pairs)[0, 1] == pytest.approx(both / math.sqrt(one * two), abs=0.01)


def test_a_covariance_without_negative_variances():
    found = as_correlation(np.array([[1.0, 0.0, 0.0], [0.0, -0.1, 0.0], [0.0, 0.0, 4.0]]))
    np.testing.assert_allclose(found, np.eye(3))
    assert np.linalg.eigvalsh(as_correlation(np.array([[1.0, 2.0], [2.0, 1.0]]))).min() > -1e-9


def test_splits_of_their_own(rng):
    """No images in common, and a variance of (1/S + ratio) s²."""
    one = model_of(rng)
    found = JointModel(one.figures, one.deviations, IMAGES, same_images=False, held_out_ratio=0.25)
    before, after = (model.contrast(model.pair(1, 0)) for model in (one, found))
    assert after.image_error == 0
    assert after.seed_error == pytest.approx(before.seed_error * math.sqrt(3 * (1 / 3 + 0.25)))
    kept = JointModel(one.figures, one.deviations, IMAGES, held_out_ratio=0.25)
    assert kept.contrast(kept.pair(1, 0)).image_error == before.image_error


def test_both_parts_add_as_squares():
    found = Estimate(mean=0.1, seeds=3, images=200, seed_error=0.03, seed_df=4.5, image_error=0.04)
    expected = math.hypot(0.03 * stats.t.ppf(0.975, 4.5), 0.04 * stats.t.ppf(0.975, 199))
    assert found.interval() == pytest.approx((0.1 - expected, 0.1 + expected))
    low, high = found.interval(1 - found.p_value)
    assert low == pytest.approx(0, abs=1e-9)
    assert high == pytest.approx(0.2)
    assert found.p_value_of(0.2) == pytest.approx(found.p_value)
    assert found.chance_above(0.0) + found.chance_above(0.2) == pytest.approx(1)
    assert found.half_width(0) == math.inf


def test_ends_of_the_p_value():
    assert Estimate(0.0, 3, 100, 0.1, 2, 0.1).p_value == 1
    assert Estimate(1e-9, 3, 100, 0.1, 2, 0.1).p_value == pytest.approx(1, abs=1e-6)
    assert Estimate(0.5, 3, 100, 0.0, 2, 0.0).p_value == pytest.approx(1e-12)
    assert Estimate(-0.2, 3, 100, 0.03, 2, 0.04).p_value == Estimate(0.2, 3, 100, 0.03, 2, 0.04).p_value


def test_figures_and_deviations_must_fit():
    what = "`figures` and `deviations` must have the same variants and seeds."
    message = f"{what} Expected (variants, seeds) and (variants, seeds, count). Received: (2, 3) and (2, 2, 5)."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        JointModel(np.zeros((2, 3)), np.zeros((2, 2, 5)), 5)

"""What a design can find, and what it would take: worked by hand, and against simulated comparisons."""

import numpy as np
import pytest

from keras_attention.comparison.contrasts import Estimate, least_error
from keras_attention.comparison.design import detectable, limit_of_images, needed, power_curve, power_of, scaled

FOUND = Estimate(0.05, 3, 200, seed_error=0.02, seed_df=8.0, image_error=0.01, run_error=0.01, df_per_seed=1.5)


def test_what_is_detectable():
    assert detectable(FOUND, 0.05, 0.8) == pytest.approx(FOUND.half_width(0.05) + FOUND.half_width(0.4))
    assert detectable(FOUND, 0.001) > detectable(FOUND, 0.05)
    assert power_of(FOUND, detectable(FOUND)) == pytest.approx(0.8, abs=0.03)
    assert power_of(FOUND, 0.0) == pytest.approx(0.025, abs=0.01)


def test_a_scaled_design():
    more = scaled(FOUND, 12, 4)
    assert (more.seeds, more.images, more.seed_df) == (12, 800, 8 + 1.5 * 9)
    assert more.image_error == pytest.approx(0.005)
    # Of the seeds' variance .0004, .0001 is due to the images, and falls with their number too.
    assert more.seed_error == pytest.approx(np.sqrt((0.0003 + 0.0001 / 4) * 3 / 12))
    assert scaled(FOUND, 3, 1) == FOUND


def test_what_would_be_needed():
    seeds, images = needed(FOUND)
    assert images == 200
    assert detectable(scaled(FOUND, seeds)) <= 0.05 < detectable(scaled(FOUND, seeds - 1))
    assert needed(FOUND, 0.001)[0] > seeds
    assert needed(FOUND, difference=0.1)[0] <= seeds
    # Where the images are what is uncertain, no number of seeds helps.
    limited = Estimate(0.05, 3, 200, 0.001, 8.0, 0.05)
    seeds, images = needed(limited)
    assert images > 200
    assert limit_of_images(limited) > 0.05 > limit_of_images(FOUND)
    assert needed(Estimate(1e-5, 3, 200, 0.02, 8.0, 0.05)) is None
    assert needed(Estimate(0.0, 3, 200, 0.02, 8.0, 0.05)) is None
    assert needed(FOUND, level=0.0) is None


def test_without_an_interval_nothing_is_known():
    one = Estimate(0.3, 1, 10, None, 0.0, 0.1)
    assert (detectable(one), power_of(one, 0.1), power_curve(one), needed(one), limit_of_images(one)) == (None,) * 5


def test_a_power_curve():
    differences, powers = power_curve(FOUND)
    assert differences[0] == 0
    assert (np.diff(powers) > 0).all()
    assert powers[-1] == pytest.approx(0.99, abs=0.02)
    assert power_curve(FOUND, level=0.0) is None
    certain = Estimate(0.05, 3, 200, 0.0, 8.0, 0.0)
    assert (power_of(certain, 0.01), limit_of_images(certain)) == (1.0, 0.0)


def test_power_is_the_share_that_is_found(rng):
    """Paired t-tests with 5 seeds, as often as they find a difference of two standard deviations."""
    known = Estimate(0.0, 5, 200, 1 / np.sqrt(5), 4.0, 0.0)
    draws = rng.normal(1.6, 1, (4000, 5))
    found = [
        Estimate(each.mean(), 5, 200, each.std(ddof=1) / np.sqrt(5), 4.0, 0.0).p_value < 0.05 and each.mean() > 0
        for each in draws
    ]
    assert power_of(known, 1.6) == pytest.approx(np.mean(found), abs=0.06)


def test_seeds_without_end_find_no_more_than_the_images_allow():
    """On nine images no number of seeds finds a difference of one image, however alike the seeds are."""
    found = Estimate(1 / 9, 4, 9, seed_error=0.05, seed_df=9.0, image_error=0.0, least_error=least_error(1.0, 9))
    limit = limit_of_images(found)
    assert limit > 2.5 * least_error(1.0, 9) > 1 / 9
    assert detectable(scaled(found, 10_000)) == pytest.approx(limit, rel=1e-3)
    seeds, images = needed(found)
    assert images > 9
    assert scaled(found, seeds, 10).error >= least_error(1.0, 90) * (1 - 1e-12)

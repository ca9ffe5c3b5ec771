"""What a comparison can find: the power of its design, and the seeds and images that would settle what is open."""

import bisect
import dataclasses
import math

import numpy as np
from scipy import stats

from keras_attention.comparison.contrasts import LEVEL, t_quantile

POWER = 0.8
MOST_SEEDS, MOST_IMAGES = 100, 100  # the largest feasible design: seeds, and multiples of the present images


def detectable(estimate, level=LEVEL, power=POWER):
    """The smallest true mean that a test at `level` finds with probability `power`; `None` without an interval.

    Args:
        estimate: an `Estimate` of the comparison, whose errors and degrees of freedom are those of the design.
        level: the level of the single test; for a family that of its first step.
        power: the probability of finding it.
    """
    if not estimate.has_interval:
        return None
    # A one-sided quantile of probability 1 − power is the two-sided quantile of twice that probability.
    return estimate.half_width(level) + estimate.half_width(2 * (1 - power))


def power_of(estimate, difference, level=LEVEL):
    """The probability that a true difference is found; `None` without an interval.

    It is the chance that Student's t around the difference, with the error of the estimate, ends beyond the threshold
    of the test, on the right side.

    Example:

    >>> from keras_attention.comparison.contrasts import Estimate
    >>> from keras_attention.comparison.design import detectable, power_of
    >>> found = Estimate(mean=0.02, seeds=5, images=300, seed_error=0.01, seed_df=30.0, image_error=0.01)
    >>> round(power_of(found, detectable(found)), 1)
    0.8
    """
    if not estimate.has_interval:
        return None
    threshold = estimate.half_width(level)
    if estimate.error == 0:
        return float(abs(difference) > threshold)
    return float(stats.t.sf((threshold - abs(difference)) / estimate.error, _joint_df(estimate)))


def power_curve(estimate, level=LEVEL, points=25):
    """`(differences, powers)`: the power over true differences from 0 to one that is nearly always found.

    Returns:
        Two arrays of `points` numbers; `None` without an interval.
    """
    largest = detectable(estimate, level, 0.99)
    if largest is None or not math.isfinite(largest):
        return None
    differences = np.linspace(0, largest, points)
    return differences, np.array([power_of(estimate, difference, level) for difference in differences])


def scaled(estimate, seeds, times_images=1.0):
    """The estimate expected with other numbers of seeds and images, if all else stays as it was found.

    More seeds shrink the error of the seeds and add degrees of freedom. More images shrink the error of the images, and
    that part of the seeds' error which the images cause in single runs.
    """
    run_part = min(estimate.run_error, estimate.seed_error) ** 2
    seed_variance = estimate.seed_error**2 - run_part * (1 - 1 / times_images)
    return dataclasses.replace(
        estimate,
        seeds=seeds,
        images=round(estimate.images * times_images),
        seed_error=math.sqrt(seed_variance * estimate.seeds / seeds),
        seed_df=estimate.seed_df + estimate.df_per_seed * (seeds - estimate.seeds),
        image_error=estimate.image_error / math.sqrt(times_images),
        least_error=estimate.least_error / times_images,
        run_error=math.sqrt(run_part / times_images * estimate.seeds / seeds),
    )


def needed(estimate, level=LEVEL, power=POWER, difference=None, margin=None, level_within=LEVEL):
    """`(seeds, images)` with which a difference would likely be settled, or `None` if no feasible design would.

    It is settled if it is found, or with a margin, if it is shown to be less than that.

    If more seeds on the same images are enough, only the seeds grow, otherwise both, up to 100 seeds and 100 times the
    images.

    Args:
        estimate: an `Estimate` of the comparison.
        level: the level of the single test.
        power: the probability of finding it.
        difference: the true difference; the mean of the estimate if `None`.
        margin: the largest difference that does not matter; `None` to ask only whether there is a difference.
        level_within: the level of the two one-sided tests against the margin.
    """
    wanted = abs(estimate.mean if difference is None else difference)
    if not estimate.has_interval or (wanted == 0 and margin is None):
        return None
    for times_images in (1, 2, 5, 10, 20, 50, MOST_IMAGES):

        def finds(seeds, times_images=times_images):
            design = scaled(estimate, seeds, times_images)
            if wanted and detectable(design, level, power) <= wanted:
                return True
            return margin is not None and _power_of_margin(design, wanted, margin, level_within) >= power

        choices = range(max(2, estimate.seeds), max(MOST_SEEDS, estimate.seeds) + 1)
        if finds(choices[-1]):
            # More seeds always find more, so that the smallest number is found by halving.
            return choices[bisect.bisect_left(choices, True, key=finds)], round(estimate.images * times_images)
    return None


def _power_of_margin(estimate, difference, margin, level):
    """The probability that a true difference is shown to be within the margin: that both one-sided tests succeed."""
    threshold = estimate.half_width(min(2 * level, 1.0))  # a one-sided test at a level is a two-sided one at twice that
    rooms = [margin - difference - threshold, margin + difference - threshold]
    if estimate.error == 0:
        return float(min(rooms) > 0)
    df = _joint_df(estimate)
    return max(0.0, float(sum(stats.t.cdf(room / estimate.error, df) for room in rooms)) - 1)


def limit_of_images(estimate, level=LEVEL, power=POWER):
    """The smallest difference that any number of seeds would find on these images; `None` without an interval.

    If what is open is smaller, more seeds cannot settle it, and only more test images can.
    """
    if not estimate.has_interval:
        return None
    error = max(estimate.image_error, estimate.least_error)
    both = t_quantile(level, estimate.images - 1) + t_quantile(2 * (1 - power), estimate.images - 1)
    return both * error if error else 0.0


def _joint_df(estimate):
    """The degrees of freedom of the error of seeds and images together, after Satterthwaite."""
    parts = ((estimate.seed_error, estimate.seed_df), (estimate.image_error, estimate.images - 1))
    return estimate.error**4 / sum(error**4 / max(df, 1) for error, df in parts)

"""The statistics of differences between runs: intervals over seeds and test images, Holm's correction, the verdict.

A figure of a variant varies for two reasons: training is random (the seeds), and the test images are a sample. The
seeds measure the first variation; a bootstrap over the images, the same for every run, measures the second. Variants
are paired: they share seeds and images, so that only their differences have to be tested.
"""

import dataclasses
import math

import numpy as np
from scipy import optimize, special, stats

from keras_attention.arguments import invalid

LEVEL = 0.05  # the level of a test; an interval has the confidence 1 − LEVEL
CONFIDENCE = 1 - LEVEL
POWER = 0.8
MOST_SEEDS, MOST_IMAGES = 100, 100  # the largest feasible design: seeds, and multiples of the present images
HELPS, HURTS, NO_EVIDENCE, NO_INTERVAL, SAME = "helps", "hurts", "no evidence", "no interval", "the same"


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean over seeds, of a figure or of a paired difference, and its standard errors.

    Args:
        mean: the mean over the seeds.
        seeds: the number of seeds.
        images: n, the number of test images.
        seed_error: the standard error of the mean due to the seeds, s / √seeds; `None` for one seed.
        image_error: the standard error of the mean due to the test images, by bootstrap.
    """

    mean: float
    seeds: int
    images: int
    seed_error: float | None
    image_error: float

    @property
    def has_interval(self):
        """Whether there are at least two seeds, as an interval needs."""
        return self.seed_error is not None

    def half_width(self, level):
        """Half the interval that misses the truth with probability `level`: √((t·seed error)² + (t·image error)²).

        The two t have different degrees of freedom, seeds − 1 and images − 1. Each error is multiplied by its t before
        the squares are added, because one common t would be the t of the images whenever the seeds happen to agree.
        """
        return math.hypot(
            _t(level, self.seeds) * self.seed_error,
            _t(level, self.images) * self.image_error,
        )

    def interval(self, confidence=CONFIDENCE):
        """`(low, high)`; `None` for one seed."""
        if not self.has_interval:
            return None
        half = self.half_width(1 - confidence)
        return self.mean - half, self.mean + half

    @property
    def p_value(self):
        """The two-sided p-value of a mean of 0: the level at which the interval ends at 0; `None` for one seed."""
        if not self.has_interval:
            return None
        if self.mean == 0:
            return 1.0
        smallest = 1e-12
        if self.half_width(smallest) < abs(self.mean):
            return smallest
        return optimize.brentq(lambda level: self.half_width(level) - abs(self.mean), smallest, 1.0, xtol=1e-12)

    def detectable(self, level=LEVEL, power=POWER):
        """The smallest true mean that a test at `level` finds with probability `power`; `None` for one seed."""
        if not self.has_interval:
            return None
        # A one-sided quantile of probability 1 − power is the two-sided quantile of twice that probability.
        return self.half_width(level) + self.half_width(2 * (1 - power))

    def scaled(self, seeds, times_images):
        """The estimate expected with other numbers of seeds and images, if everything else stays the same."""
        return dataclasses.replace(
            self,
            seeds=seeds,
            images=round(self.images * times_images),
            seed_error=self.seed_error * math.sqrt(self.seeds / seeds),
            image_error=self.image_error / math.sqrt(times_images),
        )

    def needed(self, level=LEVEL):
        """`(seeds, images)` with which a difference as large as this one would likely be found.

        If more seeds on the same images are enough, only the seeds grow, otherwise both. `None` if 100 seeds and 100
        times the images are not enough.
        """
        if not self.has_interval or self.mean == 0:
            return None
        for times_images in (1, 2, 5, 10, 20, 50, MOST_IMAGES):
            for seeds in range(max(2, self.seeds), MOST_SEEDS + 1):
                more = self.scaled(seeds, times_images)
                if more.detectable(level) <= abs(self.mean):
                    return more.seeds, more.images
        return None


def estimate(values, resampled, images):
    """An `Estimate` from runs that share their test images.

    Args:
        values: `(seeds,)`, the figure of each run, or the difference of a pair of runs.
        resampled: `(seeds, resamples)`, the same figure under each resample of the images; all runs share the
            resamples. Resamples in which the figure is not defined are NaN, and are left out.
        images: the number of test images.

    Raises:
        ValueError: there are no values, or `resampled` has another number of rows.

    Example:

    >>> import numpy as np
    >>> from keras_attention.comparison.statistics import estimate
    >>> found = estimate([0.04, 0.06, 0.05], np.full((3, 10), 0.05), images=300)
    >>> [round(value, 4) for value in (found.mean, *found.interval())]
    [0.05, 0.0252, 0.0748]
    """
    values, resampled = np.asarray(values, "float64"), np.asarray(resampled, "float64")
    if values.ndim != 1 or not len(values) or resampled.shape[:1] != values.shape:
        raise invalid(
            "`values` and `resampled` must have the same number of seeds.",
            "(seeds,) and (seeds, resamples), at least one seed",
            f"{values.shape} and {resampled.shape}",
        )
    means = resampled.mean(axis=0)
    means = means[np.isfinite(means)]
    return Estimate(
        mean=float(values.mean()),
        seeds=len(values),
        images=images,
        seed_error=float(stats.sem(values)) if len(values) > 1 else None,
        image_error=float(means.std(ddof=1)) if len(means) > 1 else 0.0,
    )


def holm(p_values):
    """Holm's step-down correction: the p-values of a family, corrected so that the whole family keeps the level.

    Args:
        p_values: the p-values of the family; `None` for a missing one.

    Returns:
        The corrected p-values, in the same order.

    Reference:
        Holm, *A Simple Sequentially Rejective Multiple Test Procedure*, Scandinavian Journal of Statistics 1979.

    Example:

    >>> from keras_attention.comparison.statistics import holm
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    known = sorted((p_value, place) for place, p_value in enumerate(p_values) if p_value is not None)
    corrected, largest = [None] * len(p_values), 0.0
    for rank, (p_value, place) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p_value))
        corrected[place] = largest
    return corrected


def verdict(difference, p_corrected, more_is_better=True):
    """The verdict on a paired difference: `"helps"`, `"hurts"`, `"no evidence"`, `"no interval"` or `"the same"`.

    A variant helps or hurts, depending on the sign, if the 95 % interval leaves out 0 and the p-value after Holm's
    correction is below .05. One seed gives no interval. The verdict is "the same" if the figures never differ.

    Args:
        difference: the `Estimate` of variant minus reference.
        p_corrected: the p-value of the difference after correction.
        more_is_better: whether a larger figure is better.
    """
    if not difference.has_interval:
        return NO_INTERVAL
    if difference.mean == difference.seed_error == difference.image_error == 0:
        return SAME
    low, high = difference.interval()
    if low <= 0 <= high or p_corrected >= LEVEL:
        return NO_EVIDENCE
    return HELPS if (difference.mean > 0) == more_is_better else HURTS


def _t(level, count):
    """The two-sided quantile of Student's t for a mean of `count` values."""
    return -float(special.stdtrit(count - 1, level / 2)) if count > 1 else math.inf

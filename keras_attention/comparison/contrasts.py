"""Differences between variants, from all runs of a comparison together: their means, errors and degrees of freedom.

The figure of a run is modelled as

    figure = variant + seed + (what this seed does to this variant) + (what these test images do to this run).

The third part has a variance of its own for each variant (`spread`). The fourth is known from the influence of each
image on each run. What of it differs between seeds is part of the spread that is seen over the seeds; only what all
seeds have in common is added to it.
"""

import dataclasses
import functools
import math

import numpy as np
from scipy import optimize, special

from keras_attention.arguments import invalid
from keras_attention.comparison.spread import MOST_PRIOR, spread_of_residuals, spread_over_seeds

LEVEL = 0.05  # the level of all tests of a family together; an interval has the confidence 1 − LEVEL
CONFIDENCE = 1 - LEVEL
SMALLEST_P = 1e-12


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean over seeds, of a figure or of a difference, with its two standard errors.

    Args:
        mean: the mean over the seeds.
        seeds: the number of seeds.
        images: n, the number of test images.
        seed_error: the standard error due to the seeds; `None` if nothing is known about it.
        seed_df: its degrees of freedom.
        image_error: the standard error due to what the images do to all seeds alike, with n − 1 degrees of freedom.
        run_error: the part of `seed_error` that is due to what the images do to single runs.
        df_per_seed: how many degrees of freedom another seed would add.
        least_error: the least error of seeds and images together that is believed; what is missing is added to
            `image_error`.

    Example:

    >>> from keras_attention.comparison.contrasts import Estimate
    >>> found = Estimate(mean=0.05, seeds=3, images=300, seed_error=0.006, seed_df=8.0, image_error=0.01)
    >>> [round(value, 3) for value in found.interval()]
    [0.026, 0.074]
    """

    mean: float
    seeds: int
    images: int
    seed_error: float | None
    seed_df: float
    image_error: float
    run_error: float = 0.0
    df_per_seed: float = 1.0
    least_error: float = 0.0

    def __post_init__(self):
        missing = self.least_error**2 - (self.seed_error or 0.0) ** 2
        object.__setattr__(self, "image_error", max(self.image_error, math.sqrt(max(missing, 0))))

    @property
    def has_interval(self):
        """Whether the variation over the seeds is known, as an interval needs."""
        return self.seed_error is not None

    @property
    def error(self):
        """The standard error: of seeds and images together."""
        return math.hypot(self.seed_error, self.image_error)

    def half_width(self, level):
        """Half the interval that misses the truth with probability `level`: √((t·seed error)² + (t·image error)²).

        Each t has the degrees of freedom of its error. Each error is multiplied by its t before the squares are added,
        because one common t would be the t of the images whenever the seeds happen to agree.
        """
        if level <= 0:
            return math.inf
        images = t_quantile(level, self.images - 1) * self.image_error if self.image_error else 0.0
        return math.hypot(t_quantile(level, self.seed_df) * self.seed_error, images)

    def interval(self, confidence=CONFIDENCE):
        """`(low, high)`; `None` if the variation over the seeds is not known."""
        if not self.has_interval:
            return None
        half = self.half_width(1 - confidence)
        return self.mean - half, self.mean + half

    @property
    def p_value(self):
        """The two-sided p-value of a mean of 0: the level at which the interval ends at 0; `None` without interval."""
        return self.p_value_of(0.0)

    def p_value_of(self, value):
        """The two-sided p-value of a true mean of `value`; `None` without interval."""
        if not self.has_interval:
            return None
        distance = abs(self.mean - value)
        if distance == 0:
            return 1.0
        if self.half_width(SMALLEST_P) < distance:
            return SMALLEST_P
        wide = math.log(SMALLEST_P)
        found = optimize.brentq(lambda level: self.half_width(math.exp(level)) - distance, wide, 0.0, xtol=1e-10)
        return math.exp(found)

    def chance_above(self, value):
        """The probability that the true mean is above `value`, given these runs and nothing else; `None` without."""
        p_value = self.p_value_of(value)
        if p_value is None:
            return None
        return 1 - p_value / 2 if self.mean > value else p_value / 2


class JointModel:
    """All runs of a comparison in one figure, and what follows from them for any contrast of variants.

    Args:
        figures: `(variants, seeds)`, NaN for a missing run.
        deviations: `(variants, seeds, count)`, how the figure of each run varies with the test images: the sum of the
            products of two runs is their covariance; of a missing run they do not count. `metrics.image_deviations`.
        images: n, the number of test images.
        same_images: whether all seeds are measured on the same test images. If each seed draws its own, there is
            nothing that the images do to all seeds alike.
        held_out_ratio: if each seed draws its own split, how many images it holds out for each one that it trains on;
            0 for one split. Training images that two seeds share make their runs alike, so that the variance of a mean
            over the seeds is (1/seeds + ratio) · s² (Nadeau and Bengio).
        least_error: the least standard error of a mean that is believed; see `least_error`.

    Raises:
        ValueError: the shapes do not fit.

    Reference:
        Obuchowski, Rockette, *Hypothesis Testing of Diagnostic Accuracy for Multiple Readers and Multiple Tests*,
        Communications in Statistics 1995, whose readers are seeds here. Nadeau, Bengio, *Inference for the
        Generalization Error*, Machine Learning 2003.
    """

    def __init__(self, figures, deviations, images, same_images=True, held_out_ratio=0.0, least_error=0.0):
        self.figures, self.deviations = np.asarray(figures, "float64"), np.asarray(deviations, "float64")
        if self.figures.ndim != 2 or self.deviations.shape[:-1] != self.figures.shape:
            raise invalid(
                "`figures` and `deviations` must have the same variants and seeds.",
                "(variants, seeds) and (variants, seeds, count)",
                f"{self.figures.shape} and {self.deviations.shape}",
            )
        self.present = np.isfinite(self.figures)
        self.deviations = np.where(self.present[..., None], self.deviations, 0)
        self.images, self.same_images, self.held_out_ratio = images, same_images, held_out_ratio
        self.least_error = least_error

    @functools.cached_property
    def spread(self):
        """The `Spread` over the seeds of what is left of the figures once each variant and seed has its mean."""
        return spread_of_residuals(self.figures)

    @functools.cached_property
    def raw_spread(self):
        """The `Spread` of the figures themselves over the seeds."""
        return spread_over_seeds(self.figures)

    @functools.cached_property
    def image_covariance(self):
        """What the images do to all seeds alike: `(variants, variants)`, the mean covariance of runs of other seeds.

        A variant with a single run has no other seed; its whole variance is taken, which is too large.
        """
        if not self.same_images:
            return np.zeros((len(self.figures),) * 2)
        sums, count = self.deviations.sum(1), self.present.sum(1)
        same = np.einsum("vsi,wsi->vw", self.deviations, self.deviations, optimize=True)
        pairs = np.outer(count, count) - self.present.astype(int) @ self.present.T
        whole = sums @ sums.T
        known = pairs > 0
        single = same / np.maximum(self.present.astype(int) @ self.present.T, 1)
        return np.where(known, (whole - same) / np.where(known, pairs, 1), single)

    def pair(self, variant, reference):
        """The weights of the runs in the mean difference of two variants, over the seeds that both have."""
        common = self.present[variant] & self.present[reference]
        weights = np.zeros(self.figures.shape)
        if common.any():
            weights[variant, common] = 1 / common.sum()
            weights[reference, common] = -1 / common.sum()
        return weights

    def contrast(self, weights, spread=None):
        """The `Estimate` of Σ weights · figures.

        Args:
            weights: `(variants, seeds)`; the weights of all variants together sum to 0.
            spread: the variances over the seeds; `self.spread` if `None`.
        """
        spread = spread or self.spread
        seeds = int((weights != 0).any(0).sum())
        variance, df = spread.of_sum((weights**2).sum(1))
        factor = self._factor(seeds)
        single = df / spread.df[(weights != 0).any(1)].mean() if df else 1.0
        return Estimate(
            mean=float((weights * np.where(self.present, self.figures, 0)).sum()),
            seeds=seeds,
            images=self.images,
            seed_error=math.sqrt(variance * factor) if df else None,
            seed_df=df,
            image_error=math.sqrt(max(self.image_variance(weights), 0)),
            run_error=math.sqrt(min(max(self._run_variance(weights), 0), variance)) if df else 0.0,
            df_per_seed=float(max(single, 1.0)),
            least_error=self.least_error,
        )

    def pooled(self, variants, reference):
        """The `Estimate` of the mean of several variants minus the reference, over the seeds that each pair has.

        What a seed does to all of these variants alike, and not to the reference, does not average out over them.
        So the variance is that of the seeds' own pooled differences, moved towards the one of the model.
        """
        pairs = [weights for variant in variants if (weights := self.pair(variant, reference)).any()]
        if not pairs:
            return None
        weights = np.mean(pairs, axis=0)
        found = self.contrast(weights)
        complete = (weights != 0).sum(0) == (weights != 0).sum(0).max()
        own_df = int(complete.sum()) - 1
        if len(pairs) < 2 or own_df < 1 or not found.has_interval:
            return found
        per_seed = (weights * np.where(self.present, self.figures, 0)).sum(0)[complete] * found.seeds
        own = per_seed.var(ddof=1) / found.seeds * self._factor(found.seeds)
        variance = (MOST_PRIOR * found.seed_error**2 + own_df * own) / (MOST_PRIOR + own_df)
        return dataclasses.replace(
            found, seed_error=math.sqrt(variance), seed_df=min(MOST_PRIOR + own_df, found.seed_df)
        )

    def mean(self, variant):
        """The `Estimate` of the mean figure of a variant."""
        weights = np.zeros(self.figures.shape)
        weights[variant] = self.present[variant] / max(self.present[variant].sum(), 1)
        return self.contrast(weights, self.raw_spread)

    def image_variance(self, weights, others=None):
        """The covariance of two contrasts that is due to what the images do to all seeds alike."""
        first, second = weights.sum(1), (weights if others is None else others).sum(1)
        return float(first @ self.image_covariance @ second)

    def correlation(self, contrasts):
        """The correlation matrix of the errors of several contrasts, `(contrasts, contrasts)`."""
        weights = np.stack(contrasts)
        moderated = np.nan_to_num(self.spread.moderated)
        seeds = np.einsum("kvs,v,lvs->kl", weights, moderated, weights, optimize=True)
        totals = weights.sum(2)
        both = seeds * self._factor(weights.shape[2]) + totals @ self.image_covariance @ totals.T
        return as_correlation(both)

    def _run_variance(self, weights):
        """The variance of a contrast that is due to what the images do to single runs."""
        own = (self.deviations**2).sum(2) - np.diag(self.image_covariance)[:, None]
        return float((weights**2 * np.where(self.present, np.maximum(own, 0), 0)).sum())

    def _factor(self, seeds):
        return 1 + seeds * self.held_out_ratio


def least_error(most, images):
    """The least standard error that is believed of a figure of n images that is at most `most`: 1.5 · most / n.

    Runs that agree on all images seem to have no error at all. But among n images without a disagreement, up to 3 of n
    may be ones on which they disagree, with a confidence of 95 % (the rule of three).

    Example:

    >>> from keras_attention.comparison.contrasts import least_error
    >>> least_error(1.0, 300)
    0.005
    """
    return 1.5 * (most if math.isfinite(most) else 1.0) / images


def as_correlation(covariance):
    """The nearest covariance without negative variances, as a correlation matrix."""
    sizes, directions = np.linalg.eigh((covariance + covariance.T) / 2)
    proper = (directions * np.maximum(sizes, 0)) @ directions.T
    errors = np.sqrt(np.maximum(np.diag(proper), 0))
    scale = np.where(errors > 0, errors, 1)
    correlation = proper / scale / scale[:, None]
    np.fill_diagonal(correlation, 1.0)
    return correlation


def t_quantile(level, df):
    """The two-sided quantile of Student's t, which may be infinite."""
    return -float(special.stdtrit(df, level / 2)) if df > 0 else math.inf

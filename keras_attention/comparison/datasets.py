"""Several data sets at once: the mean of a difference over data sets, and whether ranks differ.

A variant may help on one data set and hurt on another, so that the data sets are a sample too: what is said of all of
them rests on as many numbers as there are data sets.
"""

import dataclasses
import math

import numpy as np
from scipy import optimize, stats

from keras_attention.arguments import invalid

LEVEL = 0.05
SMALLEST_ERROR = 1e-9  # instead of 0, for weights that are finite


@dataclasses.dataclass(frozen=True)
class Joined:
    """The mean of a difference over data sets, with random effects.

    Args:
        mean: the mean, each data set weighted by 1 / (error² + between²).
        error: the standard error of the mean, by Hartung and Knapp; it has k − 1 degrees of freedom.
        between: the standard deviation of the true differences between data sets.
        count: k, the number of data sets.
    """

    mean: float
    error: float
    between: float
    count: int

    def interval(self, level=LEVEL):
        """`(low, high)`, which miss the mean over such data sets with probability `level`."""
        half = self.error * float(stats.t.isf(level / 2, self.count - 1))
        return self.mean - half, self.mean + half

    @property
    def p_value(self):
        """The two-sided p-value of a mean of 0."""
        if self.error == 0:
            return 1.0 if self.mean == 0 else 0.0
        return float(2 * stats.t.sf(abs(self.mean) / self.error, self.count - 1))


def join(means, errors):
    """The mean of a difference over data sets, from that of each and its standard error.

    The variance between data sets is that of Paule and Mandel; the error of the mean is that of Hartung and Knapp, and
    never below the one without it, so that few data sets which agree by chance do not seem certain.

    Args:
        means: `(k,)`, the difference on each data set; at least two.
        errors: `(k,)`, their standard errors, at least 0.

    Returns:
        A `Joined`.

    Raises:
        ValueError: fewer than two data sets, or an error below 0.

    Reference:
        Hartung, Knapp, *A Refined Method for the Meta-analysis of Controlled Clinical Trials with Binary Outcome*,
        Statistics in Medicine 2001; Paule, Mandel, *Consensus Values and Weighting Factors*, 1982.

    Example:

    >>> from keras_attention.comparison.datasets import join
    >>> found = join([0.02, 0.05, 0.035], [0.01, 0.01, 0.01])
    >>> [round(value, 4) for value in (found.mean, *found.interval())]
    [0.035, -0.0023, 0.0723]
    """
    means, errors = np.asarray(means, "float64"), np.asarray(errors, "float64")
    if means.ndim != 1 or means.shape != errors.shape or len(means) < 2 or not (errors >= 0).all():
        raise invalid(
            "A mean over data sets needs a difference and an error of each.",
            "at least two data sets, with errors of at least 0",
            f"{means.tolist()}, {errors.tolist()}",
        )
    variances = np.maximum(errors, SMALLEST_ERROR) ** 2
    between = _between(means, variances)
    weights = 1 / (variances + between)
    mean = float((weights * means).sum() / weights.sum())
    spread = float((weights * (means - mean) ** 2).sum() / (len(means) - 1))
    return Joined(mean, math.sqrt(max(spread, 1.0) / weights.sum()), math.sqrt(between), len(means))


def _between(means, variances):
    """τ² with Σ (y − ȳ)² / (v + τ²) = k − 1; 0 if the differences vary less than their errors allow."""

    def excess(between):
        weights = 1 / (variances + between)
        mean = (weights * means).sum() / weights.sum()
        return (weights * (means - mean) ** 2).sum() - (len(means) - 1)

    if excess(0.0) <= 0:
        return 0.0
    # With τ² = Σ (y − ȳ)² every term of the sum is at most 1, and together they are too small.
    most = float(((means - means.mean()) ** 2).sum())
    return float(optimize.brentq(excess, 0.0, most, xtol=1e-15))


@dataclasses.dataclass(frozen=True)
class Ranks:
    """How variants rank over data sets.

    Args:
        mean: `(variants,)`, the mean rank of each, from 1, the best.
        statistic: Iman and Davenport's F, with variants − 1 and (variants − 1)(data sets − 1) degrees of freedom.
        chi_square: Friedman's χ².
        p_value: the p-value of F: of equal mean ranks of all variants.
        critical: by how much two mean ranks must differ for a difference at the level, by Nemenyi.
    """

    mean: np.ndarray
    statistic: float
    chi_square: float
    p_value: float
    critical: float

    @property
    def groups(self):
        """The largest groups of variants whose mean ranks differ by less than `critical`, best first.

        Each is a list of at least two numbers of variants; variants in no common group differ.
        """
        order = np.argsort(self.mean, kind="stable")
        found, end = [], 0
        for start in range(len(order)):
            near = [place for place in order[start:] if self.mean[place] - self.mean[order[start]] < self.critical]
            if len(near) > 1 and start + len(near) > end:
                found.append([int(place) for place in near])
                end = start + len(near)
        return found


def rank(figures, more_is_better=True, level=LEVEL):
    """Whether variants rank differently over data sets, and by how much two of them must.

    Args:
        figures: `(data sets, variants)`, without missing figures; at least two of each.
        more_is_better: whether the largest figure has rank 1; equal figures share their ranks.
        level: the level of the critical difference.

    Returns:
        `Ranks`.

    Raises:
        ValueError: fewer than two data sets or variants, or a missing figure.

    Reference:
        Demšar, *Statistical Comparisons of Classifiers over Multiple Data Sets*, JMLR 2006, sec. 3.2.

    Example:

    >>> from keras_attention.comparison.datasets import rank
    >>> found = rank([[0.7, 0.8], [0.6, 0.9], [0.5, 0.4], [0.7, 0.9]])
    >>> found.mean.tolist(), round(found.critical, 2)
    ([1.75, 1.25], 0.98)
    """
    figures = np.asarray(figures, "float64")
    if figures.ndim != 2 or min(figures.shape) < 2 or not np.isfinite(figures).all():
        raise invalid(
            "Ranks need a figure of every variant on every data set.",
            "finite figures (data sets, variants), at least two of each",
            f"shape {figures.shape}, {int((~np.isfinite(figures)).sum())} missing",
        )
    sets, variants = figures.shape
    mean = stats.rankdata(-figures if more_is_better else figures, axis=1).mean(0)
    chi_square = 12 * sets / (variants * (variants + 1)) * ((mean**2).sum() - variants * (variants + 1) ** 2 / 4)
    rest = sets * (variants - 1) - chi_square
    statistic = math.inf if rest <= 1e-12 else (sets - 1) * chi_square / rest
    quantile = stats.studentized_range.isf(level, variants, math.inf) / math.sqrt(2)
    return Ranks(
        mean=mean,
        statistic=statistic,
        chi_square=float(chi_square),
        p_value=float(stats.f.sf(statistic, variants - 1, (variants - 1) * (sets - 1))),
        critical=float(quantile * math.sqrt(variants * (variants + 1) / (6 * sets))),
    )

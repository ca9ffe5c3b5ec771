"""How much the seeds move each variant: its variance over the seeds, from all runs of a comparison together.

Three seeds say little about the variance of one variant. So the variance is taken from the residuals of the whole table
variants × seeds, and moved towards what the variants have in common.
"""

import dataclasses
import functools

import numpy as np
from scipy import optimize, special

# The common variance counts at most as much as this many seeds of the variant itself. In simulations with unequal
# variances and heavy tails, intervals that trust it more are too short for the variants that vary most.
MOST_PRIOR = 3.0


@dataclasses.dataclass(frozen=True)
class Spread:
    """The variances of the variants over the seeds.

    Args:
        own: `(variants,)`, the variance of each variant from its own residuals; 0 without degrees of freedom.
        own_df: `(variants,)`, their degrees of freedom, seeds − 1.
        pooled_df: the degrees of freedom of all residuals together, which bound those of any sum of variances.
        prior: what the variances have in common.
        prior_df: how many degrees of freedom that counts.
        prior_error: the variance of the logarithm of `prior`, which is estimated itself.
    """

    own: np.ndarray
    own_df: np.ndarray
    pooled_df: float
    prior: float
    prior_df: float
    prior_error: float = 0.0

    @functools.cached_property
    def df(self):
        """The degrees of freedom of the moderated variances, `(variants,)`."""
        return np.minimum(self.own_df + self.prior_df, self.pooled_df)

    @functools.cached_property
    def moderated(self):
        """(d₀ s₀² + d s²) / (d₀ + d), `(variants,)`, with d₀ and s₀² of the prior; NaN if there is nothing to go by."""
        total = self.own_df + self.prior_df
        known = self.prior_df * self.prior + self.own_df * self.own
        return np.divide(known, total, out=np.full(len(self.own), np.nan), where=total > 0)

    def of_sum(self, factors):
        """Σ factors · variances and its degrees of freedom by Satterthwaite's rule; NaN and 0 if it is not known."""
        used = factors > 0
        if not self.pooled_df or not used.any() or np.isnan(self.moderated[used]).any():
            return np.nan, 0.0
        parts = factors[used] * self.moderated[used]
        if not parts.any():
            return 0.0, float(self.pooled_df)
        shares = parts / parts.sum()
        # All variances are moved towards one prior, whose error does not average out over them. A relative variance of
        # 2/df is that of a χ² over its df.
        common = (shares * self.prior_df / (self.own_df[used] + self.prior_df)).sum()
        df = 2 / ((shares**2 * 2 / self.df[used]).sum() + common**2 * self.prior_error)
        return float(parts.sum()), float(min(df, self.pooled_df))


def spread_of_residuals(figures):
    """The `Spread` of what is left of figures once each variant and each seed has its mean.

    A variant's variance is the sum of its squared residuals over the sum of their 1 − leverage, which for a complete
    table of V variants and S seeds is Σ r² / (S − 1) · V / (V − 1).

    Args:
        figures: `(variants, seeds)`, NaN for a missing run.

    Example: of two variants, both get half the variance of their difference.

    >>> import numpy as np
    >>> from keras_attention.comparison.spread import spread_of_residuals
    >>> found = spread_of_residuals(np.array([[0.7, 0.8, 0.6], [0.8, 0.8, 0.8]]))
    >>> found.own.round(6).tolist(), found.own_df.tolist(), found.pooled_df
    ([0.005, 0.005], [2, 2], 2.0)
    """
    residuals, leverages, rank = _two_way(figures)
    present = np.isfinite(figures)
    free = np.where(present, 1 - leverages, 0).sum(1)
    own = np.where(free > 1e-9, (residuals**2).sum(1) / np.maximum(free, 1e-9), 0)
    own_df = np.where(free > 1e-9, np.maximum(present.sum(1) - 1, 0), 0)
    found = _moderated(own, own_df, float(present.sum() - rank))
    # The residuals of two variants are the same but for their sign, so that there is nothing to move them towards.
    return found if (own_df > 0).sum() > 2 else dataclasses.replace(found, prior_df=0.0)


def spread_over_seeds(figures):
    """The `Spread` of the figures themselves over the seeds, as the mean of a single variant needs it.

    Args:
        figures: `(variants, seeds)`, NaN for a missing run.
    """
    present = np.isfinite(figures)
    count = present.sum(1)
    means = np.where(present, figures, 0).sum(1) / np.maximum(count, 1)
    squares = np.where(present, figures - means[:, None], 0) ** 2
    own_df = np.maximum(count - 1, 0)
    return _moderated(squares.sum(1) / np.maximum(own_df, 1), own_df, float(own_df.sum()))


def prior_of_variances(variances, df):
    """The prior `(s₀², d₀)` of variances that were estimated with `df` degrees of freedom each.

    If the true variances are scaled inverse χ² with d₀ degrees of freedom, the logarithms of their estimates vary by
    ψ'(d₀/2) more than their ψ'(df/2), so d₀ is found by matching. As few variants say little about it, the excess is
    taken one standard error higher, and d₀ counts for at most 3.

    Args:
        variances: `(variants,)`; variants without degrees of freedom are left out.
        df: `(variants,)`.

    Reference:
        Smyth, *Linear Models and Empirical Bayes Methods for Assessing Differential Expression in Microarray
        Experiments*, SAGMB 2004, sec. 6.2.

    Example: the variances are as unequal as four degrees of freedom make equal ones.

    >>> import numpy as np
    >>> from keras_attention.comparison.spread import prior_of_variances
    >>> variance, df = prior_of_variances(np.array([0.5, 1.0, 2.0]), np.array([4, 4, 4]))
    >>> df
    3.0
    """
    known = (np.asarray(df) > 0) & (np.asarray(variances) > 0)
    variances, df = np.asarray(variances)[known], np.asarray(df)[known]
    if not known.any():
        return 0.0, 0.0
    # The mean of the logarithm of a χ² with d degrees of freedom over d is ψ(d/2) − log(d/2).
    logarithms = np.log(variances) - special.digamma(df / 2) + np.log(df / 2)
    if len(variances) < 2:
        return float(variances[0]), 0.0
    expected = special.polygamma(1, df / 2).mean()
    excess = logarithms.var(ddof=1) - expected * (1 - np.sqrt(2 / (len(variances) - 1)))
    prior_df = _inverse_trigamma(excess)
    # Likewise the true variances have a logarithm of log s₀² − ψ(d₀/2) + log(d₀/2) on average.
    shift = special.digamma(prior_df / 2) - np.log(prior_df / 2)
    return float(np.exp(logarithms.mean() + shift)), min(prior_df, MOST_PRIOR)


def _inverse_trigamma(excess):
    """d₀ with ψ'(d₀/2) = excess, from nearly 0 to a million for an excess that is not above 0."""
    least, most = 1e-6, 1e6
    if excess <= special.polygamma(1, most / 2):
        return most
    return float(optimize.brentq(lambda df: special.polygamma(1, df / 2) - excess, least, most))


def _moderated(own, own_df, pooled_df):
    prior, prior_df = prior_of_variances(own, own_df)
    known = (own_df > 0) & (own > 0)
    error = special.polygamma(1, own_df[known] / 2).mean() / known.sum() if known.any() else 0.0
    return Spread(own, own_df, pooled_df, prior, prior_df, float(error))


def _two_way(figures):
    """Residuals and leverages of the fit of a mean for each variant and each seed, and the rank of that fit."""
    present = np.isfinite(figures)
    variant, seed = np.nonzero(present)
    design = np.zeros((len(variant), sum(figures.shape)))
    rows = np.arange(len(variant))
    design[rows, variant] = design[rows, figures.shape[0] + seed] = 1
    left, sizes, _ = np.linalg.svd(design, full_matrices=False)
    left = left[:, sizes > 1e-9 * sizes.max(initial=1)]
    values = figures[present]
    scale = np.abs(values).max(initial=0)
    residuals, leverages = np.zeros(figures.shape), np.ones(figures.shape)
    fitted = left @ (left.T @ values)
    # What is left by rounding is nothing.
    residuals[present] = np.where(np.isclose(values, fitted, rtol=0, atol=1e-12 * scale), 0, values - fitted)
    leverages[present] = (left**2).sum(1)
    return residuals, leverages, left.shape[1]

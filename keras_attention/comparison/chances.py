"""How probable it is that a variant is the best, and the rank to expect of it, given the runs and nothing else."""

import numpy as np

DRAWS = 20_000


def chances_of_rank(model, more_is_better=True):
    """The chance of each variant of being the best of all, and its expected rank, from 1.

    The true means of the variants are drawn around those that were found (fitted together with the means of the seeds,
    so that a missing run favours nobody): variances over the seeds from their scaled inverse χ², then errors of seeds
    and of images from normal distributions. The draws are the same every time.

    Args:
        model: the `JointModel` of the figure.
        more_is_better: whether a larger figure is better.

    Returns:
        `(best, rank)`, each `(variants,)`, NaN for variants without runs; `None` if nothing is known about the seeds.

    Example:

    >>> import numpy as np
    >>> from keras_attention.comparison.chances import chances_of_rank
    >>> from keras_attention.comparison.contrasts import JointModel
    >>> figures = np.array([[0.70, 0.71, 0.69], [0.70, 0.69, 0.71], [0.80, 0.82, 0.81]])
    >>> best, rank = chances_of_rank(JointModel(figures, np.zeros((3, 3, 1)), images=300))
    >>> best.round(1).tolist(), rank.round(1).tolist()
    ([0.0, 0.0, 1.0], [2.5, 2.5, 1.0])
    """
    spread, ran = model.spread, model.present.any(1)
    if not spread.pooled_df or np.isnan(spread.moderated[ran]).any():
        return None
    means = variant_means(model.figures)[ran] + _errors(model, ran)
    order = np.argsort(-means if more_is_better else means, axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(1, ran.sum() + 1)[None], axis=1)
    best, rank = np.full(len(ran), np.nan), np.full(len(ran), np.nan)
    best[ran], rank[ran] = (ranks == 1).mean(0), ranks.mean(0)
    return best, rank


def variant_means(figures):
    """The mean of each variant as if all had the same seeds, `(variants,)`, by least squares; NaN without runs."""
    variant, seed = np.nonzero(np.isfinite(figures))
    design = np.zeros((len(variant), sum(figures.shape)))
    rows = np.arange(len(variant))
    design[rows, variant] = design[rows, figures.shape[0] + seed] = 1
    fitted = np.linalg.lstsq(design, figures[variant, seed], rcond=None)[0]
    means = fitted[: figures.shape[0]] + fitted[figures.shape[0] :].mean()
    return np.where(np.isfinite(figures).any(1), means, np.nan)


def chance_of_margin(estimate, margin):
    """The p-value of the claim that the true mean is within ± `margin`: the larger of two one-sided tests.

    Args:
        estimate: an `Estimate`.
        margin: the largest difference that does not matter, above 0.

    Returns:
        The p-value; `None` without an interval. It is below .05 if the 90 % interval is within the margin.

    Reference:
        Schuirmann, *A Comparison of the Two One-Sided Tests Procedure and the Power Approach for Assessing the
        Equivalence of Average Bioavailability*, Journal of Pharmacokinetics and Biopharmaceutics 1987.

    Example:

    >>> from keras_attention.comparison.chances import chance_of_margin
    >>> from keras_attention.comparison.contrasts import Estimate
    >>> found = Estimate(mean=0.001, seeds=5, images=300, seed_error=0.002, seed_df=30.0, image_error=0.002)
    >>> chance_of_margin(found, 0.01) < 0.05 < chance_of_margin(found, 0.005)
    True
    """
    below, above = estimate.chance_above(margin), estimate.chance_above(-margin)
    return None if below is None else max(below, 1 - above)


def _errors(model, ran):
    """Draws of the errors of the means, `(draws, variants that ran)`."""
    generator, spread = np.random.default_rng(0), model.spread
    size = (DRAWS, int(ran.sum()))
    chi = generator.chisquare(np.maximum(spread.df[ran], 1e-3), size) / np.maximum(spread.df[ran], 1e-3)
    seeds = model.present.sum(1)[ran]
    errors = np.sqrt(spread.moderated[ran] / chi * (1 / seeds + model.held_out_ratio))
    sizes, directions = np.linalg.eigh(model.image_covariance[np.ix_(ran, ran)])
    root = directions * np.sqrt(np.maximum(sizes, 0))
    drawn = generator.standard_normal(size) * errors + generator.standard_normal(size) @ root.T
    # Equal means without errors share the ranks, instead of being ordered by rounding.
    return drawn + generator.standard_normal(size) * max(model.least_error / 2, 1e-9)

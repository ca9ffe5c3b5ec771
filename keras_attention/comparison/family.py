"""Several comparisons at once: p-values that keep the level for a whole family, without giving away what they share.

The differences of many variants to one reference share the reference's runs and the test images, so that their errors
are alike. The chance that the smallest of their p-values is small is computed under that correlation, where Holm's
correction assumes the worst one.
"""

import functools

import numpy as np
from scipy import special

DRAWS = 20_000


def corrected(p_values, correlation):
    """Step-down p-values of a family, from the distribution of its smallest p-value.

    The errors of the estimates are taken as jointly normal with the given correlation, and each keeps its own p-value.
    A corrected p-value is the chance that the smallest p-value of those not yet decided is at least as small, by a
    fixed set of 20,000 draws; it is never above that of `holm`.

    Args:
        p_values: the two-sided p-values of the family; `None` for a missing one.
        correlation: `(family, family)`, of the errors of the estimates.

    Returns:
        The corrected p-values, in the same order.

    Reference:
        Dunnett, *A Multiple Comparison Procedure for Comparing Several Treatments with a Control*, JASA 1955;
        step-down: Westfall, Young, *Resampling-Based Multiple Testing*, 1993, algorithm 2.8.

    Example: the third is the same comparison as the second, and costs nothing.

    >>> import numpy as np
    >>> from keras_attention.comparison.family import corrected, holm
    >>> correlation = np.array([[1, 0, 0], [0, 1, 1], [0, 1, 1]])
    >>> [round(value, 2) for value in corrected([0.3, 0.02, 0.02], correlation)]
    [0.3, 0.04, 0.04]
    >>> holm([0.3, 0.02, 0.02])
    [0.3, 0.06, 0.06]
    """
    known = [place for place, p_value in enumerate(p_values) if p_value is not None]
    order = sorted(known, key=lambda place: p_values[place])
    result, largest = [None] * len(p_values), 0.0
    largest_errors = _largest_errors(np.asarray(correlation)[np.ix_(order, order)])
    for rank, place in enumerate(order):
        single, left = p_values[place], len(order) - rank
        # Few draws are as extreme as a very small p-value; the bounds hold whatever the correlation is.
        share = float((largest_errors[rank] >= -special.ndtri(single / 2)).mean())
        largest = max(largest, min(1.0, max(share, single), left * single))
        result[place] = largest
    return result


def holm(p_values):
    """Holm's step-down correction, which holds under any correlation.

    Args:
        p_values: the p-values of the family; `None` for a missing one.

    Returns:
        The corrected p-values, in the same order.

    Reference:
        Holm, *A Simple Sequentially Rejective Multiple Test Procedure*, Scandinavian Journal of Statistics 1979.

    Example:

    >>> from keras_attention.comparison.family import holm
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    known = sorted((p_value, place) for place, p_value in enumerate(p_values) if p_value is not None)
    result, largest = [None] * len(p_values), 0.0
    for rank, (p_value, place) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p_value))
        result[place] = largest
    return result


def first_step_level(level, correlation):
    """The level that the best of a family is tested at: the p-value below which the smallest falls with chance `level`.

    Example: for one comparison it is the level itself, for several it is at least Bonferroni's.

    >>> import numpy as np
    >>> from keras_attention.comparison.family import first_step_level
    >>> first_step_level(0.05, np.eye(1)), 0.05 / 4 <= first_step_level(0.05, np.eye(4)) < 0.02
    (0.05, True)
    """
    size = len(correlation)
    if size < 2:
        return level
    threshold = np.quantile(_largest_errors(np.asarray(correlation))[0], 1 - level)
    return float(np.clip(2 * special.ndtr(-threshold), level / size, level))


def _largest_errors(correlation):
    """The largest error, in standard errors, of the family without its first 0, 1, … members: `(family, draws)`."""
    sizes, directions = np.linalg.eigh(correlation)
    root = (directions * np.sqrt(np.maximum(sizes, 0))).astype("float32")
    errors = np.abs(root @ _draws(len(correlation)))
    for rank in reversed(range(len(errors) - 1)):  # a quarter of the time of `np.maximum.accumulate`
        np.maximum(errors[rank], errors[rank + 1], out=errors[rank])
    return errors


@functools.lru_cache(maxsize=4)
def _draws(size):
    return np.random.default_rng(0).standard_normal((size, DRAWS), dtype="float32")

"""Measures of maps without masks: how even and how sparse a map is, and its agreement with another map."""

import numpy as np
from scipy.stats import rankdata

from keras_attention.arguments import invalid
from keras_attention.maps.mask_measures import require_finite
from keras_attention.maps.placed import at_positions, finest, grid_of


def entropy(maps):
    """H(p)/log n with p = a/Σa, of each map: 1 for even weights, 0 for a single position.

    Args:
        maps: `(B, H, W)`, at least 0.

    Returns:
        `(B,)`; NaN for a map of zeros, and for a map with only one position.

    Raises:
        ValueError: an array that is not `(B, H, W)`, or values that are negative or not finite.

    Example:

    >>> import numpy as np
    >>> from keras_attention.maps import entropy
    >>> entropy(np.array([[[1.0, 1.0], [1.0, 1.0]], [[0.0, 3.0], [0.0, 0.0]]]))
    array([1., 0.])
    """
    shares = _shares(maps)
    with np.errstate(divide="ignore", invalid="ignore"):
        information = np.where(shares > 0, -shares * np.log(shares), shares).sum(axis=1)
        # The absolute value, because the result is −0 if all the weight is at one position.
        return np.abs(information / np.log(shares.shape[1]) if shares.shape[1] > 1 else np.full(len(shares), np.nan))


def sparsity(maps):
    """The Gini index of the weights of each map, divided by (n − 1)/n: 0 for even weights, 1 for a single position.

    Arguments, result and errors are those of `entropy`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.maps import sparsity
    >>> sparsity(np.array([[[1.0, 1.0], [1.0, 1.0]], [[0.0, 3.0], [0.0, 0.0]]]))
    array([0., 1.])

    Reference:
        Hurley, Rickard, *Comparing Measures of Sparsity*, IEEE Transactions on Information Theory 55(10), 2009,
        table 1; for maps Chalasani et al., *Concise Explanations of Neural Networks using Adversarial Training*,
        ICML 2020.
    """
    shares = np.sort(_shares(maps), axis=1)
    count = shares.shape[1]
    if count == 1:
        return np.full(len(shares), np.nan)
    return shares @ (2 * np.arange(1, count + 1) - count - 1) / (count - 1)


def agreement(first, second):
    """Spearman's rank correlation of two maps over the positions; the coarser map is read at those of the finer.

    Args:
        first, second: `(B, H, W)`; the two may differ in height and width.

    Returns:
        `(B,)` from −1 to 1; NaN if one of the maps is constant and so ranks nothing.

    Raises:
        ValueError: arrays that are not `(B, H, W)` with the same `B`, or values that are not finite.

    Example:

    >>> import numpy as np
    >>> from keras_attention.maps import agreement
    >>> falling = np.array([[[4.0, 3.0], [2.0, 1.0]]])
    >>> agreement(falling, falling**2), agreement(falling, -falling)
    (array([1.]), array([-1.]))
    """
    first, second = (np.asanyarray(maps, "float64") for maps in (first, second))
    if first.ndim != 3 or second.ndim != 3 or len(first) != len(second):
        raise invalid(
            "`first` and `second` must be maps of the same images.",
            "two arrays (B, H, W) with the same B",
            f"{first.shape} and {second.shape}",
        )
    for maps in (first, second):
        require_finite(maps)
    grid = finest([grid_of(first), grid_of(second)])
    ranks = [_centred_ranks(maps if grid_of(maps) == grid else at_positions(maps, grid)) for maps in (first, second)]
    norms = np.prod([np.linalg.norm(each, axis=1) for each in ranks], axis=0)
    together = (ranks[0] * ranks[1]).sum(axis=1)
    return np.where(norms > 0, together / np.where(norms > 0, norms, 1), np.nan).clip(-1, 1)


def _centred_ranks(maps):
    flat = maps.reshape(len(maps), -1)
    # After resizing, a constant map varies by rounding errors, which must not be ranked.
    constant = np.ptp(flat, axis=1, keepdims=True) <= 1e-6 * np.abs(flat).max(axis=1, keepdims=True)
    ranks = rankdata(flat, axis=1)
    return np.where(constant, 0, ranks - ranks.mean(axis=1, keepdims=True))


def _shares(maps):
    """Maps divided by their sums, `(B, n)`; NaN if the sum is 0."""
    maps = np.asarray(maps, "float64")
    if maps.ndim != 3:
        raise invalid("`maps` must be maps of weights.", "(B, H, W), at least 0", f"shape {maps.shape}")
    if not ((maps >= 0) & np.isfinite(maps)).all():
        raise invalid("`maps` must be maps of weights.", "finite numbers, at least 0", f"{maps.min()} to {maps.max()}")
    flat = maps.reshape(len(maps), -1)
    total = flat.sum(axis=1, keepdims=True)
    return np.where(total > 0, flat / np.where(total > 0, total, 1), np.nan)

"""What a map is like without a mask to hold against it: how spread out, how sparse, how like another map."""

import numpy as np
from scipy.stats import rankdata

from keras_attention.arguments import invalid
from keras_attention.maps.attention import resize_maps
from keras_attention.maps.mask_measures import require_finite


def entropy(maps):
    """H(p)/log n with p = a/Σa, of each map: 1 for even weights, 0 for a single position.

    Args:
        maps: `(B, H, W)`, at least 0.

    Returns:
        `(B,)`; NaN for a map of zeros, and for one of a single position, where nothing could be otherwise.

    Raises:
        ValueError: what are no maps, or hold what is below 0 or not finite.

    Example:

    >>> import numpy as np
    >>> from keras_attention.maps import entropy
    >>> entropy(np.array([[[1.0, 1.0], [1.0, 1.0]], [[0.0, 3.0], [0.0, 0.0]]]))
    array([1., 0.])
    """
    shares = _shares(maps)
    with np.errstate(divide="ignore", invalid="ignore"):
        information = np.where(shares > 0, -shares * np.log(shares), shares).sum(axis=1)
        # Not −0, where all the weight is in one place.
        return np.abs(information / np.log(shares.shape[1]) if shares.shape[1] > 1 else np.full(len(shares), np.nan))


def sparsity(maps):
    """The Gini index of the weights, over (n − 1)/n, of each map: 0 for even weights, 1 for a single position.

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
    """Spearman's rank correlation of the positions of two maps of an image, the coarser one resized to the finer.

    Args:
        first, second: `(B, H, W)`, each with a grid of its own.

    Returns:
        `(B,)` from −1 to 1; NaN where one of the maps is constant, which ranks nothing.

    Raises:
        ValueError: maps of different numbers of images, no maps, or maps that are not finite.

    Example:

    >>> import numpy as np
    >>> from keras_attention.maps import agreement
    >>> falling = np.array([[[4.0, 3.0], [2.0, 1.0]]])
    >>> agreement(falling, falling**2), agreement(falling, -falling)
    (array([1.]), array([-1.]))
    """
    first, second = (np.asarray(maps, "float64") for maps in (first, second))
    if first.ndim != 3 or second.ndim != 3 or len(first) != len(second):
        raise invalid("The maps do not fit.", "two of (B, H, W), one B", f"{first.shape} and {second.shape}")
    for maps in (first, second):
        require_finite(maps)
    size = max(first.shape[1:], second.shape[1:], key=np.prod)
    ranks = [_centred_ranks(maps if maps.shape[1:] == size else resize_maps(maps, size)) for maps in (first, second)]
    norms = np.prod([np.linalg.norm(each, axis=1) for each in ranks], axis=0)
    together = (ranks[0] * ranks[1]).sum(axis=1)
    return np.where(norms > 0, together / np.where(norms > 0, norms, 1), np.nan).clip(-1, 1)


def _centred_ranks(maps):
    flat = maps.reshape(len(maps), -1)
    # A constant map that was resized differs from itself by roundings, which rank nothing.
    constant = np.ptp(flat, axis=1, keepdims=True) <= 1e-6 * np.abs(flat).max(axis=1, keepdims=True)
    ranks = rankdata(flat, axis=1)
    return np.where(constant, 0, ranks - ranks.mean(axis=1, keepdims=True))


def _shares(maps):
    """Maps as shares of their sums, `(B, n)`; NaN where that is 0."""
    maps = np.asarray(maps, "float64")
    if maps.ndim != 3:
        raise invalid("These are no maps of weights.", "(B, H, W), at least 0", f"shape {maps.shape}")
    if not ((maps >= 0) & np.isfinite(maps)).all():
        raise invalid("These are no maps of weights.", "finite numbers, at least 0", f"{maps.min()} to {maps.max()}")
    flat = maps.reshape(len(maps), -1)
    total = flat.sum(axis=1, keepdims=True)
    return np.where(total > 0, flat / np.where(total > 0, total, 1), np.nan)

"""Measures of a map against a mask of the object.

Each measure gives a figure for each image. A constant map, which prefers no position, scores chance: the share of the
image that the mask covers.
"""

import functools

import numpy as np

from keras_attention.arguments import invalid, require_number

THRESHOLD = 0.5


def pointing_game(maps, masks):
    """Share of the images whose map has its largest value inside the mask.

    Images with an empty mask are left out. If several pixels have the largest value, the share of them inside counts,
    so that a constant map scores chance.

    Args:
        maps: `(n, H, W)`, at the resolution of the masks, finite.
        masks: `(n, H, W)` or `(n, H, W, 1)`, 0 outside; pixels above half of a mask's largest value are inside.

    Returns:
        A dictionary: `score`; `chance`, the mean share of the image that the mask covers; both from 0 to 1, or `None`
        if every mask is empty; and `count`, the number of images that were used.

    Raises:
        ValueError: maps and masks of different shapes, or maps that are not finite.

    Example:

    >>> import numpy as np
    >>> from keras_attention.maps import pointing_game
    >>> maps, masks = np.zeros((1, 2, 2)), np.zeros((1, 2, 2))
    >>> maps[0, 1, 0] = masks[0, 1, 0] = 1
    >>> pointing_game(maps, masks)
    {'score': 1.0, 'chance': 0.25, 'count': 1}

    Reference:
        Zhang et al., *Top-Down Neural Attention by Excitation Backprop*, IJCV 2018, section 4.2.
    """
    return _figures(MaskedMap.pointing_game, maps, masks)


def energy_inside(maps, masks):
    """Σ a·m / Σ a: the share of a map's weight inside the mask, on average over the images.

    Values below 0 count as 0. Arguments, result and errors are those of `pointing_game`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.maps import energy_inside
    >>> energy_inside(np.array([[[3.0, 1.0]]]), np.array([[[1, 0]]]))
    {'score': 0.75, 'chance': 0.5, 'count': 1}

    Reference:
        Wang et al., *Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks*, CVPR Workshops
        2020, section 4.3.
    """
    return _figures(MaskedMap.energy_inside, maps, masks)


def jaccard(maps, masks, threshold=THRESHOLD):
    """|map ∩ mask| / |map ∪ mask|, on average over the images, with the pixels of the map above the threshold.

    Each map is first scaled to 0…1 by its smallest and largest value. Chance is the index of the whole image. Result
    and errors are those of `pointing_game`.

    Args:
        maps, masks: as in `pointing_game`.
        threshold: from 0 to below 1.

    Example:

    >>> import numpy as np
    >>> from keras_attention.maps import jaccard
    >>> jaccard(np.array([[[9.0, 8.0, 1.0, 0.0]]]), np.array([[[1, 0, 0, 0]]]))
    {'score': 0.5, 'chance': 0.25, 'count': 1}

    Reference:
        Yan, Kawahara, Hamarneh, *Melanoma Recognition via Visual Attention*, IPMI 2019, table 2.
    """
    require_number("threshold", threshold, at_least=0, below=1)
    return _figures(lambda pixels: pixels.jaccard([threshold])[0], maps, masks)


def pixel_average_precision(maps, masks):
    """The average precision of a map that ranks the pixels inside the mask first, on average over the images.

    Pixels of the same value have the same rank, so that a constant map scores chance. Arguments, result and errors are
    those of `pointing_game`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.maps import pixel_average_precision
    >>> pixel_average_precision(np.array([[[0.9, 0.8, 0.3, 0.1]]]), np.array([[[0, 1, 0, 0]]]))
    {'score': 0.5, 'chance': 0.25, 'count': 1}
    """
    return _figures(MaskedMap.average_precision, maps, masks)


class MaskedMap:
    """The pixels of one map and whether each is inside the mask, sorted once for all measures that rank them.

    Args:
        values: the map, `(pixels,)`.
        inside: booleans `(pixels,)`, at least one of them True.
    """

    def __init__(self, values, inside):
        self.values, self.inside = values, inside

    @functools.cached_property
    def _order(self):
        # Not scaled or rounded before, which could make different values equal.
        return np.argsort(self.values)[::-1]

    @functools.cached_property
    def _ranked(self):
        return self.values[self._order]

    @functools.cached_property
    def _found(self):
        """The number of pixels inside among the k highest, for each k from 0 to all."""
        found = np.zeros(len(self.values) + 1, "int64")
        np.cumsum(self.inside[self._order], out=found[1:])
        return found

    def pointing_game(self):
        """The share inside of the pixels with the largest value."""
        largest = self.values == self.values.max()
        return (largest & self.inside).sum() / largest.sum()

    def energy_inside(self):
        """The share of the weight inside."""
        values = np.maximum(self.values, 0)
        total = values.sum(dtype="float64")
        # A map without weight prefers no position.
        return values[self.inside].sum(dtype="float64") / total if total > 0 else self.inside.mean()

    def jaccard(self, thresholds=(THRESHOLD,)):
        """The Jaccard index of the pixels whose scaled value is above each threshold, `(thresholds,)`."""
        above = np.searchsorted(self._scaled_down, -np.float32(thresholds), "left")
        hits = self._found[above]
        return hits / (above + self._found[-1] - hits)

    def average_precision(self):
        """Σ (recall gained) · precision, at the end of each group of equal values."""
        last = np.flatnonzero(self._ranked[:-1] != self._ranked[1:]) + 1
        ends = np.append(last, len(self.values))
        found = self._found[ends]
        return float((np.diff(found, prepend=0) * (found / ends)).sum() / found[-1])

    @functools.cached_property
    def _scaled_down(self):
        """The ranked values scaled to −1 up to 0, rising as `searchsorted` needs them.

        In float32, so that a value of .1 is not above a threshold of .1.
        """
        values = self._ranked.astype("float64")
        high, low = values[0], values[-1]
        # A constant map covers the whole image at every threshold.
        return ((low - values) / (high - low) if high > low else -np.ones_like(values)).astype("float32")


def mean_figures(values, chance):
    """The mean of a measure over the images.

    Args:
        values: the figure of each image, `(n,)`, as `measure_maps` gives them; NaN is left out.
        chance: the chance of each image, `(n,)`.

    Returns:
        What `pointing_game` returns.

    Example:

    >>> import numpy as np
    >>> from keras_attention.maps import mean_figures
    >>> mean_figures(np.array([1.0, 0.5, np.nan]), np.array([0.25, 0.25, np.nan]))
    {'score': 0.75, 'chance': 0.25, 'count': 2}
    """
    used = np.isfinite(values)
    if not used.any():
        return {"score": None, "chance": None, "count": 0}
    return {"score": float(values[used].mean()), "chance": float(chance[used].mean()), "count": int(used.sum())}


def inside_masks(masks):
    """Masks `(n, H, W)` or `(n, H, W, 1)` → booleans `(n, H, W)`: above half of a mask's largest value."""
    masks = np.asarray(masks)
    masks = masks[..., 0] if masks.ndim == 4 and masks.shape[-1] == 1 else masks
    if masks.dtype.kind == "f" and np.isnan(masks).any():
        raise invalid("The masks must be finite.", "0 outside, one other number inside", "NaN")
    if masks.dtype == bool or masks.ndim != 3:
        return masks
    return masks > masks.max(axis=(1, 2), keepdims=True) / 2


def require_finite(maps):
    """Raises `ValueError` if a map has values that are not finite."""
    if not np.isfinite(maps).all():
        raise invalid("The maps must be finite.", "numbers", f"{int((~np.isfinite(maps)).sum())} NaN or infinite")


def _figures(measure, maps, masks):
    flat, inside = flattened(maps, masks)
    return mean_figures(of_each(measure, flat, inside), chance(inside))


def of_each(measure, flat, inside, undefined=np.nan):
    """A measure of the `MaskedMap` of each image, one at a time, so that it fits the processor's cache.

    An image with an empty mask gets `undefined`.
    """
    pairs = zip(flat, inside, strict=True)
    return np.array([measure(MaskedMap(values, mask)) if mask.any() else undefined for values, mask in pairs])


def flattened(maps, masks):
    """Maps and masks as `(n, pixels)`; the masks as booleans."""
    maps, masks = np.asarray(maps), inside_masks(masks)
    if maps.shape != masks.shape or maps.ndim != 3:
        raise do_not_fit(maps.shape, masks.shape)
    require_finite(maps)
    return maps.reshape(len(maps), -1), masks.reshape(len(masks), -1)


def do_not_fit(maps, masks):
    """The error for maps and masks of shapes that do not match."""
    return invalid("The maps must match the masks.", "both (n, H, W)", f"maps {maps}, masks {masks}")


def chance(inside):
    """What a constant map scores: the share of each image inside, `(n,)`, from booleans `(n, pixels)`; NaN if empty."""
    return np.where(inside.any(axis=1), inside.mean(axis=1), np.nan)

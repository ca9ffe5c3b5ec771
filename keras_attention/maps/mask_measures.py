"""How good a map is, against masks of the object: the formulas.

Each measure gives a figure for each image. A constant map, which prefers no place, scores what chance does: the share
of the image that the mask covers.
"""

import functools

import numpy as np

from keras_attention.arguments import invalid, require_number

THRESHOLD = 0.5


def pointing_game(maps, masks):
    """Share of the images whose map has its largest value inside the mask.

    Images with an empty mask are left out. Where several pixels share the largest value, the share of them inside
    counts, so that a constant map scores what chance does.

    Args:
        maps: `(n, H, W)`, at the resolution of the masks, finite.
        masks: `(n, H, W)` or `(n, H, W, 1)`, 0 outside; inside is what is above half of a mask's largest value.

    Returns:
        A dictionary: `score`; `chance`, the mean share of the image that the mask covers; both from 0 to 1, or `None`
        without any mask; and `count`, the images that were used.

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
    """Σ a·m / Σ a: the share of a map's weight that lies inside the mask, on average over the images.

    What is below 0 is no weight and counts as 0. Arguments, result and errors are those of `pointing_game`.

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
    """|map ∩ mask| / |map ∪ mask|, on average over the images, for the pixels where the map is above the threshold.

    Each map is scaled to 0…1 by its smallest and largest value first. Chance is the index of the whole image. The other
    arguments, result and errors are those of `pointing_game`.

    Args:
        maps, masks: as there.
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
    """The average precision with which a map ranks the pixels inside the mask before those outside, over the images.

    Pixels of one value have one rank: a constant map has the precision of chance. Arguments, result and errors are
    those of `pointing_game`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.maps import pixel_average_precision
    >>> pixel_average_precision(np.array([[[0.9, 0.8, 0.3, 0.1]]]), np.array([[[0, 1, 0, 0]]]))
    {'score': 0.5, 'chance': 0.25, 'count': 1}
    """
    return _figures(MaskedMap.average_precision, maps, masks)


class MaskedMap:
    """The pixels of one map, and which of them are in the mask; they are sorted once for all measures that rank them.

    Args:
        values: the map, `(pixels,)`.
        inside: truth values `(pixels,)`, one of them at least true.
    """

    def __init__(self, values, inside):
        self.values, self.inside = values, inside

    @functools.cached_property
    def _order(self):
        # As they are: values that are scaled or rounded before could become equal.
        return np.argsort(self.values)[::-1]

    @functools.cached_property
    def _ranked(self):
        return self.values[self._order]

    @functools.cached_property
    def _found(self):
        """How many are inside among the k highest, for k from 0 to all."""
        found = np.zeros(len(self.values) + 1, "int64")
        np.cumsum(self.inside[self._order], out=found[1:])
        return found

    def pointing_game(self):
        """The share of the pixels with the largest value that is inside."""
        largest = self.values == self.values.max()
        return (largest & self.inside).sum() / largest.sum()

    def energy_inside(self):
        """The share of the weight that is inside."""
        values = np.maximum(self.values, 0)
        total = values.sum(dtype="float64")
        # A map without any weight prefers no place.
        return values[self.inside].sum(dtype="float64") / total if total > 0 else self.inside.mean()

    def jaccard(self, thresholds=(THRESHOLD,)):
        """`(thresholds,)`, of the pixels whose scaled value is above each."""
        # The values fall, and `searchsorted` wants them to rise.
        above = np.searchsorted(-self._scaled(), -np.float32(thresholds), "left")
        hits = self._found[above]
        return hits / (above + self._found[-1] - hits)

    def average_precision(self):
        """Σ (recall gained) · precision, at the end of each group of equal values."""
        last = np.flatnonzero(self._ranked[:-1] != self._ranked[1:]) + 1
        ends = np.append(last, len(self.values))
        found = self._found[ends]
        return float((np.diff(found, prepend=0) * (found / ends)).sum() / found[-1])

    def _scaled(self):
        """The ranked values from 1 down to 0, float32, in which those of a float32 map meet a threshold such as .1."""
        values = self._ranked.astype("float64")
        high, low = values[0], values[-1]
        # A constant map is all of the image at every threshold.
        return ((values - low) / (high - low) if high > low else np.ones_like(values)).astype("float32")


def mean_figures(values, chance):
    """The mean of a measure over the images.

    Args:
        values: the figure of each image, `(n,)`, such as `measure_maps` gives them; NaN is left out.
        chance: that of each image, `(n,)`.

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
    """Masks `(n, H, W)` or `(n, H, W, 1)` → truth values `(n, H, W)`: above half of a mask's largest value."""
    masks = np.asarray(masks)
    masks = masks[..., 0] if masks.ndim == 4 and masks.shape[-1] == 1 else masks
    if masks.dtype.kind == "f" and np.isnan(masks).any():
        raise invalid("The masks are not finite.", "0 outside, one other number inside", "NaN")
    if masks.dtype == bool or masks.ndim != 3:
        return masks
    return masks > masks.max(axis=(1, 2), keepdims=True) / 2


def require_finite(maps):
    """Raises `ValueError` where a map has values that are no numbers."""
    if not np.isfinite(maps).all():
        raise invalid("The maps are not finite.", "numbers", f"{int((~np.isfinite(maps)).sum())} NaN or infinite")


def _figures(measure, maps, masks):
    flat, inside = flattened(maps, masks)
    return mean_figures(of_each(measure, flat, inside), chance(inside))


def of_each(measure, flat, inside, undefined=np.nan):
    """A measure of the `MaskedMap` of each image, one after the other, which stays in the processor's cache.

    `undefined` stands for an image without a mask.
    """
    pairs = zip(flat, inside, strict=True)
    return np.array([measure(MaskedMap(values, mask)) if mask.any() else undefined for values, mask in pairs])


def flattened(maps, masks):
    """Maps and masks as `(n, pixels)`; the masks as truth values."""
    maps, masks = np.asarray(maps), inside_masks(masks)
    if maps.shape != masks.shape or maps.ndim != 3:
        raise do_not_fit(maps.shape, masks.shape)
    require_finite(maps)
    return maps.reshape(len(maps), -1), masks.reshape(len(masks), -1)


def do_not_fit(maps, masks):
    """The error for maps and masks of these shapes."""
    return invalid("Maps and masks do not fit.", "both (n, H, W)", f"maps {maps}, masks {masks}")


def chance(inside):
    """What a constant map scores, of truth values `(n, pixels)`: the share that is inside; NaN without a mask."""
    return np.where(inside.any(axis=1), inside.mean(axis=1), np.nan)

"""How good a map is, against masks of the object.

Each measure gives a figure for each image. A constant map, which prefers no place, scores what chance does: the share
of the image that the mask covers.
"""

import numpy as np

from keras_attention.arguments import invalid, require_number
from keras_attention.explain.maps import joint_map, resize_maps

PIECE = 64
THRESHOLD = 0.5
THRESHOLDS = np.arange(100) / 100  # among which the best is sought
JOINT = "joint"


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
    >>> from keras_attention.explain import pointing_game
    >>> maps, masks = np.zeros((1, 2, 2)), np.zeros((1, 2, 2))
    >>> maps[0, 1, 0] = masks[0, 1, 0] = 1
    >>> pointing_game(maps, masks)
    {'score': 1.0, 'chance': 0.25, 'count': 1}

    Reference:
        Zhang et al., *Top-Down Neural Attention by Excitation Backprop*, IJCV 2018, section 4.2.
    """
    return _figures(_hit, maps, masks)


def energy_inside(maps, masks):
    """Σ a·m / Σ a: the share of a map's weight that lies inside the mask, on average over the images.

    What is below 0 is no weight and counts as 0. Arguments, result and errors are those of `pointing_game`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.explain import energy_inside
    >>> energy_inside(np.array([[[3.0, 1.0]]]), np.array([[[1, 0]]]))
    {'score': 0.75, 'chance': 0.5, 'count': 1}

    Reference:
        Wang et al., *Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks*, CVPR Workshops
        2020, section 4.3.
    """
    return _figures(_energy, maps, masks)


def jaccard(maps, masks, threshold=THRESHOLD):
    """|map ∩ mask| / |map ∪ mask|, on average over the images, for the pixels where the map is above the threshold.

    Each map is scaled to 0…1 by its smallest and largest value first. Chance is the index of the whole image. The other
    arguments, result and errors are those of `pointing_game`.

    Args:
        maps, masks: as there.
        threshold: from 0 to below 1.

    Example:

    >>> import numpy as np
    >>> from keras_attention.explain import jaccard
    >>> jaccard(np.array([[[9.0, 8.0, 1.0, 0.0]]]), np.array([[[1, 0, 0, 0]]]))
    {'score': 0.5, 'chance': 0.25, 'count': 1}

    Reference:
        Yan, Kawahara, Hamarneh, *Melanoma Recognition via Visual Attention*, IPMI 2019, table 2.
    """
    require_number("threshold", threshold, at_least=0, below=1)
    return _figures(lambda values, inside: Ranking(values, inside).jaccard([threshold])[0], maps, masks)


def pixel_average_precision(maps, masks):
    """The average precision with which a map ranks the pixels inside the mask before those outside, over the images.

    Pixels of one value have one rank: a constant map has the precision of chance. Arguments, result and errors are
    those of `pointing_game`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.explain import pixel_average_precision
    >>> pixel_average_precision(np.array([[[0.9, 0.8, 0.3, 0.1]]]), np.array([[[0, 1, 0, 0]]]))
    {'score': 0.5, 'chance': 0.25, 'count': 1}
    """
    return _figures(lambda values, inside: Ranking(values, inside).average_precision(), maps, masks)


class Ranking:
    """The pixels of one image in the order of its map: what a measure of any threshold, or of all of them, asks for.

    Args:
        values: the map, `(pixels,)`.
        inside: which pixels are in the mask, `(pixels,)`, one of them at least.
    """

    def __init__(self, values, inside):
        # As they are: values that are scaled or rounded before could become equal.
        order = np.argsort(values)[::-1]
        self.values = values[order]
        # How many are inside among the k highest, for k from 0 to all.
        self.found = np.zeros(len(order) + 1, "int64")
        np.cumsum(inside[order], out=self.found[1:])

    def jaccard(self, thresholds):
        """`(thresholds,)`, of the pixels whose scaled value is above each."""
        # The values fall, and `searchsorted` wants them to rise.
        above = np.searchsorted(-self._scaled(), -np.float32(thresholds), "left")
        hits = self.found[above]
        return hits / (above + self.found[-1] - hits)

    def average_precision(self):
        """Σ (recall gained) · precision, at the end of each group of equal values."""
        last = np.flatnonzero(self.values[:-1] != self.values[1:]) + 1
        ends = np.append(last, len(self.values))
        found = self.found[ends]
        return float((np.diff(found, prepend=0) * (found / ends)).sum() / found[-1])

    def _scaled(self):
        """The values from 1 down to 0, float32, in which those of a float32 map meet a threshold such as .1."""
        values = self.values.astype("float64")
        high, low = values[0], values[-1]
        # A constant map is all of the image at every threshold.
        return ((values - low) / (high - low) if high > low else np.ones_like(values)).astype("float32")


def measure_maps(maps, masks):
    """All measures for each image, for each block of a model and for their `joint_map`, at the resolution of the masks.

    Args:
        maps: name → `(n, H, W)`, as `attention_maps` gives them.
        masks: `(n, H, W)` or `(n, H, W, 1)`.

    Returns:
        `{measure: {block: (n,)}}`, for the measures of `MEASURES` and the blocks of `maps` and `"joint"`; from 0 to 1,
        NaN for an image with an empty mask. And chance, `(n,)`, which is the same for all.

    Raises:
        ValueError: as of `pointing_game`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.explain import measure_maps
    >>> maps = {"block4_pool": np.array([[[3.0, 1.0], [0.0, 0.0]]])}
    >>> figures, chance = measure_maps(maps, np.array([[[1, 0], [0, 0]]]))
    >>> list(figures)
    ['pointing_game', 'energy_inside', 'jaccard', 'pixel_average_precision']
    >>> figures["pointing_game"], chance
    ({'block4_pool': array([1.]), 'joint': array([1.])}, array([0.25]))
    """
    _paired(maps, masks)
    figures, chance = measure_pixels(maps | {JOINT: joint_map(maps)}, masks)
    return {measure: {block: figures[block][measure] for block in figures} for measure in MEASURES}, chance


def measure_pixels(maps, masks):
    """As `measure_maps`, `{block: {measure: (n,)}}` with `"curve"` beside, `(n, len(THRESHOLDS))`: the Jaccard index
    of each threshold, and without the joint map."""
    masks = inside_masks(masks)
    _paired(maps, masks)  # before the maps are resized, and cut to pieces
    size, undefined = masks.shape[1:], np.full(len(MEASURES) + len(THRESHOLDS), np.nan)
    rows, chances = {name: [] for name in maps}, []
    # In pieces: maps at the resolution of the images would fill the memory for a large split.
    for start in range(0, len(masks), PIECE):
        for name, values in maps.items():
            flat, inside = _flat(resize_maps(values[start : start + PIECE], size), masks[start : start + PIECE])
            rows[name].append(_of_each(_all_measures, flat, inside, undefined))
        chances.append(_chance(inside))
    columns = {name: np.concatenate(parts) for name, parts in rows.items()}
    named = {name: dict(zip(MEASURES, found.T, strict=False)) for name, found in columns.items()}
    curves = {name: {"curve": found[:, len(MEASURES) :]} for name, found in columns.items()}
    return {name: named[name] | curves[name] for name in maps}, np.concatenate(chances)


def mean_figures(values, chance):
    """The mean of a measure over the images.

    Args:
        values: the figure of each image, `(n,)`, such as `measure_maps` gives them; NaN is left out.
        chance: that of each image, `(n,)`.

    Returns:
        What `pointing_game` returns.

    Example:

    >>> import numpy as np
    >>> from keras_attention.explain import mean_figures
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
    flat, inside = _flat(maps, masks)
    return mean_figures(_of_each(measure, flat, inside), _chance(inside))


def _of_each(measure, flat, inside, undefined=np.nan):
    """The measure of each image, one after the other, which stays in the processor's cache; NaN without a mask."""
    pairs = zip(flat, inside, strict=True)
    return np.array([measure(values, mask) if mask.any() else undefined for values, mask in pairs])


def _flat(maps, masks):
    """Maps and masks as `(n, pixels)`; the masks as truth values."""
    maps, masks = np.asarray(maps), inside_masks(masks)
    if maps.shape != masks.shape or maps.ndim != 3:
        raise _do_not_fit(maps.shape, masks.shape)
    require_finite(maps)
    return maps.reshape(len(maps), -1), masks.reshape(len(masks), -1)


def _paired(maps, masks):
    """True; raises unless there are as many maps of each block as masks."""
    shape = inside_masks(masks).shape
    for values in maps.values():
        if len(shape) != 3 or np.ndim(values) != 3 or len(values) != shape[0]:
            raise _do_not_fit(np.shape(values), shape)
    return True


def _do_not_fit(maps, masks):
    return invalid("Maps and masks do not fit.", "both (n, H, W)", f"maps {maps}, masks {masks}")


def _chance(inside):
    return np.where(inside.any(axis=1), inside.mean(axis=1), np.nan)


def _hit(values, inside):
    largest = values == values.max()
    return (largest & inside).sum() / largest.sum()


def _energy(values, inside):
    values = np.maximum(values, 0)
    total = values.sum(dtype="float64")
    # A map without any weight prefers no place.
    return values[inside].sum(dtype="float64") / total if total > 0 else inside.mean()


def _all_measures(values, inside):
    """The figures of `MEASURES`, then the Jaccard index of each of `THRESHOLDS`."""
    ranking = Ranking(values, inside)
    curve = ranking.jaccard(THRESHOLDS)
    middle = curve[np.searchsorted(THRESHOLDS, THRESHOLD)]
    return np.array([_hit(values, inside), _energy(values, inside), middle, ranking.average_precision(), *curve])


MEASURES = ("pointing_game", "energy_inside", "jaccard", "pixel_average_precision")

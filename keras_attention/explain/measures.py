"""How good a map is, against masks of the object.

Each measure gives a figure for each image. A constant map, which prefers no place, scores what chance does: the share
of the image that the mask covers.
"""

import numpy as np

from keras_attention.arguments import invalid
from keras_attention.explain.maps import joint_map, resize_maps

PIECE = 256
THRESHOLD = 0.5


def pointing_game(maps, masks):
    """Share of the images whose map has its largest value inside the mask.

    Images with an empty mask are left out. Where several pixels share the largest value, the share of them inside
    counts, so that a constant map scores what chance does.

    Args:
        maps: `(n, H, W)`, at the resolution of the masks.
        masks: `(n, H, W)` or `(n, H, W, 1)`, 0 outside.

    Returns:
        A dictionary: `score`; `chance`, the mean share of the image that the mask covers; both from 0 to 1, or `None`
        without any mask; and `count`, the images that were used.

    Raises:
        ValueError: maps and masks of different shapes.

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
    return _figures(_hits, maps, masks)


def energy_inside(maps, masks):
    """Σ a·m / Σ a: the share of a map's weight that lies inside the mask, on average over the images.

    Arguments, result and errors are those of `pointing_game`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.explain import energy_inside
    >>> energy_inside(np.array([[[3.0, 1.0]]]), np.array([[[1, 0]]]))
    {'score': 0.75, 'chance': 0.5, 'count': 1}

    Reference:
        Wang et al., *Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks*, CVPR Workshops
        2020, section 4.3.
    """
    return _figures(_energies, maps, masks)


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
    return _figures(lambda flat, inside: _overlaps(flat, inside, threshold), maps, masks)


def measure_maps(maps, masks):
    """All measures for each image, for each block of a model and for their `joint_map`, at the resolution of the masks.

    Args:
        maps: name → `(n, H, W)`, as `attention_maps` gives them.
        masks: `(n, S, S)` or `(n, S, S, 1)`.

    Returns:
        `{measure: {block: (n,)}}`, for the measures `pointing_game`, `energy_inside` and `jaccard` and the blocks of
        `maps` and `"joint"`; NaN for an image with an empty mask. And chance, `(n,)`, which is the same for all.
    """
    size, pieces, chances = masks.shape[1], [], []
    # In pieces: maps at the resolution of the images would fill the memory for a large split.
    for start in range(0, len(masks), PIECE):
        piece = {name: values[start : start + PIECE] for name, values in maps.items()}
        resized = {name: resize_maps(values, size) for name, values in piece.items()}
        resized["joint"] = joint_map(piece, size)
        flat = {name: _flat(values, masks[start : start + PIECE]) for name, values in resized.items()}
        pieces.append({name: {block: measure(*flat[block]) for block in flat} for name, measure in MEASURES.items()})
        chances.append(_chance(flat["joint"][1]))
    joined = {
        name: {block: np.concatenate([piece[name][block] for piece in pieces]) for block in (*maps, "joint")}
        for name in MEASURES
    }
    return joined, np.concatenate(chances)


def mean_figures(values, chance):
    """What `pointing_game` returns, from the figures of each image `(n,)` and chance `(n,)`; NaN is left out."""
    used = np.isfinite(values)
    if not used.any():
        return {"score": None, "chance": None, "count": 0}
    return {"score": float(values[used].mean()), "chance": float(chance[used].mean()), "count": int(used.sum())}


def _figures(measure, maps, masks):
    flat, inside = _flat(maps, masks)
    return mean_figures(measure(flat, inside), _chance(inside))


def _flat(maps, masks):
    """Maps and masks as `(n, pixels)`; the masks as truth values."""
    maps, masks = np.asarray(maps), np.asarray(masks)
    masks = masks[..., 0] if masks.ndim == 4 else masks
    if maps.shape != masks.shape or maps.ndim != 3:
        raise invalid("Maps and masks do not fit.", "both (n, H, W)", f"maps {maps.shape}, masks {masks.shape}")
    return maps.reshape(len(maps), -1), (masks > 0).reshape(len(masks), -1)


def _chance(inside):
    return np.where(inside.any(axis=1), inside.mean(axis=1), np.nan)


def _hits(flat, inside):
    largest = flat == flat.max(axis=1, keepdims=True)
    hits = (largest & inside).sum(axis=1) / largest.sum(axis=1)
    return np.where(inside.any(axis=1), hits, np.nan)


def _energies(flat, inside):
    chance, total = _chance(inside), flat.sum(axis=1, dtype="float64")
    share = (flat * inside).sum(axis=1, dtype="float64") / np.where(total > 0, total, 1)
    return np.where(np.isfinite(chance) & (total > 0), share, chance)  # no weight at all prefers no place


def _overlaps(flat, inside, threshold=THRESHOLD):
    low, high = flat.min(axis=1, keepdims=True), flat.max(axis=1, keepdims=True)
    above = (flat - low > threshold * (high - low)) | (high == low)  # a constant map is all of the image
    overlap = (above & inside).sum(axis=1) / (above | inside).sum(axis=1)
    return np.where(inside.any(axis=1), overlap, np.nan)


MEASURES = {"pointing_game": _hits, "energy_inside": _energies, "jaccard": _overlaps}

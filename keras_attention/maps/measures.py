"""The measures of a map.

A new measure needs only an entry in `MEASURES`: `measure` computes it, and tables, galleries and reports show it.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from keras_attention.figures import Figure, by_name
from keras_attention.maps.mask_measures import MaskedMap, chance, do_not_fit, flattened, inside_masks, of_each
from keras_attention.maps.placed import joint_map, resize_maps
from keras_attention.maps.properties import entropy, sparsity
from keras_attention.models.outputs import JOINT

PIECE = 64
THRESHOLDS = np.arange(100) / 100  # the best one is chosen from these
CURVE = "curve"  # the Jaccard index at each threshold
BEST_JACCARD = "jaccard_best"  # at the one threshold that is best for all images together


@dataclasses.dataclass(frozen=True, kw_only=True)
class MapMeasure(Figure):
    """A figure of a map.

    It is computed from a map and its mask (`of_pixels`) or from maps alone (`of_maps`). A measure with neither needs
    the model; `measure` computes it.

    Args:
        of_pixels: `MaskedMap` → a number.
        of_maps: maps `(n, H, W)` → `(n,)`.
        against_mask: whether it needs masks, and so has a chance to compare with.
        perturbs: whether it runs the model on changed images.

    Example:

    >>> from keras_attention.maps import MEASURES
    >>> MEASURES["pointing_game"].title, MEASURES["pointing_game"].against_mask
    ('pointing game', True)
    """

    of_pixels: Callable | None = None
    of_maps: Callable | None = None
    against_mask: bool = False
    perturbs: bool = False


MEASURES = by_name(
    MapMeasure(
        name="pointing_game",
        title="pointing game",
        headline=True,
        against_mask=True,
        of_pixels=MaskedMap.pointing_game,
    ),
    MapMeasure(
        name="energy_inside",
        title="energy inside",
        headline=True,
        against_mask=True,
        of_pixels=MaskedMap.energy_inside,
    ),
    MapMeasure(
        name="jaccard",
        title="Jaccard at .5",
        headline=True,
        against_mask=True,
        of_pixels=lambda pixels: pixels.jaccard()[0],
    ),
    MapMeasure(name=BEST_JACCARD, title="best Jaccard", against_mask=True),
    MapMeasure(
        name="pixel_average_precision",
        title="AP of pixels",
        against_mask=True,
        of_pixels=MaskedMap.average_precision,
    ),
    MapMeasure(name="insertion", title="insertion", perturbs=True),
    MapMeasure(name="deletion", title="deletion", perturbs=True, more_is_better=False),
    MapMeasure(name="entropy", title="entropy", more_is_better=None, of_maps=entropy),
    MapMeasure(name="sparsity", title="sparsity", more_is_better=None, of_maps=sparsity),
    MapMeasure(name="random_weights", title="agreement with random weights", more_is_better=False, least=-1.0),
    # A new measure is a row here.
)
OF_PIXELS = {name: measure for name, measure in MEASURES.items() if measure.of_pixels is not None}


def measure_maps(maps, masks):
    """All measures against masks for each image, of each attended layer and of the joint map.

    They are computed at the resolution of the masks.

    Args:
        maps: name → `(n, H, W)`, as `attention_maps` gives them.
        masks: `(n, H, W)` or `(n, H, W, 1)`.

    Returns:
        Two results: `{measure: {attended layer: (n,)}}`, with the layers of `maps` and `"joint"`, from 0 to 1, NaN for
        an image with an empty mask; and chance, `(n,)`, the same for all measures.

    Raises:
        ValueError: as in `pointing_game`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.maps import measure_maps
    >>> maps = {"block4_pool": np.array([[[3.0, 1.0], [0.0, 0.0]]])}
    >>> figures, chance = measure_maps(maps, np.array([[[1, 0], [0, 0]]]))
    >>> list(figures)
    ['pointing_game', 'energy_inside', 'jaccard', 'pixel_average_precision']
    >>> figures["pointing_game"], chance
    ({'block4_pool': array([1.]), 'joint': array([1.])}, array([0.25]))
    """
    _check_paired(maps, masks)
    figures, chance = measure_pixels(maps | {JOINT: joint_map(maps)}, masks)
    return {measure: {layer: figures[layer][measure] for layer in figures} for measure in OF_PIXELS}, chance


def measure_pixels(maps, masks):
    """`{attended layer: {measure: (n,)}}` without the joint map, and chance, as in `measure_maps`.

    Beside the measures, `CURVE` has the Jaccard index at each of `THRESHOLDS`, `(n, len(THRESHOLDS))`.
    """
    masks = inside_masks(masks)
    _check_paired(maps, masks)  # for the whole arrays: pieces of them could match by accident
    size, undefined = masks.shape[1:], np.full(len(OF_PIXELS) + len(THRESHOLDS), np.nan)
    rows, chances = {name: [] for name in maps}, []
    # In pieces, because all maps of a large split at the resolution of the masks would fill the memory.
    for start in range(0, len(masks), PIECE):
        for name, values in maps.items():
            flat, inside = flattened(resize_maps(values[start : start + PIECE], size), masks[start : start + PIECE])
            rows[name].append(of_each(_all_measures, flat, inside, undefined))
        chances.append(chance(inside))
    columns = {name: np.concatenate(parts) for name, parts in rows.items()}
    named = {name: dict(zip(OF_PIXELS, found.T, strict=False)) for name, found in columns.items()}
    curves = {name: {CURVE: found[:, len(OF_PIXELS) :]} for name, found in columns.items()}
    return {name: named[name] | curves[name] for name in maps}, np.concatenate(chances)


def _check_paired(maps, masks):
    """Raises `ValueError` unless each layer has as many maps as there are masks."""
    shape = inside_masks(masks).shape
    for values in maps.values():
        if len(shape) != 3 or np.ndim(values) != 3 or len(values) != shape[0]:
            raise do_not_fit(np.shape(values), shape)


def _all_measures(pixels):
    """The figures of `OF_PIXELS`, then the Jaccard index at each of `THRESHOLDS`."""
    return np.array([*(measure.of_pixels(pixels) for measure in OF_PIXELS.values()), *pixels.jaccard(THRESHOLDS)])

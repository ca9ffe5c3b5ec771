"""How far the maps of an exported model are from those of the Keras model.

The weights of a map sum to about 1, so that those of a large map are all small: a difference counts relative to the
largest weight of its map. And a map is read by which positions have more weight than others: their order must be kept.
"""

import dataclasses

import numpy as np
from scipy import stats

# By quantization: the largest tolerated difference of a weight, relative to the largest weight of its map, and how much
# the weights of a map differ at most if it shows nothing, so that rounding may change their order.
TOLERANCES = {None: 1e-3, "float16": 0.05, "dynamic": 0.5}
EVEN = {None: 0.0, "float16": 0.02, "dynamic": 0.2}
LEAST_AGREEMENT = 0.95
FEW = 0.1  # the share of weights above 0 below which a map is a few points, whose order says little
EQUAL = 1e-3  # weights that differ by less than this share of the largest weight have no order


@dataclasses.dataclass(frozen=True)
class MapDeviation:
    """How far the maps of one attended layer are from those of the Keras model.

    Args:
        relative: the largest difference of two weights, divided by the largest weight of the map; of all images.
        agreement: the mean over the images, without even maps, of Spearman's rank correlation of the two maps or, if
            fewer than a tenth of the weights are above 0, the share of the images whose largest weight is at the same
            position. From −1 to 1; 1 if all maps are even.
        points: whether it is the latter.
    """

    relative: float
    agreement: float
    points: bool = False


def compare_maps(found, expected, even=0.0):
    """The `MapDeviation` of the maps of one layer, `(images, …, H, W)`.

    Args:
        found, expected: the maps of the exported model, and of the Keras model.
        even: how much the weights of a map differ at most, relative to the largest, if their order does not matter.
    """
    found, expected = _flat(found), _flat(expected)
    largest = expected.max(-1, keepdims=True)
    scale = np.where(largest > 0, largest, 1)
    found, expected = found / scale, expected / scale
    points = bool((expected > EQUAL).mean() < FEW)
    agreement = (_same_maxima if points else _rank_correlations)(found, expected)
    ordered = agreement[np.ptp(expected, axis=-1) >= even]
    return MapDeviation(float(np.abs(found - expected).max()), float(ordered.mean()) if len(ordered) else 1.0, points)


def _flat(maps):
    return np.asarray(maps, "float64").reshape(-1, maps.shape[-2] * maps.shape[-1])


def _same_maxima(found, expected):
    there = np.take_along_axis(expected, found.argmax(-1)[:, None], -1)[:, 0]
    return there >= expected.max(-1) - EQUAL


def _rank_correlations(found, expected):
    """Spearman's correlation of each pair of maps; 1 for two even maps, 0 if only one of them is even."""
    ranks = [stats.rankdata(np.round(maps / EQUAL), axis=-1) for maps in (found, expected)]
    first, second = (each - each.mean(-1, keepdims=True) for each in ranks)
    spread = np.sqrt((first**2).sum(-1) * (second**2).sum(-1))
    even = ~first.any(-1) & ~second.any(-1)
    return np.where(even, 1.0, (first * second).sum(-1) / np.where(spread > 0, spread, 1))

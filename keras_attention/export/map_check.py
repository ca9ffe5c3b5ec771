"""How far the maps of an exported model are from those of the Keras model.

The weights of a map sum to about 1, so that those of a large map are all small: a difference counts relative to the
largest weight of its map. And a map is read by which positions have clearly more weight than others: their order must
be kept. Weights that differ by no more than what rounding changes are equals and have no order, so that two of them
may change places: among the four positions of a small map that would cost a fifth of a rank correlation.
"""

import dataclasses

import numpy as np

# By quantization, or `"bfloat16"` for a file that is computed in it: the largest tolerated difference of a weight,
# relative to the largest weight of its map, and the largest difference of two weights of a map that rounding may turn
# around. In 8 bits throughout, the maps are judged by their order.
TOLERANCES = {None: 1e-3, "float16": 0.05, "bfloat16": 0.5, "dynamic": 0.5, "int8": 1.0}
EQUAL = 1e-3  # weights that differ by less than this share of the largest weight are equals without quantization too
EQUALS = {None: EQUAL, "float16": 0.02, "bfloat16": 0.2, "dynamic": 0.2, "int8": 0.2}
LEAST_AGREEMENT = 0.95
FEW = 0.1  # the share of weights above 0 below which a map is a few points, whose order says little
MOST_PARTNERS = 256  # each position is compared with this many others at most, spread evenly over the map


@dataclasses.dataclass(frozen=True)
class MapDeviation:
    """How far the maps of one attended layer are from those of the Keras model.

    Args:
        relative: the largest difference of two weights, divided by the largest weight of the map; of all images.
        agreement: the mean over the images, without maps that show nothing, of Goodman and Kruskal's rank correlation γ
            of the two maps: of the pairs of positions whose weights differ clearly in one of the maps, the share that
            both maps order alike, minus the share that they order in opposite ways. If fewer than a tenth of the
            weights are above 0, it is the share of the images whose largest weight is at the same position. From −1 to
            1; 1 if no map shows anything.
        points: whether it is the latter.

    Reference:
        Goodman and Kruskal, *Measures of Association for Cross Classifications*, JASA 1954.
    """

    relative: float
    agreement: float
    points: bool = False


def compare_maps(found, expected, equal=EQUAL):
    """The `MapDeviation` of the maps of one layer, `(images, …, H, W)`.

    Args:
        found, expected: the maps of the exported model, and of the Keras model.
        equal: how much two weights of a map differ at most, relative to its largest, if their order does not matter.
    """
    found, expected = _flat(found), _flat(expected)
    largest = expected.max(-1, keepdims=True)
    scale = np.where(largest > 0, largest, 1)
    found, expected = found / scale, expected / scale
    relative = float(np.abs(found - expected).max())
    if (expected > EQUAL).mean() < FEW:
        return MapDeviation(relative, float(_same_maxima(found, expected).mean()), points=True)
    agreement = _rank_correlations(found, expected, equal)
    return MapDeviation(relative, float(agreement.mean()) if len(agreement) else 1.0)


def _flat(maps):
    return np.asarray(maps, "float64").reshape(-1, maps.shape[-2] * maps.shape[-1])


def _same_maxima(found, expected):
    there = np.take_along_axis(expected, found.argmax(-1)[:, None], -1)[:, 0]
    return there >= expected.max(-1) - EQUAL


def _rank_correlations(found, expected, equal):
    """Goodman and Kruskal's γ of each two maps of which one has weights that differ clearly, over the clear pairs."""
    pairs, alike = np.zeros(len(expected)), np.zeros(len(expected))
    for shift in _shifts(expected.shape[-1]):
        first, second = (maps - np.roll(maps, shift, -1) for maps in (found, expected))
        clear = np.maximum(np.abs(first), np.abs(second)) > equal
        pairs += clear.sum(-1)
        alike += (np.sign(first) * np.sign(second) * clear).sum(-1)
    return alike[pairs > 0] / pairs[pairs > 0]


def _shifts(positions):
    """The distances of the positions that are compared: all of them, or as many as `MOST_PARTNERS`."""
    return np.unique(np.linspace(1, positions - 1, min(positions - 1, MOST_PARTNERS)).astype(int))

"""How even the maps of a training are: a single 1, and even weights, with neither of which a score learns."""

import keras
from keras import ops

from keras_attention.models.outputs import LOGITS, attention_layers, gives_map, map_output


def watched_blocks(model):
    """Attended layer → its `MapLayer`, of those whose maps follow from the features and may have any weights."""
    return {name: layer for name, layer in attention_layers(model).items() if layer.varies and gives_map(layer)}


def with_extremes(model):
    """The same graph, with three numbers for each watched map instead of the map.

    The largest share is max a / Σ a, 1 for a single weight. The evenness is mean a / max a, 1 for even weights, also if
    all are 0. Of the maps of several heads or classes, both numbers are the smallest. The third is the mean entropy of
    their shares over log n, from 0 for a single weight to 1 for even weights.

    Args:
        model: a model built by `attention_classifier`, without an activation.

    Returns:
        A model, images → {"logits": (B, classes), "attention_<attended layer>": (B, 3), …}; the model itself if none of
        its maps is watched.
    """
    blocks = watched_blocks(model)
    if not blocks:
        return model
    numbers = {map_output(name): _extremes(layer.output[1]) for name, layer in blocks.items()}
    return keras.Model(model.input, {LOGITS: model.output, **numbers}, name=model.name)


def _extremes(maps):
    """`(B, [h,] [K,] H, W)` → `(B, 3)`."""
    largest, mean = (reduce(maps, axis=(-2, -1)) for reduce in (ops.max, ops.mean))
    total = ops.sum(maps, axis=(-2, -1))
    # A map of zeros has even weights and no largest share; one of NaN stays NaN.
    zeros = ops.equal(largest, 0)
    share = ops.where(zeros, 0.0, largest / ops.where(zeros, 1.0, total))
    evenness = ops.where(zeros, 1.0, mean / ops.where(zeros, 1.0, largest))
    entropy = _entropy(maps, zeros, total)
    several = tuple(range(1, len(share.shape)))
    if several:
        share, evenness, entropy = ops.min(share, several), ops.min(evenness, several), ops.mean(entropy, several)
    return ops.stack([share, evenness, entropy], axis=-1)


def _entropy(maps, zeros, total):
    """−Σ p log p / log n with p = a/Σa; 1 for a map of zeros or of one position, whose weights are even."""
    shares = maps / ops.where(zeros, 1.0, total)[..., None, None]
    terms = ops.where(ops.equal(shares, 0), 0.0, shares * ops.log(ops.where(ops.equal(shares, 0), 1.0, shares)))
    positions = ops.cast(ops.shape(maps)[-1] * ops.shape(maps)[-2], maps.dtype)
    found = -ops.sum(terms, axis=(-2, -1)) / ops.log(ops.maximum(positions, 2.0))
    return ops.where(ops.logical_or(zeros, ops.equal(positions, 1)), 1.0, found)

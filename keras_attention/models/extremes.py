"""What a training watches its maps for: a single 1, and even weights, with neither of which a score learns."""

import keras
from keras import ops

from keras_attention.models.outputs import LOGITS, attention_layers, map_output


def watched_blocks(model):
    """Attended layer → its `SpatialAttention`, of those whose maps follow from a score and may have any weights."""
    return {
        name: layer
        for name, layer in attention_layers(model).items()
        if not (layer.score.blind or layer.alignment.chooses) and isinstance(layer.output, (tuple, list))
    }


def with_extremes(model):
    """The same graph, with two numbers for each watched map instead of the map.

    The largest share is max a / Σ a, 1 for a single weight. The evenness is mean a / max a, 1 for even weights, also if
    all are 0. Of the maps of several heads or classes, each number is the smallest.

    Args:
        model: a model built by `attention_classifier`, without an activation.

    Returns:
        A model, images → {"logits": (B, classes), "attention_<attended layer>": (B, 2), …}; the model itself if none of
        its maps is watched.
    """
    blocks = watched_blocks(model)
    if not blocks:
        return model
    numbers = {map_output(name): _extremes(layer.output[1]) for name, layer in blocks.items()}
    return keras.Model(model.input, {LOGITS: model.output, **numbers}, name=model.name)


def _extremes(maps):
    """`(B, [h,] [K,] H, W)` → `(B, 2)`."""
    largest, mean = (reduce(maps, axis=(-2, -1)) for reduce in (ops.max, ops.mean))
    total = ops.sum(maps, axis=(-2, -1))
    # A map of zeros has even weights and no largest share; one of NaN stays NaN.
    zeros = ops.equal(largest, 0)
    share = ops.where(zeros, 0.0, largest / ops.where(zeros, 1.0, total))
    evenness = ops.where(zeros, 1.0, mean / ops.where(zeros, 1.0, largest))
    several = tuple(range(1, len(share.shape)))
    return ops.stack([ops.min(values, axis=several) if several else values for values in (share, evenness)], axis=-1)

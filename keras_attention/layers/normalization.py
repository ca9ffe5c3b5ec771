"""Normalization of queries and keys, so that scores do not depend on the scale of the features."""

import keras

from keras_attention.arguments import invalid, require_choice
from keras_attention.layers.score import SCORES

NORMALIZATIONS = ("layer", "batch", "none")
EPSILON = 1e-6  # small beside the variance of any features that are not all equal
MOMENTUM = 0.9  # of the statistics of batches, which few steps must fill


def normalization_for(score, normalize):
    """The kind of normalization for a score: `None` is `"layer"`, or `"none"` if the score compares nothing.

    Raises:
        ValueError: an unknown kind, or one for a score that compares nothing.
    """
    if normalize is None:
        return "none" if score.blind else "layer"
    if score.blind and normalize != "none":
        name = SCORES.name_of(score)
        raise invalid(f"`{name}` compares nothing to normalize.", '`normalize="none"`', f"normalize={normalize!r}")
    return require_choice("normalize", normalize, NORMALIZATIONS)


def make_normalizations(kind, count, **options):
    """So many layers that scale what is compared to unit variance; none for the kind `"none"`.

    `"layer"` scales each vector over its dimensions, `"batch"` each dimension over the batch and its positions. Both
    have a learned factor for each dimension, which begins at 1, and no offset: one of the keys would add the same to
    all scores of a query.

    Args:
        kind: one of `NORMALIZATIONS`.
        count: the number of layers.
        **options: `name`, to which the number of the layer is added, and `dtype`.
    """
    if kind == "none":
        return []
    name = options.pop("name")
    return [_make(kind, name=f"{name}_{number}", **options) for number in range(count)]


def _make(kind, **options):
    if kind == "layer":
        return keras.layers.LayerNormalization(epsilon=EPSILON, center=False, **options)
    return keras.layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON, center=False, **options)

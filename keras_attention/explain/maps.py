"""Attention maps of a model, at their own resolution and at that of the images."""

import keras
import numpy as np

from keras_attention.arguments import invalid
from keras_attention.models import attention_outputs
from keras_attention.models.classifier import PREFIX


def attention_maps(model, images, batch_size=32):
    """The maps of a model with attention layers.

    Args:
        model: a classifier built by `attention_classifier`, or one loaded from a file.
        images: `(n, S, S, 3)` from 0 to 255.
        batch_size: images at a time.

    Returns:
        Name of each attention layer → its map, float32 `(n, H, W)`, in the order of the model.

    Raises:
        ValueError: a model without attention layers.
    """
    outputs = attention_outputs(model)
    names = [name for name in outputs.output if name.startswith(PREFIX)]
    if not names:
        raise invalid("The model has no attention layers.", "a model with SpatialAttention layers", f"{model.name}")
    predicted = outputs.predict(images, batch_size=batch_size, verbose=0)
    return {name: np.asarray(predicted[name], "float32") for name in names}


def resize_maps(maps, size):
    """Maps `(n, H, W)` → `(n, height, width)`, bilinear with half-pixel centres; `size`: that pair, or one side."""
    height, width = (size, size) if np.ndim(size) == 0 else size
    resized = keras.ops.image.resize(
        np.asarray(maps, "float32")[..., None], (height, width), interpolation="bilinear", data_format="channels_last"
    )
    return keras.ops.convert_to_numpy(resized)[..., 0]


def joint_map(maps, size):
    """Where all blocks look at once: the product of their resized maps, each divided by its largest value.

    Args:
        maps: name → `(n, H, W)`, as `attention_maps` gives them.
        size: side of the result in pixels.

    Returns:
        `(n, size, size)` from 0 to 1.
    """
    joint = 1.0
    for values in maps.values():
        resized = resize_maps(values, size)
        largest = resized.max(axis=(1, 2), keepdims=True)
        joint = joint * (resized / np.where(largest > 0, largest, 1))
    return joint

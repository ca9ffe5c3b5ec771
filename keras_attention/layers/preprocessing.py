"""The normalisation of images that a pretrained network expects, as one of its layers."""

import keras
from keras import ops

from keras_attention.arguments import invalid
from keras_attention.registry import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class ChannelNormalization(keras.layers.Layer):
    """y = (x − mean) / std, for each channel, with given statistics, which are not trained.

    The statistics are weights, so that a weight file of a network also holds the preprocessing that its weights were
    trained with.

    Args:
        mean, std: one number for each channel, in the units of the input; std above 0.

    Call arguments:
        inputs: `(…, C)`.

    Returns:
        A tensor in the shape of the inputs, in the compute dtype.

    Raises:
        ValueError: `mean` and `std` of different lengths, a `std` that is not above 0, or inputs with another number of
            channels.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import ChannelNormalization
    >>> layer = ChannelNormalization(mean=(100, 110, 120), std=(50, 50, 50))
    >>> np.asarray(layer(np.full((1, 1, 3), 150.0)))
    array([[[1. , 0.8, 0.6]]], dtype=float32)
    """

    def __init__(self, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), **kwargs):
        super().__init__(**kwargs)
        self.mean, self.std = tuple(map(float, mean)), tuple(map(float, std))
        if len(self.mean) != len(self.std) or min(self.std) <= 0:
            raise invalid(
                "`mean` and `std` must have one length, and `std` must be above 0.",
                "a mean and a standard deviation above 0 for each channel",
                f"{mean=}, {std=}",
            )

    def build(self, input_shape):
        if input_shape[-1] != len(self.mean):
            raise invalid(
                "Each channel must have a mean.", f"{len(self.mean)} channels", f"input shape={tuple(input_shape)}"
            )
        for name in ("mean", "std"):
            initial = keras.initializers.Constant(list(getattr(self, name)))
            weight = self.add_weight((len(self.mean),), initial, trainable=False, name=name)
            setattr(self, f"{name}_of_channels", weight)

    def call(self, inputs):
        return ops.divide(ops.subtract(inputs, self.mean_of_channels), self.std_of_channels)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "mean": list(self.mean), "std": list(self.std)}

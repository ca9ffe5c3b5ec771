"""LearnedQueries: queries that belong to the network and not to the image."""

import keras
from keras import ops

from keras_attention.arguments import invalid, keras_object, require_integer
from keras_attention.registry import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class LearnedQueries(keras.layers.Layer):
    """q₁ … q_K: learned vectors, the same for every image, to be used as queries over a feature map.

    They have as many dimensions as the features have channels, so that every score can compare the two.

    Args:
        count: K, at least 1.
        initializer: initializer of the vectors.

    Call arguments:
        features: `(B, ..., C)`; only the batch size and the number of channels matter.

    Returns:
        `(B, K, C)` in the compute dtype, the shape in which `SpatialAttention` takes several queries.

    Raises:
        ValueError: a count below 1; features with an unknown number of channels.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import LearnedQueries, SpatialAttention
    >>> features = np.ones((2, 7, 5, 4), "float32")
    >>> context, maps = SpatialAttention("dot")(LearnedQueries(3)(features), features, return_attention_scores=True)
    >>> context.shape, maps.shape
    (TensorShape([2, 3, 4]), TensorShape([2, 3, 7, 5]))
    """

    def __init__(self, count=1, initializer="glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        self.count = require_integer("count", count, at_least=1)
        self.initializer = keras_object(keras.initializers, initializer)

    def build(self, features_shape):
        _require_channels(features_shape)
        self.queries = self.add_weight(
            name="queries", shape=(self.count, features_shape[-1]), initializer=self.initializer
        )

    def call(self, features):
        return of_each(self.queries, features)

    def compute_output_spec(self, features):
        return keras.KerasTensor(self.compute_output_shape(features.shape), dtype=self.compute_dtype)

    def compute_output_shape(self, features_shape):
        return (features_shape[0], self.count, features_shape[-1])

    def get_config(self):
        initializer = keras.initializers.serialize(self.initializer)
        return {**super().get_config(), "count": self.count, "initializer": initializer}


def of_each(vectors, tensor):
    """Learned vectors `(K, d)` for each image of a batch, `(B, K, d)`, in the dtype of a tensor of the batch."""
    return ops.broadcast_to(ops.cast(vectors, tensor.dtype), (ops.shape(tensor)[0], *vectors.shape))


def _require_channels(shape):
    if shape[-1] is None:
        raise invalid(
            "The number of channels must be known.",
            "features of shape (batch, ..., channels)",
            f"features shape={tuple(shape)}",
        )

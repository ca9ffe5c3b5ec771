"""Registers: learned keys without a place, to which weight may go that no position deserves."""

import keras
from keras import ops

from keras_attention.layers.queries import of_each
from keras_attention.layers.query_shapes import single


class Registers(keras.layers.Layer):
    """R learned keys for each head, and R learned values of which each head has its channels; a part of a layer.

    The values begin at 0, so that weight on a register is at first weight on nothing.

    Args:
        count: R, at least 1.
        num_heads: number of heads.
    """

    def __init__(self, count, num_heads=1, **kwargs):
        super().__init__(**kwargs)
        self.count, self.num_heads = count, num_heads

    def build(self, keys_shape, features_shape):
        self.keys = self.add_weight(
            name="keys",
            shape=(self.num_heads, self.count, keys_shape[-1]),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
        )
        self.values = self.add_weight(name="values", shape=(self.count, features_shape[-1]), initializer="zeros")

    def scores(self, head, score, query):
        """Scores of the registers of a head, `(B, 1, R)`, or for K query vectors `(B, K, 1, R)`."""
        keys = of_each(self.keys[head], query)
        if len(query.shape) == 3:
            return ops.expand_dims(score(query, keys), -2)
        return score(ops.expand_dims(single(query), 1), keys)

    def append_values(self, values):
        """Values of the positions `(B, H·W, C)` → `(B, H·W + R, C)`."""
        return ops.concatenate([values, of_each(self.values, values)], axis=1)

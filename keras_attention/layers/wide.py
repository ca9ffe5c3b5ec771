"""The base of scores and alignments: layers that compute in float32 under any dtype policy."""

import keras


class WideLayer(keras.layers.Layer):
    """Computes, and keeps its weights, in float32 under any dtype policy, and in float64 under one of float64."""

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)

    @property
    def wide_dtype(self):
        """The dtype of what it computes."""
        return keras.backend.result_type(self.compute_dtype, "float32")

    def add_weight(self, *args, **kwargs):
        # Not in half precision, even where that is the whole policy: it could not be added to what is computed.
        dtype = keras.backend.result_type(self.variable_dtype, "float32")
        return super().add_weight(*args, **{"dtype": dtype, "autocast": False, **kwargs})

"""The base of scores and alignments: layers that compute in float32 under any dtype policy."""

import keras


class WideLayer(keras.layers.Layer):
    """Computes and keeps its weights in float32 under any dtype policy, in float64 under a float64 policy."""

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)

    @property
    def wide_dtype(self):
        """The dtype in which the layer computes."""
        return keras.backend.result_type(self.compute_dtype, "float32")

    def add_weight(self, *args, **kwargs):
        # Not in half precision, even under a pure half-precision policy: weights need the dtype of the computation.
        dtype = keras.backend.result_type(self.variable_dtype, "float32")
        return super().add_weight(*args, **{"dtype": dtype, "autocast": False, **kwargs})

"""Several heads: projects query, key and value for each head, and joins the contexts."""

import keras
from keras import ops

from keras_attention.arguments import invalid, require_integer, require_truth
from keras_attention.registry import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class FloatEinsumDense(keras.layers.EinsumDense):
    """An `EinsumDense` that `Model.quantize` leaves in float, with a warning, as it leaves a convolution.

    Keras can quantize neither an equation with "...", nor one in which all three tensors share an axis.
    """

    def quantize(self, mode=None, **_):
        raise NotImplementedError(
            f"{self.name} stays in float: Keras cannot quantize {self.equation}. "
            "`keras-attention export --quantize` rounds the weights of all layers."
        )


@keras.saving.register_keras_serializable(package=PACKAGE)
class Heads(keras.layers.Layer):
    """The projections of multi-head attention: `split` before the attention, `join` after it.

    The weights are the same as in `keras.layers.MultiHeadAttention`, in the same order: kernel and bias of the query,
    the key, the value, and the output.

    Args:
        num_heads: number of heads h, at least 1.
        key_dim: dimension of a head's query and key; if `None`, the dimension of the query divided by h.
        value_dim: dimension of a head's value; `key_dim` if `None`.
        use_bias: whether the projections have biases.

    Raises:
        ValueError: a query whose dimension is not a multiple of h, if `key_dim` is `None`.

    Reference:
        Vaswani et al., *Attention Is All You Need*, NeurIPS 2017, sec. 3.2.2.
    """

    def __init__(self, num_heads=1, key_dim=None, value_dim=None, use_bias=True, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = require_integer("num_heads", num_heads, at_least=1)
        self.key_dim = None if key_dim is None else require_integer("key_dim", key_dim, at_least=1)
        self.value_dim = None if value_dim is None else require_integer("value_dim", value_dim, at_least=1)
        self.use_bias = require_truth("use_bias", use_bias)

    def build(self, query_shape, value_shape, key_shape):
        dimension = query_shape[-1]
        if self.key_dim is None and dimension % self.num_heads:
            raise invalid(
                "The dimension of the query must be a multiple of `num_heads`.",
                "`key_dim`, or a `num_heads` that divides the dimension of the query",
                f"num_heads={self.num_heads} and query dimension {dimension}",
            )
        key_dim = self.key_dim or dimension // self.num_heads
        self.query_projection = self._projection("query", query_shape, key_dim)
        self.key_projection = self._projection("key", key_shape, key_dim)
        self.value_projection = self._projection("value", value_shape, self.value_dim or key_dim)
        self.output_projection = self._layer("output", "...hv,hvd->...d", (dimension,), "d")
        self.output_projection.build((*query_shape[:-1], self.num_heads, self.value_dim or key_dim))
        self.built = True

    def _projection(self, name, shape, dimension):
        layer = self._layer(name, "...d,dhk->...hk", (self.num_heads, dimension), "hk")
        layer.build(shape)
        return layer

    def _layer(self, name, equation, output_shape, bias_axes):
        bias_axes = bias_axes if self.use_bias else None
        return FloatEinsumDense(equation, output_shape, bias_axes=bias_axes, name=name, dtype=self.dtype_policy)

    def split(self, query, value, key):
        """Query `(..., Tq, dq)`, value and key → their projections for each head, `(..., h, T, d)`."""
        projected = self.query_projection(query), self.value_projection(value), self.key_projection(key)
        return tuple(ops.moveaxis(vectors, -2, -3) for vectors in projected)

    def split_shapes(self, query_shape, value_shape, key_shape):
        """The shapes of what `split` gives."""
        key_dim = self.key_dim or query_shape[-1] // self.num_heads
        shapes_and_dimensions = (query_shape, key_dim), (value_shape, self.value_dim or key_dim), (key_shape, key_dim)
        return tuple((*shape[:-2], self.num_heads, shape[-2], size) for shape, size in shapes_and_dimensions)

    def join(self, context):
        """Contexts of the heads `(..., h, Tq, dv)` → `(..., Tq, dq)`."""
        return self.output_projection(ops.moveaxis(context, -3, -2))

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "value_dim": self.value_dim,
            "use_bias": self.use_bias,
        }

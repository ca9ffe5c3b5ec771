"""e = score(q, k): how well a key answers a query.

A score is three small functions. `project_query` and `project_key` are affine and run once per vector; `pair` is the
formula of the paper for one query and one key, and broadcasts. `Score` makes of them the table of all pairs; whoever
needs one query per key (a gate over a feature map) calls `pair` on two tensors of the same shape.
"""

import math

import keras
from keras import ops

from keras_attention.arguments import invalid, require_integer
from keras_attention.registry import Registry

SCORES = Registry("score")


class Score(keras.layers.Layer):
    """Base of the score functions: the table of `pair` over every query and every key.

    A member overrides `pair`, and, where it has them, `project_query` and `project_key`; where a product of matrices
    gives all pairs at once it overrides `table` too. Scores are computed in float32 under any dtype policy (in float64
    under a float64 policy), because half precision cannot hold the differences that softmax turns into weights.

    Call arguments:
        query: `(..., Tq, dq)`.
        key: `(..., Tk, dk)`, the leading axes those of `query` or broadcastable to them.

    Returns:
        Scores `(..., Tq, Tk)`, float32.

    Raises:
        ValueError: a query or key of rank below 2, or with a last dimension that is not known.
    """

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)

    def build(self, query_shape, key_shape):
        for name, shape in (("query", query_shape), ("key", key_shape)):
            if len(shape) < 2 or shape[-1] is None:
                raise invalid(
                    f"The {name} of a score has the wrong shape.",
                    "(..., positions, dimension) with a known dimension",
                    f"{name} shape={tuple(shape)}",
                )
        self.built = True

    def call(self, query, key):
        return self.table(self.project_query(query), self.project_key(key))

    def project_query(self, query):
        """`(..., dq)` → the query as `pair` takes it; affine, so that it commutes with bilinear interpolation."""
        return self.in_score_dtype(query)

    def project_key(self, key):
        """`(..., dk)` → the key as `pair` takes it."""
        return self.in_score_dtype(key)

    def pair(self, query, key):
        """Projected query and key, broadcast against each other, `(..., d)` → scores `(...)`."""
        raise NotImplementedError(f"{type(self).__name__} must define `pair`, the score of one query and one key.")

    def table(self, query, key):
        """Projected queries `(..., Tq, d)` and keys `(..., Tk, d)` → scores `(..., Tq, Tk)`."""
        return self.pair(ops.expand_dims(query, -2), ops.expand_dims(key, -3))

    def in_score_dtype(self, tensor):
        """`tensor` in float32, or wider where the policy is."""
        return ops.cast(tensor, keras.backend.result_type(self.compute_dtype, "float32"))

    def compute_output_shape(self, query_shape, key_shape):
        return (*query_shape[:-1], key_shape[-2])

    def compute_output_spec(self, query, key):
        dtype = keras.backend.result_type(self.compute_dtype, "float32")
        return keras.KerasTensor(self.compute_output_shape(query.shape, key.shape), dtype=dtype)

    def compute_mask(self, inputs, previous_mask=None):
        # The mask of the queries fits no axis of the table; attention layers apply masks after the score.
        return None


@SCORES.register("additive")
class AdditiveScore(Score):
    """e = wᵀ act(W₁q + W₂k + b) (+ c): a small network on query and key; takes any two dimensions.

    W₁ ∈ R^(dw×dq), W₂ ∈ R^(dw×dk), w and b ∈ R^dw, c a scalar. With `activation="relu"`, `use_bias=False` and
    `use_output_bias=True`, and the sigmoid alignment after it, this is the gate of Yan et al. 2019.

    The bias b is added to the projected query, once per query rather than once per pair.

    Args:
        units: dw, the dimension in which query and key are compared, at least 1.
        activation: name or callable; tanh in the paper.
        use_bias: whether b is there.
        use_output_bias: whether c is there; softmax does not see it, sigmoid does.
        kernel_initializer, bias_initializer: of W₁, W₂ and w; of b and c.
        kernel_regularizer, bias_regularizer: likewise.
        kernel_constraint, bias_constraint: likewise.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import AdditiveScore
    >>> AdditiveScore(units=8)(np.ones((2, 3, 5), "float32"), np.ones((2, 7, 4), "float32")).shape
    TensorShape([2, 3, 7])

    Reference:
        Bahdanau, Cho, Bengio, *Neural Machine Translation by Jointly Learning to Align and Translate*, ICLR 2015,
        appendix A.1.2. The gate: Yan, Kawahara, Hamarneh, *Melanoma Recognition via Visual Attention*, IPMI 2019,
        eq. 1.
    """

    def __init__(
        self,
        units=256,
        activation="tanh",
        use_bias=True,
        use_output_bias=False,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units = require_integer("units", units, at_least=1)
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.use_output_bias = use_output_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)

    def build(self, query_shape, key_shape):
        super().build(query_shape, key_shape)
        self.query_kernel = self._add_kernel("query_kernel", (query_shape[-1], self.units))
        self.key_kernel = self._add_kernel("key_kernel", (key_shape[-1], self.units))
        self.output_kernel = self._add_kernel("output_kernel", (self.units, 1))
        self.bias = self._add_bias("bias", (self.units,)) if self.use_bias else None
        self.output_bias = self._add_bias("output_bias", ()) if self.use_output_bias else None

    def project_query(self, query):
        projected = ops.matmul(super().project_query(query), self.query_kernel)
        return projected if self.bias is None else projected + self.bias

    def project_key(self, key):
        return ops.matmul(super().project_key(key), self.key_kernel)

    def pair(self, query, key):
        scores = ops.squeeze(ops.matmul(self.activation(query + key), self.output_kernel), -1)
        return scores if self.output_bias is None else scores + self.output_bias

    def _add_kernel(self, name, shape):
        # A copy for each kernel: an initializer draws its seed when it is made, and used twice repeats itself.
        copies = isinstance(self.kernel_initializer, keras.initializers.Initializer)
        initializer = self.kernel_initializer.clone() if copies else self.kernel_initializer
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            autocast=False,
        )

    def _add_bias(self, name, shape):
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=self.bias_initializer,
            regularizer=self.bias_regularizer,
            constraint=self.bias_constraint,
            autocast=False,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "use_output_bias": self.use_output_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "bias_constraint": keras.constraints.serialize(self.bias_constraint),
        }


class ProductScore(Score):
    """Base of the scores that are a product of query and key: the table is one multiplication of matrices.

    Raises:
        ValueError: query and key of different dimensions.
    """

    def build(self, query_shape, key_shape):
        super().build(query_shape, key_shape)
        if query_shape[-1] != key_shape[-1]:
            raise invalid(
                f"`{SCORES.name_of(self)}` compares vectors of one dimension.",
                "a query and a key of the same dimension, or `additive`, which takes any two, or `units=` of "
                "`SpatialAttention` and `attention_classifier`, which projects both",
                f"query dimension {query_shape[-1]} and key dimension {key_shape[-1]}",
            )

    def pair(self, query, key):
        return ops.sum(query * key, axis=-1)

    def table(self, query, key):
        return ops.matmul(query, ops.swapaxes(key, -1, -2))


@SCORES.register("dot")
class DotScore(ProductScore):
    """e = qᵀk: no parameters; query and key share one dimension d, and e grows with √d.

    Reference:
        Luong, Pham, Manning, *Effective Approaches to Attention-based Neural Machine Translation*, EMNLP 2015, eq. 8.
    """


@SCORES.register("scaled_dot")
class ScaledDotScore(ProductScore):
    """e = qᵀk / √d: the dot product at unit variance, whatever the dimension d.

    The query is scaled, once per query rather than once per pair.

    Reference:
        Vaswani et al., *Attention Is All You Need*, NeurIPS 2017, eq. 1.
    """

    def project_query(self, query):
        return super().project_query(query) / math.sqrt(query.shape[-1])

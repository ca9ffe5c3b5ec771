"""Poolings of a feature map that the field compares attention with: GeM, SimPool, gated ABMIL and efficient probing."""

import math

import keras
from keras import ops

from keras_attention.arguments import invalid, require_integer, require_number
from keras_attention.layers.map_layer import MapLayer
from keras_attention.registry import Registry

POOLINGS = Registry("pooling")
EPSILON = 1e-6


class Pooling(MapLayer):
    """Base of the poolings, feature map → one vector; a subclass overrides `pool`.

    Weights of positions are computed in float32 under any dtype policy.

    A pooling without weights of the positions sets `has_map` to `False`.

    Call arguments:
        features: `(B, H, W, C)`.
        return_attention_scores: whether to return the map of the weights too.

    Returns:
        `(B, C)` in the compute dtype. With `return_attention_scores`, a pair of it and the map in float32, `(B, H, W)`,
        or `(B, Q, H, W)` for Q > 1 queries; its weights sum to 1.

    Raises:
        ValueError: features of another rank, or `return_attention_scores` of a pooling without a map.

    Example:

    >>> import keras, numpy as np
    >>> from keras_attention.layers import Pooling
    >>> class LargestNorm(Pooling):
    ...     def pool(self, features):
    ...         weights = keras.ops.softmax(100 * keras.ops.norm(features, axis=-1))
    ...         return keras.ops.einsum("bn,bnc->bc", weights, features), weights
    >>> np.asarray(LargestNorm()(np.array([[1.0, 0], [0, 3]], "float32").reshape(1, 1, 2, 2)))
    array([[0., 3.]], dtype=float32)
    """

    @property
    def kind(self):
        return {"pooling": POOLINGS.name_of(self)}

    def call(self, features, return_attention_scores=False):
        self.check(features, return_attention_scores)
        batch, height, width, channels = ops.shape(features)
        pooled, weights = self.pool(ops.reshape(features, (batch, height * width, channels)))
        pooled = ops.cast(pooled, self.compute_dtype)
        if not return_attention_scores:
            return pooled
        heads = () if self.num_heads == 1 else (self.num_heads,)
        return pooled, ops.reshape(weights, (batch, *heads, height, width))

    def pool(self, features):
        """`(B, n, C)` → `(B, C)`, and the weights `(B, n)` or `(B, Q, n)`, in float32; `None` without a map."""
        raise NotImplementedError(f"{type(self).__name__} must define `pool`, positions to a vector and their weights.")

    def compute_output_shape(self, features_shape):
        return features_shape[0], features_shape[-1]


def _softmax(scores):
    """Over the positions, in float32."""
    return ops.softmax(ops.cast(scores, "float32"), axis=-1)


def _weighed(weights, values):
    """Σ a·v: weights `(B, ..., n)` and values `(B, n, C)` → `(B, ..., C)`, in float32."""
    return ops.einsum("b...n,bnc->b...c", weights, ops.cast(values, "float32"))


@POOLINGS.register("gem")
class GeneralizedMeanPooling(Pooling):
    """y = (mean max(x, ε)^p)^(1/p) for each channel: the average at p = 1, the maximum as p → ∞; p is learned.

    Args:
        power: p at the start, above 0.

    Raises:
        ValueError: a power not above 0.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import GeneralizedMeanPooling
    >>> features = np.array([1.0, 2.0, 3.0, 4.0], "float32").reshape(1, 2, 2, 1)
    >>> np.asarray(GeneralizedMeanPooling(power=2.0)(features)).round(4)
    array([[2.7386]], dtype=float32)

    Reference:
        Radenović, Tolias, Chum, *Fine-tuning CNN Image Retrieval with No Human Annotation*, TPAMI 41(7), 2019, eq. 3.
    """

    has_map = False

    def __init__(self, power=3.0, **kwargs):
        super().__init__(**kwargs)
        self.power = require_number("power", power, above=0)

    def build(self, features_shape):
        start = keras.initializers.Constant(self.power)
        self.learned_power = self.add_weight(name="power", shape=(), initializer=start, dtype="float32", autocast=False)

    def pool(self, features):
        # Through logarithms: powers of large features would overflow.
        logarithms = self.learned_power * ops.log(ops.maximum(ops.cast(features, "float32"), EPSILON))
        count = ops.cast(ops.shape(features)[1], "float32")
        means = ops.logsumexp(logarithms, axis=1) - ops.log(count)
        return ops.exp(means / self.learned_power), None

    def get_config(self):
        return {**super().get_config(), "power": self.power}


@POOLINGS.register("simpool")
class SimPool(Pooling):
    """y = (Σ a·v^γ)^(1/γ), a = softmax(kᵀq / √C): the query is the average of the features, the keys are normalized.

    q = W_q mean(x), k = W_k LN(x), and v = LN(x) minus its smallest number in the image, with a layer normalization LN.

    Args:
        gamma: γ, above 0; 2 is the authors' value for convolutional networks.

    Raises:
        ValueError: γ not above 0.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import SimPool
    >>> pooled, attention_map = SimPool()(np.ones((2, 7, 5, 4), "float32"), return_attention_scores=True)
    >>> pooled.shape, attention_map.shape
    (TensorShape([2, 4]), TensorShape([2, 7, 5]))

    Reference:
        Psomas et al., *Keep It SimPool: Who Said Supervised Transformers Suffer from Attention Deficit?*, ICCV 2023,
        sec. 3.3.
    """

    def __init__(self, gamma=2.0, **kwargs):
        super().__init__(**kwargs)
        self.gamma = require_number("gamma", gamma, above=0)
        self.normalization = keras.layers.LayerNormalization(epsilon=EPSILON, dtype=self.dtype_policy)

    def build(self, features_shape):
        channels = features_shape[-1]
        options = {"use_bias": False, "dtype": self.dtype_policy}
        self.query_projection = keras.layers.Dense(channels, name="query_projection", **options)
        self.key_projection = keras.layers.Dense(channels, name="key_projection", **options)
        self.normalization.build((None, None, channels))
        self.query_projection.build((None, channels))
        self.key_projection.build((None, None, channels))

    def pool(self, features):
        query, normalized = self.query_projection(ops.mean(features, axis=1)), self.normalization(features)
        scores = ops.einsum("bc,bnc->bn", query, self.key_projection(normalized)) / math.sqrt(features.shape[-1])
        weights, values = _softmax(scores), ops.cast(normalized, "float32")
        values = values - ops.min(values, axis=(1, 2), keepdims=True) + EPSILON
        return _weighed(weights, values**self.gamma) ** (1 / self.gamma), weights

    def get_config(self):
        return {**super().get_config(), "gamma": self.gamma}


@POOLINGS.register("abmil")
class GatedAttentionPooling(Pooling):
    """y = Σ a·x, a = softmax(wᵀ(tanh(Vx) ⊙ σ(Ux))): gated attention of multiple-instance learning.

    Args:
        units: the dimension of Vx and Ux, at least 1.

    Raises:
        ValueError: units below 1.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import GatedAttentionPooling
    >>> GatedAttentionPooling(units=8)(np.ones((2, 7, 5, 4), "float32")).shape
    TensorShape([2, 4])

    Reference:
        Ilse, Tomczak, Welling, *Attention-based Deep Multiple Instance Learning*, ICML 2018, eq. 9.
    """

    def __init__(self, units=128, **kwargs):
        super().__init__(**kwargs)
        self.units = require_integer("units", units, at_least=1)
        options = {"use_bias": False, "dtype": self.dtype_policy}
        self.value = keras.layers.Dense(units, "tanh", name="value", **options)
        self.gate = keras.layers.Dense(units, "sigmoid", name="gate", **options)
        self.score = keras.layers.Dense(1, name="score", **options)

    def build(self, features_shape):
        for layer, dimension in ((self.value, features_shape[-1]), (self.gate, features_shape[-1]), (self.score, None)):
            layer.build((None, None, dimension or self.units))

    def pool(self, features):
        weights = _softmax(self.score(self.value(features) * self.gate(features))[..., 0])
        return _weighed(weights, features), weights

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@POOLINGS.register("ep")
class EfficientProbing(Pooling):
    """y = [Σ a₁·v₁ | … | Σ a_Q·v_Q], a_j = softmax(q_jᵀx / √C): each of Q learned queries weighs its part of W_v x.

    Args:
        queries: Q, at least 1; it must divide the number of channels.

    Raises:
        ValueError: Q below 1, or a number of channels that is not a multiple of Q.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import EfficientProbing
    >>> layer = EfficientProbing(queries=2)
    >>> pooled, maps = layer(np.ones((2, 7, 5, 4), "float32"), return_attention_scores=True)
    >>> pooled.shape, maps.shape
    (TensorShape([2, 4]), TensorShape([2, 2, 7, 5]))

    Reference:
        Psomas et al., *Attention, Please! Revisiting Attentive Probing Through the Lens of Efficiency*, ICLR 2026,
        arXiv 2506.10178, sec. 4.
    """

    def __init__(self, queries=4, **kwargs):
        super().__init__(**kwargs)
        self.queries = require_integer("queries", queries, at_least=1)

    @property
    def num_heads(self):
        """Q: each query weighs its own part of the channels."""
        return self.queries

    def build(self, features_shape):
        channels = features_shape[-1]
        if channels % self.queries:
            expected = f"a divisor of its {channels} channels"
            raise invalid("`queries` must divide the channels.", expected, f"queries={self.queries}")
        small = keras.initializers.RandomNormal(stddev=0.02)
        self.query = self.add_weight(name="query", shape=(self.queries, channels), initializer=small)
        self.value = keras.layers.Dense(channels, use_bias=False, name="value", dtype=self.dtype_policy)
        self.value.build((None, None, channels))

    def pool(self, features):
        query = ops.cast(self.query, self.compute_dtype)
        scores = ops.matmul(features, ops.transpose(query)) / math.sqrt(features.shape[-1])
        weights = _softmax(ops.swapaxes(scores, 1, 2))
        batch, count, channels = ops.shape(features)
        parts = ops.reshape(self.value(features), (batch, count, self.queries, channels // self.queries))
        # By products, as LiteRT and OpenVINO fail at the reshaping by which TensorFlow computes an `einsum` of these.
        values = ops.transpose(ops.cast(parts, "float32"), (0, 2, 1, 3))
        return ops.reshape(ops.matmul(weights[:, :, None], values), (batch, channels)), weights

    def get_config(self):
        return {**super().get_config(), "queries": self.queries}

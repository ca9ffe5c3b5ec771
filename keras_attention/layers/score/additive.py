"""Scores that are a small network over query and key: additive and concat."""

import keras
from keras import ops

from keras_attention.arguments import keras_object, require_integer, require_truth
from keras_attention.compiled import traced_for_xla
from keras_attention.layers.domains import Choices
from keras_attention.layers.score.base import SCORES, WithBiases, WithKernels


class HiddenLayerScore(WithKernels, WithBiases):
    """Base of e = wᵀ act(projected query + projected key) (+ c): one hidden layer of `units`, one output.

    Args:
        units: dw, the dimension in which query and key are compared, at least 1.
        activation: name or callable; tanh in the papers.
        use_bias: whether there is a bias b.
        use_output_bias: whether there is a bias c; it changes nothing under softmax, but does under sigmoid.
        features: number of scores for each pair, at least 1, with a separate w for each; `None` means one score,
            without an extra axis. `Attention(feature_wise=True)` sets it to the dimension of the values.
        **kwargs: initializers, regularizers and constraints as in Keras: `kernel_…` for W₁, W₂ (or W) and w, `bias_…`
            for b and c.
    """

    search_space = {"activation": Choices(("tanh", "relu"))}

    def __init__(self, units=256, activation="tanh", use_bias=True, use_output_bias=False, features=None, **kwargs):
        super().__init__(**kwargs)
        self.units = require_integer("units", units, at_least=1)
        self.activation = keras_object(keras.activations, activation)
        self.use_bias = require_truth("use_bias", use_bias)
        self.use_output_bias = require_truth("use_output_bias", use_output_bias)
        self.features = None if features is None else require_integer("features", features, at_least=1)

    def build(self, query_shape, key_shape):
        super().build(query_shape, key_shape)
        self.build_projections(query_shape[-1], key_shape[-1])
        self.output_kernel = self.add_kernel("output_kernel", (self.units, self.features or 1))
        self.bias = self.add_bias("bias", (self.units,)) if self.use_bias else None
        output_shape = () if self.features is None else (self.features,)
        self.output_bias = self.add_bias("output_bias", output_shape) if self.use_output_bias else None

    def build_projections(self, query_dimension, key_dimension):
        """Adds the weights of the hidden layer, except its bias."""
        raise NotImplementedError(f"{type(self).__name__} must define `build_projections`, the hidden layer's kernels.")

    def pair(self, query, key):
        scores = self._output(self.activation(query + key))
        return scores if self.output_bias is None else scores + self.output_bias

    def _output(self, hidden):
        """wᵀ hidden, for each of the `features`."""
        if self.features is not None:
            return ops.matmul(hidden, self.output_kernel)
        if traced_for_xla():  # whose gradient of a matrix product of one column takes a quarter longer in all
            return ops.einsum("...d,d->...", hidden, self.output_kernel[:, 0])
        return ops.squeeze(ops.matmul(hidden, self.output_kernel), -1)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "use_output_bias": self.use_output_bias,
            "features": self.features,
        }


@SCORES.register("additive")
class AdditiveScore(HiddenLayerScore):
    """e = wᵀ act(W₁q + W₂k + b) (+ c): a small network over query and key; takes any two dimensions.

    W₁ ∈ R^(dw×dq), W₂ ∈ R^(dw×dk), w and b ∈ R^dw, c a scalar. With `activation="relu"`, `use_bias=False` and
    `use_output_bias=True`, followed by the sigmoid alignment, this is the gate of Yan et al. 2019.

    The bias b is added to the projected query, once per query rather than once per pair. The arguments are those of
    `HiddenLayerScore`: `units=256`, `activation="tanh"`, `use_bias=True`, `use_output_bias=False`, `features=None`, and
    initializers, regularizers and constraints for kernels and biases.

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

    def build_projections(self, query_dimension, key_dimension):
        self.query_kernel = self.add_kernel("query_kernel", (query_dimension, self.units))
        self.key_kernel = self.add_kernel("key_kernel", (key_dimension, self.units))

    def project_query(self, query):
        projected = self.projected(query, self.query_kernel)
        return projected if self.bias is None else projected + self.bias

    def project_key(self, key):
        return self.projected(key, self.key_kernel)


@SCORES.register("concat")
class ConcatScore(HiddenLayerScore):
    """e = wᵀ act(W[q; k] + b) (+ c): `additive` with one weight over query and key together.

    W ∈ R^(dw×(dq+dk)). The vector [q; k] is never built: W[q; k] is the first dq columns of W times q, computed once
    per query, plus the other columns times k, computed once per key. The only difference from `additive` is that
    initializer, regularizer and constraint apply to one matrix. The arguments are the same.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import ConcatScore
    >>> score = ConcatScore(units=8)
    >>> score(np.ones((2, 3, 5), "float32"), np.ones((2, 7, 4), "float32")).shape, tuple(score.kernel.shape)
    (TensorShape([2, 3, 7]), (9, 8))

    Reference:
        Luong, Pham, Manning, *Effective Approaches to Attention-based Neural Machine Translation*, EMNLP 2015, eq. 8.
    """

    def build_projections(self, query_dimension, key_dimension):
        self.query_dimension = query_dimension
        self.kernel = self.add_kernel("kernel", (query_dimension + key_dimension, self.units))

    def project_query(self, query):
        projected = self.projected(query, self.kernel[: self.query_dimension])
        return projected if self.bias is None else projected + self.bias

    def project_key(self, key):
        return self.projected(key, self.kernel[self.query_dimension :])

"""Alignments that give weight to every key: softmax, softmax1, sigmoid and budget."""

import keras
import numpy as np
from keras import ops

from keras_attention.arguments import invalid, require_choice, require_number
from keras_attention.layers.alignment.base import ALIGNMENTS, HIDDEN, Alignment, visible_count, with_nan
from keras_attention.layers.domains import Choices, Range

BIASES = ("none", "log_n")


def softmax(scores, temperature=1.0):
    """exp(e/τ) / Σ exp(e/τ) along the last axis, for any finite scores."""
    if scores.shape[-1] == 1:
        return ops.exp(scores - scores)  # 1, or NaN; for a 1×1 map, say, where `ops.softmax` would warn
    if temperature != 1:
        # Shifted before the division, in which hidden keys could become −∞, and a row of them NaN.
        scores = (scores - ops.max(scores, axis=-1, keepdims=True)) / temperature
    return ops.softmax(scores, axis=-1)


@ALIGNMENTS.register("softmax")
class SoftmaxAlignment(Alignment):
    """a = exp(e/τ) / Σ exp(e/τ): every key gets a share, and the shares sum to 1.

    Args:
        temperature: τ, above 0; a small one makes weights sharp, a large one even.

    Raises:
        ValueError: a temperature not above 0.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import SoftmaxAlignment
    >>> np.asarray(SoftmaxAlignment()(np.array([[-2.0, 0.0, 0.5]]))).round(4)
    array([[0.0486, 0.3592, 0.5922]], dtype=float32)

    Reference:
        Bahdanau, Cho, Bengio 2015, eq. 6.
    """

    search_space = {"temperature": Range(0.25, 4.0, logarithmic=True)}

    def __init__(self, temperature=1.0, **kwargs):
        super().__init__(**kwargs)
        self.temperature = require_number("temperature", temperature, above=0)

    def align(self, scores, training=None):
        return softmax(scores, self.temperature)

    def get_config(self):
        return {**super().get_config(), "temperature": self.temperature}


@ALIGNMENTS.register("softmax1")
class Softmax1Alignment(Alignment):
    """a = exp(e) / (1 + Σ exp(e)): softmax beside a key of score 0 and value 0, so that it may look nowhere.

    The weights sum to less than 1, and to nearly 0 if all scores are far below 0. The context is Σ a·v.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import Softmax1Alignment
    >>> np.asarray(Softmax1Alignment()(np.array([[-2.0, 0.0, 0.5]]))).round(4)
    array([[0.0358, 0.2643, 0.4357]], dtype=float32)

    Reference:
        Miller, *Attention Is Off By One*, 2023, www.evanmiller.org/attention-is-off-by-one.html; as a key of zeros:
        `add_zero_attn` of PyTorch.
    """

    normalized = False
    averages = False

    def align(self, scores, training=None):
        # Shifted, so that nothing overflows: by the largest score, or by the 0 of the key that is not there.
        largest = ops.stop_gradient(ops.maximum(ops.max(scores, axis=-1, keepdims=True), 0.0))
        exponents = ops.exp(scores - largest)
        return exponents / (ops.exp(-largest) + ops.sum(exponents, axis=-1, keepdims=True))


@ALIGNMENTS.register("sigmoid")
class SigmoidAlignment(Alignment):
    """a = 1 / (1 + exp(−e)): each key is weighed independently; weights do not sum to 1, and the context is a mean.

    With `bias="log_n"`, a = 1 / (1 + exp(log n − e)) over n visible keys: weights begin at about 1/n, so that their sum
    does not depend on n, and the context is Σ a·v, as that of softmax.

    Args:
        bias: `"none"`, as in the gate of Yan et al., or `"log_n"`, the bias −log n of Ramapuram et al.

    Raises:
        ValueError: another bias.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import SigmoidAlignment
    >>> np.asarray(SigmoidAlignment()(np.array([[-2.0, 0.0, 0.5]]))).round(4)
    array([[0.1192, 0.5   , 0.6225]], dtype=float32)
    >>> np.asarray(SigmoidAlignment("log_n")(np.array([[-2.0, 0.0, 0.5]]))).round(4)
    array([[0.0432, 0.25  , 0.3547]], dtype=float32)

    Reference:
        Yan, Kawahara, Hamarneh, *Melanoma Recognition via Visual Attention*, IPMI 2019, eq. 2; Ramapuram et al.,
        *Theory, Analysis, and Best Practices for Sigmoid Self-Attention*, ICLR 2025, arXiv 2409.04431.
    """

    normalized = False
    search_space = {"bias": Choices(BIASES)}

    def __init__(self, bias="none", **kwargs):
        super().__init__(**kwargs)
        self.bias = require_choice("bias", bias, BIASES)

    @property
    def averages(self):
        return self.bias == "none"

    def align(self, scores, training=None):
        if self.bias == "none":
            return ops.sigmoid(scores)
        return ops.sigmoid(scores - ops.log(ops.maximum(visible_count(scores), 1.0)))

    def get_config(self):
        return {**super().get_config(), "bias": self.bias}


@ALIGNMENTS.register("budget")
class BudgetAlignment(Alignment):
    """a = 1 / (1 + exp(τ − e)), Σ a = k: the attention of k keys, each of which can take 1 at most.

    The solution of argmax pᵀe + Σ H(pᵢ) over 0 ≤ p ≤ 1 with Σ p = k, with the entropy H(p) = −p log p − (1−p) log(1−p):
    several regions are seen in full, where softmax would divide 1 among them. τ is found by bisection; the gradient is
    that of the solution, s⊙g − s·(sᵀg)/Σs with s = a(1 − a). Where no more than k keys are visible, each gets 1. The
    context is Σ a·v.

    Args:
        k: the sum of the weights of a row, above 0.

    Raises:
        ValueError: k not above 0, or above the number of keys.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import BudgetAlignment
    >>> np.asarray(BudgetAlignment(2)(np.array([[-2.0, 0.0, 0.5]]))).round(4)
    array([[0.3424, 0.7937, 0.8638]], dtype=float32)

    Reference:
        Amos, Koltun, Kolter, *The Limited Multi-Label Projection Layer*, arXiv 1906.08707, 2019, eqs. 4 to 8.
    """

    normalized = False
    averages = False
    search_space = {"k": Range(1, 4)}

    def __init__(self, k=3, **kwargs):
        super().__init__(**kwargs)
        self.k = require_number("k", k, above=0)

    def build(self, scores_shape, query_shape=None):
        super().build(scores_shape, query_shape)
        self._check(scores_shape[-1])

    def _check(self, keys):
        if keys is not None and keys < self.k:
            raise invalid("`k` exceeds the number of keys.", f"at most {keys}", f"k={self.k}")

    def align(self, scores, training=None):
        self._check(scores.shape[-1])
        return with_nan(self._weights(scores), scores)

    def _weights(self, scores):
        count = visible_count(scores)
        scores = scores - ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True))  # where they have more digits
        constant = ops.stop_gradient(scores)
        threshold = ops.stop_gradient(_bisected(constant, count, self.k))
        weights = ops.sigmoid(constant - threshold)
        slope = ops.sum(weights * (1 - weights), axis=-1, keepdims=True)
        # The threshold stays as it was found, and gets its derivative by the implicit function theorem.
        total = ops.sum(ops.sigmoid(scores - threshold), axis=-1, keepdims=True)
        threshold = threshold + (total - ops.stop_gradient(total)) / ops.maximum(slope, 1e-30)
        return ops.where(count <= self.k, ops.ones_like(scores), ops.sigmoid(scores - threshold))

    def get_config(self):
        return {**super().get_config(), "k": self.k}


def _bisected(scores, count, k):
    """The τ at which Σ σ(e − τ) = k over `count` visible keys, more than k, of scores up to 0."""
    lowest = ops.min(ops.where(scores > HIDDEN, scores, 0.0), axis=-1, keepdims=True)
    # If all scores were equal to one of these, so would be the weights, to k/n.
    share = ops.where(count > k, k / ops.maximum(count, 1.0), 0.5)
    offset = ops.log(share / (1 - share))
    low, high = lowest - offset, -offset
    digits = int(np.finfo(keras.backend.standardize_dtype(scores.dtype)).nmant) + 8

    def halve(step, low, high):
        middle = (low + high) / 2
        heavy = ops.sum(ops.sigmoid(scores - middle), axis=-1, keepdims=True) > k
        return step + 1, ops.where(heavy, middle, low), ops.where(heavy, high, middle)

    _, low, high = ops.while_loop(lambda step, low, high: step < digits, halve, (0, low, high))
    return (low + high) / 2

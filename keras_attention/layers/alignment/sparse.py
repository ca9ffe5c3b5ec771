"""Alignments that give most keys exactly nothing: sparsemax and entmax.

Each finds a threshold by a loop that carries no gradient, and then makes one step of Newton's method from it. At the
solution that step changes no value, but its derivative is that of the solution itself (the implicit function theorem):
the gradient is exact, and the loop is not differentiated.
"""

import math

import keras
import numpy as np
from keras import ops

from keras_attention.arguments import require_number
from keras_attention.layers.alignment.base import ALIGNMENTS, Alignment


@ALIGNMENTS.register("sparsemax")
class SparsemaxAlignment(Alignment):
    """a = max(e − τ, 0), Σ a = 1: the nearest distribution to e, in which far keys get exactly 0.

    The solution of argmin ‖p − e‖² over the distributions p. The set of keys above τ is found without sorting: begun
    too large, it loses the keys below the threshold that it implies until none is left to lose (Michelot 1986). The
    gradient is g − mean(g) over that set, and 0 elsewhere.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import SparsemaxAlignment
    >>> np.asarray(SparsemaxAlignment()(np.array([[-2.0, 0.0, 0.5]]))).round(4)
    array([[0.  , 0.25, 0.75]], dtype=float32)

    Reference:
        Martins, Astudillo, *From Softmax to Sparsemax*, ICML 2016, arXiv 1602.02068, alg. 1 and eq. 13.
    """

    def align(self, scores, training=None):
        shifted = _below_largest(scores, reach=1.0)
        constant = ops.stop_gradient(shifted)
        threshold = _climb(_sparsemax_step, constant, _lowest_threshold(constant, power=1.0))
        return ops.relu(shifted - _sparsemax_step(shifted, ops.stop_gradient(threshold)))


def _sparsemax_step(shifted, threshold):
    """τ + (Σ max(e − τ, 0) − 1) / (number of keys above τ), which is exact once that set is the right one."""
    above = ops.cast(shifted > threshold, shifted.dtype)
    total = ops.sum(above * shifted, axis=-1, keepdims=True)
    return (total - 1) / ops.maximum(ops.sum(above, axis=-1, keepdims=True), 1)


@ALIGNMENTS.register("entmax")
class EntmaxAlignment(Alignment):
    """a = max((α−1)e − τ, 0)^(1/(α−1)), Σ a = 1: between softmax (α → 1) and sparsemax (α = 2), and beyond.

    The solution of argmax pᵀe + H_α(p) over the distributions p, with the entropy of Tsallis
    H_α(p) = Σ (p − p^α) / (α(α−1)). At α = 1.5 the threshold has a closed form over the keys above it; at other α it is
    found by bisection. The gradient is exact, that of a learned α too.

    Args:
        alpha: α, above 1.
        learned: whether α is learned, from `alpha` on; as 1 + log(1 + exp(w)) of a weight w, so that it stays above 1.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import EntmaxAlignment
    >>> np.asarray(EntmaxAlignment(1.5)(np.array([[-2.0, 0.0, 0.5]]))).round(4)
    array([[0.   , 0.326, 0.674]], dtype=float32)

    Reference:
        Peters, Niculae, Martins, *Sparse Sequence-to-Sequence Models*, ACL 2019, arXiv 1905.05702, eqs. 10 and 12;
        learned α: Correia, Niculae, Martins, *Adaptively Sparse Transformers*, EMNLP 2019, arXiv 1909.00015, prop. 1.
    """

    def __init__(self, alpha=1.5, learned=False, **kwargs):
        super().__init__(**kwargs)
        self.alpha = require_number("alpha", alpha, above=1)
        self.learned = learned

    def build(self, scores_shape, query_shape=None):
        super().build(scores_shape, query_shape)
        # w of α = 1 + log(1 + exp(w)).
        start = keras.initializers.Constant(math.log(math.expm1(self.alpha - 1)))
        self.raw_alpha = (
            self.add_weight(name="raw_alpha", shape=(), initializer=start, autocast=False) if self.learned else None
        )

    def align(self, scores, training=None):
        if self.raw_alpha is None and self.alpha == 1.5:
            return _entmax_15(scores)
        order = self.alpha - 1 if self.raw_alpha is None else ops.softplus(self.raw_alpha)
        return _entmax(scores, order)

    def get_config(self):
        return {**super().get_config(), "alpha": self.alpha, "learned": self.learned}


def _entmax_15(scores):
    halves = _below_largest(scores / 2, reach=1.0)
    constant = ops.stop_gradient(halves)
    threshold = ops.stop_gradient(_climb(_entmax_15_step, constant, _lowest_threshold(constant, power=0.5)))
    # The closed form over the keys above the threshold: the smaller root of Σ (e/2 − τ)² = 1.
    above = ops.cast(constant > threshold, halves.dtype)
    count = ops.maximum(ops.sum(above, axis=-1, keepdims=True), 1)
    mean = ops.sum(above * halves, axis=-1, keepdims=True) / count
    spread = ops.sum(above * ops.square(halves - mean), axis=-1, keepdims=True)
    # Σ √a = count · root is at least 1, so the root is above 0 but for rounding.
    root = ops.sqrt(ops.maximum((1 - spread) / count, 1e-12))
    return ops.square(ops.relu(halves - (mean - root)))


def _entmax_15_step(halves, threshold):
    """Newton's step for Σ max(e/2 − τ, 0)² = 1."""
    above = ops.relu(halves - threshold)
    excess = ops.sum(ops.square(above), axis=-1, keepdims=True) - 1
    return threshold + excess / (2 * ops.sum(above, axis=-1, keepdims=True))


def _entmax(scores, order):
    """Entmax of α = 1 + order, by bisection for the λ at which Σ (1 + order·(e − λ))^(1/order) = 1.

    λ = (τ + 1)/order, with e taken relative to the largest. As order → 0 the power becomes exp(e − λ) and λ the
    logarithm of Σ exp(e); near there τ itself would lose its digits.
    """
    order = ops.cast(order, scores.dtype)
    fixed = ops.stop_gradient(order)
    shifted = _below_largest(scores, reach=1 / fixed)
    constant = ops.stop_gradient(shifted)
    low = ops.zeros_like(constant[..., :1])
    # At equal scores λ is as large as it gets.
    keys = ops.cast(ops.shape(constant)[-1], constant.dtype)
    width = -ops.expm1(-fixed * ops.log(keys)) / fixed
    for _ in range(_halvings(constant.dtype)):
        width = width / 2
        heavy = ops.sum(_power(constant - (low + width), fixed), axis=-1, keepdims=True) >= 1
        low = ops.where(heavy, low + width, low)
    solution = ops.stop_gradient(low)
    # One step of Newton's method: its slope is −Σ a^(1 − order), that of its numerator carries the gradient.
    slope = ops.stop_gradient(ops.sum(_slope(constant - solution, fixed), axis=-1, keepdims=True))
    excess = ops.sum(_power(shifted - solution, order), axis=-1, keepdims=True) - 1
    weights = _power(shifted - (solution + excess / slope), order)
    # Their sum is 1 but for rounding, which above α = 2 the steep edge of the support multiplies.
    return weights / ops.sum(weights, axis=-1, keepdims=True)


def _power(difference, order):
    """max(1 + order·x, 0)^(1/order), which is exp(x) at order → 0."""
    inside = order * difference > -1
    return ops.where(inside, ops.exp(ops.log1p(ops.where(inside, order * difference, 0.0)) / order), 0.0)


def _slope(difference, order):
    """The derivative of `_power`: its power 1 − order."""
    inside = order * difference > -1
    logarithm = ops.log1p(ops.where(inside, order * difference, 0.0))
    return ops.where(inside, ops.exp(logarithm * (1 - order) / order), 0.0)


def _halvings(dtype):
    return 50 if keras.backend.standardize_dtype(dtype) == "float64" else 24


def _below_largest(scores, reach):
    """Scores less the largest of their row, not below −2·reach: keys further down than `reach` get nothing anyway."""
    return ops.maximum(scores - ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True)), -2 * reach)


def _lowest_threshold(shifted, power):
    """A threshold that is not too high: that of the largest score alone, or of all scores if they were equal."""
    keys = ops.cast(ops.shape(shifted)[-1], shifted.dtype)
    return ops.maximum(ops.mean(shifted, axis=-1, keepdims=True) - keys**-power, -1.0)


def _climb(step, shifted, threshold):
    """Repeats a Newton step, which climbs to the solution from below, until no row climbs any more."""
    tolerance = 4 * float(np.finfo(keras.backend.standardize_dtype(shifted.dtype)).eps)

    def climb(threshold, climbing):
        higher = step(shifted, threshold)
        return higher, ops.any(higher > threshold + tolerance)

    return ops.while_loop(lambda threshold, climbing: climbing, climb, (threshold, True))[0]

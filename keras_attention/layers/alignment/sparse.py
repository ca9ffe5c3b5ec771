"""Alignments that give most keys a weight of exactly 0: sparsemax and entmax.

Each finds a threshold by a loop without gradient. The gradient is then that of the solution itself, which the implicit
function theorem gives from the weights: it is exact although the loop is not differentiated, and costs three passes
over the scores.
"""

import math
from functools import partial

import keras
import numpy as np
from keras import ops

from keras_attention.arguments import require_number, require_truth
from keras_attention.layers.alignment.base import ALIGNMENTS, Alignment, with_nan
from keras_attention.layers.domains import Choices, Range


@ALIGNMENTS.register("sparsemax")
class SparsemaxAlignment(Alignment):
    """a = max(e − τ, 0), Σ a = 1: the distribution nearest to e, in which keys with low scores get exactly 0.

    The solution of argmin ‖p − e‖² over the distributions p. The set of keys above τ is found without sorting: it
    starts too large, and the keys below the threshold that it implies are removed until none is left to remove
    (Michelot 1986). The gradient is g − mean(g) over that set, and 0 elsewhere.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import SparsemaxAlignment
    >>> np.asarray(SparsemaxAlignment()(np.array([[-2.0, 0.0, 0.5]]))).round(4)
    array([[0.  , 0.25, 0.75]], dtype=float32)

    Reference:
        Martins, Astudillo, *From Softmax to Sparsemax*, ICML 2016, arXiv 1602.02068, alg. 1 and eq. 13.
    """

    def align(self, scores, training=None):
        return with_nan(_sparsemax(scores), scores)


def _sparsemax(scores):
    shifted = _below_largest(scores, reach=1.0)
    threshold = _climb(_sparsemax_step, shifted, _lowest_threshold(shifted, power=1.0))
    above = ops.cast(shifted > threshold, shifted.dtype)
    return _with_gradient(ops.relu(shifted - _sparsemax_step(shifted, threshold)), above, scores)


def _sparsemax_step(shifted, threshold):
    """τ + (Σ max(e − τ, 0) − 1) / (number of keys above τ), which is exact once that set is correct."""
    above = ops.cast(shifted > threshold, shifted.dtype)
    total = ops.sum(above * shifted, axis=-1, keepdims=True)
    return (total - 1) / ops.maximum(ops.sum(above, axis=-1, keepdims=True), 1)


@ALIGNMENTS.register("entmax")
class EntmaxAlignment(Alignment):
    """a = max((α−1)e − τ, 0)^(1/(α−1)), Σ a = 1: between softmax (α → 1) and sparsemax (α = 2).

    The solution of argmax pᵀe + H_α(p) over the distributions p, with the entropy of Tsallis
    H_α(p) = Σ (p − p^α) / (α(α−1)). At α = 1.5 and 2 the threshold has a closed form over the keys above it; at other α
    it is found by Newton's method. The gradient is exact, with respect to a learned α too.

    Above α = 2 there is no useful gradient: it is proportional to p^(2−α), which grows without bound for a key whose
    weight tends to 0, so that the rounding of one score decides the gradient of all.

    Args:
        alpha: α, above 1 and at most 2.
        learned: whether α is learned, starting from `alpha`. It is 1 + σ(w) of a weight w, so that it stays between 1
            and 2.

    Raises:
        ValueError: α not above 1 or above 2; a learned α not below 2.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import EntmaxAlignment
    >>> np.asarray(EntmaxAlignment(1.5)(np.array([[-2.0, 0.0, 0.5]]))).round(4)
    array([[0.   , 0.326, 0.674]], dtype=float32)

    Reference:
        Peters, Niculae, Martins, *Sparse Sequence-to-Sequence Models*, ACL 2019, arXiv 1905.05702, eqs. 10 and 12;
        learned α: Correia, Niculae, Martins, *Adaptively Sparse Transformers*, EMNLP 2019, arXiv 1909.00015, prop. 1.
    """

    search_space = {"alpha": Range(1.1, 2.0), "learned": Choices((False, True))}

    def __init__(self, alpha=1.5, learned=False, **kwargs):
        super().__init__(**kwargs)
        limit = {"below": 2} if learned else {"at_most": 2}
        self.alpha = require_number("alpha", alpha, above=1, **limit)
        self.learned = require_truth("learned", learned)

    def build(self, scores_shape, query_shape=None):
        super().build(scores_shape, query_shape)
        self.raw_alpha = None
        if self.learned:
            start = keras.initializers.Constant(math.log((self.alpha - 1) / (2 - self.alpha)))
            self.raw_alpha = self.add_weight(name="raw_alpha", shape=(), initializer=start)

    def align(self, scores, training=None):
        return with_nan(self._weights(scores), scores)

    def _weights(self, scores):
        if self.raw_alpha is not None:
            return _entmax_by_threshold(scores, ops.sigmoid(self.raw_alpha))
        if self.alpha in CLOSED:
            return CLOSED[self.alpha](scores)
        return (_entmax_by_threshold if self.alpha > NEAR_SOFTMAX else _entmax_by_level)(scores, self.alpha - 1)

    def get_config(self):
        return {**super().get_config(), "alpha": self.alpha, "learned": self.learned}


def _entmax_15(scores):
    halves = _below_largest(scores / 2, reach=1.0)
    threshold = _climb(_entmax_15_step, halves, _lowest_threshold(halves, power=0.5))
    # The closed form over the keys above the threshold: the smaller root of Σ (e/2 − τ)² = 1.
    above = ops.cast(halves > threshold, halves.dtype)
    count = ops.maximum(ops.sum(above, axis=-1, keepdims=True), 1)
    mean = ops.sum(above * halves, axis=-1, keepdims=True) / count
    spread = ops.sum(above * ops.square(halves - mean), axis=-1, keepdims=True)
    roots = ops.relu(halves - (mean - ops.sqrt(ops.maximum(1 - spread, 0) / count)))
    return _with_gradient(ops.square(roots), roots, scores)


def _entmax_15_step(halves, threshold):
    """Newton's step for √(Σ max(e/2 − τ, 0)²) = 1, which is nearer to a straight line than its square."""
    above = ops.relu(halves - threshold)
    total = ops.sum(ops.square(above), axis=-1, keepdims=True)
    return threshold + (total - ops.sqrt(total)) / ops.sum(above, axis=-1, keepdims=True)


CLOSED = {1.5: _entmax_15, 2: _sparsemax}
# Up to this α the level λ is more exact, above it the threshold τ; see the two functions.
NEAR_SOFTMAX = 1.25


def _entmax_by_threshold(scores, order):
    """Entmax of α = 1 + order, by the τ at which Σ max(z − τ, 0)^(1/order) = 1, with z = order·e.

    Nearly equal scores have a τ near 0, where it has many digits, so that it is known which keys are above it: these
    have a part in the gradient, however small their weights are.
    """
    learned = ops.cast(order, scores.dtype) if ops.is_tensor(order) else None
    fixed = order if learned is None else ops.stop_gradient(learned)
    scaled = _below_largest(fixed * scores, reach=1.0)
    step = partial(_threshold_step, order=fixed)
    threshold = step(scaled, _climb(step, scaled, _threshold_of_near(scaled, power=fixed), digits=0.4, relative=True))
    weights, derivatives = _root(scaled - threshold, fixed)
    return _with_gradient(weights, derivatives, scores, learned)


def _threshold_step(scaled, threshold, order):
    """Newton's step for (Σ max(z − τ, 0)^(1/order))^order = 1, a norm and therefore convex."""
    weights, derivatives = _root(scaled - threshold, order)
    return threshold + order * _norm_step(weights, derivatives, order)


def _root(difference, order):
    """p = max(x, 0)^(1/order), and p/x, which is order times its derivative."""
    above = difference > 0
    base = ops.where(above, difference, 1.0)
    weights = ops.where(above, ops.exp(ops.log(base) / order), 0.0)
    return weights, weights / base


def _norm_step(weights, derivatives, order):
    """(S − S^(1−order)) / (order·Σ p′) with S = Σ p: Newton's step for S^order = 1, in units of the scores.

    Far from the solution it goes much further than the step for S = 1, as S is a high power there.
    """
    total = ops.sum(weights, axis=-1, keepdims=True)
    step = -total * ops.expm1(-order * ops.log(total)) / order
    return step / ops.sum(derivatives, axis=-1, keepdims=True)


def _entmax_by_level(scores, order):
    """Entmax of α = 1 + order, by the λ at which Σ max(1 + order·(e − λ), 0)^(1/order) = 1.

    e is relative to the largest score, and λ = (τ + 1)/order. As order → 0 the power becomes exp(e − λ), and λ the
    logarithm of Σ exp(e); τ itself would lose its digits there.
    """
    shifted = _below_largest(scores, reach=1 / order)
    lowest = (1 + _threshold_of_near(order * shifted, power=order)) / order
    step = partial(_level_step, order=order)
    solution = step(shifted, _climb(step, shifted, lowest, digits=0.4))
    return _with_gradient(*_power(shifted - solution, order), scores)


def _level_step(shifted, level, order):
    """Newton's step for (Σ max(1 + order·(e − λ), 0)^(1/order))^order = 1; for order → 0, for log Σ exp(e − λ) = 0."""
    return level + _norm_step(*_power(shifted - level, order), order)


def _power(difference, order):
    """max(1 + order·x, 0)^(1/order), which is exp(x) as order → 0, and its derivative."""
    scaled = order * difference
    inside = scaled > -1
    scaled = ops.where(inside, scaled, 0.0)
    power = ops.where(inside, ops.exp(ops.log1p(scaled) / order), 0.0)
    return power, power / (1 + scaled)


def _with_gradient(weights, derivatives, scores, order=None):
    """The weights p of a row, with the gradient of the solution: ∂pᵢ/∂eⱼ = uᵢ(δᵢⱼ − uⱼ/Σu), with u the derivatives.

    With an order that is learned, α − 1, also ∂p/∂α (Correia et al. 2019, prop. 1). The weights, the derivatives and
    the order's are constants here; changes of 0 carry the gradients.
    """
    change, total = scores - ops.stop_gradient(scores), ops.sum(derivatives, axis=-1, keepdims=True)
    mean = ops.sum(derivatives * change, axis=-1, keepdims=True) / total
    weights = weights + derivatives * (change - mean)
    if order is None:
        return weights
    return weights + (order - ops.stop_gradient(order)) * _derivative_to_order(weights, derivatives / total, order)


def _derivative_to_order(weights, shares, order):
    weights, order = ops.stop_gradient(weights), ops.stop_gradient(order)
    surprise = -weights * ops.log(ops.where(weights > 0, weights, 1.0))
    return (weights - shares) / order**2 + (surprise - shares * ops.sum(surprise, axis=-1, keepdims=True)) / order


def _below_largest(scores, reach):
    """Scores minus the largest of their row, without gradient, and at least −2·reach: keys more than `reach` below it
    get weight 0 anyway.
    """
    scores = ops.stop_gradient(scores)
    return ops.maximum(scores - ops.max(scores, axis=-1, keepdims=True), -2 * reach)


def _lowest_threshold(shifted, power):
    """A threshold that is not too high: that of the largest score alone, or that of equal scores with the same mean."""
    keys = ops.cast(ops.shape(shifted)[-1], shifted.dtype)
    return ops.maximum(ops.mean(shifted, axis=-1, keepdims=True) - keys**-power, -1.0)


def _threshold_of_near(shifted, power):
    """As `_lowest_threshold`, and that of the keys in the upper half of what may get weight alone, which is often
    higher. It costs less than a step with a power.
    """
    near = ops.cast(shifted > -0.5, shifted.dtype)
    count = ops.sum(near, axis=-1, keepdims=True)
    of_near = ops.sum(near * shifted, axis=-1, keepdims=True) / count - count**-power
    return ops.maximum(_lowest_threshold(shifted, power), of_near)


def _climb(step, shifted, threshold, digits=1.0, relative=False):
    """Repeats a Newton step, which climbs to the solution from below, until no row climbs any more.

    It ends when a step changes no more than digits beyond a share of all, `digits`, with `relative` of the threshold's
    own. Each step doubles the number of correct digits, so that 0.4 is enough if one more step follows.
    """
    tolerance = 4 * float(np.finfo(keras.backend.standardize_dtype(shifted.dtype)).eps) ** digits

    def climb(threshold, climbing):
        higher = step(shifted, threshold)
        margin = tolerance * ops.absolute(threshold) if relative else tolerance
        return higher, ops.any(higher > threshold + margin)

    return ops.while_loop(lambda threshold, climbing: climbing, climb, (threshold, True))[0]

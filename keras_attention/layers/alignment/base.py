"""What all alignments share: precision, masks, and which keys are visible."""

from functools import partial

import keras
import numpy as np
from keras import ops

from keras_attention.arguments import invalid
from keras_attention.layers.wide import WideLayer
from keras_attention.members import BETWEEN, parts_of
from keras_attention.registry import Registry


class Alignments(Registry):
    """The alignments by short name; several, in a list or joined by `/`, are one `PerHead`."""

    def get(self, identifier, **defaults):
        """As `Registry.get`; several alignments, a list or a name such as `"softmax/sigmoid"`, share the heads."""
        if isinstance(identifier, str) and BETWEEN in identifier:
            identifier = parts_of(identifier)
        if not isinstance(identifier, (list, tuple)):
            return super().get(identifier, **defaults)
        from keras_attention.layers.alignment.per_head import PerHead

        axis, dtype = defaults.pop("head_axis", 1), defaults.get("dtype")
        seeds = [None if defaults.get("seed") is None else defaults["seed"] + place for place in range(len(identifier))]
        parts = [self.get(part, **defaults | {"seed": seed}) for part, seed in zip(identifier, seeds, strict=True)]
        return PerHead(parts, axis, dtype=dtype)

    def make(self, name, options, **defaults):
        """As `Registry.make`; several alignments have their usual options."""
        if BETWEEN not in str(name):
            return super().make(name, options, **defaults)
        if options:
            received = ", ".join(f"{option}={value!r}" for option, value in options.items())
            raise invalid("Several alignments take no options.", "options of a single alignment", received)
        for part in parts_of(name):
            super().make(part, {}, **defaults)
        return self.get(name, **defaults)

    def name_of(self, layer):
        """As `Registry.name_of`; of several alignments their names, joined by `/`."""
        parts = getattr(layer, "parts", None)
        return super().name_of(layer) if parts is None else BETWEEN.join(map(self.name_of, parts))


ALIGNMENTS = Alignments("alignment")
# Below every real score, but above the lowest finite number, with which a key is hidden.
HIDDEN = -1e30


class Alignment(WideLayer):
    """Base of the alignment functions, which takes care of masks and precision; a subclass overrides `align`.

    Weights are computed in float32 under any dtype policy (in float64 under a float64 policy). A masked key, or a key
    whose score is −∞, has weight exactly 0; a row without any visible key is all 0, never NaN and never uniform. A
    visible score that is NaN makes its row NaN, so that a diverged network is noticed.

    `normalized` says whether a row sums to 1. `averages` says how weights and values make the context: if `False`, it
    is Σ a·v; if `True`, it is the mean of a·v over the visible keys, so that its size does not depend on their number.
    `placed` says that the weights depend on where the keys are, so that a key without a place can have none.
    `chooses` says that a key is either chosen or not, by design, so that no training warns of a single 1.

    Call arguments:
        scores: `(..., Tq, Tk)`, aligned along the last axis.
        mask: boolean or integer, broadcastable to `scores`; `False` hides a key.
        training: whether an alignment that samples may do so.
        grid: `(H, W)` or `(T,)`, how the keys are laid out, for alignments that depend on the positions of the keys;
            `(Tk,)` if `None`.
        query: `(..., Tq, dq)`, for alignments that depend on the query.
        finite: whether the scores are known to hold no −∞, so that they need not be searched for it.

    Returns:
        Weights of the shape of `scores`, from 0 to 1, float32.

    Raises:
        ValueError: a mask that cannot be broadcast to the scores.
        TypeError: a floating-point mask, such as a mask of 0 and −10⁹ that is meant to be added to the scores.

    Example:

    >>> import keras, numpy as np
    >>> from keras_attention.layers import Alignment
    >>> class HardSigmoidAlignment(Alignment):
    ...     normalized = False
    ...     def align(self, scores, training=None):
    ...         return keras.ops.hard_sigmoid(scores)
    >>> np.asarray(HardSigmoidAlignment()(np.array([[-4.0, 0.0, 1.5]]), mask=np.array([[True, True, False]])))
    array([[0. , 0.5, 0. ]], dtype=float32)
    """

    normalized = True
    chooses = False
    placed = False
    search_space = {}

    @property
    def averages(self):
        return not self.normalized

    def shares(self, weights, mask=None):
        """What values are multiplied by to make the context: the weights, or if the context is a mean, their shares."""
        return mean_shares(weights, mask) if self.averages else weights

    def build(self, scores_shape, query_shape=None):
        self.built = True

    def call(self, scores, mask=None, training=None, grid=None, query=None, finite=False):
        return self.over_visible(partial(self.align, training=training), scores, mask, finite)

    def over_visible(self, function, scores, mask=None, finite=False):
        """What `function` gives for the visible keys, and 0 for the others; it gets finite scores only."""
        scores = ops.cast(scores, self.wide_dtype)
        visible = visible_keys(scores, mask, finite)
        if visible is None:
            return function(scores)
        # The lowest finite score, not −∞: the values and gradients of a row with all keys hidden then stay finite.
        lowest = float(np.finfo(keras.backend.standardize_dtype(scores.dtype)).min)
        return ops.where(visible, function(ops.where(visible, scores, lowest)), 0.0)

    def align(self, scores, training=None):
        """Finite scores in float32 or wider → weights, along the last axis."""
        raise NotImplementedError(f"{type(self).__name__} must define `align`, the weights of a row of scores.")

    def compute_output_shape(self, scores_shape):
        return scores_shape

    def compute_output_spec(self, scores, mask=None, training=None, grid=None, query=None, finite=False):
        if mask is not None:
            check_mask(mask, scores.shape)
        return keras.KerasTensor(scores.shape, dtype=self.wide_dtype)

    def compute_mask(self, inputs, previous_mask=None):
        # The mask hides keys. No weight is hidden, so layers after this one get no mask.
        return None


def mean_shares(weights, mask=None):
    """Weights `(..., Tq, Tk)` divided by the number of visible keys: their sum times the values is the mean of a·v.

    The weights are divided in their own precision, before they are multiplied by the values: the sum could overflow in
    half precision.
    """
    if mask is None:
        return weights / ops.cast(ops.shape(weights)[-1], weights.dtype)
    visible = ops.cast(ops.broadcast_to(mask, ops.shape(weights)), weights.dtype)
    return weights / ops.maximum(ops.sum(visible, axis=-1, keepdims=True), 1)


def visible_count(scores):
    """The number of keys of each row that `align` sees and that are not hidden, `(..., 1)`."""
    # A key whose score is NaN counts: it is not hidden.
    return ops.sum(ops.where(scores < HIDDEN, 0.0, ops.ones_like(scores)), axis=-1, keepdims=True)


def with_nan(weights, scores):
    """Weights, and NaN throughout each row with a score that is NaN, for functions that would lose it."""
    # Not `isnan`, which LiteRT does not have. Through the sum, the gradient of such a row is NaN as well.
    return weights + ops.sum(ops.where(ops.not_equal(scores, scores), scores, 0.0), axis=-1, keepdims=True)


def visible_keys(scores, mask, finite):
    """True for each key that may get weight, one that is not masked and scored above −∞; `None` if all may."""
    # Not `scores > −∞`, which is false for NaN too and would hide it.
    above = None if finite else ops.not_equal(scores, -np.inf)
    if mask is None:
        return above
    check_mask(mask, scores.shape)
    mask = ops.cast(mask, "bool")
    return mask if above is None else ops.logical_and(mask, above)


def check_mask(mask, scores_shape):
    """Raises `ValueError` or `TypeError` unless the mask is boolean or integer and broadcasts to the scores."""
    if not broadcasts(mask.shape, scores_shape):
        raise invalid(
            "The mask must fit the scores.",
            f"a shape that broadcasts to {tuple(scores_shape)}",
            f"mask shape={tuple(mask.shape)}",
        )
    require_booleans("mask", mask)


def broadcasts(mask_shape, shape):
    """Whether a mask broadcasts to a shape; unknown sizes count as fitting."""
    return len(mask_shape) <= len(shape) and all(
        size in (1, None) or other is None or size == other
        for size, other in zip(reversed(mask_shape), reversed(shape), strict=False)
    )


def require_booleans(name, mask):
    """Raises `TypeError` for a floating-point mask: if it was meant to be added, it would hide the wrong keys."""
    dtype = keras.backend.standardize_dtype(mask.dtype)
    if dtype != "bool" and "int" not in dtype:
        raise invalid(
            f"`{name}` must be boolean or integer.",
            "booleans or integers, true for what is visible",
            f"{name} dtype={dtype}",
            TypeError,
        )

"""a = align(e): how scores become weights."""

import keras
import numpy as np
from keras import ops

from keras_attention.arguments import invalid, require_number
from keras_attention.registry import Registry

ALIGNMENTS = Registry("alignment")


class Alignment(keras.layers.Layer):
    """Base of the alignment functions: masks and precision; a member overrides `align`.

    Weights are computed in float32 under any dtype policy (in float64 under a float64 policy). A masked key has weight
    exactly 0; a row without any visible key is all 0, never NaN and never uniform.

    `normalized` says whether a row sums to 1. Then the context is Σ a·v; otherwise it is the mean of a·v over the
    visible keys, so that its size does not depend on their number.

    Call arguments:
        scores: `(..., Tq, Tk)`, aligned along the last axis.
        mask: boolean, broadcastable to `scores`; `False` hides a key.
        training: whether a member that samples may do so.

    Returns:
        Weights of the shape of `scores`, from 0 to 1, float32.

    Raises:
        ValueError: a mask that cannot be broadcast to the scores.
    """

    normalized = True

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)

    def call(self, scores, mask=None, training=None):
        scores = ops.cast(scores, keras.backend.result_type(self.compute_dtype, "float32"))
        if mask is None:
            return self.align(scores, training=training)
        mask = ops.cast(mask, "bool")
        _check_broadcast(mask.shape, scores.shape)
        # The lowest finite score, not −∞: a row that is all masked then stays finite, and so does its gradient.
        lowest = float(np.finfo(keras.backend.standardize_dtype(scores.dtype)).min)
        weights = self.align(ops.where(mask, scores, lowest), training=training)
        return ops.where(mask, weights, 0.0)

    def align(self, scores, training=None):
        """Scores in float32 or wider → weights, along the last axis."""
        raise NotImplementedError(f"{type(self).__name__} must define `align`, the weights of a row of scores.")

    def compute_output_shape(self, scores_shape):
        return scores_shape

    def compute_output_spec(self, scores, mask=None, training=None):
        return keras.KerasTensor(scores.shape, dtype=keras.backend.result_type(self.compute_dtype, "float32"))

    def compute_mask(self, inputs, previous_mask=None):
        # The mask hides keys; what it leaves are weights, of which none is hidden.
        return None


def _check_broadcast(mask_shape, scores_shape):
    fits = len(mask_shape) <= len(scores_shape) and all(
        mask in (1, None) or scores is None or mask == scores
        for mask, scores in zip(reversed(mask_shape), reversed(scores_shape), strict=False)
    )
    if not fits:
        raise invalid(
            "The mask does not fit the scores.",
            f"a shape that broadcasts to {tuple(scores_shape)}",
            f"mask shape={tuple(mask_shape)}",
        )


@ALIGNMENTS.register("softmax")
class SoftmaxAlignment(Alignment):
    """a = exp(e/τ) / Σ exp(e/τ): every key gets a share, and the shares sum to 1.

    Args:
        temperature: τ, above 0; small is sharp, large is even.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import SoftmaxAlignment
    >>> np.asarray(SoftmaxAlignment()(np.array([[-2.0, 0.0, 0.5]]))).round(4)
    array([[0.0486, 0.3592, 0.5922]], dtype=float32)

    Reference:
        Bahdanau, Cho, Bengio 2015, eq. 6.
    """

    def __init__(self, temperature=1.0, **kwargs):
        super().__init__(**kwargs)
        self.temperature = require_number("temperature", temperature, above=0)

    def align(self, scores, training=None):
        if scores.shape[-1] == 1:
            return ops.ones_like(scores)  # as on a 1×1 map; `ops.softmax` would warn
        if self.temperature != 1:
            # Shifted before it is divided: the score of a masked key would become −∞, and a row of them NaN.
            scores = (scores - ops.max(scores, axis=-1, keepdims=True)) / self.temperature
        return ops.softmax(scores, axis=-1)

    def get_config(self):
        return {**super().get_config(), "temperature": self.temperature}


@ALIGNMENTS.register("sigmoid")
class SigmoidAlignment(Alignment):
    """a = 1 / (1 + exp(−e)): each key on its own; weights do not sum to 1, and the context is a mean.

    Reference:
        Yan, Kawahara, Hamarneh, *Melanoma Recognition via Visual Attention*, IPMI 2019, eq. 2.
    """

    normalized = False

    def align(self, scores, training=None):
        return ops.sigmoid(scores)

"""Alignments that give weight to every key: softmax and sigmoid."""

from keras import ops

from keras_attention.arguments import require_number
from keras_attention.layers.alignment.base import ALIGNMENTS, Alignment
from keras_attention.layers.domains import Range


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


@ALIGNMENTS.register("sigmoid")
class SigmoidAlignment(Alignment):
    """a = 1 / (1 + exp(−e)): each key is weighed independently; weights do not sum to 1, and the context is a mean.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import SigmoidAlignment
    >>> np.asarray(SigmoidAlignment()(np.array([[-2.0, 0.0, 0.5]]))).round(4)
    array([[0.1192, 0.5   , 0.6225]], dtype=float32)

    Reference:
        Yan, Kawahara, Hamarneh, *Melanoma Recognition via Visual Attention*, IPMI 2019, eq. 2.
    """

    normalized = False

    def align(self, scores, training=None):
        return ops.sigmoid(scores)

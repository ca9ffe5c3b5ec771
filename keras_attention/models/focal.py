"""The focal loss, computed from logits."""

import keras
from keras import ops

from keras_attention.arguments import require_number
from keras_attention.registry import PACKAGE

NEAREST = 1e-7  # 1 − p below this is rounding


@keras.saving.register_keras_serializable(package=PACKAGE)
class FocalCrossentropy(keras.losses.Loss):
    """−Σ y (1 − p)^γ log p over the classes, with p = softmax(logits): images that are easy count less.

    It is computed from the logits in float32. `keras.losses.CategoricalFocalCrossentropy` clips p, so that there images
    beyond a margin of 16 on the wrong side, from which most is to be learned, have no gradient; elsewhere both are
    equal (with α = 1: classes are not weighed further).

    Args:
        gamma: γ, at least 0; 0 is the cross-entropy.
        label_smoothing: share of each label that is spread evenly over all classes, from 0 to 1.
        reduction, name, dtype: as for `keras.losses.Loss`.

    Call arguments:
        y_true: one-hot labels `(B, classes)`.
        y_pred: logits `(B, classes)`.

    Raises:
        ValueError: a number out of range.

    Example:

    >>> import numpy as np
    >>> from keras_attention.models import FocalCrossentropy
    >>> loss = FocalCrossentropy(gamma=2.0)
    >>> [round(float(loss(np.array([[1.0, 0.0]]), np.array([[logit, 0.0]]))), 3) for logit in (2.0, 0.0, -40.0)]
    [0.002, 0.173, 40.0]

    Reference:
        Lin et al., *Focal Loss for Dense Object Detection*, ICCV 2017, eq. 4; for dermatology Yan, Kawahara, Hamarneh,
        *Melanoma Recognition via Visual Attention*, IPMI 2019.
    """

    def __init__(
        self,
        gamma=2.0,
        label_smoothing=0.0,
        reduction="sum_over_batch_size",
        name="focal_crossentropy",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.gamma = require_number("gamma", gamma, at_least=0)
        self.label_smoothing = require_number("label_smoothing", label_smoothing, at_least=0, at_most=1)

    def call(self, y_true, y_pred):
        logits = ops.cast(y_pred, keras.backend.result_type(y_pred.dtype, "float32"))
        labels = ops.cast(y_true, logits.dtype)
        classes = labels.shape[-1]
        labels = labels * (1 - self.label_smoothing) + self.label_smoothing / classes
        logarithms = ops.log_softmax(logits, axis=-1)
        # 1 − p, never 0: its power with γ below 1 would have an infinite slope there.
        rest = -ops.expm1(ops.minimum(logarithms, -NEAREST))
        return -ops.sum(labels * rest**self.gamma * logarithms, axis=-1)

    def get_config(self):
        return {**super().get_config(), "gamma": self.gamma, "label_smoothing": self.label_smoothing}

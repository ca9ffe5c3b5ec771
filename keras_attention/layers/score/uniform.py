"""The score of the uniform control, which depends on neither query nor key."""

import keras
from keras import ops

from keras_attention.layers.score.base import Score
from keras_attention.registry import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class UniformScore(Score):
    """e = 0: no key is preferred, so softmax, sparsemax and entmax give each of n keys the weight 1/n.

    It has no parameters, and nothing is projected for it. Attention must do better than a network with this score. It
    is not in `SCORES`, which holds the functions that a search chooses from.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import UniformScore
    >>> np.asarray(UniformScore()(np.ones((1, 2, 3)), np.ones((1, 4, 5)))).tolist()
    [[[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]]
    """

    finite = True
    blind = True

    def pair(self, query, key):
        return ops.zeros_like(query[..., 0] * key[..., 0])

    def table(self, query, key):
        return self.pair_table(query[..., :1], key[..., :1])

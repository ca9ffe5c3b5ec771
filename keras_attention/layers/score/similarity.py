"""Scores that are a similarity of two vectors of the same dimension: euclidean and cosine."""

import math

import keras
from keras import ops

from keras_attention.arguments import require_number, require_truth
from keras_attention.layers.domains import Choices, Range
from keras_attention.layers.score.base import SCORES, Score


@SCORES.register("euclidean")
class EuclideanScore(Score):
    """e = −‖q − k‖₂: the nearer, the higher the score; query and key have the same dimension.

    The table is computed by ‖q‖² + ‖k‖² − 2qᵀk, one matrix product. If rounding makes it negative, it counts as 0. In
    float32 the distance of two vectors that nearly coincide is then accurate to about 3·10⁻⁴ of their length; `pair`,
    which subtracts first, is exact. The gradient at distance 0 is 0.

    Args:
        squared: whether e = −‖q − k‖₂².

    Raises:
        ValueError: query and key of different dimensions.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import EuclideanScore
    >>> query, key = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0], [1.0, 2.0]])
    >>> np.asarray(EuclideanScore()(query, key)).round(4)
    array([[-1.4142, -2.    ]], dtype=float32)
    >>> np.asarray(EuclideanScore(squared=True)(query, key)).round(4)
    array([[-2., -4.]], dtype=float32)

    Reference:
        Niu, Zhong, Yu, *A review on the attention mechanism of deep learning*, Neurocomputing 452, 2021, sec. 3
        ("similarity").
    """

    finite = True
    search_space = {"squared": Choices((False, True))}

    def __init__(self, squared=False, **kwargs):
        super().__init__(**kwargs)
        self.squared = require_truth("squared", squared)

    def build(self, query_shape, key_shape):
        super().build(query_shape, key_shape)
        self.require_one_dimension(query_shape, key_shape)

    def pair(self, query, key):
        return self._score(ops.sum(ops.square(query - key), axis=-1))

    def table(self, query, key):
        query_squares = ops.sum(ops.square(query), axis=-1, keepdims=True)
        key_squares = ops.expand_dims(ops.sum(ops.square(key), axis=-1), -2)
        products = ops.matmul(-2 * query, ops.swapaxes(key, -1, -2))
        return self._score(ops.relu(products + query_squares + key_squares))

    def _score(self, squares):
        if self.squared:
            return -squares
        # The slope of the root is infinite at 0, so the root of 1 is taken there and the result replaced by 0.
        apart = ops.not_equal(squares, 0)  # true for NaN too, which must stay NaN
        return -ops.where(apart, ops.sqrt(ops.where(apart, squares, 1.0)), 0.0)

    def get_config(self):
        return {**super().get_config(), "squared": self.squared}


@SCORES.register("cosine")
class CosineScore(Score):
    """e = s · qᵀk / (‖q‖‖k‖): the angle alone, times a temperature s; query and key have the same dimension.

    A vector of zeros has no direction; it gets the score 0 and no gradient.

    Args:
        temperature: s, above 0; `None` is √d, with which e has about unit variance, as in `scaled_dot`. At s = 1
            weights differ little, because e is between −1 and 1.
        learned: whether s is learned, starting from `temperature`. It is exp of a weight, so that it stays above 0. In
            the paper it comes from a controller, for each query.

    Raises:
        ValueError: a temperature not above 0; query and key of different dimensions.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import CosineScore
    >>> query, key = np.array([[3.0, 0.0]]), np.array([[0.0, 1.0], [1.0, 1.0], [5.0, 0.0]])
    >>> np.asarray(CosineScore(temperature=10.0)(query, key)).round(4)
    array([[ 0.    ,  7.0711, 10.    ]], dtype=float32)

    Reference:
        Graves, Wayne, Danihelka, *Neural Turing Machines*, arXiv 1410.5401, eqs. 5 and 6.
    """

    finite = True
    search_space = {"temperature": Range(1.0, 32.0, logarithmic=True), "learned": Choices((False, True))}

    def __init__(self, temperature=None, learned=False, **kwargs):
        super().__init__(**kwargs)
        self.temperature = None if temperature is None else require_number("temperature", temperature, above=0)
        self.learned = require_truth("learned", learned)

    def build(self, query_shape, key_shape):
        super().build(query_shape, key_shape)
        self.require_one_dimension(query_shape, key_shape)
        self.start = self.temperature or math.sqrt(query_shape[-1])
        logarithm = math.log(self.start)
        self.log_temperature = (
            self.add_weight(
                name="log_temperature", shape=(), initializer=keras.initializers.Constant(logarithm), autocast=False
            )
            if self.learned
            else None
        )

    def pair(self, query, key):
        return ops.sum(self._scaled(_direction(query)) * _direction(key), axis=-1)

    def table(self, query, key):
        return ops.matmul(self._scaled(_direction(query)), ops.swapaxes(_direction(key), -1, -2))

    def _scaled(self, directions):
        return directions * (self.start if self.log_temperature is None else ops.exp(self.log_temperature))

    def get_config(self):
        return {**super().get_config(), "temperature": self.temperature, "learned": self.learned}


def _direction(vectors):
    """Vectors divided by their length; 0 for a vector of zeros."""
    # Divided by the largest entry first, which changes no direction: the squares then neither overflow nor vanish.
    largest = ops.stop_gradient(ops.max(ops.absolute(vectors), axis=-1, keepdims=True))
    nonzero = ops.not_equal(largest, 0)  # true for NaN too, which must stay NaN
    vectors = ops.where(nonzero, vectors, 0.0) / ops.where(nonzero, largest, 1.0)
    squares = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    return vectors * ops.rsqrt(ops.where(nonzero, squares, 1.0))

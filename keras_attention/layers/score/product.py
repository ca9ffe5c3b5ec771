"""Scores that are a product of query and key: dot, scaled_dot, and general with a matrix between the two."""

import math

import keras
from keras import ops

from keras_attention.arguments import keras_object, require_truth
from keras_attention.layers.domains import Choices
from keras_attention.layers.score.base import SCORES, Score, WithBiases, WithKernels
from keras_attention.registry import PACKAGE


class ProductScore(Score):
    """Base of e = qᵀk: the table is one matrix product.

    Raises:
        ValueError: query and key of different dimensions.
    """

    finite = True

    def build(self, query_shape, key_shape):
        super().build(query_shape, key_shape)
        self.require_one_dimension(query_shape, key_shape)

    def pair(self, query, key):
        return ops.sum(query * key, axis=-1)

    def table(self, query, key):
        return ops.matmul(query, ops.swapaxes(key, -1, -2))


@SCORES.register("dot")
class DotScore(ProductScore):
    """e = qᵀk: no parameters; query and key have the same dimension d, and e grows with √d.

    Call arguments and result are those of `Score`.

    Raises:
        ValueError: query and key of different dimensions.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import DotScore
    >>> query, key = np.eye(2), np.array([[0.0, 1.0], [1.0, 0.0]])
    >>> np.asarray(DotScore()(query, key))
    array([[0., 1.],
           [1., 0.]], dtype=float32)

    Reference:
        Luong, Pham, Manning, *Effective Approaches to Attention-based Neural Machine Translation*, EMNLP 2015, eq. 8.
    """


@SCORES.register("scaled_dot")
class ScaledDotScore(ProductScore):
    """e = qᵀk / √d: the dot product at unit variance, whatever the dimension d.

    The query is scaled, once per query rather than once per pair. Call arguments and result are those of `Score`.

    Raises:
        ValueError: query and key of different dimensions.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import ScaledDotScore
    >>> query, key = np.eye(2), np.array([[0.0, 1.0], [1.0, 0.0]])
    >>> np.asarray(ScaledDotScore()(query, key)).round(4)
    array([[0.    , 0.7071],
           [0.7071, 0.    ]], dtype=float32)

    Reference:
        Vaswani et al., *Attention Is All You Need*, NeurIPS 2017, eq. 1.
    """

    def project_query(self, query):
        return super().project_query(query) / math.sqrt(query.shape[-1])


@keras.saving.register_keras_serializable(package=PACKAGE)
class UnitProduct(keras.initializers.RandomNormal):
    """W (dq, dk) with independent normal entries of variance 1/(dq·dk): then kᵀWq has variance 1 if q and k have.

    Args:
        seed: seed of the numbers.

    Example:

    >>> import keras, numpy as np
    >>> from keras_attention.layers import UnitProduct
    >>> keras.utils.set_random_seed(1)
    >>> query, key = np.random.normal(size=(2, 2000, 64))
    >>> products = np.sum(query @ np.asarray(UnitProduct()((64, 64))) * key, axis=-1)
    >>> bool(0.8 < products.std() < 1.2)
    True
    """

    def __init__(self, seed=None):
        super().__init__(seed=seed)

    def __call__(self, shape, dtype=None):
        deviation = 1 / math.sqrt(math.prod(shape))
        return keras.random.normal(shape, stddev=deviation, dtype=dtype, seed=self.seed)

    def get_config(self):
        return {"seed": super().get_config()["seed"]}


@SCORES.register("general")
class GeneralScore(WithKernels):
    """e = kᵀWq: a learned product; takes any two dimensions.

    W ∈ R^(dk×dq), stored as `kernel` of shape (dq, dk). The table is (Wq)ᵀk or (Wᵀk)ᵀq, whichever takes fewer
    multiplications: the first projects the queries, the second the keys.

    Args:
        kernel_initializer: as in Keras; `None` is `UnitProduct`, with which e has variance 1 at the start if query and
            key have. The papers say nothing; with Keras's usual `"glorot_uniform"` e begins with the variance
            2·dq·dk/(dq + dk), which for dq = dk is that of `dot`.
        **kwargs: `kernel_regularizer` and `kernel_constraint`, as in Keras.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import GeneralScore
    >>> GeneralScore()(np.ones((2, 3, 5), "float32"), np.ones((2, 7, 4), "float32")).shape
    TensorShape([2, 3, 7])

    Reference:
        Luong, Pham, Manning, *Effective Approaches to Attention-based Neural Machine Translation*, EMNLP 2015, eq. 8.
    """

    finite = True

    def __init__(self, kernel_initializer=None, **kwargs):
        super().__init__(kernel_initializer=kernel_initializer or UnitProduct(), **kwargs)

    def build(self, query_shape, key_shape):
        super().build(query_shape, key_shape)
        self.kernel = self.add_kernel("kernel", (query_shape[-1], key_shape[-1]))

    def call(self, query, key):
        if _keys_are_cheaper(query.shape, key.shape):
            return self.table_by_keys(self.in_score_dtype(query), key)
        return super().call(query, key)

    def project_query(self, query):
        return self.projected(query, self.kernel)

    def pair(self, query, key):
        return ops.sum(query * key, axis=-1)

    def table(self, query, key):
        return ops.matmul(query, ops.swapaxes(key, -1, -2))

    def table_by_keys(self, query, key):
        """The same table with W applied to the keys; the queries are in the dtype of the scores, the keys as given."""
        return ops.matmul(query, ops.swapaxes(self.projected(key, ops.swapaxes(self.kernel, 0, 1)), -1, -2))


@SCORES.register("biased_general")
class BiasedGeneralScore(WithBiases, GeneralScore):
    """e = kᵀ(Wq + b): `general` with a bias, by which a key gets a part of its score whatever the query.

    b ∈ R^dk. Some texts print kᵀWq + b with b ∈ R^dk, which has no consistent shape.

    Args:
        **kwargs: initializers, regularizers and constraints for W (`kernel_…`) and b (`bias_…`), as in Keras.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import BiasedGeneralScore
    >>> query, key = np.eye(2), np.array([[0.0, 1.0], [1.0, 0.0]])
    >>> np.asarray(BiasedGeneralScore(kernel_initializer="identity", bias_initializer="ones")(query, key))
    array([[1., 2.],
           [2., 1.]], dtype=float32)

    Reference:
        Brauwers, Frasincar, *A General Survey on Attention Mechanisms in Deep Learning*, TKDE 35(4), 2023, table 3;
        Sordoni et al., *Iterative Alternating Neural Attention for Machine Reading*, arXiv 1606.02245.
    """

    def build(self, query_shape, key_shape):
        super().build(query_shape, key_shape)
        self.bias = self.add_bias("bias", (key_shape[-1],))

    def project_query(self, query):
        return super().project_query(query) + self.bias

    def table_by_keys(self, query, key):
        return super().table_by_keys(query, key) + ops.expand_dims(ops.matmul(self.in_score_dtype(key), self.bias), -2)


@SCORES.register("activated_general")
class ActivatedGeneralScore(WithBiases, GeneralScore):
    """e = act(kᵀWq + b): `general` followed by an activation, which can bound it; b is a scalar.

    Args:
        activation: name or callable; tanh in the paper.
        use_bias: whether there is a bias b.
        **kwargs: initializers, regularizers and constraints for W (`kernel_…`) and b (`bias_…`), as in Keras.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import ActivatedGeneralScore
    >>> query, key = np.eye(2), np.array([[0.0, 1.0], [1.0, 0.0]])
    >>> np.asarray(ActivatedGeneralScore(kernel_initializer="identity")(query, key)).round(4)
    array([[0.    , 0.7616],
           [0.7616, 0.    ]], dtype=float32)

    Reference:
        Ma, Li, Zhang, Wang, *Interactive Attention Networks for Aspect-Level Sentiment Classification*, IJCAI 2017,
        eq. 5.
    """

    finite = False  # an activation may give infinite numbers

    search_space = {"activation": Choices(("tanh", "relu"))}

    def __init__(self, activation="tanh", use_bias=True, **kwargs):
        super().__init__(**kwargs)
        self.activation = keras_object(keras.activations, activation)
        self.use_bias = require_truth("use_bias", use_bias)

    def build(self, query_shape, key_shape):
        super().build(query_shape, key_shape)
        self.bias = self.add_bias("bias", ()) if self.use_bias else None

    def pair(self, query, key):
        return self._activated(super().pair(query, key))

    def table(self, query, key):
        return self._activated(super().table(query, key))

    def table_by_keys(self, query, key):
        return self._activated(super().table_by_keys(query, key))

    def _activated(self, products):
        return self.activation(products if self.bias is None else products + self.bias)

    def get_config(self):
        return {
            **super().get_config(),
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
        }


def _keys_are_cheaper(query_shape, key_shape):
    """Whether projecting the keys (Wᵀk) takes fewer multiplications than projecting the queries (Wq)."""
    queries, query_dimension = query_shape[-2:]
    keys, key_dimension = key_shape[-2:]
    if queries is None or keys is None:
        return query_dimension < key_dimension  # as if there were as many queries as keys
    by_keys = keys * query_dimension * (key_dimension + queries)
    by_queries = queries * key_dimension * (query_dimension + keys)
    return by_keys < by_queries

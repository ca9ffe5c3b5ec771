"""e = score(q, k): how well a key answers a query.

A score consists of three small functions. `project_query` and `project_key` are affine and run once per vector. `pair`
is the formula of the paper for one query and one key; it broadcasts. From these `Score` computes the table of all
pairs. If there is one query for each key, as in a gate over a feature map, `pair` is called on two tensors of the same
shape.
"""

from keras_attention.layers.score.additive import AdditiveScore, ConcatScore
from keras_attention.layers.score.base import SCORES, Score
from keras_attention.layers.score.product import (
    ActivatedGeneralScore,
    BiasedGeneralScore,
    DotScore,
    GeneralScore,
    ScaledDotScore,
    UnitProduct,
)
from keras_attention.layers.score.similarity import CosineScore, EuclideanScore
from keras_attention.layers.score.uniform import UniformScore

__all__ = [
    "SCORES",
    "ActivatedGeneralScore",
    "AdditiveScore",
    "BiasedGeneralScore",
    "ConcatScore",
    "CosineScore",
    "DotScore",
    "EuclideanScore",
    "GeneralScore",
    "ScaledDotScore",
    "Score",
    "UniformScore",
    "UnitProduct",
]

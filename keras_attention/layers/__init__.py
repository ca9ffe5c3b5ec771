"""Score functions, alignment functions, and the attention layers that combine any two of them."""

from keras_attention.layers.alignment import (
    ALIGNMENTS,
    Alignment,
    EntmaxAlignment,
    HardAlignment,
    LocalMonotonicAlignment,
    LocalPredictiveAlignment,
    ReinforcedAlignment,
    SigmoidAlignment,
    SoftmaxAlignment,
    SparsemaxAlignment,
)
from keras_attention.layers.attention import Attention
from keras_attention.layers.preprocessing import ChannelNormalization
from keras_attention.layers.score import (
    SCORES,
    ActivatedGeneralScore,
    AdditiveScore,
    BiasedGeneralScore,
    ConcatScore,
    CosineScore,
    DotScore,
    EuclideanScore,
    GeneralScore,
    ScaledDotScore,
    Score,
    UniformScore,
)
from keras_attention.layers.spatial import SpatialAttention

__all__ = [
    "ALIGNMENTS",
    "SCORES",
    "ActivatedGeneralScore",
    "AdditiveScore",
    "Alignment",
    "Attention",
    "BiasedGeneralScore",
    "ChannelNormalization",
    "ConcatScore",
    "CosineScore",
    "DotScore",
    "EntmaxAlignment",
    "EuclideanScore",
    "GeneralScore",
    "HardAlignment",
    "LocalMonotonicAlignment",
    "LocalPredictiveAlignment",
    "ReinforcedAlignment",
    "ScaledDotScore",
    "Score",
    "SigmoidAlignment",
    "SoftmaxAlignment",
    "SparsemaxAlignment",
    "SpatialAttention",
    "UniformScore",
]

"""Score functions, alignment functions, the attention layers that combine any two of them, and regularizers of maps."""

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
from keras_attention.layers.domains import Choices, Range
from keras_attention.layers.preprocessing import ChannelNormalization
from keras_attention.layers.queries import LearnedQueries
from keras_attention.layers.regularization import (
    MAP_REGULARIZERS,
    MapDisagreement,
    MapEntropy,
    MapRegularizer,
    MapSpread,
    MapTotalVariation,
)
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
    "MAP_REGULARIZERS",
    "SCORES",
    "ActivatedGeneralScore",
    "AdditiveScore",
    "Alignment",
    "Attention",
    "BiasedGeneralScore",
    "ChannelNormalization",
    "Choices",
    "ConcatScore",
    "CosineScore",
    "DotScore",
    "EntmaxAlignment",
    "EuclideanScore",
    "GeneralScore",
    "HardAlignment",
    "LearnedQueries",
    "LocalMonotonicAlignment",
    "LocalPredictiveAlignment",
    "MapDisagreement",
    "MapEntropy",
    "MapRegularizer",
    "MapSpread",
    "MapTotalVariation",
    "Range",
    "ReinforcedAlignment",
    "ScaledDotScore",
    "Score",
    "SigmoidAlignment",
    "SoftmaxAlignment",
    "SparsemaxAlignment",
    "SpatialAttention",
    "UniformScore",
]

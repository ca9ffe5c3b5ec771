"""Score functions, alignment functions, the attention layers that combine any two of them, and regularizers of maps.

Attention is three lines: scores e = score(q, k), weights a = align(e), context c = Σ a·v. A score says what a query and
a key have in common, an alignment what the scores of all keys make of it. The two are independent, so that a method of
the literature is a pair of them, given to `Attention` (sequences) or `SpatialAttention` (feature maps):

| method | layer | query |
|---|---|---|
| Bahdanau, Cho, Bengio, ICLR 2015: alignment model | `Attention("additive")` | vectors |
| Luong, Pham, Manning, EMNLP 2015: global, dot | `Attention("dot")` | vectors |
| Luong et al.: global, general | `Attention("general")` | vectors |
| Luong et al.: global, concat | `Attention("concat")` | vectors |
| Luong et al.: local-m | `Attention("general", "local_monotonic")` | vectors |
| Luong et al.: local-p | `Attention("general", "local_predictive")` | vectors |
| Xu et al., ICML 2015: soft | `SpatialAttention("additive", normalize="none")` | vector |
| Xu et al.: hard | `SpatialAttention("additive", HardAlignment("reinforce"), normalize="none")` | vector |
| Martins, Astudillo, ICML 2016 | `Attention("additive", "sparsemax")` | vectors |
| Vaswani et al., NIPS 2017: scaled dot-product | `Attention("scaled_dot")` | vectors |
| Vaswani et al.: multi-head | `Attention("scaled_dot", num_heads=4)` | vectors |
| Lin et al., 2017: self-attention | `SpatialAttention(AdditiveScore(use_bias=False), normalize="none")` | learned |
| Jetley et al., ICLR 2018: dot-product compatibility | `SpatialAttention("dot", units=16, normalize="none")` | vector |
| Shen et al., AAAI 2018: multi-dimensional | `Attention("additive", feature_wise=True)` | vectors |
| Shen et al., IJCAI 2018: reinforced self-attention | `Attention("additive", "reinforced")` | vectors |
| Yan, Kawahara, Hamarneh, IPMI 2019: gate | `SpatialAttention(YAN, "sigmoid", normalize="none")` | map |
| Peters, Niculae, Martins, ACL 2019 | `Attention("general", "entmax")` | vectors |
| Amos et al., 2019: multi-label projection | `SpatialAttention("additive", "budget", normalize="none")` | vector |
| Miller, 2023: attention off by one | `Attention("scaled_dot", "softmax1")` | vectors |
| Psomas et al., ICCV 2023: SimPool | `SpatialAttention("scaled_dot", units=16, normalize="none")` | average |

A query is a sequence of vectors, one vector for all positions, a map with a vector for each position, vectors that are
learned (`LearnedQueries`), or the average of the features themselves. YAN is the score
`AdditiveScore(256, activation="relu", use_bias=False, use_output_bias=True)`. What is outside the pair is left to the
network: the recurrent decoders of Bahdanau and Luong; the projection of the query alone in Jetley; layer normalization
and the power mean of the values in SimPool. Without `normalize="none"`, `SpatialAttention` brings query and keys to
unit variance first.
"""

from keras_attention.layers.alignment import (
    ALIGNMENTS,
    Alignment,
    BudgetAlignment,
    EntmaxAlignment,
    HardAlignment,
    LocalMonotonicAlignment,
    LocalPredictiveAlignment,
    ReinforcedAlignment,
    SigmoidAlignment,
    Softmax1Alignment,
    SoftmaxAlignment,
    SparsemaxAlignment,
)
from keras_attention.layers.attention import Attention
from keras_attention.layers.domains import Choices, Range
from keras_attention.layers.gates import (
    GATES,
    ConvolutionalBlockAttention,
    EfficientChannelAttention,
    Gate,
    SqueezeExcitation,
)
from keras_attention.layers.map_layer import MapLayer
from keras_attention.layers.pooling import (
    POOLINGS,
    EfficientProbing,
    GatedAttentionPooling,
    GeneralizedMeanPooling,
    Pooling,
    SimPool,
)
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
    UnitProduct,
)
from keras_attention.layers.spatial import SpatialAttention

__all__ = [
    "ALIGNMENTS",
    "GATES",
    "MAP_REGULARIZERS",
    "POOLINGS",
    "SCORES",
    "ActivatedGeneralScore",
    "AdditiveScore",
    "Alignment",
    "Attention",
    "BiasedGeneralScore",
    "BudgetAlignment",
    "ChannelNormalization",
    "Choices",
    "ConcatScore",
    "ConvolutionalBlockAttention",
    "CosineScore",
    "DotScore",
    "EfficientChannelAttention",
    "EfficientProbing",
    "EntmaxAlignment",
    "EuclideanScore",
    "Gate",
    "GatedAttentionPooling",
    "GeneralScore",
    "GeneralizedMeanPooling",
    "HardAlignment",
    "LearnedQueries",
    "LocalMonotonicAlignment",
    "LocalPredictiveAlignment",
    "MapDisagreement",
    "MapEntropy",
    "MapLayer",
    "MapRegularizer",
    "MapSpread",
    "MapTotalVariation",
    "Pooling",
    "Range",
    "ReinforcedAlignment",
    "ScaledDotScore",
    "Score",
    "SigmoidAlignment",
    "SimPool",
    "Softmax1Alignment",
    "SoftmaxAlignment",
    "SparsemaxAlignment",
    "SpatialAttention",
    "SqueezeExcitation",
    "UniformScore",
    "UnitProduct",
]

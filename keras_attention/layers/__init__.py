"""Score functions, alignment functions, and the attention layers that combine any two of them."""

from keras_attention.layers.alignment import ALIGNMENTS, Alignment, SigmoidAlignment, SoftmaxAlignment
from keras_attention.layers.attention import Attention
from keras_attention.layers.score import SCORES, AdditiveScore, DotScore, ScaledDotScore, Score
from keras_attention.layers.spatial import SpatialAttention

__all__ = [
    "ALIGNMENTS",
    "SCORES",
    "AdditiveScore",
    "Alignment",
    "Attention",
    "DotScore",
    "ScaledDotScore",
    "Score",
    "SigmoidAlignment",
    "SoftmaxAlignment",
    "SpatialAttention",
]

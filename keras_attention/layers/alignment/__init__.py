"""a = align(e): how scores become weights."""

from keras_attention.layers.alignment.base import ALIGNMENTS, Alignment
from keras_attention.layers.alignment.local import LocalMonotonicAlignment, LocalPredictiveAlignment
from keras_attention.layers.alignment.per_head import PerHead
from keras_attention.layers.alignment.sampled import HardAlignment, ReinforcedAlignment, SampledAlignment
from keras_attention.layers.alignment.soft import BudgetAlignment, SigmoidAlignment, Softmax1Alignment, SoftmaxAlignment
from keras_attention.layers.alignment.sparse import EntmaxAlignment, SparsemaxAlignment

__all__ = [
    "ALIGNMENTS",
    "Alignment",
    "BudgetAlignment",
    "EntmaxAlignment",
    "HardAlignment",
    "LocalMonotonicAlignment",
    "LocalPredictiveAlignment",
    "PerHead",
    "ReinforcedAlignment",
    "SampledAlignment",
    "SigmoidAlignment",
    "Softmax1Alignment",
    "SoftmaxAlignment",
    "SparsemaxAlignment",
]

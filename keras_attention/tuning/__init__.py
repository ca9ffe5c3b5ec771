"""The search: KerasTuner over scores, alignments and their options, and the winner as a finished run."""

from keras_attention.tuning.folder import Search
from keras_attention.tuning.hypermodel import AttentionHyperModel
from keras_attention.tuning.job import search

__all__ = ["AttentionHyperModel", "Search", "search"]

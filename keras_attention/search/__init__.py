"""The search: KerasTuner over the two registries, and the winner as a finished run."""

from keras_attention.search.hypermodel import AttentionHyperModel
from keras_attention.search.job import search
from keras_attention.search.record import Search

__all__ = ["AttentionHyperModel", "Search", "search"]

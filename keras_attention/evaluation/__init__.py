"""How good a model is on a split: the figures of a run, and of any saved model on its data or on other data."""

from keras_attention.evaluation.figures import predict_split, predict_with_flips, split_metrics
from keras_attention.evaluation.saved import evaluate

__all__ = ["evaluate", "predict_split", "predict_with_flips", "split_metrics"]

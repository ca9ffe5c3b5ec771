"""How good a classifier is: one table of metrics, each with its title, range and formula."""

from keras_attention.metrics.flips import FLIPS, mean_over_flips
from keras_attention.metrics.intervals import image_intervals
from keras_attention.metrics.table import (
    CLASS_METRICS,
    METRICS,
    MONITORS,
    Metric,
    classification_metrics,
    headlines,
    image_deviations,
)

__all__ = [
    "CLASS_METRICS",
    "FLIPS",
    "METRICS",
    "MONITORS",
    "Metric",
    "classification_metrics",
    "headlines",
    "image_deviations",
    "image_intervals",
    "mean_over_flips",
]

"""A look at the data before training: what must be mended, what to look at, and the command to train."""

from keras_attention.inspection.findings import Finding
from keras_attention.inspection.job import Inspection, check

__all__ = ["Finding", "Inspection", "check"]

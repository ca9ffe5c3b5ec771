"""Where a saved model looks on any images: figures, a gallery, and measures of a whole split, written to a folder."""

from keras_attention.explanation.job import explain, measure_to_folder

__all__ = ["explain", "measure_to_folder"]

"""Where a model looks on images of one's own: figures, a gallery, and the measures of a whole split, in a folder."""

from keras_attention.explanation.job import explain, measure_to_folder

__all__ = ["explain", "measure_to_folder"]

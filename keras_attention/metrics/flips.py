"""Averages over flipped copies of an image."""

# Name → the axes along which each copy of an image is mirrored: 1 upside down, 2 left to right.
FLIPS = {"none": ((),), "horizontal": ((), (2,)), "both": ((), (1,), (2,), (1, 2))}


def mean_over_flips(logits):
    """Logits `(n, classes)` of each copy of the images → logarithms of the mean probabilities, `(n, classes)`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.metrics import mean_over_flips
    >>> np.exp(mean_over_flips([np.array([[0.0, 0.0]]), np.array([[0.0, 0.0]])])).tolist()
    [[0.5, 0.5]]
    """
    import numpy as np
    from scipy.special import softmax

    probabilities = sum(softmax(np.asarray(copy, "float64"), axis=-1) for copy in logits)
    return np.log(probabilities / len(logits))

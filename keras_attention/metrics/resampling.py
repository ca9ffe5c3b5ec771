"""Resamples of the test images: for the error of a metric whose influence values nobody has written down."""

import numpy as np

RESAMPLES = (200, 1000)  # the smallest and largest number
MEMORY_FOR_WEIGHTS = 3_000_000  # numbers in the weights: with many images there are fewer resamples


def draw_weights(images, resamples=None, seed=0, groups=None):
    """The number of times each image is in each bootstrap resample, `(resamples, images)`; a row sums to `images`.

    With the group of each image, `groups`, whole groups are drawn, and a row sums to about as many images.

    Example:

    >>> from keras_attention.metrics.resampling import draw_weights
    >>> draw_weights(5, resamples=3).sum(axis=1).tolist()
    [5.0, 5.0, 5.0]
    """
    resamples = resamples or int(np.clip(MEMORY_FOR_WEIGHTS // images, *RESAMPLES))
    units = np.arange(images) if groups is None else np.unique(groups, return_inverse=True)[1]
    count = units.max() + 1
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    return drawn[:, units].astype("float64")


def resampled(of, answers, weights):
    """A figure under each resample, `(resamples,)`; NaN if a resample does not define it. `of` is called for each."""
    values = (of(answers.drawn(times)) for times in weights)
    return np.array([np.nan if value is None else value for value in values])

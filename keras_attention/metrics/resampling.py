"""The metrics of a classifier under many resamples of its test images at once.

Each function takes `Answers` and weights `(resamples, n)`, the number of times that each resample drew each image, and
returns `(resamples,)`, NaN if a resample does not define the metric. scikit-learn computes one resample at a time,
which takes minutes for a comparison of many runs; a test checks that both agree.
"""

import numpy as np

RESAMPLES = (200, 1000)  # the smallest and largest number
MEMORY_FOR_WEIGHTS = 3_000_000  # numbers in the weights: with many images there are fewer resamples


def draw_weights(images, resamples=None, seed=0):
    """The number of times each image is in each bootstrap resample, `(resamples, images)`; a row sums to `images`."""
    resamples = resamples or int(np.clip(MEMORY_FOR_WEIGHTS // images, *RESAMPLES))
    drawn = np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), size=resamples)
    return drawn.astype("float64")


def accuracy(answers, weights):
    """Share of right answers."""
    return mean((answers.predicted == answers.labels).astype("float64"), weights)


def loss(answers, weights):
    """Mean cross-entropy in nats."""
    return mean(answers.losses, weights)


def macro_f1(answers, weights):
    """Mean F1 over the classes that have images."""
    total, classes = np.zeros(len(weights)), np.zeros(len(weights))
    for number in answers.classes:
        found, true = answers.predicted == number, answers.labels == number
        both, images = weights[:, found & true].sum(1), weights[:, true].sum(1)
        total += np.where(images > 0, 2 * both / np.maximum(weights[:, found].sum(1) + images, 1), 0)
        classes += images > 0
    return _divided(total, classes)


def roc_auc(answers, weights):
    """Mean area under the ROC curve, over the classes that define it."""
    return _mean_over_classes(_roc_auc, answers, weights)


def average_precision(answers, weights):
    """Mean average precision, over the classes that define it."""
    return _mean_over_classes(_average_precision, answers, weights)


def mean(values, weights):
    """The weighted mean of values `(n,)` under each resample, over the images that have a finite value."""
    defined = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return weights[:, defined] @ values[defined] / weights[:, defined].sum(axis=1)


def _mean_over_classes(measure, answers, weights):
    columns = zip(answers.classes, answers.log_odds.T, strict=True)
    rows = np.stack([measure(*_ranked(weights, column, answers.labels == number)) for number, column in columns])
    defined = np.isfinite(rows)
    return _divided(np.where(defined, rows, 0).sum(0), defined.sum(0).astype("float64"))


def _ranked(weights, odds, truth):
    """Total weights of the positive and the negative images at each distinct value, the highest first."""
    order = np.argsort(-odds, kind="stable")
    starts = np.flatnonzero(np.diff(odds[order], prepend=np.inf))
    weights, truth = weights[:, order], truth[order]
    return np.add.reduceat(weights * truth, starts, axis=1), np.add.reduceat(weights * ~truth, starts, axis=1)


def _roc_auc(positive, negative):
    """Share of the pairs of a positive and a negative image in the right order; equal log-odds count half."""
    below = negative.sum(1, keepdims=True) - np.cumsum(negative, axis=1)
    pairs = positive.sum(1) * negative.sum(1)
    return _divided((positive * (below + negative / 2)).sum(1), pairs)


def _average_precision(positive, negative):
    """Σ (recall gained at a threshold) · (precision there)."""
    found = np.cumsum(positive, axis=1)
    seen = found + np.cumsum(negative, axis=1)
    precision = np.divide(found, seen, out=np.zeros_like(found), where=seen > 0)
    total = positive.sum(1)
    # As in `classification_metrics`, it is not defined for a class that has all images.
    return _divided((positive * precision).sum(1), np.where(negative.sum(1) > 0, total, 0))


def _divided(part, whole):
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


# Name of a metric → the function that computes it under all resamples at once.
FASTER = {
    "accuracy": accuracy,
    "macro_f1": macro_f1,
    "roc_auc": roc_auc,
    "average_precision": average_precision,
    "loss": loss,
}

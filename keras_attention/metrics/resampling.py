"""The metrics of a classifier under many resamples of its test images at once.

Each function takes `Answers` and weights `(resamples, n)`, how often each resample drew each image, and gives
`(resamples,)`, NaN where a resample does not define the metric. scikit-learn computes one resample at a time, which for
a comparison of many runs takes minutes; a test holds the two together.
"""

import numpy as np

RESAMPLES = (200, 1000)  # at least and at most
MEMORY_FOR_WEIGHTS = 3_000_000  # numbers; many images need fewer resamples


def draw_weights(images, resamples=None, seed=0):
    """How often each image is in each bootstrap resample, `(resamples, images)`; each row sums to `images`."""
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
    """Mean over the classes of F1, which is 0 where it is not defined."""
    scores = []
    for number in answers.classes:
        found, true = answers.predicted == number, answers.labels == number
        both, either = weights[:, found & true].sum(1), weights[:, found].sum(1) + weights[:, true].sum(1)
        scores.append(np.divide(2 * both, either, out=np.zeros_like(both), where=either > 0))
    return np.mean(scores, axis=0)


def roc_auc(answers, weights):
    """Mean over the classes that define it of the area under the ROC curve."""
    return _mean_over_classes(_roc_auc, answers, weights)


def average_precision(answers, weights):
    """Mean over the classes that define it of the average precision."""
    return _mean_over_classes(_average_precision, answers, weights)


def mean(values, weights):
    """The weighted mean of `(n,)` under each resample, over the images where it is defined."""
    defined = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return weights[:, defined] @ values[defined] / weights[:, defined].sum(axis=1)


def _mean_over_classes(measure, answers, weights):
    columns = zip(answers.classes, answers.probabilities.T, strict=True)
    rows = np.stack([measure(*_ranked(weights, column, answers.labels == number)) for number, column in columns])
    defined = np.isfinite(rows)
    return _divided(np.where(defined, rows, 0).sum(0), defined.sum(0).astype("float64"))


def _ranked(weights, probability, truth):
    """Weights of the positive and of the negative images at each distinct probability, the highest first."""
    order = np.argsort(-probability, kind="stable")
    starts = np.flatnonzero(np.diff(probability[order], prepend=np.inf))
    weights, truth = weights[:, order], truth[order]
    return np.add.reduceat(weights * truth, starts, axis=1), np.add.reduceat(weights * ~truth, starts, axis=1)


def _roc_auc(positive, negative):
    """Share of the pairs of a positive and a negative image that are in the right order; equals count half."""
    below = negative.sum(1, keepdims=True) - np.cumsum(negative, axis=1)
    pairs = positive.sum(1) * negative.sum(1)
    return _divided((positive * (below + negative / 2)).sum(1), pairs)


def _average_precision(positive, negative):
    """Σ (recall gained at a threshold) · (precision there)."""
    found = np.cumsum(positive, axis=1)
    seen = found + np.cumsum(negative, axis=1)
    precision = np.divide(found, seen, out=np.zeros_like(found), where=seen > 0)
    total = positive.sum(1)
    # As in `classification_metrics`, a class without an image outside is not defined.
    return _divided((positive * precision).sum(1), np.where(negative.sum(1) > 0, total, 0))


def _divided(part, whole):
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)

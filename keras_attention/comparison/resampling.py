"""The figures of a classifier under many resamples of its test images at once.

They are those of `classification_metrics`, with a weight on each image: how often the resample drew it. scikit-learn
computes one resample at a time, which for a comparison of many runs takes minutes; a test holds the two together.
"""

import numpy as np
from scipy.special import log_softmax, softmax

RESAMPLES = (200, 1000)  # at least and at most
MEMORY_FOR_WEIGHTS = 3_000_000  # numbers; many images need fewer resamples


def draw_weights(images, resamples=None, seed=0):
    """How often each image is in each bootstrap resample, `(resamples, images)`; each row sums to `images`."""
    resamples = resamples or int(np.clip(MEMORY_FOR_WEIGHTS // images, *RESAMPLES))
    drawn = np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), size=resamples)
    return drawn.astype("float64")


def resampled_metrics(logits, labels, weights):
    """The figures of a classifier under each resample.

    Args:
        logits: `(n, classes)`.
        labels: `(n,)`, integers from 0.
        weights: `(resamples, n)`, as `draw_weights` gives them.

    Returns:
        A dictionary of `(resamples,)`: `accuracy`, `macro_f1`, `roc_auc`, `average_precision`, `loss`; NaN where a
        resample does not define one.
    """
    logits, labels = np.asarray(logits, "float64"), np.asarray(labels)
    chances, predicted = softmax(logits, axis=-1), logits.argmax(-1)
    areas, precisions = [], []
    for number in range(logits.shape[1]):
        ranked = _ranked(weights, chances[:, number], labels == number)
        areas.append(_roc_auc(*ranked))
        precisions.append(_average_precision(*ranked))
    right, losses = predicted == labels, -log_softmax(logits, axis=-1)[np.arange(len(labels)), labels]
    return {
        "accuracy": mean(right.astype("float64"), weights),
        "macro_f1": _macro_f1(predicted, labels, logits.shape[1], weights),
        "roc_auc": _mean_of_defined(areas),
        "average_precision": _mean_of_defined(precisions),
        "loss": mean(losses, weights),
    }


def mean(values, weights):
    """The weighted mean of `(n,)` under each resample, over the images where it is defined."""
    defined = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return weights[:, defined] @ values[defined] / weights[:, defined].sum(axis=1)


def _macro_f1(predicted, labels, classes, weights):
    scores = []
    for number in range(classes):
        found, true = predicted == number, labels == number
        both, either = weights[:, found & true].sum(1), weights[:, found].sum(1) + weights[:, true].sum(1)
        scores.append(np.divide(2 * both, either, out=np.zeros_like(both), where=either > 0))
    return np.mean(scores, axis=0)


def _ranked(weights, chance, truth):
    """Weights of the positive and of the negative images at each distinct chance, the highest first."""
    order = np.argsort(-chance, kind="stable")
    starts = np.flatnonzero(np.diff(chance[order], prepend=np.inf))
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


def _mean_of_defined(rows):
    rows = np.stack(rows)
    defined = np.isfinite(rows)
    return _divided(np.where(defined, rows, 0).sum(0), defined.sum(0).astype("float64"))

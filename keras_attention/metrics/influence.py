"""What each test image adds to a metric: influence values, from which the error due to the images needs no resampling.

The influence ψᵢ of image i is n times the derivative of the metric with respect to the image's weight. The values of a
metric sum to 0, and those of two runs on the same n images give the covariance of their metrics,
Σᵢ ψᵢ ψ'ᵢ / (n(n − 1)). Each function takes `Answers` and returns `(n,)`, in the unit of the metric.

Reference:
    Efron, *The Jackknife, the Bootstrap and Other Resampling Plans*, 1982, ch. 6 (the infinitesimal jackknife).
"""

import numpy as np


def accuracy(answers):
    """Whether the answer is right, minus the share of right answers."""
    return mean((answers.predicted == answers.labels).astype("float64"))


def loss(answers):
    """The cross-entropy of the image minus the mean, in nats."""
    return mean(answers.losses)


def macro_f1(answers):
    """Of F1 = 2 · hits / (found + true) of a class: (2[hit] − F1 ([found] + [true])) / (found + true)."""
    labels, predicted, classes = answers.labels, answers.predicted, len(answers.classes)
    found, true = np.bincount(predicted, minlength=classes), np.bincount(labels, minlength=classes)
    hits = np.bincount(labels[labels == predicted], minlength=classes)
    both = np.maximum(found + true, 1)
    # The mean is over the classes that have images.
    share, lost = (true > 0) / both, (true > 0) * 2 * hits / both**2
    gained = np.where(labels == predicted, 2 * share[labels], 0)
    return len(labels) / (true > 0).sum() * (gained - lost[labels] - lost[predicted])


def roc_auc(answers):
    """Of one class against the rest: the share of the other side that the image is right about, minus the area.

    On a side of m images they are multiplied by √(m / (m − 1)) · √((n − 1) / n), so that the covariance of two runs is
    the unbiased one of DeLong et al.; without it the error of a class of few images would be too small.

    Reference:
        DeLong, DeLong, Clarke-Pearson, *Comparing the Areas under Two or More Correlated Receiver Operating
        Characteristic Curves*, Biometrics 1988; by ranks: Sun, Xu, *Fast Implementation of DeLong's Algorithm*,
        IEEE Signal Processing Letters 2014.
    """
    return _mean_over_classes(_roc_auc, answers)


def average_precision(answers):
    """Of one class against the rest: how the image moves the precision and the recall at each threshold."""
    return _mean_over_classes(_average_precision, answers)


def mean(values):
    """The influence of each image on the mean of values `(n,)`; those that are not finite have none.

    Example:

    >>> import numpy as np
    >>> from keras_attention.metrics.influence import mean
    >>> mean(np.array([0.0, 1.0, 1.0, np.nan])).round(2).tolist()
    [-0.89, 0.44, 0.44, 0.0]
    """
    defined = np.isfinite(values)
    if not defined.any():
        return np.zeros(len(values))
    return np.where(defined, values - values[defined].mean(), 0) * len(values) / defined.sum()


def of_groups(values, groups):
    """Deviations of images `(n,)` as those of their groups `(G,)`, for images of a group that vary together.

    They are the sums over each group, times √(G / (G − 1)) / √(n / (n − 1)): as many groups as images leave them as
    they are, and the sum of squares is the variance of the mean over groups that are drawn whole.

    Example:

    >>> import numpy as np
    >>> from keras_attention.metrics.influence import of_groups
    >>> of_groups(np.array([0.1, 0.1, -0.1, -0.1]), np.array([0, 0, 1, 1])).round(3).tolist()
    [0.245, -0.245]
    """
    groups = np.unique(groups, return_inverse=True)[1]
    count, images = groups.max(initial=-1) + 1, len(values)
    sums = np.bincount(groups, values, count)
    if count < 2:
        return np.zeros(count)
    return sums * np.sqrt(count / (count - 1) * (images - 1) / images)


def _mean_over_classes(measure, answers):
    counts = np.bincount(answers.labels, minlength=len(answers.classes))
    defined = np.flatnonzero((counts > 0) & (counts < len(answers.labels)))
    total = np.zeros(len(answers.labels))
    for number in defined:
        total += measure(answers.log_odds[:, number], answers.labels == number)
    return total / max(len(defined), 1)


def _roc_auc(odds, truth):
    from scipy.stats import rankdata

    positive, negative, images = truth.sum(), (~truth).sum(), len(truth)
    # The rank among all minus the rank on its own side is the number of others below; ties count half.
    below = rankdata(odds)
    below[truth] -= rankdata(odds[truth])
    below[~truth] -= rankdata(odds[~truth])
    right = np.where(truth, below / negative, 1 - below / positive)
    sides = np.where(truth, positive, negative)
    unbiased = np.sqrt(sides / np.maximum(sides - 1, 1) * (images - 1) / images)
    return (right - right[truth].mean()) * images / sides * unbiased


def _average_precision(odds, truth):
    order = np.argsort(-odds, kind="stable")
    starts = np.flatnonzero(np.diff(odds[order], prepend=np.nan) != 0)  # of the images with equal odds
    positive = np.add.reduceat(truth[order].astype("float64"), starts)
    sizes = np.diff(starts, append=len(odds))
    precision, seen = np.cumsum(positive) / np.cumsum(sizes), np.cumsum(sizes)
    area = (positive * precision).sum() / positive.sum()
    # At each threshold from its own down, a hit raises the precision by 1/seen, and each image lowers it by
    # precision/seen.
    raised = np.cumsum((positive / seen)[::-1])[::-1]
    lowered = np.cumsum((positive * precision / seen)[::-1])[::-1]
    group = np.empty(len(odds), int)
    group[order] = np.repeat(np.arange(len(starts)), sizes)
    hit = truth * (precision + raised - area)[group]
    return (hit - lowered[group]) * len(odds) / positive.sum()


# Name of a metric → its influence values. The images' error of a metric without an entry is found by resampling.
INFLUENCE = {
    "accuracy": accuracy,
    "macro_f1": macro_f1,
    "roc_auc": roc_auc,
    "average_precision": average_precision,
    "loss": loss,
}

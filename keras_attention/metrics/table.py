"""The metrics of a classifier.

A new metric needs only an entry in `METRICS`: training can then choose its best epoch by it, and runs, comparisons,
reports and exports show it. The command line reads this table before anything slow is loaded, so that NumPy and
scikit-learn are imported where they are needed.
"""

import dataclasses
import math
from collections.abc import Callable

from keras_attention.figures import Figure, by_name


@dataclasses.dataclass(frozen=True, kw_only=True)
class Metric(Figure):
    """A figure of a classifier on a split.

    Args:
        of: `Answers` → its value, or `None` if they do not define it.
        counts_images: whether it is the share of images that are answered rightly, so that a difference is one of so
            many images.

    Example:

    >>> from keras_attention.metrics import METRICS
    >>> METRICS["macro_f1"].title, METRICS["macro_f1"].headline
    ('macro F1', True)
    """

    of: Callable
    counts_images: bool = False

    def deviations(self, answers, groups=None):
        """How its value varies with the images: `(count,)`, whose product with that of another run is a covariance.

        They are its influence values over √(n(n − 1)) if `INFLUENCE` has them, with groups as `of_groups` makes them.
        Otherwise `of` is called for each of the resamples that `draw_weights` gives, the same for every run, and they
        are the values minus their mean over √(resamples − 1).
        """
        import numpy as np

        from keras_attention.metrics.influence import INFLUENCE, of_groups
        from keras_attention.metrics.resampling import draw_weights, resampled

        images = len(answers.labels)
        if self.name in INFLUENCE:
            own = INFLUENCE[self.name](answers) / math.sqrt(images * max(images - 1, 1))
            return own if groups is None else of_groups(own, groups)
        values = resampled(self.of, answers, draw_weights(images, groups=groups))
        defined = np.isfinite(values)
        if not defined.any():
            return np.zeros(len(values))
        return np.where(defined, values - values[defined].mean(), 0) / math.sqrt(max(defined.sum() - 1, 1))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassMetric(Figure):
    """A figure of one class.

    Args:
        of: `Answers` and the number of the class → its value, or `None` if they do not define it.
    """

    of: Callable


def _roc_auc(answers, number):
    from sklearn.metrics import roc_auc_score

    return answers.one_against_rest(roc_auc_score, number)


def _average_precision(answers, number):
    from sklearn.metrics import average_precision_score

    return answers.one_against_rest(average_precision_score, number)


def _f1(answers, number):
    return float(answers.by_class[2][number]) if answers.by_class[3][number] else None


def _mean_over_classes(of):
    """The mean of a figure over the classes that define it; `None` if none does."""

    def mean(answers):
        import numpy as np

        defined = [value for number in answers.classes if (value := of(answers, number)) is not None]
        return float(np.mean(defined)) if defined else None

    return mean


CLASS_METRICS = by_name(
    ClassMetric(name="precision", title="precision", of=lambda answers, number: float(answers.by_class[0][number])),
    ClassMetric(name="recall", title="recall", of=lambda answers, number: float(answers.by_class[1][number])),
    ClassMetric(name="f1", title="F1", of=lambda answers, number: float(answers.by_class[2][number])),
    ClassMetric(name="roc_auc", title="ROC-AUC", of=_roc_auc),
    ClassMetric(name="average_precision", title="average precision", of=_average_precision),
)
METRICS = by_name(
    Metric(
        name="accuracy",
        title="accuracy",
        headline=True,
        counts_images=True,
        of=lambda answers: float((answers.predicted == answers.labels).mean()),
    ),
    Metric(
        name="macro_f1",
        title="macro F1",
        headline=True,
        of=_mean_over_classes(_f1),
    ),
    Metric(
        name="roc_auc",
        title="ROC-AUC",
        headline=True,
        of=_mean_over_classes(_roc_auc),
    ),
    Metric(
        name="average_precision",
        title="average precision",
        headline=True,
        of=_mean_over_classes(_average_precision),
    ),
    Metric(
        name="loss",
        title="cross-entropy",
        more_is_better=False,
        most=math.inf,
        unit="nats",
        of=lambda answers: float(answers.losses.mean()),
    ),
    # A new metric is a row here.
)
# The metrics on the validation split, by which a run can choose its best epoch: name in the history → `Metric`.
MONITORS = {f"val_{name}": metric for name, metric in METRICS.items()}


def classification_metrics(logits, labels, class_names):
    """The figures of a classifier on a split.

    ROC-AUC and average precision are exact (no bins), for each class against the rest. Means are taken over the classes
    that define them: F1 over those with an image, the two others over those with an image of the class and one of
    another.

    Args:
        logits: `(n, classes)`.
        labels: `(n,)`, integers from 0.
        class_names: the name of each class.

    Returns:
        A dictionary: each of `METRICS`, `None` if no class defines it (`loss` in nats, the others from 0 to 1);
        `count`; `per_class` by name, with each of `CLASS_METRICS` and `count`; and `confusion`, rows true, columns
        predicted.

    Example:

    >>> import numpy as np
    >>> from keras_attention.metrics import classification_metrics
    >>> found = classification_metrics(np.array([[2.0, 0.0], [1.0, 0.0]]), np.array([0, 1]), ["cat", "dog"])
    >>> found["accuracy"], found["count"]
    (0.5, 2)
    """
    from keras_attention.metrics.answers import Answers

    answers = Answers(logits, labels)
    return {
        **{name: metric.of(answers) for name, metric in METRICS.items()},
        "count": len(answers.labels),
        "per_class": {name: _of_class(answers, number) for number, name in enumerate(class_names)},
        "confusion": answers.confusion,
    }


def image_deviations(logits, labels, groups=None):
    """How each of `METRICS` varies with the test images, so that errors and covariances of runs are sums of products.

    Args:
        logits, labels: as in `classification_metrics`; runs that are compared have the same images in the same order.
        groups: the group of each image, `(n,)`, where those of a group vary together, as those of one patient do.

    Returns:
        Name → `(count,)`: the sum of the squares is the variance of the metric due to the images, and the sum of the
        products with the deviations of another run the covariance of the two.

    Example:

    >>> import numpy as np
    >>> from keras_attention.metrics import image_deviations
    >>> logits, labels = np.array([[2.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), np.array([0, 1, 1])
    >>> error = np.linalg.norm(image_deviations(logits, labels)["accuracy"])  # √(⅔ · ⅓ / (3 − 1))
    >>> round(float(error), 4)
    0.3333
    """
    from keras_attention.metrics.answers import Answers

    answers = Answers(logits, labels)
    return {name: metric.deviations(answers, groups) for name, metric in METRICS.items()}


def headlines(metrics):
    """The headlines among the figures that `classification_metrics` returns, and the number of images.

    Example:

    >>> from keras_attention.metrics import headlines
    >>> headlines({"accuracy": 0.5, "loss": 1.0, "count": 2})["accuracy"]
    0.5
    """
    names = [name for name, metric in METRICS.items() if metric.headline]
    return {name: metrics.get(name) for name in (*names, "count")}


def _of_class(answers, number):
    figures = {name: metric.of(answers, number) for name, metric in CLASS_METRICS.items()}
    return figures | {"count": int(answers.by_class[3][number])}

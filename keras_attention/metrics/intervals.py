"""How far the figures of one model may be from those on other images of the same kind: 95 % intervals.

NumPy and SciPy are imported inside functions, because the command line reads the metrics before it loads anything slow.
"""

import math

from keras_attention.metrics.table import METRICS, image_deviations

CONFIDENCE = 0.95


def image_intervals(metrics, logits, labels, groups=None):
    """The interval of each metric over test images, or with groups over groups of them that are drawn whole.

    That of the accuracy is Wilson's, of as many images as would give its standard error; the others are the value ±
    t · error, cut to the range of the metric. They are about one trained network: training again varies figures too.

    Args:
        metrics: name → value, as `classification_metrics` returns them.
        logits, labels, groups: as in `image_deviations`.

    Returns:
        Name → `[low, high]`; `None` for a metric that is not defined, or with fewer than two images or groups.

    Reference:
        Wilson, *Probable Inference, the Law of Succession, and Statistical Inference*, JASA 1927; of groups: Korn,
        Graubard, *Confidence Intervals for Proportions with Small Expected Number of Positive Counts Estimated from
        Survey Data*, Survey Methodology 1998 (the effective number).

    Example:

    >>> import numpy as np
    >>> from keras_attention.metrics import classification_metrics, image_intervals
    >>> logits, labels = np.repeat([[2.0, 0.0], [0.0, 2.0]], 50, axis=0), np.array([0] * 45 + [1] * 55)
    >>> found = image_intervals(classification_metrics(logits, labels, ["cat", "dog"]), logits, labels)
    >>> [round(bound, 3) for bound in found["accuracy"]]
    [0.888, 0.978]
    """
    import numpy as np

    independent = len(labels) if groups is None else len(np.unique(groups))
    if independent < 2:
        return dict.fromkeys(METRICS)
    errors = {name: float(np.linalg.norm(each)) for name, each in image_deviations(logits, labels, groups).items()}
    return {
        name: None if metrics[name] is None else _interval(metric, metrics[name], errors[name], independent, groups)
        for name, metric in METRICS.items()
    }


def _interval(metric, value, error, independent, groups):
    if metric.counts_images:
        return _wilson(value, independent if groups is None else _effective(value, error, independent))
    from scipy.stats import t

    half = t.ppf((1 + CONFIDENCE) / 2, independent - 1) * error
    return [max(value - half, metric.least), min(value + half, metric.most)]


def _effective(share, error, groups):
    """The number of images that would give the share its error, fewer for the few degrees of freedom of groups."""
    from scipy.stats import norm, t

    count = share * (1 - share) / error**2 if error > 0 else groups
    quantile = (1 + CONFIDENCE) / 2
    return count * (norm.ppf(quantile) / t.ppf(quantile, groups - 1)) ** 2


def _wilson(share, count):
    """Wilson's interval of a share of so many images, which need not be a whole number."""
    from scipy.stats import norm

    z = norm.ppf((1 + CONFIDENCE) / 2)
    centre, spread = share + z**2 / (2 * count), z * math.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    return [float((centre - spread) / (1 + z**2 / count)), float((centre + spread) / (1 + z**2 / count))]

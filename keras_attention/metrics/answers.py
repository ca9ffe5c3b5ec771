"""`Answers`: the outputs of a classifier and the true classes, from which all metrics are computed.

SciPy and scikit-learn are imported inside functions, because the command line reads the table of metrics before it
loads anything slow.
"""

import functools

import numpy as np


class Answers:
    """Logits and labels of the same images.

    Args:
        logits: `(n, classes)`.
        labels: `(n,)`, integers from 0.
    """

    def __init__(self, logits, labels):
        self.logits, self.labels = np.asarray(logits, "float64"), np.asarray(labels)
        self._against_rest = {}

    @property
    def classes(self):
        """The numbers of the classes."""
        return np.arange(self.logits.shape[1])

    @functools.cached_property
    def predicted(self):
        """The most probable class of each image, `(n,)`."""
        return self.logits.argmax(-1)

    @functools.cached_property
    def probabilities(self):
        """The softmax of the logits, `(n, classes)`."""
        from scipy.special import softmax

        return softmax(self.logits, axis=-1)

    @functools.cached_property
    def log_odds(self):
        """log p/(1 − p) of each class, `(n, classes)`: it ranks as p does, and differs also where p is rounded to 1."""
        from scipy.special import log_softmax, logsumexp

        logarithms, rows, best = log_softmax(self.logits, axis=-1), np.arange(len(self.logits)), self.predicted
        others = self.logits.copy()
        others[rows, best] = -np.inf
        # Only the largest p can be near 1; of the others, 1 − p is computed exactly from p.
        with np.errstate(divide="ignore"):
            odds = logarithms - np.log1p(-np.exp(logarithms))
        odds[rows, best] = self.logits[rows, best] - logsumexp(others, axis=-1)
        return odds

    @functools.cached_property
    def losses(self):
        """The cross-entropy of each image in nats, `(n,)`."""
        from scipy.special import log_softmax

        return -log_softmax(self.logits, axis=-1)[np.arange(len(self.labels)), self.labels]

    @functools.cached_property
    def by_class(self):
        """Precision, recall, F1 and the number of images, each `(classes,)`; 0 if not defined."""
        from sklearn.metrics import precision_recall_fscore_support

        return precision_recall_fscore_support(self.labels, self.predicted, labels=self.classes, zero_division=0)

    @property
    def confusion(self):
        """The confusion matrix as lists: rows true, columns predicted."""
        from sklearn.metrics import confusion_matrix

        return confusion_matrix(self.labels, self.predicted, labels=self.classes).tolist()

    def one_against_rest(self, measure, number):
        """A measure of scikit-learn for one class; `None` unless some images are of the class and some are not."""
        key = measure.__name__, number
        if key not in self._against_rest:  # a mean over classes needs what the figures of each class need
            truth = self.labels == number
            defined = 0 < truth.sum() < len(truth)
            self._against_rest[key] = float(measure(truth, self.log_odds[:, number])) if defined else None
        return self._against_rest[key]

    def drawn(self, times):
        """The answers of a resample, with image i `times[i]` times."""
        rows = np.repeat(np.arange(len(self.labels)), np.asarray(times, "int64"))
        return Answers(self.logits[rows], self.labels[rows])

"""Classes that can be told without looking at what is shown: by the size of the file, the mean colour, the border.

A network takes the easiest way to the classes. If a trivial fact tells them, it may learn that, and fail on images in
which the fact does not hold. A random forest is trained on each kind of fact alone, on four fifths of the images, and
tells the classes of the others; equal images and groups are never on both sides.

Reference:
    Geirhos et al., *Shortcut Learning in Deep Neural Networks*, Nature Machine Intelligence 2020.
"""

import dataclasses

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from keras_attention.data.grouped import deal
from keras_attention.metrics import classification_metrics, image_intervals

FOLDS = 5
SUSPICIOUS = 0.75  # of the lower end of the interval of the ROC-AUC
CLASSES = ("others", "class")

# Kind of fact → the numbers of a picture that are that fact, and what helps if it tells a class.
FACTS = {
    "size": lambda picture: (*picture.size, picture.size[0] / picture.size[1], picture.bytes),
    "mean colour": lambda picture: (*picture.colour, *picture.contrast),
    "border": lambda picture: tuple(picture.border),
}
HELP = {
    "size": "Take images of one source for all classes, or save all in one size and quality.",
    "mean colour": "If it does not come from the class, but from another camera, --augment photo weakens it.",
    "border": "Cut the borders off, in all classes alike.",
}


@dataclasses.dataclass(frozen=True)
class Shortcut:
    """How well a class is told by one kind of fact.

    Args:
        fact: a key of `FACTS`.
        label: the number of the class.
        roc_auc: of the class against the rest, on images that the forest has not seen.
        low, high: its 95 % interval over images, or over groups of them.
    """

    fact: str
    label: int
    roc_auc: float
    low: float
    high: float

    @property
    def is_suspicious(self):
        """Whether the class is told so well that a network may learn the fact instead of what is shown."""
        return self.low >= SUSPICIOUS

    @property
    def help(self):
        """What helps against it."""
        return HELP[self.fact]


def find_shortcuts(pictures, classes, groups, seed=0):
    """The `Shortcut` of each kind of fact and each class, the best told first.

    Args:
        pictures: `Picture`s.
        classes: the number of classes.
        groups: the number of the group of each picture, `(n,)`, of which none lies on two sides.
        seed: seed of the folds and the forests.
    """
    labels, groups = np.array([picture.label for picture in pictures]), np.unique(groups, return_inverse=True)[1]
    if np.bincount(labels, minlength=classes).min() < FOLDS or groups.max() + 1 < FOLDS:
        return []
    folds = deal(labels[:, None] == np.arange(classes), groups, np.full(FOLDS, 1 / FOLDS), seed)[groups]
    found = []
    for fact, numbers in FACTS.items():
        shares = _told(np.array([numbers(picture) for picture in pictures]), labels, classes, folds, seed)
        found += [_shortcut(fact, label, shares[:, label], labels == label, groups) for label in range(classes)]
    return sorted(found, key=lambda each: -each.roc_auc)


def _told(numbers, labels, classes, folds, seed):
    """The share of the trees that are for each class, `(n, classes)`, from forests that have not seen the image."""
    shares = np.zeros((len(labels), classes))
    for fold in np.unique(folds):
        seen = folds != fold
        forest = RandomForestClassifier(100, min_samples_leaf=3, class_weight="balanced", random_state=seed, n_jobs=-1)
        forest.fit(numbers[seen], labels[seen])
        shares[np.ix_(~seen, forest.classes_)] = forest.predict_proba(numbers[~seen])
    return shares


def _shortcut(fact, label, shares, truth, groups):
    logits = np.stack([1 - shares, shares], axis=1)
    figures = classification_metrics(logits, truth.astype("int64"), CLASSES)
    low, high = image_intervals(figures, logits, truth.astype("int64"), groups)["roc_auc"]
    return Shortcut(fact, label, figures["roc_auc"], low, high)

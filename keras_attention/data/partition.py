"""Splits that a source lacks are taken from its training images: stratified, and always the same for a seed."""

import numpy as np
from sklearn.model_selection import train_test_split

from keras_attention.arguments import invalid

SHARE_TAKEN = 0.15


def complete_splits(splits, labels, class_names, seed):
    """Takes a stratified 15 % of train for each of validation and test that the source lacks.

    Args:
        splits: name → `Split`, "train" among them; the records of each split are the numbers of its examples.
        labels: name → the labels of the split, `(count,)`.
        class_names: the classes.
        seed: seed of the draw.

    Returns:
        The three splits by name, and notes on what was taken from train.
    """
    _check_classes(labels["train"], class_names, needed=1 + sum(name not in splits for name in ("validation", "test")))
    rest = np.arange(splits["train"].count)
    size = max(len(class_names), round(SHARE_TAKEN * len(rest)))
    completed, notes = dict(splits), []
    for name in ("test", "validation"):
        if name not in splits:
            rest, taken = train_test_split(rest, test_size=size, stratify=labels["train"][rest], random_state=seed)
            completed[name] = splits["train"].subset(np.sort(taken))
            notes.append(f"{name}: {size} images taken from train, stratified, split seed {seed}; the source has none")
    if notes:
        completed["train"] = splits["train"].subset(np.sort(rest))
    return completed, tuple(notes)


def _check_classes(labels, class_names, needed):
    counts = np.bincount(labels, minlength=len(class_names))
    if counts.min() < needed:
        name = class_names[int(counts.argmin())]
        raise invalid(
            f"The class {name!r} has too few training images.",
            f"at least {needed} images in a class",
            str(counts.min()),
        )

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


def one_split(splits, name):
    """The splits of a source of which only one is read: itself, and two without images.

    A source without splits is that split, whole.

    Args:
        splits: name → `Split`; the records of each are the numbers of its examples.
        name: the name of the split.

    Raises:
        ValueError: a source with splits that lacks this one.
    """
    found = splits.get(name) or (splits.get("train") if set(splits) == {"train"} else None)
    if found is None:
        raise invalid(f"The data have no {name} split.", f"one of: {', '.join(splits)}", f"split={name!r}")
    empty = {other: found.subset([]) for other in ("train", "validation", "test")}
    return empty | {name: found}


def _check_classes(labels, class_names, needed):
    counts = np.bincount(labels, minlength=len(class_names))
    if counts.min() < needed:
        name = class_names[int(counts.argmin())]
        raise invalid(
            f"The class {name!r} has too few training images.",
            f"at least {needed} images in a class",
            str(counts.min()),
        )

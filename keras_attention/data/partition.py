"""Splits that a source lacks are taken from its training images: stratified, and always the same for a seed."""

import numpy as np
from sklearn.model_selection import StratifiedKFold, train_test_split

from keras_attention.arguments import invalid
from keras_attention.text import counted

SHARE_TAKEN = 0.15


def complete_splits(splits, labels, class_names, seed, units=None, group=None, fold=None):
    """Takes a stratified 15 % of train for each of validation and test that the source lacks, or a fold for test.

    Whole units are drawn, each with the class of its first image, so that no unit lies on two sides.

    Args:
        splits: name → `Split`, "train" among them; the records of each split are the numbers of its examples.
        labels: name → the labels of the split, `(count,)`.
        class_names: the classes.
        seed: seed of the draw.
        units: the number of the unit of each image of train, `(count,)`; each image is one if `None`.
        group: the pattern that made the units, which errors name; `None` without one.
        fold: `(k, n)`, if test is the k-th of n parts of train, each of which is test once.

    Returns:
        The three splits by name, notes on what was taken from train, and, by name of a split that was made of train,
        the numbers of its images in train.
    """
    missing = [name for name in ("test", "validation") if name not in splits]
    if fold is not None and "test" not in missing:
        raise invalid(
            "`fold` makes a test split, and the data have one.", "data without a test split", f"fold={_named(fold)!r}"
        )
    if not missing:
        _check_classes(labels["train"], class_names, needed=1)
        return dict(splits), (), {}
    units = np.arange(splits["train"].count) if units is None else np.asarray(units)
    _, first, of_image = np.unique(units, return_index=True, return_inverse=True)
    classes = labels["train"][first]
    if group is not None:
        _check_groups(of_image, labels["train"], classes, class_names, 1 + len(missing), group)
    _check_classes(classes, class_names, needed=1 + len(missing), whole=len(classes) == len(units))
    rest, drawn = np.arange(len(classes)), {}
    size = max(len(class_names), round(SHARE_TAKEN * len(rest)))
    if fold is not None:
        rest, drawn["test"] = _fold(classes, class_names, fold, seed)
    for name in missing[fold is not None :]:
        rest, drawn[name] = train_test_split(rest, test_size=size, stratify=classes[rest], random_state=seed)
    numbers = {name: np.flatnonzero(np.isin(of_image, chosen)) for name, chosen in (drawn | {"train": rest}).items()}
    completed = dict(splits) | {name: splits["train"].subset(chosen) for name, chosen in numbers.items()}
    parts = {} if fold is None else {"test": f"fold {_named(fold)}, "}
    notes = tuple(
        f"{name}: {counted(len(numbers[name]), 'image')} taken from train, {parts.get(name, '')}stratified, split seed "
        f"{seed}; the source has none"
        for name in missing
    )
    return completed, notes, numbers


def _fold(classes, class_names, fold, seed):
    """Which units are not in a fold, and which are."""
    number, count = fold
    least = np.bincount(classes, minlength=len(class_names)).min()
    if least < count:
        raise invalid(
            f"The class {class_names[np.bincount(classes).argmin()]!r} cannot be in each of {count} folds.",
            f"at most {counted(least, 'fold')}, as many as it has images or groups of images",
            f"fold={_named(fold)!r}",
        )
    folds = StratifiedKFold(count, shuffle=True, random_state=seed).split(classes, classes)
    return list(folds)[number - 1]


def _named(fold):
    return "{}/{}".format(*fold)


def all_splits(splits):
    """The three splits; those that a source lacks have no images."""
    empty = next(iter(splits.values())).subset([])
    return dict.fromkeys(("train", "validation", "test"), empty) | splits


def one_split(splits, name, whole):
    """The splits of a source of which only one is read: itself, and two without images.

    A source without splits is that split, whole.

    Args:
        splits: name → `Split`; the records of each are the numbers of its examples.
        name: the name of the split.
        whole: whether the source has no splits of its own.

    Raises:
        ValueError: a source with splits that lacks this one.
    """
    found = splits["train"] if whole else splits.get(name)
    if found is None:
        raise invalid(f"The data have no {name} split.", f"one of: {', '.join(splits)}", f"split={name!r}")
    return all_splits({name: found})


def _check_groups(of_image, labels, classes, class_names, needed, group):
    """Raises `ValueError` if a pattern makes too few groups of a class to take the missing splits from them.

    Args:
        of_image: the group of each image, `(count,)`.
        labels: the class of each image, `(count,)`.
        classes: the class of each group, that of its first image, `(groups,)`.
        class_names, needed, group: the classes, how many groups each needs, and the pattern.
    """
    counts = np.bincount(classes, minlength=len(class_names))
    label = int(counts.argmin())
    if counts[label] >= needed:
        return
    of_class, name = len(np.unique(of_image[labels == label])), class_names[label]
    if len(classes) == 1:
        what = f"`group` puts all {len(labels):,} images in one group."
    elif of_class == 1:
        what = f"`group` puts all {(labels == label).sum():,} images of the class {name!r} in one group."
    elif of_class < needed:
        what = f"`group` puts the images of the class {name!r} in only {of_class} groups."
    else:
        what = f"`group` puts the images of the class {name!r} in groups with images of other classes."
    expected = f"a pattern with at least {needed} groups in a class"
    raise invalid(what, expected, f"group={str(group)!r}, {counted(len(classes), 'group')} of all images")


def _check_classes(labels, class_names, needed, whole=True):
    counts = np.bincount(labels, minlength=len(class_names))
    if counts.min() < needed:
        name, kind = class_names[int(counts.argmin())], "images" if whole else "groups of images"
        raise invalid(
            f"The class {name!r} has too few training {kind}.",
            f"at least {needed} {kind} in a class",
            str(counts.min()),
        )

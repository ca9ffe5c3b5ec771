"""Splits that a source lacks are taken from its training images: stratified, and always the same for a seed."""

import functools

import numpy as np
from sklearn.model_selection import StratifiedKFold, train_test_split

from keras_attention.arguments import invalid
from keras_attention.data.grouped import deal
from keras_attention.text import counted

SHARE_TAKEN = 0.15


def complete_splits(splits, labels, class_names, seed, units=None, group=None, fold=None):
    """Takes 15 % of train, stratified, for each of validation and test that the source lacks, or a fold for test.

    Whole units are drawn, so that no unit lies on two sides: without `group` each with the class of its first image,
    with `group` as `keras_attention.data.grouped` deals them out.

    Args:
        splits: name → `Split`, "train" among them; the records of each split are the numbers of its examples.
        labels: name → the labels of the split, `(count,)`.
        class_names: the classes.
        seed: seed of the draw.
        units: the number of the unit of each image of train, `(count,)`; each image is one if `None`.
        group: the pattern or the column that made the units, which notes and errors name; `None` without one.
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
    of_image = np.arange(splits["train"].count) if units is None else np.unique(units, return_inverse=True)[1]
    draw = _stratified if group is None else functools.partial(_in_groups, group=group)
    numbers, about = draw(labels["train"], of_image, class_names, missing, seed, fold)
    completed = dict(splits) | {name: splits["train"].subset(chosen) for name, chosen in numbers.items()}
    parts = {} if fold is None else {"test": f"fold {_named(fold)}, "}
    notes = tuple(
        f"{name}: {counted(len(numbers[name]), 'image')} taken from train, {parts.get(name, '')}stratified, split seed "
        f"{seed}; the source has none"
        for name in missing
    )
    return completed, (*notes, *about), numbers


def _stratified(labels, of_image, class_names, missing, seed, fold):
    """Split → the numbers of its images, as units are drawn with the class of their first image; and no notes."""
    _, first = np.unique(of_image, return_index=True)
    classes = labels[first]
    _check_classes(classes, class_names, needed=1 + len(missing), whole=len(classes) == len(labels))
    rest, drawn = np.arange(len(classes)), {}
    size = max(len(class_names), round(SHARE_TAKEN * len(rest)))
    if fold is not None:
        rest, drawn["test"] = _fold(classes, class_names, fold, seed)
    for name in missing[fold is not None :]:
        rest, drawn[name] = train_test_split(rest, test_size=size, stratify=classes[rest], random_state=seed)
    return _images_of(of_image, drawn | {"train": rest}), ()


def _in_groups(labels, of_image, class_names, missing, seed, fold, group):
    """As `_stratified`, with groups dealt out whole; notes say how near the classes are to their shares."""
    has_class = labels[:, None] == np.arange(len(class_names))
    per_class = np.array([len(np.unique(of_image[column])) for column in has_class.T])
    _check_groups(of_image, labels, per_class, class_names, 1 + len(missing), group)
    rest, drawn = np.arange(of_image.max() + 1), {}
    if fold is not None:
        _check_fold(per_class, class_names, fold)
        folds = deal(has_class, of_image, np.full(fold[1], 1 / fold[1]), seed)
        rest, drawn["test"] = np.flatnonzero(folds != fold[0] - 1), np.flatnonzero(folds == fold[0] - 1)
    wanted = missing[fold is not None :]
    if wanted:
        inside = np.isin(of_image, rest)
        taken = SHARE_TAKEN * len(of_image) / inside.sum()
        shares = (1 - taken * len(wanted), *[taken] * len(wanted))
        parts = deal(has_class[inside], np.searchsorted(rest, of_image[inside]), shares, seed)
        drawn |= {name: rest[parts == number] for number, name in enumerate(wanted, 1)}
        rest = rest[parts == 0]
    numbers = _images_of(of_image, drawn | {"train": rest})
    return numbers, (_deviation(has_class, numbers, class_names, group, of_image.max() + 1),)


def _images_of(of_image, drawn):
    return {name: np.flatnonzero(np.isin(of_image, chosen)) for name, chosen in drawn.items()}


def _deviation(has_class, numbers, class_names, group, count):
    """How far the share of a class in a split is from that in all images, at most, as a sentence."""
    whole = has_class.mean(axis=0)
    far = {name: has_class[chosen].mean(axis=0) - whole for name, chosen in numbers.items()}
    name, label = max(
        ((name, int(np.abs(each).argmax())) for name, each in far.items()), key=lambda p: abs(far[p[0]][p[1]])
    )
    return (
        f"{counted(count, 'group')} by {group}, each on one side: the share of a class differs by at most "
        f"{100 * abs(far[name][label]):.1f} points, that of {class_names[label]} in {name}"
    )


def _fold(classes, class_names, fold, seed):
    """Which units are not in a fold, and which are."""
    _check_fold(np.bincount(classes, minlength=len(class_names)), class_names, fold)
    folds = StratifiedKFold(fold[1], shuffle=True, random_state=seed).split(classes, classes)
    return list(folds)[fold[0] - 1]


def _check_fold(per_class, class_names, fold):
    """Raises `ValueError` if a class has fewer units than there are folds."""
    least = per_class.min()
    if least < fold[1]:
        raise invalid(
            f"The class {class_names[per_class.argmin()]!r} cannot be in each of {fold[1]} folds.",
            f"at most {counted(least, 'fold')}, as many as it has images or groups of images",
            f"fold={_named(fold)!r}",
        )


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


def _check_groups(of_image, labels, per_class, class_names, needed, group):
    """Raises `ValueError` if a class has images in too few groups to be in each split.

    Args:
        of_image: the group of each image, `(count,)`.
        labels: the class of each image, `(count,)`.
        per_class: the number of groups with images of each class.
        class_names, needed, group: the classes, how many groups each needs, and what made the groups.
    """
    label = int(per_class.argmin())
    if per_class[label] >= needed:
        return
    groups, images, name = of_image.max() + 1, f"{(labels == label).sum():,} images", class_names[label]
    if groups == 1:
        what = f"`group` puts all {len(labels):,} images in one group."
    elif per_class[label] == 1:
        what = f"`group` puts all {images} of the class {name!r} in one group."
    else:
        what = f"`group` puts the {images} of the class {name!r} in only {per_class[label]} groups."
    expected = f"at least {needed} groups with images of each class"
    raise invalid(what, expected, f"group={str(group)!r}, {counted(groups, 'group')} of all images")


def _check_classes(labels, class_names, needed, whole=True):
    counts = np.bincount(labels, minlength=len(class_names))
    if counts.min() < needed:
        name, kind = class_names[int(counts.argmin())], "images" if whole else "groups of images"
        raise invalid(
            f"The class {name!r} has too few training {kind}.",
            f"at least {needed} {kind} in a class",
            str(counts.min()),
        )

"""Which folders are splits and which are classes: one reading, or a refusal that names the two."""

import collections

from keras_attention.arguments import invalid
from keras_attention.data.listing import is_of_system
from keras_attention.data.names import (
    IMAGE_FOLDERS,
    MASK_FOLDERS,
    NNUNET,
    OF_A_PROJECT,
    UNLABELLED_FOLDERS,
    class_and_split,
    class_named,
    copied,
    part_of,
    speaks_of_a_split,
    split_named,
)
from keras_attention.sources import ARCHIVES
from keras_attention.text import counted, listed

EXPECTED = "<root>/<class>/* or <root>/<split>/<class>/*"


def read_folders(root, below):
    """The folder that holds the splits or classes, split → its class folders by name, and the folders left out.

    Without splits all classes are in train. A class may have several folders.
    """
    folders = subfolders(root)
    if not folders:
        raise invalid(f"{root} has no class folders.", EXPECTED, f"data={root}, with {_content(root)}")
    named = {folder: split_named(folder.name) for folder in folders}
    if any(named.values()):
        return root, *_split_first(root, named, below)
    left_out = [each for each in folders if below[each] and each.name.lower().strip("_") in UNLABELLED_FOLDERS]
    folders = [folder for folder in folders if folder not in left_out]
    if inner := _of_a_project(folders, below):
        found, splits, further = read_folders(unwrapped(inner, below[inner]), below)
        return found, splits, [*left_out, *further, *(each for each in folders if each != inner and below[each])]
    _refuse_kinds(root, folders)
    _refuse_parts(root, [folder for folder in folders if below[folder]])
    splits = _splits_in_names(folders) or _class_first(root, folders, below)
    return root, splits or {"train": _by_class({folder: [folder] for folder in folders})}, left_out


def _by_class(folders):
    """Name of a class → its folders, from a dictionary of a folder that bears the name → folders."""
    classes = {}
    for folder, each in folders.items():
        classes.setdefault(class_named(folder), []).extend(each)
    return classes


def _of_a_project(folders, below):
    """The one folder that holds the classes of a project, beside folders of figures or programs; `None` for others."""
    others = [folder for folder in folders if folder.name.lower() not in OF_A_PROJECT]
    if len(others) != 1 or len(folders) == 1:
        return None
    (inner,) = others
    holds_classes = sum(bool(below[path]) for path in subfolders(inner)) > 1
    return inner if holds_classes and not any(path.parent == inner for path in below[inner]) else None


def _split_first(root, named, below):
    """Split → its classes, and the folders beside the splits that hold images."""
    twice = [split for split, count in collections.Counter(filter(None, named.values())).items() if count > 1]
    if twice:
        names = " and ".join(folder.name for folder, split in named.items() if split == twice[0])
        raise invalid(f"The folders {names} in {root} are both a {twice[0]} split.", "one folder each", f"data={root}")
    others = [folder for folder, split in named.items() if split is None and below[folder]]
    splits = {split: _classes_in(folder, split, below[folder]) for folder, split in named.items() if split}
    if others:
        _refuse_unclear(root, named, others, splits, below)
    return splits, others


def _refuse_unclear(root, named, others, splits, below):
    first = next(folder for folder, split in named.items() if split)
    with_classes = [name for classes in splits.values() for name, paths in classes.items() if name and below[paths[0]]]
    if not with_classes:
        raise invalid(
            f"{first.name} in {root} is named like a split, and lies beside other folders of images.",
            f"class folders in it if it is a split, or another name for it if it is a class, such as {first.name}_",
            f"folders {listed([folder.name for folder in named])}",
        )
    for folder in others:
        is_further = speaks_of_a_split(folder.name) and any(below[folder / name] for name in with_classes)
        if is_further and folder.name.lower().split("_")[0] not in MASK_FOLDERS:
            raise invalid(
                f"{folder.name} in {root} may be a split, but it is not clear which.",
                "one folder each named train, validation and test; move or rename it",
                f"folders {listed([each.name for each in named])}",
            )


def _classes_in(folder, split, images):
    """Name → folders of the classes of a split; under `None` the folder itself, whose own images have no class."""
    inner = unwrapped(folder, images, split)
    return {None: [inner]} | _by_class({path: [path] for path in subfolders(inner)})


def _splits_in_names(folders):
    """The splits of folders such as `cat_train` and `cat_test`; `None` for other folders."""
    found = {folder: class_and_split(folder.name) for folder in folders}
    if not all(found.values()) or len({split for _, split in found.values()}) < 2:
        return None
    splits = {}
    for folder, (name, split) in found.items():
        splits.setdefault(split, {}).setdefault(name, []).append(folder)
    return splits


def _class_first(root, folders, below):
    """The splits of `<class>/<split>/*`; `None` if the folders are classes, whatever lies in them."""
    inside = [[path for path in subfolders(unwrapped(folder, below[folder])) if below[path]] for folder in folders]
    if not all(inside) or any(path.parent in folders for folder in folders for path in below[folder]):
        return None
    if all(split_named(path.name) for paths in inside for path in paths):
        splits = {}
        for folder, paths in zip(folders, inside, strict=True):
            for path in paths:
                splits.setdefault(split_named(path.name), {}).setdefault(class_named(folder), []).append(path)
        return splits
    count = collections.Counter(name for paths in inside for name in {path.name.lower() for path in paths})
    ordinary = {name: shared for name, shared in count.items() if name not in IMAGE_FOLDERS | MASK_FOLDERS}
    shared = [name for name, times in ordinary.items() if times > 1]
    if len(folders) > 1 and len(shared) > 1 and 2 * len(shared) > len(ordinary):
        outer, inner = (listed([path.name for path in paths]) for paths in (folders, inside[0]))
        raise invalid(
            f"{root} can be read in two ways: the folders in it hold folders of the same names.",
            f"either the classes {outer}, with all images right below them, or one folder at a time, "
            f"such as {inside[0][0].parent}, with the classes {inner}",
            f"data={root}",
        )
    return None


def _refuse_kinds(root, folders):
    kinds = {folder.name: folder.name.lower() in MASK_FOLDERS for folder in folders}
    others = {name for name in kinds if not kinds[name]}
    if any(kinds.values()) and len(others) == 1 and min(others).lower() in IMAGE_FOLDERS:
        masks = next(name for name in kinds if kinds[name])
        raise invalid(
            f"{root} holds images and masks, of which none has the path of an image.",
            f"the images as the data, {root / min(others)}, and the masks as `masks`, {root / masks}",
            f"data={root}",
        )
    if all(NNUNET.fullmatch(name) for name in kinds):
        raise invalid(f"{root} is a set for segmentation, without classes.", EXPECTED, f"folders {listed(kinds)}")


def _refuse_parts(root, folders):
    """Refuses folders that are parts of one set, or copies of one class, and not classes."""
    names = [folder.name for folder in folders]
    if len(names) > 1 and len({part_of(name) for name in names}) == 1 and part_of(names[0]):
        what = f"{listed(names)} in {root} look like parts of one set, and not like classes."
        raise invalid(what, EXPECTED, f"data={root}")
    for name in names:
        if copied(name) != name and copied(name) in names:
            what = f"{copied(name)} and {name} in {root} look like one class, which was copied or unpacked twice."
            raise invalid(what, "one folder for each class", f"data={root}")


def _content(folder):
    """What a folder without folders holds, in words."""
    names = sorted(path.name for path in folder.iterdir() if not is_of_system(path.name))
    packed = next((name for name in names if name.lower().endswith(ARCHIVES)), None)
    if packed:
        return f"{packed}, which must be unpacked first"
    return f"{counted(len(names), 'file')}, such as {names[0]}" if names else "nothing in it"


def subfolders(folder):
    return sorted(path for path in folder.iterdir() if path.is_dir() and not is_of_system(path.name))


def unwrapped(folder, images, in_split=None):
    """The folder, or the one folder in it that holds all its images in further folders, and so on.

    A folder that bears the name of a split is that split, unless it lies in this split.
    """
    while True:
        below = {path.relative_to(folder).parts[:-1] for path in images if path.is_relative_to(folder)}
        first = {parts[:1] for parts in below}
        if len(first) != 1 or min(map(len, below)) < 2 or split_named(min(first)[0]) not in (None, in_split):
            return folder
        folder = folder / min(first)[0]

"""A folder → its splits and classes.

A folder is not a class if its name is that of a split, of images or of masks, or if it and its neighbours hold only
folders, with the same names in each. If a folder can be read in two ways, it is refused, and both ways are named.
"""

import collections
import dataclasses
import pathlib
import re

from keras_attention.arguments import invalid
from keras_attention.data.dataset import SPLITS
from keras_attention.data.listing import IMAGE_FOLDERS, MASK_FOLDERS, UNLABELLED, is_of_system, list_images

SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
WORDS = "|".join(word for words in SPLIT_NAMES.values() for word in words)
# Such as `train`, `Training`, `training_set`, `test-images` and `seg_train`.
SPLIT = re.compile(
    rf"(?:(?:seg|img|images?|data)[ _-]?)?({WORDS})(?:[ _-]?(?:set|data|images?|imgs?|split))?", re.IGNORECASE
)
EXPECTED = "<root>/<class>/* or <root>/<split>/<class>/*"


@dataclasses.dataclass
class Layout:
    """What a folder holds.

    Args:
        root: the folder, below which the paths of masks are those of images.
        files: split → pairs of a path and the number of its class; if there are no splits, all are in train.
        class_names: the classes, sorted.
        has_splits: whether the folder has splits of its own.
        mask_of: the path of an image → that of the mask beside it.
        passed: why files were passed over → their number.
        notes: sentences on how the folder was read.
    """

    root: pathlib.Path
    files: dict
    class_names: list
    has_splits: bool
    mask_of: dict
    passed: collections.Counter
    notes: tuple = ()


def split_named(name):
    """The split that the name of a folder stands for; `None` for other names."""
    found = SPLIT.fullmatch(name)
    return found and next(split for split, words in SPLIT_NAMES.items() if found[1].lower() in words)


def read_layout(folder):
    """The `Layout` of a folder.

    Raises:
        ValueError: no class folders, only one class, a class that train does not have, splits beside other folders or
            one split twice, a split or a class without images, or a folder with two readings.
    """
    listing = list_images(folder)
    if listing.errors:
        error = listing.errors[0]
        raise invalid(f"{error.filename} cannot be opened: {error.strerror}.", "a readable folder", f"data={folder}")
    root = _unwrapped(pathlib.Path(folder), listing.images)
    splits, notes = _splits(root, listing.images), ()
    if root != pathlib.Path(folder):
        notes = (f"read from its folder {root.relative_to(folder)}",)
    files, class_names, below = {}, _class_names(root, splits), _by_folder(root, listing.images)
    for split in filter(splits.get, SPLITS):
        files[split], unlabelled = _labelled(split, splits[split], class_names, below)
        listing.passed[UNLABELLED] += unlabelled
        if not files[split] and unlabelled and split != "train":
            notes = (*notes, f"{split}: its {unlabelled:,} images lie in no class folder, and are passed over")
            del files[split]
    _check(root, splits, files, class_names)
    # A split that has a folder lists under `None` the images in it that lie in no class folder.
    has_splits = len(splits) > 1 or "train" not in splits or None in splits["train"]
    return Layout(root, files, class_names, has_splits, listing.mask_of, listing.passed, notes)


def _by_folder(root, images):
    """Folder → the images in it and in its subfolders."""
    below = collections.defaultdict(list)
    for path in images:
        for folder in path.parents:
            below[folder].append(path)
            if folder == root:
                break
    return below


def _subfolders(folder):
    return sorted(path for path in folder.iterdir() if path.is_dir() and not is_of_system(path.name))


def _unwrapped(folder, images, in_split=None):
    """The folder, or the one folder in it that holds all its images in further folders, and so on.

    A folder that bears the name of a split is that split, unless it lies in this split.
    """
    while True:
        below = {path.relative_to(folder).parts[:-1] for path in images if path.is_relative_to(folder)}
        first = {parts[:1] for parts in below}
        if len(first) != 1 or min(map(len, below)) < 2 or split_named(min(first)[0]) not in (None, in_split):
            return folder
        folder = folder / min(first)[0]


def _splits(root, images):
    """Split → its class folders, by name; a class may have several. Without splits all classes are in train."""
    folders = _subfolders(root)
    if not folders:
        raise invalid(f"{root} has no class folders.", EXPECTED, f"data={root}")
    named = {folder: split_named(folder.name) for folder in folders}
    if any(named.values()):
        return _split_first(root, named, images)
    _refuse_kinds(root, folders)
    return _class_first(root, folders, images) or {"train": {folder.name: [folder] for folder in folders}}


def _split_first(root, named, images):
    found = [split for split in named.values() if split]
    if None in named.values() or len(set(found)) < len(found):
        raise invalid(
            f"{root} mixes splits and other folders, or has one split twice.",
            "one folder each named train, validation and test, or folders named after the classes alone",
            f"folders {', '.join(folder.name for folder in named)}",
        )
    return {split: _classes_in(folder, split, images) for folder, split in named.items()}


def _classes_in(folder, split, images):
    """Name → folders of the classes of a split; under `None` the folder itself, whose own images have no class."""
    inner = _unwrapped(folder, images, split)
    return {None: [inner]} | {path.name: [path] for path in _subfolders(inner)}


def _class_first(root, folders, images):
    """The splits of `<class>/<split>/*`; `None` if the folders are classes, whatever lies in them."""
    inside = [_subfolders(folder) for folder in folders]
    holding = {path.parent for path in images}
    names = [{path.name.lower() for path in paths} for paths in inside]
    if not all(names) or holding & set(folders):
        return None
    if all(split_named(name) for each in names for name in each):
        splits = {}
        for folder, paths in zip(folders, inside, strict=True):
            for path in paths:
                splits.setdefault(split_named(path.name), {}).setdefault(folder.name, []).append(path)
        return splits
    ordinary = names[0] - IMAGE_FOLDERS - MASK_FOLDERS
    if len(folders) > 1 and len(ordinary) > 1 and all(each == names[0] for each in names):
        outer, inner = (", ".join(sorted(path.name for path in paths)[:3]) for paths in (folders, inside[0]))
        raise invalid(
            f"{root} can be read in two ways: every folder in it holds the same folders.",
            f"either the classes {outer}, with all images right below them, or one folder at a time, "
            f"such as {folders[0]}, with the classes {inner}",
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


def _class_names(root, splits):
    """The classes of train, sorted; of the only split if that is another one."""
    first = splits.get("train") or next(iter(splits.values()))
    names = sorted(name for name in first if name is not None)
    if not names:
        raise _empty(root, "train" if "train" in splits else next(iter(splits)))
    return names


def _labelled(split, classes, class_names, below):
    """Pairs of the images of a split and the numbers of their classes, and the number of images without a class."""
    pairs, unlabelled = [], 0
    for name in sorted(filter(None, classes)):
        if name not in class_names:
            raise invalid(
                f"The class {name!r} of the {split} split is not in train.",
                f"one of: {', '.join(class_names)}",
                str(classes[name][0]),
            )
        paths = [path for folder in classes[name] for path in below[folder]]
        if not paths and split == "train":
            where = classes[name][0]
            raise invalid(f"The class folder {where} is empty.", "at least one image in it", f"class={name!r}")
        pairs += [(path, class_names.index(name)) for path in paths]
    for folder in classes.get(None, ()):
        unlabelled += sum(path.parent == folder for path in below[folder])
    return pairs, unlabelled


def _check(root, splits, files, class_names):
    empty = [split for split in splits if split in files and not files[split]]
    if empty:
        raise _empty(root, empty[0])
    if len(class_names) < 2:
        raise invalid(f"{root} has only one class.", "at least two class folders", f"classes {', '.join(class_names)}")


def _empty(root, split):
    return invalid(f"The {split} split of {root} is empty.", "images in every split", f"split={split!r}")

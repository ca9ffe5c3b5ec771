"""A folder → its splits and classes.

A folder is not a class if its name is that of a split, of images or of masks, or if it and its neighbours hold only
folders, with the same names in most. If a folder can be read in two ways, it is refused, and both ways are named.
"""

import collections
import dataclasses
import os
import pathlib

from keras_attention.arguments import invalid
from keras_attention.data.listing import UNLABELLED, list_images
from keras_attention.data.names import IMAGE_FOLDERS, MASK_FOLDERS
from keras_attention.data.readings import read_folders, subfolders, unwrapped
from keras_attention.members import SPLITS
from keras_attention.text import listed


@dataclasses.dataclass
class Layout:
    """What a folder holds.

    Args:
        home: the folder that was given, or that of the table.
        root: the folder below which the names of images are, and the paths of masks are those of images.
        files: split → pairs of a path and the number of its class; if there are no splits, all are in train.
        class_names: the classes, sorted.
        has_splits: whether the folder has splits of its own.
        mask_of: the path of an image → that of the mask beside it.
        passed: why files were passed over → their number.
        name: the name of the data.
        notes: sentences on how they were read.
        groups: the path of an image → its group; `None` without groups.
        grouped_by: the column that the groups are from.
        own_masks: the path of an image → those of its masks, as a table gives them; `None` if it does not.
    """

    home: pathlib.Path
    root: pathlib.Path
    files: dict
    class_names: list
    has_splits: bool
    mask_of: dict
    passed: collections.Counter
    name: str
    notes: tuple = ()
    groups: dict | None = None
    grouped_by: str | None = None
    own_masks: dict | None = None


def read_layout(folder):
    """The `Layout` of a folder.

    Raises:
        ValueError: no class folders, only one class, a class that train does not have, one split twice, a split or a
            class without images, folders that are not classes, or a folder with two readings.
    """
    listing = list_images(folder)
    if listing.errors:
        error = listing.errors[0]
        raise invalid(f"{error.filename} cannot be opened: {error.strerror}.", "a readable folder", f"data={folder}")
    root = unwrapped(pathlib.Path(folder), listing.images)
    below = _by_folder(root, listing.images)
    root, splits, left_out = read_folders(root, below)
    notes = (f"read from its folder {root.relative_to(folder)}",) if root != pathlib.Path(folder) else ()
    files, class_names = {}, _class_names(root, splits, below)
    for split in filter(splits.get, SPLITS):
        files[split], unlabelled = _labelled(split, splits[split], class_names, below)
        if not files[split] and unlabelled and split != "train":
            notes = (*notes, f"{split}: its {unlabelled:,} images lie in no class folder, and are passed over")
            del files[split]
    _check(root, splits, files, class_names)
    notes = (*notes, *_notes(root, splits, files, class_names, left_out, below))
    used = sum(map(len, files.values())) + sum(len(below[each]) for each in left_out)
    listing.passed[UNLABELLED] += len(listing.images) - used
    # A split that has a folder lists under `None` the images in it that lie in no class folder.
    has_splits = len(splits) > 1 or "train" not in splits or None in splits["train"]
    home = pathlib.Path(folder)
    about = {"name": _named(home), "notes": notes}
    return Layout(home, root, files, class_names, has_splits, listing.mask_of, listing.passed, **about)


def _named(folder):
    """The last part of the path as it was given, of which no link is followed; of `images` the part before."""
    path = pathlib.Path(os.path.abspath(folder))
    return path.name if path.name not in ("images", "data") else path.parent.name


def _notes(root, splits, files, class_names, left_out, below):
    """Sentences on what was left out, on classes that a split lacks, and on folders that a class joins."""
    if left_out:
        folders = ", ".join(f"{folder.name} ({len(below[folder]):,})" for folder in left_out)
        yield f"left out: images in folders that are neither splits nor classes: {folders}"
    for split, pairs in files.items():
        there = {label for _, label in pairs}
        if missing := [name for label, name in enumerate(class_names) if label not in there]:
            yield f"{split}: no images of {listed(missing)}, which no mean over the classes counts"
    folders = [folder for classes in splits.values() for name, each in classes.items() if name for folder in each]
    joined = [(folder, [path for path in subfolders(folder) if below[path]]) for folder in folders]
    if joined := [(folder, inner) for folder, inner in joined if len(inner) > 1]:
        folder, inner = joined[0]
        names = listed([path.name for path in inner])
        yield f"classes join the folders in them, such as {folder.relative_to(root)}: {names}"


def _by_folder(root, images):
    """Folder → the images in it and in its subfolders."""
    below = collections.defaultdict(list)
    for path in images:
        for folder in path.parents:
            below[folder].append(path)
            if folder == root:
                break
    return below


def _class_names(root, splits, below):
    """The classes of train, sorted; of the only split if that is another one."""
    split = "train" if splits.get("train") else next(iter(splits))
    names = sorted(name for name in splits[split] if name is not None)
    own = [path for folder in splits[split].get(None, ()) for path in below[folder]]
    if own and (not names or all(name.lower() in IMAGE_FOLDERS | MASK_FOLDERS for name in names)):
        raise invalid(
            f"The {len(own):,} images of the {split} split of {root} lie in no class folder.",
            "a folder for each class in every split",
            f"folders {listed(names)}" if names else str(own[0].relative_to(root)),
        )
    if not names:
        raise _empty(root, split)
    return names


def _labelled(split, classes, class_names, below):
    """Pairs of the images of a split and the numbers of their classes, and the number of images without a class."""
    pairs = []
    for name in sorted(filter(None, classes)):
        if name not in class_names and split != "train" and name.lower() in IMAGE_FOLDERS:
            continue  # such as `val/images`, whose classes are in a list
        if name not in class_names:
            raise invalid(
                f"The class {name!r} of the {split} split is not in train.",
                f"one of: {', '.join(class_names)}",
                str(classes[name][0]),
            )
        paths = [path for folder in classes[name] for path in below[folder]]
        if not paths and split == "train":
            raise _no_images(classes[name][0])
        pairs += [(path, class_names.index(name)) for path in paths]
    return pairs, sum(len(below[folder]) for folder in classes.get(None, ())) - len(pairs)


def _no_images(folder):
    """The error for a class folder without images, with what it holds instead."""
    entries = sorted(path for path in folder.rglob("*") if not path.is_dir())
    if not entries:
        return invalid(f"The class folder {folder} is empty.", "at least one image in it", f"class={folder.name!r}")
    dead = sum(path.is_symlink() and not path.exists() for path in entries)
    what = f"{dead:,} links that lead nowhere" if dead else f"{len(entries):,} other files"
    return invalid(
        f"The class folder {folder} holds no images.",
        "images in it, or no such folder beside the classes",
        f"{what}, such as {entries[0].name}",
    )


def _check(root, splits, files, class_names):
    empty = [split for split in splits if split in files and not files[split]]
    if empty:
        raise _empty(root, empty[0])
    if len(class_names) < 2:
        raise invalid(f"{root} has only one class.", "at least two class folders", f"classes {', '.join(class_names)}")


def _empty(root, split):
    return invalid(f"The {split} split of {root} is empty.", "images in every split", f"split={split!r}")

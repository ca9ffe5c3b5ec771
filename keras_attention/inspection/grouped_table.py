"""A table of images whose groups keep together what belongs together: groups, equal images, and near duplicates."""

import csv
import os
import pathlib

import numpy as np

from keras_attention.arguments import invalid
from keras_attention.atomic import replacing
from keras_attention.data.mask_files import masks_of

OF_GROUPS = "look-"  # in the names of groups; other tables have other names
PRECEDENCE = ("test", "validation", "train")  # of an image in two splits, the first of these stays


def require_table_path(path):
    """Raises `ValueError` unless a table can be written there."""
    if pathlib.Path(path).suffix.lower() != ".csv" or os.path.isdir(path):
        what = "`table` must be the path of a table to write."
        raise invalid(what, "a path that ends in .csv", f"table={str(path)!r}")
    if os.path.lexists(path) and not _is_ours(path):
        raise invalid("`table` exists, and was not written by `check`.", "a new path", f"table={str(path)!r}")


def write_grouped_table(path, facts, masks=None):
    """Writes a table that `load` reads, a row for each image; returns the names of the images that it leaves out.

    What belongs together has one group. Of what lies in several splits, the images in test stay, or else those in
    validation; those in other splits are left out.

    Args:
        path: the file, `.csv`.
        facts: the `Facts`.
        masks: where the masks are, as of `load`.
    """
    path, root = pathlib.Path(path), facts.layout.root
    path.parent.mkdir(parents=True, exist_ok=True)
    mask_of = {} if facts.masks is None or facts.masks.wrong else masks_of(facts.layout, masks)[0]
    with_masks = bool(mask_of) and all(len(each) == 1 for each in mask_of.values())
    columns = ["image", "label", "group", *["split"] * facts.layout.has_splits, *["mask"] * with_masks]
    kept = _kept(facts)
    with replacing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        for number in np.flatnonzero(kept):
            picture = facts.pictures[number]
            row = {"image": _seen_from(path, root / picture.name), "split": picture.split}
            row |= {
                "label": facts.layout.class_names[picture.label],
                "group": f"{OF_GROUPS}{facts.belongs_together[number]}",
            }
            mask = mask_of.get(root / picture.name)
            writer.writerow(row | {"mask": _seen_from(path, mask[0]) if mask else ""})
    return [facts.pictures[number].name for number in np.flatnonzero(~kept)]


def _is_ours(path):
    """Whether a table has groups as those that are written here, so that it may be replaced."""
    with open(path, newline="", encoding="utf-8", errors="replace") as file:
        rows = csv.DictReader(file)
        return {"image", "label", "group"} <= set(rows.fieldnames or ()) and OF_GROUPS in next(rows, {}).get(
            "group", ""
        )


def _kept(facts):
    """Which images stay: those in the first split, by precedence, of those in which their group has images."""
    rank = np.array([PRECEDENCE.index(split) for split in facts.splits])
    first = np.full(facts.belongs_together.max() + 1, len(PRECEDENCE))
    np.minimum.at(first, facts.belongs_together, rank)
    return rank == first[facts.belongs_together]


def _seen_from(table, path):
    """The path of a file as a table names it."""
    return pathlib.PurePath(os.path.relpath(path, table.parent)).as_posix()

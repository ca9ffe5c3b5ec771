"""A table of images → its `Layout`: which files are images, their classes, and what else it says of them."""

import collections
import dataclasses
import os
import pathlib

import numpy as np

from keras_attention.arguments import invalid, unknown
from keras_attention.data.layout import Layout
from keras_attention.data.listing import list_images
from keras_attention.data.names import split_named
from keras_attention.data.tables.columns import find_columns, image_column
from keras_attention.data.tables.labels import read_labels
from keras_attention.data.tables.places import Places
from keras_attention.data.tables.table import read_table
from keras_attention.members import SPLITS
from keras_attention.text import counted, shown

# Names of a table that say nothing of its images, so that the folder names the data.
COMMON_NAMES = frozenset(
    ("data", "dataset", "table", "labels", "metadata", "manifest", "annotations", "images", "index")
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Manifest:
    """A table with a row for each image, and how it is read.

    Args:
        path: the file, one of `sources.TABLES`.
        images: the folder of the images; that of the table if `None`.
        columns: role → column, as in `find_columns`.
        zeros: what rows without a 1 are, as in `read_labels`.
        group: the column of the groups, if it is named here; `None` for that of its role.
        beside: whether to look for masks beside the images.
        crossing: whether a group may lie in two splits, as where that is told later.
    """

    path: pathlib.Path
    images: pathlib.Path | None = None
    columns: dict = dataclasses.field(default_factory=dict)
    zeros: str | None = None
    group: str | None = None
    beside: bool = False
    crossing: bool = False

    @property
    def folder(self):
        """The folder of the images."""
        return pathlib.Path(self.images or pathlib.Path(self.path).parent)

    def paths(self):
        """The paths of the images, in the order of the table, whatever else it says of them."""
        table = read_table(self.path)
        return Places(self.folder).find(table, image_column(table, self.columns))

    def layout(self):
        """The `Layout` of the images.

        Raises:
            ValueError: a file that is not a table, a column or an image that does not exist, a row without a label or
                with several, a class of all images, an unknown split, or a group in two splits.
        """
        table = read_table(self.path)
        columns = find_columns(table, self._columns_with_group(table))
        labels = read_labels(table, columns, self.zeros)
        _require_one_label(table, labels)
        splits = _splits(table, columns.split)
        root, paths = _rooted(self.folder, Places(self.folder).find(table, columns.image))
        groups = None if columns.group is None else _groups(table, columns.group, splits, self.crossing)
        files = collections.defaultdict(list)
        for path, split, label in zip(paths, splits, labels.of_row.argmax(axis=1).tolist(), strict=True):
            files[split].append((path, label))
        return Layout(
            home=root,
            root=root,
            files={split: files[split] for split in SPLITS if split in files},
            class_names=list(labels.class_names),
            has_splits=columns.split is not None,
            mask_of=list_images(root).mask_of if self.beside else {},
            passed=collections.Counter(),
            notes=(columns.note, *labels.notes),
            name=self._name,
            groups=groups and dict(zip(paths, groups, strict=True)),
            grouped_by=columns.group,
            own_masks=self._masks(table, columns.mask, paths),
        )

    def _columns_with_group(self, table):
        """The columns that are given, and among them that of `group`."""
        if self.group is None:
            return self.columns
        if self.group not in table.columns:
            raise unknown("column", self.group, table.columns, "group")
        if self.columns.get("group", self.group) != self.group:
            raise invalid("Two columns are named for the groups.", "`group` or `columns`, not both", repr(self.group))
        return self.columns | {"group": self.group}

    @property
    def _name(self):
        """The name of the data: that of the file, or of the folder around it if that of the file is a common one."""
        path = pathlib.Path(os.path.abspath(self.path))
        return path.parent.name if path.stem.lower() in COMMON_NAMES and path.parent.name else path.stem

    def _masks(self, table, column, paths):
        """Path of an image → paths of its mask, for images that have one; `None` without a column of masks."""
        if column is None:
            return None
        masks = Places(self.folder).find_files(table, column)
        return {path: (mask,) for path, mask in zip(paths, masks, strict=True) if mask is not None}


def _require_one_label(table, labels):
    if labels.several:
        row = int(np.flatnonzero(labels.of_row.sum(axis=1) != 1)[0])
        names = [shown(labels.class_names[number]) for number in np.flatnonzero(labels.of_row[row])]
        received = f"{', '.join(names) or 'none'} in {table.place(row)}"
        raise invalid("Images must have one label each.", "one label in each row", received)
    if len(labels.class_names) < 2:
        name = shown(labels.class_names[0])
        raise invalid(f"{shown(table.path)} has only one class.", "at least two classes", f"class {name}")


def _splits(table, column):
    """The split of each row; all are in train if there is no such column."""
    if column is None:
        return ["train"] * len(table)
    splits = [split_named(text) for text in table.columns[column]]
    if None in splits:
        row = splits.index(None)
        what = f"{table.place(row).capitalize()} has an unknown split."
        raise invalid(what, f"one of: {', '.join(SPLITS)}", f"{shown(column)} {shown(table.columns[column][row])!r}")
    return splits


def _groups(table, column, splits, crossing):
    """The group of each row; none may be in two splits that the table gives, unless they may cross."""
    groups, seen = table.columns[column], {}
    for row, (group, split) in enumerate(zip(groups, splits, strict=True)):
        if not group:
            count = counted(sum(not each for each in groups), "row has", "rows have")
            what = f"{count} no group, the first {table.place(row)}."
            raise invalid(what, f"a value in the column {shown(column)} of each row", "''")
        before, first = seen.setdefault(group, (split, row))
        if before != split and not crossing:
            lines = f"lines {table.lines[first]:,} and {table.lines[row]:,}"
            what = f"The group {shown(group)!r} lies in two splits, in {lines}."
            raise invalid(what, "each group in one split, or `columns` with group=none", f"{before} and {split}")
    return groups


def _rooted(folder, paths):
    """The folder below which the images are, theirs or one around it if some lie outside, and their paths there."""
    root = os.path.normpath(folder)
    start = os.path.join(root, "")

    def is_below(path):  # of texts that are normalized, as asking a path takes long
        return path.startswith(start) if root != "." else not (os.path.isabs(path) or path.startswith(".."))

    if all(map(is_below, map(str, paths))):
        return pathlib.Path(root), paths
    paths = [pathlib.Path(os.path.abspath(path)) for path in paths]
    return pathlib.Path(os.path.commonpath([path.parent for path in paths])), paths

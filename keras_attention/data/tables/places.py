"""What a table calls an image → the path of its file."""

import collections
import functools
import os
import pathlib
import unicodedata

from keras_attention.arguments import invalid
from keras_attention.data.listing import list_images
from keras_attention.text import counted, shown


class Places:
    """Finds the files of images by what a table calls them.

    A name is a path below the folder, or an absolute one, with or without the suffix of the file; or the name of the
    file alone, wherever it lies below the folder.

    Args:
        folder: the folder of the images.
    """

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def find(self, table, column):
        """The paths of the images of all rows.

        Raises:
            ValueError: an empty name, one without a file or with several, or two rows of one image.
        """
        names = [unicodedata.normalize("NFC", name) for name in table.columns[column]]
        found = [self._paths(name) for name in names]
        self._require_each(table, column, found)
        paths = [each[0] for each in found]
        self._require_distinct(table, paths)
        return paths

    def find_files(self, table, column):
        """The paths of other files than images, `None` for an empty name; two rows may share a file.

        Raises:
            ValueError: a name without a file.
        """
        named = [self.folder / name if name else None for name in table.columns[column]]
        found = [[path] if path is None or path.is_file() else [] for path in named]
        self._require_each(table, column, found)
        return named

    def _paths(self, name):
        """The files that a name may mean; usually one."""
        if name and os.path.isfile(path := os.path.join(self.folder, name)):
            return [pathlib.Path(os.path.normpath(path))]
        plain = name.replace("\\", "/").removeprefix("./")
        return next((self._known[key] for key in (plain, plain.rpartition("/")[2]) if key and key in self._known), [])

    @functools.cached_property
    def _known(self):
        """What an image may be called: its path below the folder, its name, and both without the suffix → paths."""
        known = collections.defaultdict(dict)
        for path in list_images(self.folder).images:
            below = unicodedata.normalize("NFC", path.relative_to(self.folder).as_posix())
            stem = below[: -len(path.suffix)] if path.suffix else below
            for key in (below, stem, below.rpartition("/")[2], stem.rpartition("/")[2]):
                known[key][path] = None
        return {key: list(paths) for key, paths in known.items()}

    def _require_each(self, table, column, found):
        """Raises unless each row has exactly one file."""
        if missing := [row for row, paths in enumerate(found) if not paths]:
            row = missing[0]
            what = f"{counted(len(missing), 'file does', 'files do')} not exist, the first in {table.place(row)}."
            expected = f"files in {shown(self.folder)}; `images` names another folder"
            raise invalid(what, expected, f"{shown(column)} {shown(table.columns[column][row])!r}")
        if several := [row for row, paths in enumerate(found) if len(paths) > 1]:
            row = several[0]
            two = " and ".join(shown(path.relative_to(self.folder)) for path in found[row][:2])
            what = f"{shown(table.columns[column][row])!r} in {table.place(row)} may be {two}."
            raise invalid(what, "the path of one file", f"{counted(len(several), 'such row')}")

    @staticmethod
    def _require_distinct(table, paths):
        rows = collections.defaultdict(list)
        for row, path in enumerate(paths):
            rows[path].append(row)
        if twice := [(path, each) for path, each in rows.items() if len(each) > 1]:
            path, each = twice[0]
            what = f"{counted(len(twice), 'image is', 'images are')} in several rows, the first {shown(path)}."
            lines = " and ".join(f"{table.lines[row]:,}" for row in each[:2])
            raise invalid(what, "a row for each image", f"lines {lines}")

"""What a table calls an image → the path of its file."""

import collections
import functools
import os
import pathlib
import unicodedata

from keras_attention.arguments import invalid
from keras_attention.data.listing import is_of_system, list_images
from keras_attention.data.names import MASK_FOLDERS, PICTURE_FOLDERS, image_of
from keras_attention.sources import IMAGE_SUFFIXES
from keras_attention.text import counted, shown

OTHER_FOLDERS = MASK_FOLDERS | PICTURE_FOLDERS


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
        found = [self._paths(name) for name in table.columns[column]]
        self._require_each(table, column, found)
        paths = [each[0] for each in found]
        self._require_distinct(table, paths)
        return list(map(pathlib.Path, paths))

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
        """The files that a name may mean, usually one, as texts: of a hundred thousand, paths take seconds."""
        if name and os.path.isfile(path := os.path.join(self.folder, name)):
            return [os.path.normpath(path)]
        plain = unicodedata.normalize("NFC", name).replace("\\", "/").removeprefix("./")
        keys = [key for key in (plain, plain.rpartition("/")[2]) if key]
        for key in keys:
            if len(found := self._by_name.get(key, ())) == 1:
                return [os.path.join(self.folder, found[0])]
        return next((self._listed[key] for key in keys if key in self._listed), [])

    @functools.cached_property
    def _by_name(self):
        """What an image may be called → where it is below the folder, without what may be a mask or another picture."""
        known = collections.defaultdict(list)
        for below in _files_below(self.folder):
            folder, _, name = below.rpartition("/")
            stem, suffix = os.path.splitext(name)
            beside = {part.lower() for part in folder.split("/")} & OTHER_FOLDERS
            if suffix.lower() in IMAGE_SUFFIXES and not beside and image_of(stem) is None:
                for key in _names_of(below):
                    known[key].append(below)
        return known

    @functools.cached_property
    def _listed(self):
        """The same, of all files that are images by the rule of folders, which takes longer."""
        known = collections.defaultdict(list)
        for path in list_images(self.folder).images:
            for key in _names_of(path.relative_to(self.folder).as_posix()):
                known[key].append(str(path))
        return known

    def _require_each(self, table, column, found):
        """Raises unless each row has exactly one file."""
        if missing := [row for row, paths in enumerate(found) if not paths]:
            row = missing[0]
            what = f"{counted(len(missing), 'file does', 'files do')} not exist, the first in {table.place(row)}."
            expected = f"files in {shown(self.folder)}; `images` names another folder"
            raise invalid(what, expected, f"{shown(column)} {shown(table.columns[column][row])!r}")
        if several := [row for row, paths in enumerate(found) if len(paths) > 1]:
            row = several[0]
            two = " and ".join(shown(os.path.relpath(path, self.folder)) for path in found[row][:2])
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


def _names_of(below):
    """What a file may be called: its path below a folder, its name, and both without suffix; in one Unicode form."""
    below = unicodedata.normalize("NFC", below)
    stem = os.path.splitext(below)[0]
    return {below, stem, below.rpartition("/")[2], stem.rpartition("/")[2]}


def _files_below(root):
    """The paths of all files below a folder, relative to it; links are followed, but nothing is taken twice."""
    seen = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        if (real := os.path.realpath(folder)) in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not is_of_system(name))
        below = os.path.relpath(folder, root).replace(os.sep, "/")
        start = "" if below == "." else f"{below}/"
        yield from (start + name for name in files if not is_of_system(name))

"""What names a source of data: a path or a name of data; and several of them, each with a name for its folder."""

import errno
import os
import pathlib

from keras_attention.arguments import invalid
from keras_attention.text import shown

EMBEDDED = "cluttered_digits"
# Those of HEIC, which cannot be read, are listed too, so that nobody believes they were.
IMAGE_SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".bmp", ".dib", ".webp", ".tif", ".tiff"),
        *(".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".jp2", ".j2k", ".jpx", ".avif", ".heic", ".heif", ".hif"),
    )
)
TABLES = (".csv", ".tsv", ".jsonl", ".parquet")
ARCHIVES = (".zip", ".tar", ".7z", ".rar", ".tgz", ".gz", ".bz2", ".xz", ".zst")


def require_source(source, masks=None, group=None):
    """Raises `ValueError` if the source must be the path of a folder or a table, and there is none.

    Args:
        source: the text or the path. What may be the name of a data set of TensorFlow Datasets passes.
        masks, group: as of `keras_attention.data.load`; they come with folders alone.
    """
    if os.path.isdir(source) or str(source) == EMBEDDED or is_table(source):
        return
    if os.fspath(source).lower().endswith(TABLES) and not os.path.exists(source):
        raise invalid("There is no such table.", "an existing file", f"data={os.fspath(source)!r}")
    comes_with_folders = (masks is not None or group is not None) and os.sep in os.fspath(source)
    if os.path.isfile(source) or comes_with_folders or _is_a_path(source):
        raise no_folder(source, "data", "There is no such folder.")


def is_table(source):
    """Whether a source is the path of a table of images."""
    return os.path.isfile(source) and os.fspath(source).lower().endswith(TABLES)


def no_folder(path, argument, missing):
    """The `ValueError` for a path that is not a folder: a file, one that cannot be reached, or nothing.

    Args:
        path: the path.
        argument: the name of the argument that gave it.
        missing: what to say if nothing is there.
    """
    received = f"{argument}={os.fspath(path)!r}"
    if os.path.isfile(path):
        archive = os.fspath(path).lower().endswith(ARCHIVES)
        return invalid(f"{shown(path)} is a file.", "a folder: unpack it first" if archive else "a folder", received)
    try:
        os.stat(path)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):
            return invalid(f"{shown(path)} cannot be opened: {error.strerror}.", "a readable path", received)
    return invalid(missing, "an existing folder", received)


def _is_a_path(source):
    # A TFDS name may contain one slash, between a data set and its configuration.
    if not isinstance(source, str):
        return True
    return source.startswith((".", "/", "~")) or source.endswith("/") or source.count("/") > 1


def split_sources(text):
    """The sources of a text that separates them by commas; a path that exists and has a comma is one source.

    Example:

    >>> from keras_attention.sources import split_sources
    >>> split_sources("photos,cluttered_digits")
    ['photos', 'cluttered_digits']
    """
    parts, found = text.split(","), []
    while parts:
        longest = next((n for n in range(len(parts), 1, -1) if os.path.exists(",".join(parts[:n]))), 1)
        found.append(",".join(parts[:longest]).strip())
        parts = parts[longest:]
    return [source for source in found if source]


def named_sources(sources):
    """Name → source: the last part of its path, with a number where two are alike.

    Args:
        sources: paths or names of data.

    Returns:
        A dictionary, in the given order; a source that is given twice is in it once.

    Raises:
        ValueError: fewer than two different sources.
        TypeError: they are one text, or one of them is neither a text nor a path.

    Example:

    >>> from keras_attention.sources import named_sources
    >>> named_sources(["2023/photos", "2024/photos", "cluttered_digits"])
    {'photos': '2023/photos', 'photos-2': '2024/photos', 'cluttered_digits': 'cluttered_digits'}
    """
    if isinstance(sources, (str, os.PathLike)) or not all(isinstance(each, (str, os.PathLike)) for each in sources):
        raise invalid("`sources` must be several.", "a list of paths or names of data", repr(sources), TypeError)
    different = {_identity(source): os.fspath(source) for source in reversed(list(sources))}
    if len(different) < 2:
        raise invalid(
            "Several data sets are compared.", "at least two different sources", ", ".join(map(str, sources)) or "none"
        )
    named = {}
    for source in reversed(different.values()):
        name = pathlib.PurePath(source).name.strip(".-") or "data"
        number = next(number for number in range(1, len(different) + 1) if _numbered(name, number) not in named)
        named[_numbered(name, number)] = source
    return named


def _numbered(name, number):
    return name if number == 1 else f"{name}-{number}"


def _identity(source):
    """What two ways to write the same folder have in common."""
    return os.path.realpath(source) if os.path.exists(source) else os.fspath(source)

"""Files, folders and patterns → the paths of the images in them, in order, each once."""

import dataclasses
import fnmatch
import glob
import os
import pathlib

from keras_attention.arguments import invalid
from keras_attention.data.listing import list_images
from keras_attention.data.tables import Manifest
from keras_attention.prediction.reading import no_access, no_file


@dataclasses.dataclass(frozen=True)
class Source:
    """A requested image.

    Args:
        path: the path of the image, as given or found.
        error: the `ValueError` that says why there is no file to read; `None` if there is one.
    """

    path: str
    error: ValueError | None = None


def find_images(paths):
    """Files, folders and patterns → a list of `Source`, in the given order, each file once.

    A folder gives all images in it and its subfolders, in the order of their paths, as `keras_attention.data` lists
    them; a link is a file of its own. A pattern is a shell pattern; `**` matches folders of any depth, without
    following links, and the matches are taken in order. If a file with the very name of the pattern exists, that file
    is taken.

    Args:
        paths: strings or paths.

    Returns:
        The sources, each with its `path`, a string. A path that gives no image becomes a source whose `error` is the
        `ValueError` that says why; otherwise `error` is `None`.

    Example:

    >>> import os, pathlib, tempfile
    >>> from keras_attention.prediction import find_images
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ("b.jpg", "a.png", "notes.txt"):
    ...     (folder / name).touch()
    >>> for source in find_images([folder / "b.jpg", folder, folder / "*.gif"]):
    ...     print(os.path.basename(source.path), "found" if source.error is None else "not found")
    b.jpg found
    a.png found
    *.gif not found
    """
    found = {}
    for path in paths:
        for source in _sources_of(os.fspath(path)):
            found.setdefault(_place(source.path), source)
    return list(found.values())


def images_of_table(table, images=None, columns=None):
    """The images of a table, in its order, as a list of `Source`; labels are not needed.

    Args:
        table: the path of a table, as in `keras_attention.data.load`.
        images, columns: the folder of the images, and role → column, as there.

    Raises:
        ValueError: a file that is not a table, or an image that does not exist.

    Example:

    >>> import pathlib, tempfile
    >>> from keras_attention.prediction import images_of_table
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> (folder / "a.png").touch()
    >>> _ = (folder / "table.csv").write_text("image\\na\\n")
    >>> [pathlib.Path(source.path).name for source in images_of_table(folder / "table.csv")]
    ['a.png']
    """
    return [Source(str(path)) for path in Manifest(path=table, images=images, columns=columns or {}).paths()]


def _place(path):
    """Where a file lies: two paths of one place are one file, and a link is another."""
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name) if path else ""


def images_in(folder):
    """The paths of the images in a folder and its subfolders, in order.

    Raises:
        ValueError: a folder without images, or a subfolder that cannot be opened.
    """
    sources = _in_folder(folder)
    for source in sources:
        if source.error:
            raise source.error
    if not sources:
        raise _no_images(folder)
    return [pathlib.Path(source.path) for source in sources]


def _sources_of(path):
    if not path:
        return [Source(path, invalid("The path of an image is empty.", "the path of a file or a folder", "''"))]
    if os.path.isdir(path):
        return _in_folder(path) or [Source(path, _no_images(path))]
    if os.path.lexists(path):
        return [Source(path)]
    if glob.has_magic(path) and (sources := _matching(path)):
        return sources
    return [Source(path, _no_match(path) if glob.has_magic(path) else no_file(path))]


def _in_folder(folder):
    """The images in a folder and its subfolders, and the folders that cannot be opened, in the order of their paths."""
    listing = list_images(folder)
    sources = [Source(str(path)) for path in listing.images]
    sources += [Source(error.filename, no_access(error.filename, error)) for error in listing.errors]
    return sorted(sources, key=lambda source: pathlib.Path(source.path).parts)


def _matching(text):
    """The files that match a pattern, and the images in matching folders; only the latter if it ends in a slash."""
    try:
        pattern = pathlib.Path(text).expanduser()
        # Not `glob.glob`, which follows circular links.
        found = sorted(pathlib.Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor))))
    except (ValueError, NotImplementedError, RuntimeError):  # `**` beside other letters, a home that does not exist
        return []
    dotted = [part for part in pattern.parts if part.startswith(".")]
    sources = []
    for path in (path for path in found if all(_is_shown(part, dotted) for part in path.parts)):
        if path.is_dir():
            sources += _in_folder(path)
        elif not text.endswith("/"):
            sources.append(Source(str(path)))
    return sources


def _is_shown(part, dotted):
    """Whether a part of a path is not hidden, or matches a part of the pattern that begins with a dot."""
    return not part.startswith(".") or any(fnmatch.fnmatchcase(part, wanted) for wanted in dotted)


def _no_images(folder):
    return invalid(f"{folder} has no images.", "files such as .jpg, .png, .webp or .tif", str(folder))


def _no_match(pattern):
    return invalid(f"{pattern} matches nothing.", "a pattern that matches images, such as 'photos/**/*.jpg'", pattern)

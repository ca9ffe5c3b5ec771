"""What a person names, files, folders and patterns → the paths of images, in order, each once."""

import dataclasses
import fnmatch
import glob
import os
import pathlib

from keras_attention.arguments import invalid
from keras_attention.prediction.reading import no_access, no_file

IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp")
# Images that are not read: in a folder they are named, so that no one takes them for done.
FOREIGN_IMAGES = (".tif", ".tiff", ".heic", ".heif", ".avif")


@dataclasses.dataclass(frozen=True)
class Source:
    """An image that is wanted.

    Args:
        path: its path, as it was named or found.
        error: the `ValueError` that says why there is none; `None` where there is a file to read.
    """

    path: str
    error: ValueError | None = None


def find_images(paths):
    """Files, folders and patterns → a list of `Source`, in their order, each file once.

    A folder gives the images in it and below, in the order of their paths, without those that are hidden; links to
    folders are followed, each folder once. A pattern is one of a shell, `**` stands for folders of any depth, without
    links, and what it finds is taken in order. A file whose name looks like a pattern is that file.

    Args:
        paths: texts or paths.

    Returns:
        The sources, each with its `path`, a text. What names nothing is a source with its `error`, the `ValueError`
        that says why; otherwise that is `None`.

    Example:

    >>> import os, pathlib, tempfile
    >>> from keras_attention.prediction import find_images
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ("b.jpg", "a.png", "notes.txt"):
    ...     (folder / name).touch()
    >>> for source in find_images([folder / "b.jpg", folder, folder / "*.gif"]):
    ...     print(os.path.basename(source.path), "is there" if source.error is None else "is not there")
    b.jpg is there
    a.png is there
    *.gif is not there
    """
    found = {}
    for path in paths:
        for source in _expanded(os.fspath(path)):
            found.setdefault(os.path.realpath(source.path) if source.path else "", source)
    return list(found.values())


def images_in(folder):
    """The paths of the images in a folder and below, in their order.

    Raises:
        ValueError: a folder without images, or one in it that cannot be opened.
    """
    sources = _in_folder(folder, IMAGES)
    for source in sources:
        if source.error:
            raise source.error
    if not sources:
        raise _no_images(folder)
    return [pathlib.Path(source.path) for source in sources]


def _expanded(path):
    if not path:
        return [Source(path, invalid("The path of an image is empty.", "the path of a file or a folder", "''"))]
    if os.path.isdir(path):
        return _in_folder(path) or [Source(path, _no_images(path))]
    if os.path.lexists(path):
        return [Source(path)]
    if glob.has_magic(path) and (sources := _matching(path)):
        return sources
    return [Source(path, _no_match(path) if glob.has_magic(path) else no_file(path))]


def _in_folder(folder, suffixes=IMAGES + FOREIGN_IMAGES):
    """The images below a folder, and the folders that cannot be opened, in the order of their paths."""
    sources, seen = [], {os.path.realpath(folder)}

    def refused(error):
        sources.append(Source(error.filename, no_access(error.filename, error)))

    for here, folders, files in os.walk(folder, onerror=refused, followlinks=True):
        below = [(name, os.path.realpath(os.path.join(here, name))) for name in folders if not name.startswith(".")]
        # Links may lead in a circle.
        folders[:] = [name for name, real in below if real not in seen]
        seen.update(real for _, real in below)
        wanted = (name for name in files if name.lower().endswith(suffixes) and not name.startswith("."))
        sources += [Source(os.path.join(here, name)) for name in wanted]
    return sorted(sources, key=lambda source: pathlib.Path(source.path).parts)


def _matching(text):
    """What a pattern finds: files, and the images in folders; with a slash at its end folders alone."""
    try:
        pattern = pathlib.Path(text).expanduser()
        # Not `glob.glob`, which follows links in a circle.
        found = sorted(pathlib.Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor))))
    except (ValueError, NotImplementedError, RuntimeError):  # `**` beside other letters, a home that is not there
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
    """Whether a part of a path is not hidden, or is asked for by a part of a pattern that begins with a dot."""
    return not part.startswith(".") or any(fnmatch.fnmatchcase(part, wanted) for wanted in dotted)


def _no_images(folder):
    return invalid(f"{folder} holds no images.", f"files that end in {', '.join(IMAGES)}", str(folder))


def _no_match(pattern):
    return invalid(f"{pattern} matches nothing.", "a pattern that images match, such as 'photos/**/*.jpg'", pattern)

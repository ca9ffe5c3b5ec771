"""Several sources of data: told apart on the command line, and each with a name for its folder."""

import os
import pathlib

from keras_attention.arguments import invalid


def split_sources(text):
    """The sources of a text that separates them by commas; a path that exists and has a comma is one source.

    Example:

    >>> from keras_attention.comparison.sources import split_sources
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

    >>> from keras_attention.comparison.sources import named_sources
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

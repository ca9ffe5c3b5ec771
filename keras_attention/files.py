"""JSON and arrays in files: written whole, and read with errors that name the file."""

import json
import pathlib
import zipfile
import zlib

import numpy as np

from keras_attention.arguments import invalid
from keras_attention.atomic import replacing


def write_json(path, value):
    """Writes `value` as indented JSON; a text that is not Unicode, such as the name of a file may be, with escapes."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, indent=2, allow_nan=False)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", "utf-8")


def read_json(path):
    """Reads what `write_json` wrote.

    Raises:
        ValueError: the file is missing or damaged.
    """
    try:
        return json.loads(pathlib.Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def write_arrays(path, arrays):
    """Writes a dictionary of arrays as a `.npz` file."""
    with replacing(path) as temporary:
        np.savez_compressed(temporary, **arrays)


def read_arrays(path):
    """Reads what `write_arrays` wrote.

    Raises:
        ValueError: the file is missing or damaged.
    """
    try:
        with pathlib.Path(path).open("rb") as file, np.load(file) as arrays:
            return dict(arrays)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise _unreadable(path, error) from error


def _unreadable(path, error):
    return invalid(f"{path} cannot be read.", "a complete file, as it was written", f"{type(error).__name__}: {error}")

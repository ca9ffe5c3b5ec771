"""An image file → pixels, or the reason why it cannot be read."""

import os
import pathlib
import re

import tensorflow as tf

from keras_attention.arguments import invalid
from keras_attention.data import reasons
from keras_attention.data.images import decode_image
from keras_attention.text import shown

URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def read_image(path, size, resize="stretch"):
    """An image file → uint8 `(size, size, 3)`; see `keras_attention.data.images.resized`.

    Raises:
        ValueError: a path that does not exist, is not a file or cannot be read, a URL, or a file that does not decode.
    """
    encoded = _bytes_of(path)
    try:
        with tf.device("CPU:0"):
            return decode_image(encoded, size, resize).numpy()
    except ValueError as error:
        raise _refused(path, reasons.reason_of_bytes(encoded, error)) from error


def no_file(path):
    """The `ValueError` for a path that does not exist or is not a file."""
    if not os.path.lexists(path) and URL.match(os.fspath(path)):
        return invalid(f"{shown(path)} is a URL; download it first.", "the path of an image", _received(path))
    return invalid(f"{shown(path)} must be an existing file.", "the path of an image", _received(path))


def no_access(path, error):
    """The `ValueError` for a path whose opening raised an `OSError`."""
    return _refused(path, reasons.no_access(error))


def _refused(path, why):
    return invalid(f"{shown(path)} {why.what}.", why.expected, _received(path))


def _bytes_of(path):
    try:
        if not pathlib.Path(path).is_file():
            raise no_file(path)
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        raise no_access(path, error) from error


def _received(path):
    return f"image={os.fspath(path)!r}"

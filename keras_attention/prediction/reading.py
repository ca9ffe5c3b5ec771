"""An image file → pixels, or the reason why not."""

import os
import pathlib
import re

import tensorflow as tf

from keras_attention.arguments import invalid
from keras_attention.data.images import decode_image

READ = "a JPEG, PNG, WebP, GIF or BMP image"
URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)

# How a file begins → what it is. Of those that are read, one that does not decode is damaged.
READABLE = ((b"\xff\xd8\xff", "JPEG"), (b"\x89PNG\r\n", "PNG"), (b"GIF8", "GIF"), (b"BM", "BMP"), (b"RIFF", "WebP"))
FOREIGN = (
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"8BPS", "Photoshop"),
    (b"%PDF", "PDF"),
)
# Of the files that begin with a length and `ftyp`.
FOREIGN_BRANDS = {b"avif": "AVIF", b"avis": "AVIF"} | dict.fromkeys(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIC"
)


def read_image(path, size):
    """An image file → uint8 `(size, size, 3)`.

    Raises:
        ValueError: a path that is not there, is no file or cannot be read, a URL, or a file that does not decode.
    """
    encoded = _bytes_of(path)
    try:
        with tf.device("CPU:0"):
            return decode_image(encoded, size).numpy()
    # TensorFlow repeats bytes of the file in some of its messages, which then are no text.
    except (tf.errors.OpError, UnicodeDecodeError) as error:
        what, expected = _reason(encoded)
        raise invalid(f"{path} {what}.", expected, _received(path)) from error


def no_file(path):
    """The `ValueError` for a path that is not there, or that is no file."""
    if not os.path.lexists(path) and URL.match(os.fspath(path)):
        return invalid(f"{path} is a URL; download it first.", "the path of an image", _received(path))
    return invalid(f"{path} is no file.", "the path of an image", _received(path))


def no_access(path, error):
    """The `ValueError` for an `OSError`."""
    return invalid(f"{path} cannot be opened: {error.strerror or error}.", "a path that can be read", _received(path))


def _bytes_of(path):
    try:
        if not pathlib.Path(path).is_file():
            raise no_file(path)
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        raise no_access(path, error) from error


def _reason(encoded):
    """What is wrong with a file that does not decode, and what was expected."""
    if not encoded:
        return "is empty", READ
    kind = _begins(encoded, FOREIGN) or (FOREIGN_BRANDS.get(encoded[8:12]) if encoded[4:8] == b"ftyp" else None)
    if kind:
        return f"holds {kind} data, which are not read", f"{READ}; convert it to PNG or JPEG"
    kind = _begins(encoded, READABLE)
    if kind:
        return f"does not decode: the {kind} data are damaged, cut short or of a rare kind", READ
    return "does not decode", READ


def _begins(encoded, kinds):
    return next((kind for start, kind in kinds if encoded.startswith(start)), None)


def _received(path):
    return f"image={os.fspath(path)!r}"

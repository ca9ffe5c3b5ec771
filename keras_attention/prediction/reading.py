"""An image file → pixels, or the reason why it cannot be read."""

import os
import pathlib
import re

import tensorflow as tf
from PIL import Image

from keras_attention.arguments import invalid, reason
from keras_attention.data.images import decode_image

READ = "a JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, JPEG 2000 or PNM image"
URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)

# First bytes of a file, and its kind. If a file of a readable kind does not decode, it is damaged.
READABLE = (
    *((b"\xff\xd8\xff", "JPEG"), (b"\x89PNG\r\n", "PNG"), (b"GIF8", "GIF"), (b"BM", "BMP"), (b"RIFF", "WebP")),
    *((start, "TIFF") for start in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
)
FOREIGN = ((b"8BPS", "Photoshop"), (b"%PDF", "PDF"))
AVIF_BRANDS = (b"avif", b"avis")
# Brands of files that begin with a length and `ftyp`.
FOREIGN_BRANDS = dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIC")


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
        what, expected = _problem(encoded, error)
        raise invalid(f"{path} {what}.", expected, _received(path)) from error


def no_file(path):
    """The `ValueError` for a path that does not exist or is not a file."""
    if not os.path.lexists(path) and URL.match(os.fspath(path)):
        return invalid(f"{path} is a URL; download it first.", "the path of an image", _received(path))
    return invalid(f"{path} must be an existing file.", "the path of an image", _received(path))


def no_access(path, error):
    """The `ValueError` for a path whose opening raised an `OSError`."""
    return invalid(f"{path} cannot be opened: {error.strerror or error}.", "a readable path", _received(path))


def _bytes_of(path):
    try:
        if not pathlib.Path(path).is_file():
            raise no_file(path)
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        raise no_access(path, error) from error


def _problem(encoded, error):
    """What is wrong with a file that does not decode, and what was expected."""
    if not encoded:
        return "is empty", READ
    brand = encoded[8:12] if encoded[4:8] == b"ftyp" else None
    kind = _begins(encoded, FOREIGN) or FOREIGN_BRANDS.get(brand)
    if kind:
        return f"contains {kind} data, which are not supported", f"{READ}; convert it to PNG or JPEG"
    if isinstance(error.__cause__, Image.DecompressionBombError):
        return f"has too many pixels ({reason(error)})", "a smaller image"
    kind = _begins(encoded, READABLE) or ("AVIF" if brand in AVIF_BRANDS else None)
    if kind:
        return f"does not decode: the {kind} data are damaged, incomplete or of a rare kind", READ
    return "does not decode", READ


def _begins(encoded, kinds):
    return next((kind for start, kind in kinds if encoded.startswith(start)), None)


def _received(path):
    return f"image={os.fspath(path)!r}"

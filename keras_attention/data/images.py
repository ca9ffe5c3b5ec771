"""Encoded bytes → pixels. Training, prediction, explanation, the demo and every check read images here, and only here.

A file gives the pixels that Pillow gives, upright: turned as its EXIF orientation says. TensorFlow decodes ordinary
JPEG data, because it is faster and, with its accurate transform, gives the same pixels bit for bit.
"""

import io
import struct
import zlib

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps, UnidentifiedImageError

# The formats of photographs and masks. Pillow knows others, such as PostScript, for which it starts other programs.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "TGA", "JPEG2000", "AVIF")
JPEG = b"\xff\xd8\xff"
# Where these bytes occur in a JPEG file, it may be turned.
SIGNS_OF_AN_ORIENTATION = (b"Exif\0\0", b"tiff:Orientation")
# What Pillow raises for a file that does not decode, depending on its format and its damage.
UNREADABLE = (
    UnidentifiedImageError,
    Image.DecompressionBombError,
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    TypeError,
    KeyError,
    AttributeError,
    MemoryError,
    struct.error,
    zlib.error,
)
DEEPEST = 2**16 - 1


def open_image(encoded):
    """Encoded bytes → a Pillow image, decoded and upright.

    Of an animation, or of a file of several pages, it is the first frame.

    Raises:
        ValueError: bytes that are not an image, or are damaged or incomplete, or an image of too many pixels.
    """
    try:
        image = Image.open(io.BytesIO(encoded), formats=FORMATS)
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
    except UNREADABLE as error:
        raise ValueError(str(error) or type(error).__name__) from error
    return image


def read_pixels(encoded):
    """Encoded bytes → RGB uint8 `(height, width, 3)`, upright.

    Of 16 bits the upper eight are taken; opacity is left out; greys, palettes and CMYK become RGB.

    Raises:
        ValueError: as `open_image`; or numbers that are not from 0 to 65,535 or, for fractions, from 0 to 255.
    """
    return np.asarray(_pixels(encoded))


def _pixels(encoded):
    """`read_pixels`, of ordinary JPEG data as a tensor, which is scaled without a copy."""
    if encoded.startswith(JPEG) and not any(sign in encoded for sign in SIGNS_OF_AN_ORIENTATION):
        pixels = _decode_jpeg(encoded)
        if pixels is not None:
            return pixels
    image = open_image(encoded)
    if image.mode.startswith(("I", "F")):
        return np.repeat(_eight_bits(np.asarray(image))[..., None], 3, axis=-1)
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _decode_jpeg(encoded):
    """The pixels of a grey or coloured JPEG image; `None` for others, and for what does not decode."""
    try:
        with tf.device("CPU:0"):
            pixels = tf.io.decode_jpeg(encoded, dct_method="INTEGER_ACCURATE")
    except (tf.errors.OpError, UnicodeDecodeError):  # some messages quote bytes of the file, which are not text
        return None
    if pixels.shape[-1] == 1:
        return np.repeat(pixels, 3, axis=-1)
    return pixels if pixels.shape[-1] == 3 else None


def _eight_bits(values):
    """Numbers of more than eight bits → uint8."""
    whole = np.issubdtype(values.dtype, np.integer)
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= (DEEPEST if whole else 255)):
        raise ValueError(f"its values are from {low:g} to {high:g}, and must be from 0 to {DEEPEST if whole else 255}")
    return (values >> 8).astype("uint8") if whole else np.round(values).astype("uint8")


def decode_image(encoded, size):
    """Encoded bytes, or a string tensor of them → RGB uint8 `(size, size, 3)`; see `read_pixels`.

    The whole image is scaled to a square, with antialiasing, so that a mask scaled in the same way still fits.
    """
    if isinstance(encoded, bytes):
        return resize_image(_pixels(encoded), size)
    pixels = tf.numpy_function(read_pixels, [encoded], tf.uint8, stateful=False)
    return resize_image(tf.ensure_shape(pixels, (None, None, 3)), size)


def resize_image(image, size):
    """`(height, width, 3)` from 0 to 255 → uint8 `(size, size, 3)`."""
    pixels = tf.ensure_shape(image, (None, None, 3))
    # `resize` computes in float32 with bytes too; casting them first would only move more data.
    pixels = pixels if pixels.dtype == tf.uint8 else tf.cast(pixels, tf.float32)
    return tf.cast(tf.clip_by_value(tf.round(resized(pixels, size)), 0, 255), tf.uint8)


def resized(pixels, size):
    """`(height, width, channels)` → float32 `(size, size, channels)`, with antialiasing."""

    def same():
        return tf.cast(pixels, tf.float32)

    def scaled():
        return tf.image.resize(pixels, (size, size), antialias=True)

    if pixels.shape.is_fully_defined():
        return same() if pixels.shape[:2] == (size, size) else scaled()
    fits = tf.reduce_all(tf.shape(pixels)[:2] == size)
    return tf.ensure_shape(tf.cond(fits, same, scaled), (size, size, pixels.shape[-1]))

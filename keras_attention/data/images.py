"""Encoded bytes → pixels. Training, prediction, explanation, the demo and every check read images here, and only here.

A file gives the pixels that Pillow gives, upright: turned as its EXIF orientation says. TensorFlow decodes ordinary
JPEG data, because it is faster and, with its accurate transform, gives the same pixels bit for bit.
"""

import io
import struct
import warnings
import zlib

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps, UnidentifiedImageError

# The formats of photographs and masks. Pillow knows others, such as PostScript, for which it starts other programs.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "TGA", "JPEG2000", "AVIF")
JPEG = b"\xff\xd8\xff"
START_OF_SCAN = b"\xff\xda"  # without it there are no pixels, and TensorFlow complains without the name of the file
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
# Positions in the header of a PNG file, in bytes: of the depth and kind of its pixels, and of the length and kind of
# the chunk that follows; and the bytes of a chunk beside its content.
PNG, PNG_PIXELS, PNG_CHUNK = b"\x89PNG\r\n\x1a\n", b"IDAT", 12
PNG_BITS, PNG_COLOURS, PNG_LENGTH, PNG_KIND = 24, 25, slice(33, 37), slice(37, 41)
DEEPEST = 2**16 - 1
DARK = 2**12 - 1  # the largest number of 12 bits

# Pillow warns of damage without the name of the file, which is told where a file is refused. The filter is set once:
# `warnings.catch_warnings` is not safe in threads, and images are read in several.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


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
        ValueError: as `open_image`; or numbers that are not from 0 to 65,535 or, for fractions, from 0 to 255, or that
            use only the lowest part of this range.
    """
    return np.asarray(_pixels(encoded))


def _pixels(encoded):
    """`read_pixels`, of ordinary JPEG data as a tensor, which is scaled without a copy."""
    ordinary = encoded.startswith(JPEG) and START_OF_SCAN in encoded
    if ordinary and not any(sign in encoded for sign in SIGNS_OF_AN_ORIENTATION):
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
    """Numbers of more than eight bits → uint8.

    Raises:
        ValueError: numbers out of range, or so small that the image would be nearly black, as one of 12 bits in a file
            of 16, or fractions from 0 to 1.
    """
    whole = np.issubdtype(values.dtype, np.integer)
    low, high, end = values.min(), values.max(), DEEPEST if whole else 255
    if not (low >= 0 and high <= end):
        raise ValueError(f"its values are from {low:g} to {high:g}, and must be from 0 to {end}")
    if 0 < high <= (DARK if whole else 1):
        raise ValueError(f"its values end at {high:g} of {end}, so that it would be black: scale them, or store 8 bits")
    return (values >> 8).astype("uint8") if whole else np.round(values).astype("uint8")


def decode_pixels(encoded):
    """Encoded bytes, or a string tensor of them → RGB uint8 `(height, width, 3)`; see `read_pixels`."""
    if isinstance(encoded, bytes):
        return _pixels(encoded)
    pixels = tf.cond(
        _is_bare_png(encoded),
        lambda: tf.io.decode_png(encoded, channels=3),
        lambda: tf.numpy_function(read_pixels, [encoded], tf.uint8, stateful=False),
    )
    return tf.ensure_shape(pixels, (None, None, 3))


def _is_bare_png(encoded):
    """Whether encoded bytes, a string tensor, are a PNG file of grey or coloured pixels of 8 bits and nothing else.

    Small images are, as most data sets of TensorFlow Datasets have them. Where nothing tells of an orientation, opacity
    or a palette, TensorFlow reads the same pixels as Pillow, and a graph reads them several times as fast.
    """
    count = PNG_KIND.stop
    padded = tf.strings.join([tf.strings.substr(encoded, 0, count), b"\0" * count])
    header = tf.cast(tf.io.decode_raw(tf.strings.substr(padded, 0, count), tf.uint8), tf.int32)
    length = tf.tensordot(header[PNG_LENGTH], [2**24, 2**16, 2**8, 1], 1)
    checks = (
        tf.reduce_all(header[: len(PNG)] == list(PNG)),
        header[PNG_BITS] == 8,
        (header[PNG_COLOURS] == 0) | (header[PNG_COLOURS] == 2),
        tf.reduce_all(header[PNG_KIND] == list(PNG_PIXELS)),
        # One chunk of pixels, and an empty chunk that ends the file.
        PNG_LENGTH.start + 2 * PNG_CHUNK + length == tf.strings.length(encoded),
    )
    return tf.reduce_all(checks)


def decode_image(encoded, size, resize="stretch"):
    """Encoded bytes, or a string tensor of them → RGB uint8 `(size, size, 3)`; see `read_pixels` and `resized`."""
    return resize_image(decode_pixels(encoded), size, resize)


def resize_image(image, size, resize="stretch"):
    """`(height, width, 3)` from 0 to 255 → uint8 `(size, size, 3)`; see `resized`."""
    pixels = tf.ensure_shape(image, (None, None, 3))
    # `resize` computes in float32 with bytes too; casting them first would only move more data.
    pixels = pixels if pixels.dtype == tf.uint8 else tf.cast(pixels, tf.float32)
    return tf.cast(tf.clip_by_value(tf.round(resized(pixels, size, resize)), 0, 255), tf.uint8)


def resized(pixels, size, resize="stretch", of=None):
    """`(height, width, channels)` → float32 `(size, size, channels)`, scaled bilinearly with antialiasing.

    - `"stretch"`: the whole image is scaled to the square, whatever its aspect.
    - `"crop"`: it is scaled so that its shorter side is `size`, with the other side rounded to whole pixels, and the
      central square is cut out. Of an odd rest, the larger half is cut off above or on the left.
    - `"pad"`: it is scaled so that its longer side is `size`, likewise, and centred; the rest is 0. Of an odd rest, the
      smaller half is above or on the left.

    Args:
        pixels: the image, or its mask; sides may be unknown inside a graph.
        size: the side of the square.
        resize: one of `keras_attention.patterns.RESIZES`.
        of: (height, width) of the image that a mask belongs to, which it covers whole, however many pixels it has; if
            `None`, that of `pixels`.
    """
    if resize != "stretch":
        return _placed(pixels, size, *_place(tf.shape(pixels)[:2] if of is None else of, size, resize))

    def same():
        return tf.cast(pixels, tf.float32)

    def scaled():
        return tf.image.resize(pixels, (size, size), antialias=True)

    if pixels.shape.is_fully_defined():
        return same() if pixels.shape[:2] == (size, size) else scaled()
    fits = tf.reduce_all(tf.shape(pixels)[:2] == size)
    return tf.ensure_shape(tf.cond(fits, same, scaled), (size, size, pixels.shape[-1]))


def _place(shape, size, resize):
    """(height, width) → the same after scaling, and how far above and left of the square it begins if negative."""
    shape = tf.convert_to_tensor(shape, tf.int32)
    side = tf.reduce_min(shape) if resize == "crop" else tf.reduce_max(shape)
    sides = tf.cast(tf.maximum(tf.round(size * shape / side), 1), tf.int32)
    return sides, (size - sides) // 2


def _placed(pixels, size, sides, start):
    """Pixels scaled to `sides`, with their corner at `start` of a square of 0; only what is inside is computed."""
    scale = tf.cast(sides, tf.float32) / tf.cast(tf.shape(pixels)[:2], tf.float32)
    start = tf.cast(start, tf.float32)
    # `tf.image.resize` with antialiasing is this operation, with a translation of 0.
    placed = tf.raw_ops.ScaleAndTranslate(
        images=pixels[None], size=(size, size), scale=scale, translation=start, kernel_type="triangle", antialias=True
    )
    return tf.ensure_shape(placed[0], (size, size, pixels.shape[-1]))

"""A mask file → where the object is. 0 is outside and one other value is inside; several must be told apart first.

A mask is read in its own depth: whole numbers of 1, 8, 16 or 32 bits, the numbers of a palette, colours, or opacity.
"""

import os
import pathlib
import threading

import numpy as np
import tensorflow as tf

from keras_attention.arguments import invalid
from keras_attention.data.images import open_image, resized
from keras_attention.patterns import COLOUR, named, parse_values
from keras_attention.text import counted

MOST_VALUES_NAMED = 8
BETWEEN_NAMES = b"\0"  # no name of a file has it
LOSSY_INSIDE = 128  # JPEG data have noise around each value
ONE_VALUE = "0 outside and one other value inside, or `mask_values`, which says which values are inside"


def mask_values(encoded):
    """The encoded bytes of a mask → its values, int64 `(height, width)`, upright; 0 is outside.

    - Greys keep their level, in the depth of the file; a colour that is not grey becomes `2²⁴ + RGB`.
    - Of a palette of greys the levels count, of any other palette the numbers, as in masks of classes.
    - Where opacity varies, transparent pixels are outside; if all pixels have one colour, the opacity is the mask.
    - JPEG data hold no exact values: 128 and more is inside.

    Raises:
        ValueError: bytes that are not an image, or an image of fractions.
    """
    image = open_image(encoded)
    opacity = None
    if "A" in image.getbands() or "transparency" in image.info:
        opacity = np.asarray(image.convert("RGBA"))[..., 3]
    values = _palette_values(image) if image.mode in ("P", "PA") else _values(image)
    if opacity is not None and opacity.min() < opacity.max():
        seen = values[opacity > 0]
        values = opacity.astype("int64") if (seen == seen[0]).all() else np.where(opacity > 0, values, 0)
    return np.where(values >= LOSSY_INSIDE, 255, 0) if image.format in ("JPEG", "MPO") else values


def _palette_values(image):
    numbers = np.asarray(image.getchannel("P") if image.mode == "PA" else image).astype("int64")
    colours = np.asarray(image.convert("RGB")).astype("int64")
    return colours[..., 0] if (colours == colours[..., :1]).all() else numbers


def _values(image):
    if image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        image = image.convert("RGB")
    pixels = np.asarray(image)
    if not (pixels == np.round(pixels)).all():
        raise ValueError("it holds fractions, and a mask must hold whole numbers")
    pixels = pixels.astype("int64")
    if image.mode == "1":
        return 255 * pixels
    if pixels.ndim == 2:
        return pixels
    if pixels.shape[-1] == 2:  # grey and opacity
        return pixels[..., 0]
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    grey = (red == green) & (green == blue)
    return np.where(grey, red, COLOUR + 2**16 * red + 2**8 * green + blue)


class MaskReader:
    """Reads masks, and keeps account of what they hold.

    Args:
        inside: the values inside, as `parse_values` takes them; `None` if all values but 0 are one and the same.
    """

    def __init__(self, inside=None):
        self.text, self.ranges = inside, None if inside is None else parse_values(inside)
        self.values, self.count, self.empty, self.full, self.lock = set(), 0, 0, 0, threading.Lock()

    def read(self, *encoded):
        """The encoded bytes of the masks of an image → uint8 `(height, width, 1)`, 1 inside any of them."""
        return self.inside(*map(mask_values, encoded))[..., None]

    def read_files(self, names):
        """As `read`, of the files whose names are joined by `BETWEEN_NAMES`."""
        return self.read(*(pathlib.Path(os.fsdecode(name)).read_bytes() for name in names.split(BETWEEN_NAMES)))

    def inside(self, *masks):
        """The values of a mask, or of several of one image, arrays of one shape → uint8, 1 inside any of them.

        Raises:
            ValueError: masks of different shapes.
        """
        if len({values.shape for values in masks}) > 1:
            raise invalid("The masks of one image must have one size.", "masks of its size", [m.shape for m in masks])
        inside = np.logical_or.reduce([self._is_inside(values) for values in masks])
        with self.lock:
            for values in masks:
                self.values.update(np.unique(values).tolist()[: MOST_VALUES_NAMED + 2])
            self.count += 1
            self.empty += not inside.any()
            self.full += bool(inside.all())
        return inside.astype("uint8")

    def _is_inside(self, values):
        if self.ranges is None:
            return values != 0
        return np.logical_or.reduce([(first <= values) & (values <= last) for first, last in self.ranges])

    def decode(self, encoded, size, resize="stretch", of=None):
        """Encoded bytes, or a string tensor of them → uint8 `(size, size, 1)`, 0 or 1; see `resized`."""
        if not isinstance(encoded, bytes):
            mask = tf.ensure_shape(tf.numpy_function(self.read, [encoded], tf.uint8), (None, None, 1))
            return resize_mask(mask, size, resize, of)
        return resize_mask(self.read(encoded), size, resize, of)

    def decode_files(self, names, size, resize="stretch", of=None):
        """As `decode`, of the files whose names, a string tensor, are joined by `BETWEEN_NAMES`."""
        mask = tf.ensure_shape(tf.numpy_function(self.read_files, [names], tf.uint8), (None, None, 1))
        return resize_mask(mask, size, resize, of)

    def require_one_value(self):
        """Raises a `ValueError` if the masks that were read hold several values that may be inside."""
        if self.ranges is None and len(self.values - {0}) > 1:
            raise invalid("The masks hold several values.", ONE_VALUE, f"values {_listed(self.values)}")

    def check(self):
        """What is to be told of the masks that were read, as sentences.

        Raises:
            ValueError: several values that may be inside, or no mask with an inside.
        """
        self.require_one_value()
        if self.count and self.empty == self.count:
            if self.ranges is None:
                raise invalid("All masks are empty.", "masks with an inside", f"values {_listed(self.values)}")
            raise invalid(
                "No mask has a value that `mask_values` names.",
                f"a value of the masks: {_listed(self.values)}",
                f"mask_values={str(self.text)!r}",
            )
        told, of = [], counted(self.count, "mask")
        if self.empty:
            told.append(f"{self.empty:,} of {of} {'is' if self.empty == 1 else 'are'} empty")
        if self.full:
            told.append(f"{self.full:,} of {of} {'covers' if self.full == 1 else 'cover'} the whole image")
        return tuple(told)


def require_masks(inside, has_masks, expected):
    """Raises `ValueError` if the values inside masks are given where there are no masks."""
    if inside is not None and not has_masks:
        raise invalid(
            "`mask_values` has no effect without masks.",
            f"{expected}, or no `mask_values`",
            f"mask_values={str(inside)!r}",
        )


def _listed(values):
    values = sorted(values)
    rest = ", …" if len(values) > MOST_VALUES_NAMED else ""
    return ", ".join(map(named, values[:MOST_VALUES_NAMED])) + rest


def resize_mask(mask, size, resize="stretch", of=None):
    """A mask `(height, width, 1)` of 0 and 1 → uint8 `(size, size, 1)`: 1 where at least half of a pixel is inside.

    With `resize` and the (height, width) `of` its image it is placed as `resized` places the image.
    """
    inside = tf.cast(tf.ensure_shape(mask, (None, None, 1)) != 0, tf.float32)
    return tf.cast(resized(inside, size, resize, of) >= 0.5, tf.uint8)

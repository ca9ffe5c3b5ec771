"""Encoded bytes → pixels: the one way in which training, prediction and the checks read an image."""

import tensorflow as tf


def decode_image(encoded, size):
    """Encoded JPEG, PNG, BMP or (first frame of a) GIF → RGB uint8 `(size, size, 3)`.

    The whole frame is scaled to a square, with antialiasing, so that a mask scaled alike still fits.
    """
    return resize_image(tf.io.decode_image(encoded, channels=3, expand_animations=False), size)


def resize_image(image, size):
    """`(height, width, 3)` from 0 to 255 → uint8 `(size, size, 3)`."""
    pixels = tf.cast(tf.ensure_shape(image, (None, None, 3)), tf.float32)
    return tf.cast(tf.clip_by_value(tf.round(_resize(pixels, size)), 0, 255), tf.uint8)


def decode_mask(encoded, size):
    """An encoded mask, 0 and any one other value → uint8 `(size, size, 1)`, 0 or 1."""
    # Three channels, because BMP, GIF and WebP are not decoded to one; a coloured mask keeps its colour's strength.
    mask = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    return resize_mask(tf.reduce_max(mask, axis=-1, keepdims=True), size)


def resize_mask(mask, size):
    """`(height, width, 1)` → uint8 `(size, size, 1)`: 1 where at least half of the pixel is in the mask."""
    mask = tf.cast(tf.ensure_shape(mask, (None, None, 1)), tf.float32)
    inside = tf.cast(mask > tf.reduce_max(mask) / 2, tf.float32)
    return tf.cast(_resize(inside, size) >= 0.5, tf.uint8)


def _resize(pixels, size):
    fits = tf.reduce_all(tf.shape(pixels)[:2] == size)
    resized = tf.cond(fits, lambda: pixels, lambda: tf.image.resize(pixels, (size, size), antialias=True))
    return tf.ensure_shape(resized, (size, size, pixels.shape[-1]))

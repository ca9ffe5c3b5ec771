"""Encoded bytes → pixels: training, prediction and checks all read images in this way."""

import tensorflow as tf

# Positions in the headers of WebP and BMP files, in bytes, of details that `tf.io.decode_image` ignores.
HEADER = 64
WEBP_KIND, WEBP_FLAGS, WEBP_ANIMATED, WEBP_ALPHA = slice(12, 16), 20, 0x02, 0x10
BMP_HEADER_SIZE, BMP_BITS, BMP_FILE_HEADER, BMP_COLOURS = slice(14, 18), 28, 14, 256


def decode_image(encoded, size):
    """Encoded JPEG, PNG, BMP, WebP or GIF → RGB uint8 `(size, size, 3)`.

    The whole image is scaled to a square, with antialiasing, so that a mask scaled in the same way still fits. Of an
    animation the first frame is taken, of 16 bits the upper eight; opacity is ignored, and palettes and CMYK become
    RGB.
    """
    return resize_image(_decode(encoded), size)


def resize_image(image, size):
    """`(height, width, 3)` from 0 to 255 → uint8 `(size, size, 3)`."""
    pixels = tf.ensure_shape(image, (None, None, 3))
    # `resize` computes in float32 with bytes too; casting them first would only move more data.
    pixels = pixels if pixels.dtype == tf.uint8 else tf.cast(pixels, tf.float32)
    return tf.cast(tf.clip_by_value(tf.round(_resize(pixels, size)), 0, 255), tf.uint8)


def decode_mask(encoded, size):
    """An encoded mask of zeros and one other value → uint8 `(size, size, 1)`, 0 or 1."""
    # Three channels, because BMP, GIF and WebP cannot be decoded to one; of a coloured mask the largest channel counts.
    return resize_mask(tf.reduce_max(_decode(encoded), axis=-1, keepdims=True), size)


def resize_mask(mask, size):
    """`(height, width, 1)` → uint8 `(size, size, 1)`: 1 where at least half of the pixel is in the mask."""
    mask = tf.cast(tf.ensure_shape(mask, (None, None, 1)), tf.float32)
    inside = tf.cast(mask > tf.reduce_max(mask) / 2, tf.float32)
    return tf.cast(_resize(inside, size) >= 0.5, tf.uint8)


def _decode(encoded):
    """Encoded bytes → uint8 `(height, width, 3)`, in a graph too."""
    if isinstance(encoded, bytes) and not encoded.startswith((b"RIFF", b"BM")):
        return _decode_plain(encoded)  # outside a graph the operations below take longer than the decoding
    padded = tf.strings.join([tf.strings.substr(encoded, 0, HEADER), b"\0" * HEADER])
    header = tf.cast(tf.io.decode_raw(tf.strings.substr(padded, 0, HEADER), tf.uint8), tf.int32)
    is_webp = _equals(header[:4], b"RIFF") & _equals(header[8:12], b"WEBP")
    has_palette = _equals(header[:2], b"BM") & (header[BMP_BITS] == 8)
    return tf.cond(
        is_webp,
        lambda: _decode_webp(encoded, header),
        lambda: tf.cond(has_palette, lambda: _decode_palette_bmp(encoded, header), lambda: _decode_plain(encoded)),
    )


def _equals(header, text):
    return tf.reduce_all(header == tf.constant(list(text)))


def _decode_plain(encoded, channels=3):
    return tf.ensure_shape(
        tf.io.decode_image(encoded, channels, expand_animations=False), (None, None, channels or None)
    )


def _decode_webp(encoded, header):
    # `decode_image` can neither drop the opacity of a WebP image nor add one, so it must give the channels of the file
    # (0). For an animation it always writes four channels, even if the header promises three and it allocates three.
    animated = _equals(header[WEBP_KIND], b"VP8X") & (header[WEBP_FLAGS] & WEBP_ANIMATED > 0)
    return _decode_plain(tf.cond(animated, lambda: _with_opacity(encoded, header), lambda: encoded), 0)[..., :3]


def _with_opacity(encoded, header):
    """The same WebP file with a header that promises four channels."""
    flags = tf.gather([bytes([value]) for value in range(256)], header[WEBP_FLAGS] | WEBP_ALPHA)
    return tf.strings.join([tf.strings.substr(encoded, 0, WEBP_FLAGS), flags, _after(encoded, WEBP_FLAGS + 1)])


def _decode_palette_bmp(encoded, header):
    # `decode_image` takes the indices into the palette for greys.
    numbers = tf.cast(_decode_plain(encoded)[..., 0], tf.int32)
    start = BMP_FILE_HEADER + tf.tensordot(header[BMP_HEADER_SIZE], [1, 2**8, 2**16, 2**24], 1)
    bytes_of_it = tf.strings.substr(tf.strings.join([encoded, b"\0" * 4 * BMP_COLOURS]), start, 4 * BMP_COLOURS)
    blue_green_red_unused = tf.reshape(tf.io.decode_raw(bytes_of_it, tf.uint8), (BMP_COLOURS, 4))
    return tf.gather(blue_green_red_unused[:, 2::-1], numbers)


def _after(encoded, start):
    return tf.strings.substr(encoded, start, tf.strings.length(encoded) - start)


def _resize(pixels, size):
    """`(height, width, channels)` → float32 `(size, size, channels)`."""

    def same():
        return tf.cast(pixels, tf.float32)

    def resized():
        return tf.image.resize(pixels, (size, size), antialias=True)

    if pixels.shape.is_fully_defined():
        return same() if pixels.shape[:2] == (size, size) else resized()
    fits = tf.reduce_all(tf.shape(pixels)[:2] == size)
    return tf.ensure_shape(tf.cond(fits, same, resized), (size, size, pixels.shape[-1]))

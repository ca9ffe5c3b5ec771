"""Encoded bytes → pixels inside a SavedModel, whose `serve_bytes` endpoint has neither Pillow nor Python.

It follows `keras_attention.data.images` as far as TensorFlow reaches: JPEG, PNG, GIF, BMP with 8 or 24 bits and WebP,
with the same pixels; JPEG images are turned upright. `LIMITS` says what it cannot do.
"""

import tensorflow as tf

from keras_attention.data.images import resize_image

LIMITS = (
    "JPEG, PNG, GIF, WebP, and BMP with 8 or 24 bits are read, and no other formats. JPEG images are turned as their "
    "EXIF orientation says, and no others. CMYK becomes RGB as TensorFlow does it, up to a few levels from Pillow."
)

# How images of any shape become squares of S pixels, by `resize`.
SQUARES = {
    "stretch": "the whole image is scaled to {0} × {0} pixels, whatever its aspect",
    "crop": "the image is scaled so that its shorter side is {0} pixels, and its central {0} × {0} are cut out",
    "pad": "the image is scaled so that its longer side is {0} pixels, and centred on {0} × {0} black ones",
}

# Positions in the headers of WebP and BMP files, in bytes, of details that `tf.io.decode_image` ignores.
HEADER = 64
WEBP_KIND, WEBP_FLAGS, WEBP_ANIMATED, WEBP_ALPHA = slice(12, 16), 20, 0x02, 0x10
BMP_HEADER_SIZE, BMP_BITS, BMP_FILE_HEADER, BMP_COLOURS = slice(14, 18), 28, 14, 256
# The EXIF data of a JPEG file are in one of its first segments, each of at most 64 KiB.
JPEG_HEADER, EXIF_SEGMENT, EXIF_NAME = 2**18, 0xE1, b"Exif\0\0"
ENTRY_BYTES, ORIENTATION_TAG, MOST_ENTRIES = 12, 0x0112, 512


def decode_in_graph(encoded, size, resize="stretch"):
    """Encoded bytes → RGB uint8 `(size, size, 3)`; see `keras_attention.data.images.resized`.

    Of an animation the first frame is taken, of 16 bits the upper eight; opacity is left out, and palettes become RGB.
    """
    return resize_image(_decode(encoded), size, resize)


def _decode(encoded):
    header = _bytes_of(encoded, HEADER)
    is_webp = _equals(header[:4], b"RIFF") & _equals(header[8:12], b"WEBP")
    has_palette = _equals(header[:2], b"BM") & (header[BMP_BITS] == 8)
    cases = [
        (_equals(header[:3], b"\xff\xd8\xff"), lambda: _decode_jpeg(encoded)),
        (is_webp, lambda: _decode_webp(encoded, header)),
        (has_palette, lambda: _decode_palette_bmp(encoded, header)),
    ]
    return tf.case(cases, lambda: _decode_plain(encoded))


def _bytes_of(encoded, count):
    """The first bytes, padded with zeros, as int32 `(count,)`."""
    padded = tf.strings.join([tf.strings.substr(encoded, 0, count), b"\0" * count])
    return tf.cast(tf.io.decode_raw(tf.strings.substr(padded, 0, count), tf.uint8), tf.int32)


def _equals(header, text):
    return tf.reduce_all(header == tf.constant(list(text)))


def _decode_plain(encoded, channels=3):
    return tf.ensure_shape(
        tf.io.decode_image(encoded, channels, expand_animations=False), (None, None, channels or None)
    )


def _decode_jpeg(encoded):
    pixels = tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")
    orientation = exif_orientation(_bytes_of(encoded, JPEG_HEADER))
    return tf.ensure_shape(upright(pixels, orientation), (None, None, 3))


def upright(pixels, orientation):
    """`(height, width, channels)` as stored, and its EXIF orientation from 1 to 8 → as it is to be seen."""

    def changed(transpose=False, rows=1, columns=1):
        turned = tf.transpose(pixels, (1, 0, 2)) if transpose else pixels
        return lambda: turned[::rows, ::columns]

    ways = [
        changed(),  # 0 stands for no orientation
        changed(),
        changed(columns=-1),
        changed(rows=-1, columns=-1),
        changed(rows=-1),
        changed(transpose=True),
        changed(transpose=True, columns=-1),
        changed(transpose=True, rows=-1, columns=-1),
        changed(transpose=True, rows=-1),
    ]
    return tf.switch_case(orientation, ways, default=ways[0])


def exif_orientation(header):
    """The first bytes of a JPEG file, int32 `(n,)` → the orientation in its EXIF data; 1 if there are none."""
    count, name = tf.size(header), tf.constant(list(EXIF_NAME))

    def is_exif(start):
        return (header[start + 1] == EXIF_SEGMENT) & tf.reduce_all(header[start + 4 : start + 10] == name)

    def goes_on(start):
        fits = start + 10 + HEADER < count
        return fits & (header[tf.minimum(start, count - 1)] == 0xFF) & ~is_exif(tf.minimum(start, count - HEADER))

    def next_segment(start):
        return start + 2 + 256 * header[start + 2] + header[start + 3]

    start = tf.while_loop(goes_on, lambda start: [next_segment(start)], [tf.constant(2)])[0]
    start = tf.minimum(start, count - HEADER)
    found = (header[start] == 0xFF) & is_exif(start)
    return tf.cond(found, lambda: _orientation_of(header[start + 10 :]), lambda: tf.constant(1))


def _orientation_of(tiff):
    """The orientation in the TIFF data of EXIF, in either order of bytes."""
    padded = tf.concat([tiff, tf.zeros([ENTRY_BYTES * MOST_ENTRIES], tf.int32)], 0)
    order = tf.where(tiff[0] == ord("I"), [0, 1], [1, 0])  # from the lower of two bytes on

    def number(position):
        two = tf.gather(padded, position[:, None] + order[None])
        return two[:, 0] + 256 * two[:, 1]

    offset = tf.where(tiff[0] == ord("I"), 4, 6)  # the lower half of the offset of the first directory
    directory = tf.minimum(number(tf.reshape(offset, (1,)))[0], tf.size(tiff) - 2)
    entries = tf.minimum(number(tf.reshape(directory, (1,)))[0], MOST_ENTRIES - 1)
    starts = tf.minimum(directory + 2 + ENTRY_BYTES * tf.range(entries), tf.size(padded) - ENTRY_BYTES)
    values = tf.boolean_mask(number(starts + 8), number(starts) == ORIENTATION_TAG)
    return tf.concat([values, [1]], 0)[0]


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

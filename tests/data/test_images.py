"""Encoded bytes → pixels, compared with PIL for every kind of file that can be read, and errors for other files."""

import io
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from parts import encoded
from PIL import Image

from keras_attention.data.images import _is_bare_png, decode_image, decode_pixels, read_pixels, resize_image
from keras_attention.patterns import RESIZES

HEIGHT, WIDTH = 13, 11


@pytest.fixture
def colours(rng):
    return rng.integers(0, 256, (HEIGHT, WIDTH, 3)).astype("uint8")


@pytest.fixture
def greys(rng):
    return rng.integers(0, 256, (HEIGHT, WIDTH)).astype("uint8")


@pytest.mark.parametrize("size", [5, 11, 13, 29])
def test_scaling_is_that_of_pil(size, colours):
    scaled = decode_image(encoded(colours, "png"), size).numpy()
    expected = np.asarray(Image.fromarray(colours).resize((size, size), Image.Resampling.BILINEAR))
    assert scaled.dtype == np.uint8
    # PIL rounds between its two passes.
    assert np.abs(scaled.astype(int) - expected).max() <= 1


SHAPES = [(40, 60), (60, 40), (41, 67), (67, 41), (13, 95), (95, 13), (33, 33)]


@pytest.mark.parametrize("size", [20, 33, 64])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("resize", ["crop", "pad"])
def test_the_aspect_is_kept_as_pil_keeps_it(resize, shape, size, rng):
    colours = rng.integers(0, 256, (*shape, 3)).astype("uint8")
    side = min(shape) if resize == "crop" else max(shape)
    height, width = (int(size * each / side + 0.5) for each in shape)
    scaled = np.asarray(Image.fromarray(colours).resize((width, height), Image.Resampling.BILINEAR)).astype(int)
    if resize == "crop":
        # Of an odd rest, one pixel more is cut off above or on the left.
        top, left = ((each - size + 1) // 2 for each in (height, width))
        expected = scaled[top : top + size, left : left + size]
    else:
        above, before = (size - height) // 2, (size - width) // 2
        rest = (above, size - height - above), (before, size - width - before)
        expected = np.pad(scaled, (*rest, (0, 0)))
    found = decode_image(encoded(colours, "png"), size, resize).numpy()
    assert (found.shape, found.dtype) == ((size, size, 3), np.uint8)
    assert np.abs(found.astype(int) - expected).max() <= 1


# Where a square of 8 pixels, with its corner at row 16 and column 44 of 40 × 80, lies in 20 × 20 pixels.
PLACES = {"crop": (slice(8, 12), slice(12, 16)), "pad": (slice(9, 11), slice(11, 13))}


@pytest.mark.parametrize("turned", [False, True], ids=["wide", "tall"])
@pytest.mark.parametrize("resize", PLACES)
def test_where_a_square_lies(resize, turned):
    picture, expected = np.zeros((40, 80, 3), "uint8"), np.zeros((20, 20), bool)
    picture[16:24, 44:52] = 250, 20, 90
    expected[PLACES[resize]] = True
    picture, expected = (picture.swapaxes(0, 1), expected.T) if turned else (picture, expected)
    found = decode_image(encoded(picture, "png"), 20, resize).numpy()
    np.testing.assert_array_equal(found[..., 0] >= 125, expected)
    np.testing.assert_allclose(found[expected].max(0), (250, 20, 90), rtol=0.3)
    assert not np.array_equal(resize_image(picture, 20).numpy()[..., 0] >= 125, expected)


@pytest.mark.parametrize("shape", [(20, 31), (31, 20)], ids=str)
def test_pixels_that_fit_are_cut_out_or_padded_untouched(shape, rng):
    colours = rng.integers(1, 256, (*shape, 3)).astype("uint8")
    cut = colours[:20, 6:26] if shape[0] == 20 else colours[6:26, :20]
    np.testing.assert_array_equal(resize_image(colours, 20, "crop"), cut)
    rest = ((5, 6), (0, 0)) if shape[0] == 20 else ((0, 0), (5, 6))
    np.testing.assert_array_equal(resize_image(colours, 31, "pad"), np.pad(colours, (*rest, (0, 0))))


@pytest.mark.parametrize("shape", [(1, 900), (900, 1)], ids=str)
def test_a_line_keeps_a_pixel(shape):
    white = np.full((*shape, 3), 255, "uint8")
    assert resize_image(white, 16, "crop").numpy().min() == 255
    assert (resize_image(white, 16, "pad").numpy()[..., 0] == 255).sum() == 16


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize(
    "shape",
    [pytest.param(each, marks=[] if each in ((41, 67), (33, 33)) else pytest.mark.long) for each in SHAPES],
    ids=str,
)
def test_sides_that_a_graph_does_not_know(shape, resize, rng):
    file = encoded(rng.integers(0, 256, (*shape, 3)).astype("uint8"), "png")
    [image] = tf.data.Dataset.from_tensors(file).map(lambda one: decode_image(one, 29, resize))
    np.testing.assert_array_equal(image, decode_image(file, 29, resize))


def test_scaling_down_takes_every_pixel_into_account():
    stripes = np.zeros((35, 35, 3), "uint8")
    stripes[:, ::5] = 255
    # Every fifth column is white: the mean is 51 everywhere. Without antialiasing, pixels would be 0 or 255.
    scaled = resize_image(stripes, 7).numpy()[:, 1:-1]
    assert np.abs(scaled.astype(int) - 51).max() <= 12


def test_an_image_of_the_right_size_is_untouched(colours):
    square = np.ascontiguousarray(colours[:WIDTH])
    np.testing.assert_array_equal(decode_image(encoded(square, "png"), WIDTH), square)
    np.testing.assert_array_equal(resize_image(square.astype("float64"), WIDTH), square)


def test_floats_are_rounded_and_kept_in_range():
    image = np.array([[-3.0, 0.4], [0.6, 300.0]])[..., None].repeat(3, -1)
    assert resize_image(image, 2).numpy()[..., 0].tolist() == [[0, 0], [1, 255]]


KINDS = [("png", "L"), ("png", "1"), ("png", "LA"), ("png", "RGBA"), ("bmp", "L"), ("gif", "L")]


@pytest.mark.parametrize(("kind", "mode"), KINDS, ids=["-".join(row) for row in KINDS])
def test_every_lossless_kind_gives_three_channels(kind, mode, greys):
    greys = greys[:WIDTH] if mode != "1" else np.where(greys[:WIDTH] > 99, 255, 0).astype("uint8")
    image = decode_image(encoded(greys, kind, mode), WIDTH).numpy()
    np.testing.assert_array_equal(image, greys[..., None].repeat(3, -1))


def test_colours_of_a_palette_and_beside_an_opacity(colours):
    colours = (colours[:WIDTH] // 86) * 100  # 27 colours at most, so that a palette holds them
    for mode in ("P", "RGBA"):
        image = Image.fromarray(colours).convert(mode, palette=Image.Palette.ADAPTIVE)
        file = io.BytesIO()
        image.save(file, "png")
        expected = np.asarray(image.convert("RGB"))
        np.testing.assert_array_equal(decode_image(file.getvalue(), WIDTH), expected)


def test_sixteen_bits_are_read_as_eight(greys):
    wide = greys[:WIDTH].astype("uint16") * 257
    image = decode_image(encoded(wide, "png"), WIDTH).numpy()
    np.testing.assert_array_equal(image, greys[:WIDTH, :, None].repeat(3, -1))


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"quality": 30}])
def test_a_jpeg_is_what_pil_reads(mode, options, rng):
    smooth = Image.fromarray(rng.integers(0, 256, (5, 5, 3)).astype("uint8")).resize((67, 51)).convert(mode)
    file = io.BytesIO()
    smooth.save(file, "jpeg", **options)
    expected = np.asarray(Image.open(io.BytesIO(file.getvalue())).convert("RGB"))
    np.testing.assert_array_equal(read_pixels(file.getvalue()), expected)


KINDS_THAT_KEEP = ("png", "tiff", "bmp", "webp", "ppm")


@pytest.mark.parametrize("kind", KINDS_THAT_KEEP)
def test_pixels_of_every_lossless_format(kind, colours):
    options = {"lossless": True} if kind == "webp" else {}
    file = io.BytesIO()
    Image.fromarray(colours).save(file, kind, **options)
    np.testing.assert_array_equal(read_pixels(file.getvalue()), colours)


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_upright(orientation, kind, colours):
    plain, file, exif = io.BytesIO(), io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "webp" else {}
    Image.fromarray(colours).save(plain, kind, **options)
    Image.fromarray(colours).save(file, kind, exif=exif, **options)
    read, stored = read_pixels(file.getvalue()), read_pixels(plain.getvalue())
    turned = stored.transpose(1, 0, 2) if orientation >= 5 else stored
    rows, columns = {1: (1, 1), 2: (1, -1), 3: (-1, -1), 4: (-1, 1), 5: (1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)}[
        orientation
    ]
    np.testing.assert_array_equal(read, turned[::rows, ::columns])


def test_bytes_in_a_graph_are_read_alike(colours):
    file = encoded(colours, "tiff")
    [image] = tf.data.Dataset.from_tensors(file).map(lambda one: decode_image(one, 7))
    np.testing.assert_array_equal(image, decode_image(file, 7))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.uint16([[0, 256], [4095, 65535]]), [[0, 1], [15, 255]]),
        (np.float32([[0, 0.6], [7, 255]]), [[0, 1], [7, 255]]),
    ],
)
def test_more_than_eight_bits(values, expected):
    assert read_pixels(encoded(values, "tiff"))[..., 1].tolist() == expected


@pytest.mark.parametrize("values", [np.float32([[-1, 0]]), np.float32([[0, 256]]), np.float32([[np.nan, 1]])])
def test_values_outside_the_range_are_refused(values):
    with pytest.raises(ValueError, match="and must be from 0 to 255"):
        read_pixels(encoded(values, "tiff"))


def test_a_frame_smaller_than_its_canvas():
    canvas = Image.new("P", (9, 9), 0)
    canvas.putpalette([10, 20, 30, 200, 100, 50])
    canvas.paste(1, (2, 3, 6, 7))
    file = io.BytesIO()
    canvas.save(file, "gif", optimize=False)
    pixels = read_pixels(file.getvalue())
    assert pixels.shape == (9, 9, 3)
    assert pixels[0, 0].tolist() == [10, 20, 30]
    assert pixels[3, 2].tolist() == [200, 100, 50]


def test_the_first_frame_of_an_animation(greys):
    greys, file = greys[:WIDTH], io.BytesIO()
    Image.fromarray(greys).save(file, "gif", save_all=True, append_images=[Image.fromarray(255 - greys)])
    assert Image.open(file).n_frames == 2
    np.testing.assert_array_equal(decode_image(file.getvalue(), WIDTH), greys[..., None].repeat(3, -1))


def test_a_file_that_is_not_an_image_raises(colours):
    jpeg, png = encoded(colours, "jpeg"), encoded(colours, "png")
    for data in (b"", b"no image", jpeg[: len(jpeg) // 2], png[: len(png) // 2]):
        with pytest.raises(ValueError, match=r"\w"):
            decode_image(data, 7)


NOISELESS = """
import sys, threading
from keras_attention.quiet import import_tensorflow
import_tensorflow()
from keras_attention.data.images import read_pixels
def read(path):
    with open(path, "rb") as file:
        encoded = file.read()
    try:
        print(read_pixels(encoded).shape)
    except ValueError:
        print("damaged")
for path in sys.argv[1:]:
    thread = threading.Thread(target=read, args=(path,))
    thread.start()
    thread.join()
"""


@pytest.mark.long
def test_damaged_files_are_read_without_complaints_that_do_not_name_them(colours, tmp_path):
    jpeg, exif = encoded(colours, "jpeg"), b"Exif\0\0II*\0\x08\0\0\0"
    cut = jpeg[:2] + b"\xff\xe1\x00" + bytes([2 + len(exif)]) + exif + jpeg[2:]
    files = {"no image": b"\xff\xd8\xff\xd9", "text": b"\xff\xd8\xffhello", "header": jpeg[:200], "exif": cut}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.warns(UserWarning, match="Corrupt EXIF data"):  # pytest shows what the package hides
        read_pixels(cut)
    command = [sys.executable, "-c", NOISELESS, *(str(tmp_path / name) for name in files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout.splitlines() == ["damaged", "damaged", "damaged", str((HEIGHT, WIDTH, 3))]
    assert done.stderr == ""


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA", "P", "1", "I;16"])
def test_a_graph_reads_small_png_files_by_itself_only_where_it_reads_them_rightly(mode, rng):
    """Those of 8 bits, grey or coloured, in which nothing else is told; all have the pixels of `read_pixels`."""
    levels = rng.integers(0, 256, (21, 13, 3)).astype("uint8")
    sixteen_bits = levels[..., 0] * np.uint16(257)
    picture = Image.fromarray(sixteen_bits) if mode == "I;16" else Image.fromarray(levels).convert(mode)
    exif = Image.Exif()
    exif[0x0112] = 6
    forms = {"plain": {}, "turned": {"exif": exif}, "transparent": {"transparency": 3 if mode in "LP" else (1, 2, 3)}}
    for name, options in forms.items():
        if name == "transparent" and mode not in ("RGB", "L", "P"):
            continue
        file = io.BytesIO()
        picture.save(file, "PNG", **options)
        content = file.getvalue()
        assert bool(_is_bare_png(tf.constant(content))) == (name == "plain" and mode in ("RGB", "L"))
        found = tf.function(decode_pixels)(tf.constant(content)).numpy()
        np.testing.assert_array_equal(found, read_pixels(content))


def test_what_follows_the_pixels_of_a_png_file_counts(rng):
    """A chunk after the pixels may tell of an orientation."""
    file = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (8, 8, 3)).astype("uint8")).save(file, "PNG")
    content = file.getvalue()
    assert _is_bare_png(tf.constant(content))
    for other in (content + b"more", content[:-12] + b"\0\0\0\0tEXt\0\0\0\0" + content[-12:], content[:40], b""):
        assert not _is_bare_png(tf.constant(other))

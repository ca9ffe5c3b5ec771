"""Encoded bytes → pixels, compared with PIL for every kind of file that can be read, and errors for other files."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_attention.data.images import decode_image, decode_mask, resize_image, resize_mask

HEIGHT, WIDTH = 13, 11


def encoded(array, kind, mode=None):
    image, file = Image.fromarray(array), io.BytesIO()
    (image.convert(mode) if mode else image).save(file, kind)
    return file.getvalue()


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


def test_a_jpeg_is_what_pil_reads(rng):
    smooth = np.asarray(Image.fromarray(rng.integers(0, 256, (3, 3, 3)).astype("uint8")).resize((WIDTH, WIDTH)))
    for mode in ("RGB", "L"):
        file = encoded(smooth, "jpeg", mode)
        expected = np.asarray(Image.open(io.BytesIO(file)).convert("RGB")).astype(int)
        assert np.abs(decode_image(file, WIDTH).numpy() - expected).max() <= 4


def test_the_first_frame_of_an_animation(greys):
    greys, file = greys[:WIDTH], io.BytesIO()
    Image.fromarray(greys).save(file, "gif", save_all=True, append_images=[Image.fromarray(255 - greys)])
    assert Image.open(file).n_frames == 2
    np.testing.assert_array_equal(decode_image(file.getvalue(), WIDTH), greys[..., None].repeat(3, -1))


def test_a_file_that_is_not_an_image_raises(colours):
    jpeg, png = encoded(colours, "jpeg"), encoded(colours, "png")
    for data in (b"", b"no image", jpeg[: len(jpeg) // 2], png[: len(png) // 2], encoded(colours, "tiff")):
        with pytest.raises(tf.errors.InvalidArgumentError):
            decode_image(data, 7)


@pytest.mark.parametrize("value", [1, 128, 255])
@pytest.mark.parametrize("kind", ["png", "bmp", "gif"])
def test_a_mask_is_one_where_it_is_not_zero(kind, value, greys):
    inside = greys[:WIDTH] > 99
    mask = decode_mask(encoded(inside * np.uint8(value), kind), WIDTH)
    assert (mask.dtype, mask.shape) == (tf.uint8, (WIDTH, WIDTH, 1))
    np.testing.assert_array_equal(mask[..., 0], inside)


def test_the_noise_of_a_jpeg_is_no_part_of_a_mask():
    inside = np.zeros((16, 16), "uint8")
    inside[3:9, 5:13] = 255
    file = encoded(inside, "jpeg")
    assert len(np.unique(np.asarray(Image.open(io.BytesIO(file))))) > 2
    np.testing.assert_array_equal(decode_mask(file, 16)[..., 0], inside > 0)


def test_a_scaled_mask_is_one_where_half_of_the_pixel_is_inside():
    mask = np.zeros((12, 12, 1))
    mask[:, :6] = 1
    assert resize_mask(mask, 2).numpy()[..., 0].tolist() == [[1, 0], [1, 0]]
    mask[:] = 0
    mask[5, 5] = 1
    assert resize_mask(mask, 2).numpy().max() == 0
    assert resize_mask(mask, 5).shape == (5, 5, 1)


def test_a_mask_without_an_inside_stays_empty():
    assert decode_mask(encoded(np.zeros((HEIGHT, WIDTH), "uint8"), "png"), 7).numpy().max() == 0


def test_a_mask_still_fits_an_image_that_was_scaled_alike(rng):
    mask = np.zeros((41, 67, 1), "uint8")
    mask[11:31, 17:53] = 1
    image = mask.repeat(3, -1) * np.uint8(255)
    scaled = resize_image(image, 29).numpy()[..., :1]
    np.testing.assert_array_equal(resize_mask(mask, 29).numpy() == 1, scaled >= 128)

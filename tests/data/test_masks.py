"""Masks of every depth: where the object is, and which masks are refused."""

import io

import numpy as np
import pytest
import tensorflow as tf
from parts import encoded
from PIL import Image

from keras_attention.data.images import resize_image
from keras_attention.data.masks import MaskReader, mask_values, resize_mask
from keras_attention.patterns import COLOUR, named, parse_values

HEIGHT, WIDTH = 13, 11


@pytest.fixture
def greys(rng):
    return rng.integers(0, 256, (HEIGHT, WIDTH)).astype("uint8")


@pytest.fixture
def inside(greys):
    return greys > 99


@pytest.mark.parametrize("value", [1, 128, 255])
@pytest.mark.parametrize("kind", ["png", "bmp", "gif"])
def test_a_mask_is_one_where_it_is_not_zero(kind, value, greys):
    inside = greys[:WIDTH] > 99
    mask = MaskReader().decode(encoded(inside * np.uint8(value), kind), WIDTH)
    assert (mask.dtype, mask.shape) == (tf.uint8, (WIDTH, WIDTH, 1))
    np.testing.assert_array_equal(mask[..., 0], inside)


def test_the_noise_of_a_jpeg_is_no_part_of_a_mask():
    inside = np.zeros((16, 16), "uint8")
    inside[3:9, 5:13] = 255
    file = encoded(inside, "jpeg")
    assert len(np.unique(np.asarray(Image.open(io.BytesIO(file))))) > 2
    np.testing.assert_array_equal(MaskReader().decode(file, 16)[..., 0], inside > 0)


def test_a_scaled_mask_is_one_where_half_of_the_pixel_is_inside():
    mask = np.zeros((12, 12, 1))
    mask[:, :6] = 1
    assert resize_mask(mask, 2).numpy()[..., 0].tolist() == [[1, 0], [1, 0]]
    mask[:] = 0
    mask[5, 5] = 1
    assert resize_mask(mask, 2).numpy().max() == 0
    assert resize_mask(mask, 5).shape == (5, 5, 1)


def test_a_mask_without_an_inside_stays_empty():
    assert MaskReader().decode(encoded(np.zeros((HEIGHT, WIDTH), "uint8"), "png"), 7).numpy().max() == 0


def test_a_mask_still_fits_an_image_that_was_scaled_alike(rng):
    mask = np.zeros((41, 67, 1), "uint8")
    mask[11:31, 17:53] = 1
    image = mask.repeat(3, -1) * np.uint8(255)
    scaled = resize_image(image, 29).numpy()[..., :1]
    np.testing.assert_array_equal(resize_mask(mask, 29).numpy() == 1, scaled >= 128)


@pytest.mark.parametrize("shape", [(41, 67), (67, 41), (40, 60)], ids=str)
@pytest.mark.parametrize("resize", ["crop", "pad"])
def test_a_mask_is_placed_as_its_image(resize, shape):
    mask = np.zeros((*shape, 1), "uint8")
    mask[11:31, 17:35] = 1
    scaled = resize_image(mask.repeat(3, -1) * np.uint8(255), 29, resize).numpy()[..., :1]
    np.testing.assert_array_equal(resize_mask(mask, 29, resize).numpy() == 1, scaled >= 128)
    assert 0 < scaled.mean() < 128


@pytest.mark.parametrize("half", [(20, 33), (21, 34), (20, 34)], ids=str)
def test_a_mask_of_half_the_size_covers_its_whole_image(half):
    seen = resize_image(np.full((41, 67, 3), 255, "uint8"), 32, "pad").numpy()[..., :1] == 255
    whole = np.ones((*half, 1), "uint8")
    np.testing.assert_array_equal(resize_mask(whole, 32, "pad", of=(41, 67)).numpy() == 1, seen)
    assert 0 < seen.mean() < 1


@pytest.mark.parametrize("in_graph", [False, True])
@pytest.mark.parametrize(("resize", "rows", "columns"), [("crop", (8, 12), (12, 16)), ("pad", (9, 11), (11, 13))])
def test_where_a_mask_of_half_the_size_lies(resize, rows, columns, in_graph):
    # The place of `test_where_a_square_lies`, of an image of 40 × 80 pixels.
    mask, expected = np.zeros((20, 40), "uint8"), np.zeros((20, 20), "uint8")
    mask[8:12, 22:26] = 255
    expected[slice(*rows), slice(*columns)] = 1
    file, reader = encoded(mask, "png"), MaskReader()
    if in_graph:
        [found] = tf.data.Dataset.from_tensors(file).map(lambda one: reader.decode(one, 20, resize, (40, 80)))
    else:
        found = reader.decode(file, 20, resize, (40, 80))
    np.testing.assert_array_equal(found[..., 0], expected)


@pytest.mark.parametrize("value", [1, 7, 300, 65535])
def test_sixteen_bits_are_read_in_their_depth(value, inside):
    file = encoded(inside * np.uint16(value), "png")
    assert set(np.unique(mask_values(file))) == {0, value}
    np.testing.assert_array_equal(MaskReader().read(file)[..., 0], inside)


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (9, 80, 200)])
def test_opacity_is_the_mask_where_the_colour_is_one(colour, inside):
    pixels = np.zeros((HEIGHT, WIDTH, 4), "uint8")
    pixels[..., :3], pixels[..., 3] = colour, 255 * inside
    np.testing.assert_array_equal(MaskReader().read(encoded(pixels, "png"))[..., 0], inside)


def test_a_constant_opacity_says_nothing(inside):
    pixels = np.dstack([inside * np.uint8(255)] * 3 + [np.full(inside.shape, 255, "uint8")])
    np.testing.assert_array_equal(MaskReader().read(encoded(pixels, "png"))[..., 0], inside)


def test_what_is_transparent_is_outside(greys, inside):
    pixels = np.dstack([np.where(greys > 150, 200, 90)] * 3 + [255 * inside]).astype("uint8")
    assert set(np.unique(mask_values(encoded(pixels, "png")))) == {0, 90, 200}


def palette_mask(classes, palette):
    image, file = Image.fromarray(classes.astype("uint8"), "P"), io.BytesIO()
    image.putpalette(palette)
    image.save(file, "png")
    return file.getvalue()


def test_the_numbers_of_a_palette_count_not_its_brightness(greys):
    classes = greys % 3
    file = palette_mask(classes, [0, 0, 0, 128, 0, 0, 0, 128, 0])
    np.testing.assert_array_equal(mask_values(file), classes)
    np.testing.assert_array_equal(MaskReader("2").read(file)[..., 0], classes == 2)


def test_of_a_palette_of_greys_the_levels_count(inside):
    file = palette_mask(~inside, [255, 255, 255, 0, 0, 0])  # number 0 is white
    np.testing.assert_array_equal(MaskReader().read(file)[..., 0], inside)


def test_colours_have_names(inside):
    pixels = np.zeros((HEIGHT, WIDTH, 3), "uint8")
    pixels[inside] = (255, 0, 16)
    assert set(np.unique(mask_values(encoded(pixels, "png")))) == {0, COLOUR + 0xFF0010}
    assert named(COLOUR + 0xFF0010) == "#ff0010"
    np.testing.assert_array_equal(MaskReader("#ff0010").read(encoded(pixels, "png"))[..., 0], inside)


def test_fractions_are_no_mask():
    with pytest.raises(ValueError, match="it holds fractions"):
        mask_values(encoded(np.float32([[0, 0.5]]), "tiff"))


def test_several_values_are_refused_with_their_names(greys):
    reader = MaskReader()
    reader.read(encoded(greys % 3, "png"))
    with pytest.raises(ValueError, match=r"^The masks hold several values\. Expected .* Received: values 0, 1, 2\.$"):
        reader.check()


def test_a_value_in_each_of_two_masks_is_refused_too(inside):
    reader = MaskReader()
    for value in (1, 255):
        reader.read(encoded(inside * np.uint8(value), "png"))
    with pytest.raises(ValueError, match=r"Received: values 0, 1, 255\.$"):
        reader.check()


def test_empty_and_full_masks_are_told(inside):
    reader = MaskReader()
    for array in (inside, inside * 0 > 0, inside * 0 == 0):
        reader.read(encoded(array * np.uint8(255), "png"))
    assert reader.check() == ("1 of 3 masks is empty", "1 of 3 masks covers the whole image")


def test_masks_that_are_all_empty_are_refused(inside):
    reader = MaskReader()
    reader.read(encoded(inside * np.uint8(0), "png"))
    with pytest.raises(ValueError, match=r"^All masks are empty\."):
        reader.check()
    reader = MaskReader("7")
    reader.read(encoded(inside * np.uint8(1), "png"))
    with pytest.raises(
        ValueError, match=r"^No mask has a value that `mask_values` names\. .*: 0, 1\. Received: mask_values='7'\.$"
    ):
        reader.check()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,3", ((1, 1), (3, 3))),
        ("128-255", ((128, 255),)),
        ("#00ff00 2", ((COLOUR + 0xFF00,) * 2, (2, 2))),
        (1, ((1, 1),)),
    ],
)
def test_values_as_people_write_them(text, expected):
    assert parse_values(text) == expected


@pytest.mark.parametrize("text", ["", "a", "3-1", "-1", "1;2", "#12", "1.5"])
def test_what_is_no_value(text):
    with pytest.raises(ValueError, match=r"^`mask_values` must be the values inside a mask"):
        parse_values(text)

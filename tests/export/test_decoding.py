"""Decoding inside a SavedModel gives the pixels that all other reading gives, for the formats that it reaches."""

import io

import numpy as np
import pytest
import tensorflow as tf
from cases import some_now
from PIL import Image

from keras_attention.data.images import decode_image
from keras_attention.export.decoding import decode_in_graph

SIZE = 24


@pytest.fixture(scope="module")
def decoded():
    return tf.function(lambda encoded: decode_in_graph(encoded, SIZE), input_signature=[tf.TensorSpec((), tf.string)])


@pytest.fixture
def picture(rng):
    return Image.fromarray(rng.integers(0, 256, (6, 5, 3)).astype("uint8")).resize((40, 56))


def same(decoded, file):
    np.testing.assert_array_equal(decoded(file), decode_image(file, SIZE))


@pytest.mark.parametrize("resize", ["crop", "pad"])
@pytest.mark.parametrize(
    "shape",
    [pytest.param((40, 56), marks=pytest.mark.long), (57, 41), pytest.param((95, 13), marks=pytest.mark.long)],
    ids=str,
)
def test_pictures_keep_their_aspect(shape, resize, picture):
    specs = [tf.TensorSpec((), tf.string)]
    decoded = tf.function(lambda encoded: decode_in_graph(encoded, SIZE, resize), input_signature=specs)
    file = io.BytesIO()
    picture.resize(shape).save(file, "jpeg")
    np.testing.assert_array_equal(decoded(file.getvalue()), decode_image(file.getvalue(), SIZE, resize))
    assert not np.array_equal(decoded(file.getvalue()), decode_image(file.getvalue(), SIZE))


@pytest.mark.parametrize("byte_order", ["II", "MM"])
@pytest.mark.parametrize("orientation", some_now(range(1, 9), "3", "6", "8"))
def test_jpeg_images_are_upright(orientation, byte_order, picture, decoded):
    exif, file = Image.Exif(), io.BytesIO()
    exif.endian = {"II": "<", "MM": ">"}[byte_order]
    exif[0x010E], exif[0x0112], exif[0x0131] = "a picture", orientation, "a program"
    picture.save(file, "jpeg", exif=exif)
    assert byte_order.encode() in file.getvalue()[:64]
    same(decoded, file.getvalue())


@pytest.mark.parametrize("value", [0, 9, 255])
def test_an_orientation_that_is_none(value, picture, decoded):
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = value
    picture.save(file, "jpeg", exif=exif)
    same(decoded, file.getvalue())


def test_exif_behind_other_segments(picture, decoded):
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    picture.save(file, "jpeg", exif=exif, comment=b"c" * 999, icc_profile=b"p" * 70_000)
    same(decoded, file.getvalue())


@pytest.mark.parametrize(
    "damage", [b"Exif\0\0II", b"Exif\0\0MM*\0\xff\xff\xff\xff", b"Exif\0\0" + b"\xff" * 40, b"Exif\0\0"]
)
def test_exif_that_is_damaged_changes_nothing(damage, picture, decoded):
    file = io.BytesIO()
    picture.save(file, "jpeg")
    plain = file.getvalue()
    segment = b"\xff\xe1" + (len(damage) + 2).to_bytes(2, "big") + damage
    np.testing.assert_array_equal(decoded(plain[:2] + segment + plain[2:]), decode_image(plain, SIZE))


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("jpeg", "RGB", {"progressive": True}),
        pytest.param("jpeg", "L", {}, marks=pytest.mark.long),
        pytest.param("png", "RGB", {}, marks=pytest.mark.long),
        pytest.param("png", "L", {}, marks=pytest.mark.long),
        ("png", "P", {}),
        ("bmp", "RGB", {}),
        ("bmp", "P", {}),
        ("gif", "P", {}),
        ("webp", "RGB", {"lossless": True}),
    ],
)
def test_other_formats(kind, mode, options, picture, decoded):
    file = io.BytesIO()
    picture.convert(mode).save(file, kind, **options)
    same(decoded, file.getvalue())

"""Arrays as a source: their kinds, their splits, and the errors for arrays that do not fit."""

import io
import itertools
import re

import numpy as np
import pytest
from PIL import Image

from keras_attention.data import load
from keras_attention.data.images import decode_image
from keras_attention.patterns import RESIZES

SPLITS = ("train", "validation", "test")
COUNT, SIDE = 40, 7


@pytest.fixture
def images():
    """Images with one grey value each, which is their number."""
    return np.arange(COUNT, dtype="uint8")[:, None, None, None] * np.ones((1, SIDE, SIDE, 3), "uint8")


LABELS = np.arange(COUNT) % 2


@pytest.mark.parametrize("kind", [tuple, list])
def test_a_pair_is_split(kind, images, read, numbers):
    data = load(kind([images, LABELS]))
    assert (data.name, data.class_names, data.image_size) == ("arrays", ("0", "1"), SIDE)
    assert (data.has_masks, data.skipped) == (False, ())
    note = "6 images taken from train, stratified, split seed 0; the source has none"
    assert data.notes == (f"test: {note}", f"validation: {note}")
    assert [data.split(split).count for split in SPLITS] == [28, 6, 6]
    found = {split: numbers(data, split) for split in SPLITS}
    assert sorted(itertools.chain(*found.values())) == list(range(COUNT))
    for split in SPLITS:
        pictures, labels = read(data, split)
        np.testing.assert_array_equal(pictures, images[found[split]])
        np.testing.assert_array_equal(labels, np.eye(2)[LABELS[found[split]]])
        assert labels[:, 0].sum() == len(labels) / 2
    assert numbers(load((images, LABELS), split_seed=5), "test") != found["test"]
    assert numbers(load((images, LABELS)), "test") == found["test"]


def test_named_splits_stay_as_they_are(images, numbers):
    parts = {
        "test": (images[:3], LABELS[:3]),
        "train": (images[3:29], LABELS[3:29]),
        "validation": (images[29:], LABELS[29:]),
    }
    data = load(parts)
    assert data.notes == ()
    assert [numbers(data, split) for split in SPLITS] == [list(range(3, 29)), list(range(29, 40)), [0, 1, 2]]


def test_a_missing_split_is_taken_from_train(images, numbers):
    data = load({"train": (images[:20], LABELS[:20]), "test": (images[20:], LABELS[20:])})
    assert data.notes == ("validation: 3 images taken from train, stratified, split seed 0; the source has none",)
    assert numbers(data, "test") == list(range(20, 40))
    assert sorted(numbers(data, "train") + numbers(data, "validation")) == list(range(20))


@pytest.mark.parametrize("axis", [False, True])
def test_grey_images_get_three_channels(axis, images, read, numbers):
    data = load((images[..., :1] if axis else images[..., 0], LABELS))
    np.testing.assert_array_equal(read(data, "test")[0], images[numbers(data, "test")])


@pytest.mark.parametrize("dtype", ["int64", "float32", "float64"])
def test_other_numbers_from_0_to_255(dtype, images, read, numbers):
    data = load((images.astype(dtype), LABELS.astype("uint8")))
    found, labels = read(data, "train")
    np.testing.assert_array_equal(found, images[numbers(data, "train")])
    np.testing.assert_array_equal(labels.argmax(-1), LABELS[numbers(data, "train")])


@pytest.mark.parametrize("kind", ["bool", "0 or 255", "with an axis"])
def test_masks_follow_their_images(kind, images, read, numbers):
    masks = np.arange(SIDE)[None, None, :] <= (np.arange(COUNT) % 5)[:, None, None]
    masks = np.broadcast_to(masks, (COUNT, SIDE, SIDE))
    given = {"bool": masks, "0 or 255": masks * np.uint8(255), "with an axis": masks[..., None]}[kind]
    data = load((images, LABELS, given))
    assert data.has_masks
    for split in SPLITS:
        found = read(data, split)[2]
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found[..., 0], masks[numbers(data, split)])


def test_masks_of_one_split_alone_are_none(images):
    masks = np.ones((28, SIDE, SIDE))
    data = load({"train": (images[:28], LABELS[:28], masks), "test": (images[28:], LABELS[28:])})
    assert not data.has_masks
    assert {len(batch) for split in SPLITS for batch in data.batches(split)} == {2}


@pytest.mark.parametrize("resize", RESIZES)
def test_images_are_scaled_as_files_are(resize, rng, read):
    images = rng.integers(0, 256, (3, 13, 11, 3)).astype("uint8")
    parts = (images, np.array([0, 1, 1]))
    for asked, size in ((None, 13), (5, 5)):
        data = load(dict.fromkeys(SPLITS, parts), image_size=asked, resize=resize)
        assert data.image_size == size
        for image, found in zip(images, read(data, "validation")[0], strict=True):
            file = io.BytesIO()
            Image.fromarray(image).save(file, "png")
            np.testing.assert_array_equal(found, decode_image(file.getvalue(), size, resize))


def test_masks_are_scaled_with_their_images(images, read):
    masks = np.zeros((COUNT, 6, 6))
    masks[:, :, :2] = 1
    data = load((images[:, :6, :6], LABELS, masks), image_size=3)
    assert (read(data, "test")[2][..., 0] == [1, 0, 0]).all()


@pytest.mark.parametrize(("resize", "expected"), [("crop", [1, 0, 0]), ("pad", [1, 1, 0])])
def test_masks_keep_the_aspect_of_their_images(resize, expected, images, read):
    masks = np.zeros((COUNT, 3, 6))
    masks[:, :, : 3 if resize == "crop" else 4] = 1
    data = load((images[:, :3, :6], LABELS, masks), image_size=3, resize=resize)
    found = read(data, "test")[2][..., 0]
    rows = [0, 1, 2] if resize == "crop" else [0, 1]
    assert (found[:, rows] == expected).all()
    assert found.sum() == len(found) * len(rows) * sum(expected)


def test_class_names(images):
    assert load((images, LABELS), class_names=("cat", "dog")).class_names == ("cat", "dog")
    assert load((images, LABELS), class_names=["cat", "dog"]).class_names == ("cat", "dog")
    assert load((images, np.arange(COUNT) % 3)).class_names == ("0", "1", "2")


def pair(images=None, labels=LABELS):
    return (np.full((COUNT, SIDE, SIDE, 3), 99, "uint8") if images is None else images, labels)


WHOLE = "images (n, H, W, 3) and integer labels (n,), n at least 1"
ERRORS = {
    "one array": (
        pair()[0],
        "The train data must be two or three arrays.",
        "(images, labels) or (images, labels, masks)",
        "<class 'numpy.ndarray'>",
    ),
    "images alone": (
        pair()[:1],
        "The train data must be two or three arrays.",
        "(images, labels) or (images, labels, masks)",
        "<class 'tuple'>",
    ),
    "no source": (
        None,
        "The train data must be two or three arrays.",
        "(images, labels) or (images, labels, masks)",
        "<class 'NoneType'>",
    ),
    "one-hot labels": (
        pair(labels=np.eye(COUNT)),
        "The train arrays have wrong shapes.",
        WHOLE,
        f"images ({COUNT}, 7, 7, 3), labels ({COUNT}, {COUNT})",
    ),
    "fewer labels": (
        pair(labels=LABELS[1:]),
        "The train arrays have wrong shapes.",
        WHOLE,
        f"images ({COUNT}, 7, 7, 3), labels ({COUNT - 1},)",
    ),
    "two channels": (
        pair(np.ones((COUNT, 5, 5, 2))),
        "The train arrays have wrong shapes.",
        WHOLE,
        f"images ({COUNT}, 5, 5, 2), labels ({COUNT},)",
    ),
    "one axis": (
        pair(np.ones(COUNT)),
        "The train arrays have wrong shapes.",
        WHOLE,
        f"images ({COUNT},), labels ({COUNT},)",
    ),
    "no images": (
        pair(np.ones((0, 5, 5, 3)), np.ones(0, int)),
        "The train arrays have wrong shapes.",
        WHOLE,
        "images (0, 5, 5, 3), labels (0,)",
    ),
    "fractional labels": (
        pair(labels=LABELS.astype("float32")),
        "The labels must be class numbers.",
        "integers from 0",
        "float32, such as 0.0",
    ),
    "negative labels": (
        pair(labels=LABELS - 1),
        "The labels must be class numbers.",
        "integers from 0",
        "int64, such as -1",
    ),
    "from 0 to 1": (
        pair(np.full((COUNT, 5, 5, 3), 0.625)),
        "The train images must have values from 0 to 255.",
        "raw RGB, neither scaled nor standardised",
        "float64 from 0.625 to 0.625",
    ),
    "sixteen bits": (
        pair(np.full((COUNT, 5, 5, 3), 4095, "uint16")),
        "The train images must have values from 0 to 255.",
        "raw RGB, neither scaled nor standardised",
        "uint16 from 4095 to 4095",
    ),
    "standardised": (
        pair(np.full((COUNT, 5, 5, 3), -1.5)),
        "The train images must have values from 0 to 255.",
        "raw RGB, neither scaled nor standardised",
        "float64 from -1.5 to -1.5",
    ),
    "masks of classes": (
        (*pair(), np.full((COUNT, SIDE, SIDE), np.arange(SIDE) % 3)),
        "The masks hold several values.",
        "0 outside and one other value inside, or `mask_values`, which says which values are inside",
        "values 0, 1, 2",
    ),
    "other masks": (
        (*pair(), np.ones((COUNT, SIDE, SIDE + 1))),
        "The train masks must fit the images.",
        f"shape ({COUNT}, 7, 7)",
        f"({COUNT}, 7, 8)",
    ),
    "unknown split": (
        {"train": pair(), "tests": pair()},
        "Unknown split 'tests' (did you mean 'test'?).",
        "one of: train, validation, test",
        "split='tests'",
    ),
    "no train": ({"test": pair()}, "There is no train split.", "arrays for 'train'", "splits test"),
    "in another split": (
        {"train": pair(), "test": pair(labels=LABELS - 1)},
        "The labels must be class numbers.",
        "integers from 0",
        "int64, such as -1",
    ),
    "a class without images": (
        pair(labels=2 * LABELS),
        "The class '1' has too few training images.",
        "at least 3 images in a class",
        "0",
    ),
    "a class that train lacks": (
        {"train": pair(), "test": pair(labels=LABELS + 1)},
        "The class '2' has too few training images.",
        "at least 2 images in a class",
        "0",
    ),
}


def exactly(wrong, expected, received):
    return f"^{re.escape(f'{wrong} Expected {expected}. Received: {received}.')}$"


@pytest.mark.parametrize("case", ERRORS)
def test_errors_have_three_parts(case):
    source, *parts = ERRORS[case]
    with pytest.raises(ValueError, match=exactly(*parts)):
        load(source)


def test_more_labels_than_class_names(images):
    wrong = "There are more labels than class names."
    with pytest.raises(ValueError, match=exactly(wrong, "labels below 1", "label 1")):
        load((images, LABELS), class_names=("cat",))


def test_one_class_is_too_few(images):
    with pytest.raises(ValueError, match=r"only one class\. Expected at least two classes\. Received: .*\.$"):
        load((images, 0 * LABELS))


def test_the_error_for_an_unknown_option_gives_the_known_one(images):
    with pytest.raises(ValueError, match=r"^Unknown option 'class_name' .*\. Expected .*class_names.* Received: .*\.$"):
        load((images, LABELS), class_name=("cat", "dog"))

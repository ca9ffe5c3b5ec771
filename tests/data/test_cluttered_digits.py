"""The embedded data set: the same for a seed, no scan in two splits, one whole digit on top, inside its mask."""

import re

import numpy as np
import pytest
import seams
from sklearn.datasets import load_digits

from keras_attention.data import load
from keras_attention.data.cluttered_digits import DIGIT_SIDES, FRAGMENT_SIDE, Painter, prepare, split_scans
from keras_attention.members import SPLITS

SMALLEST = {"image_size": 32, "count": 60}


def test_the_same_options_give_the_same_images(digits, read, tmp_path):
    again = load("cluttered_digits", data_dir=tmp_path, **SMALLEST)
    for split in SPLITS:
        for one, other in zip(read(digits, split), read(again, split), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.long
def test_another_seed_gives_other_images(digits, read, tmp_path):
    other = load("cluttered_digits", data_dir=tmp_path, seed=1, **SMALLEST)
    for split in SPLITS:
        (images, labels, _), (others, other_labels, _) = read(digits, split), read(other, split)
        assert (images != others).any((1, 2, 3)).all()
        np.testing.assert_array_equal(np.sort(labels.argmax(-1)), np.sort(other_labels.argmax(-1)))


def test_what_is_loaded(digits, read):
    assert (digits.name, digits.class_names) == ("cluttered_digits", tuple("0123456789"))
    assert (digits.image_size, digits.has_masks, digits.notes, digits.skipped) == (32, True, (), ())
    whole = []
    for split, count in {"train": 60, "validation": 10, "test": 10}.items():
        images, labels, masks = read(digits, split)
        assert digits.split(split).count == count
        assert (images.shape, labels.shape, masks.shape) == ((count, 32, 32, 3), (count, 10), (count, 32, 32, 1))
        assert labels.sum(0).tolist() == [count / 10] * 10
        assert set(np.unique(masks)) == {0, 1}
        share = masks.mean((1, 2, 3))
        assert share.min() > 0.03
        assert share.max() < max(DIGIT_SIDES) ** 2
        whole.append(images)
    assert len(np.unique(np.concatenate(whole), axis=0)) == 80


@pytest.mark.long
def test_options(tmp_path, read):
    dataset = load("cluttered_digits", data_dir=tmp_path, image_size=37, clutter=0, count=67, seed=3)
    assert [dataset.split(split).count for split in SPLITS] == [67, 11, 11]
    images, labels, masks = read(dataset, "train")
    assert images.shape == (67, 37, 37, 3)
    assert sorted(labels.sum(0)) == [6] * 3 + [7] * 7
    # Without clutter only the digit is bright: the ground is at most 70 plus a little noise, ink is at least 120.
    bright, inside = images.min(-1) > 115, masks[..., 0] == 1
    assert bright.any((1, 2)).all()
    assert not (bright & ~inside).any()


@pytest.mark.long
def test_more_test_images_change_no_other(digits, tmp_path, read):
    more = load("cluttered_digits", data_dir=tmp_path, **SMALLEST, test_count=30)
    assert [more.split(split).count for split in SPLITS] == [60, 10, 30]
    for split in SPLITS:
        images, own = read(more, split)[0], read(digits, split)[0]
        rows = {image.tobytes() for image in images}
        assert {image.tobytes() for image in own} <= rows
        assert len(rows) == len(images)


@pytest.mark.long
def test_a_second_load_finds_the_files(tmp_path, monkeypatch):
    def written():
        return {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.tfrecord*")}

    load("cluttered_digits", data_dir=tmp_path, **SMALLEST)
    first = written()
    assert len(first) == 3
    seams.painter_of_digits(monkeypatch, None)
    load("cluttered_digits", data_dir=tmp_path, **SMALLEST)
    assert written() == first
    with pytest.raises(TypeError, match="'NoneType' object is not callable"):
        load("cluttered_digits", data_dir=tmp_path, **SMALLEST | {"clutter": 3})


def test_another_process_may_have_been_faster(tmp_path, monkeypatch):
    def while_the_other_generates(seed):
        seams.scans_of_digits(monkeypatch, split_scans)
        prepare(tmp_path, **SMALLEST)
        return split_scans(seed)

    seams.scans_of_digits(monkeypatch, while_the_other_generates)
    assert prepare(tmp_path, **SMALLEST).info.splits["train"].num_examples == 60
    assert seams.scans_of_digits() is split_scans
    assert [path for path in tmp_path.rglob("*") if "incomplete" in path.name] == []


def test_the_default_is_the_config_that_tfds_lists(tmp_path, monkeypatch):
    seams.preparation_of_digits(monkeypatch, lambda builder: None)
    builder = prepare(tmp_path)
    assert builder.builder_config.name == "64px-8fragments-6000images-seed0"
    assert list(builder.builder_configs) == [builder.builder_config.name]


def test_a_split_is_painted_from_scans_of_its_own(tmp_path, monkeypatch):
    painted_from = []

    class Recorded(Painter):
        def __init__(self, scans, *others):
            painted_from.append(scans)
            super().__init__(scans, *others)

    seams.painter_of_digits(monkeypatch, Recorded)
    prepare(tmp_path, seed=5, **SMALLEST)
    expected = split_scans(5)
    assert len(painted_from) == 3
    for split, scans in zip(SPLITS, painted_from, strict=True):
        np.testing.assert_array_equal(scans, expected[split][0])


def test_no_scan_is_in_two_splits():
    digits, labels = load_digits(return_X_y=True)
    label_of = {scan.tobytes(): label for scan, label in zip(digits / 16, labels, strict=True)}
    assert len(label_of) == 1797  # no two scans are equal, so equal scans in two splits would be the same scan
    splits = split_scans(5)
    counts = {split: len(scans) for split, (scans, _) in splits.items()}
    assert counts == {"train": 1079, "validation": 359, "test": 359}
    pairs = [pair for parts in splits.values() for pair in zip(*parts, strict=True)]
    assert {scan.tobytes(): label for scan, label in pairs} == label_of
    for _, labels_of_split in splits.values():
        share = len(labels_of_split) / 1797
        assert np.abs(np.bincount(labels_of_split) - share * np.bincount(labels)).max() <= 1


def test_scans_are_split_by_the_seed():
    first, again, other = split_scans(0), split_scans(0), split_scans(1)
    np.testing.assert_array_equal(first["test"][0], again["test"][0])
    assert (first["test"][0] != other["test"][0]).any()


def solid(*shape):
    """A `Painter` of ten scans that are all ink, one of each label."""
    return Painter(np.ones((10, 8, 8)), np.arange(10), *shape)


def test_one_whole_digit_is_drawn_last_inside_its_mask():
    painter, found = solid(32, 41), set()
    for number in range(40):
        image, mask = painter.paint(number % 10, np.random.default_rng(number))
        assert (image.dtype, image.shape, mask.dtype, mask.shape) == (np.uint8, (32, 32, 3), np.uint8, (32, 32, 1))
        inside = mask[..., 0] == 255
        rows, columns = np.nonzero(inside)
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        # A whole square: not cut by the border of the image.
        assert height == width
        found.add(int(height))
        assert inside.sum() == height * width == (mask > 0).sum()
        # The digit has one colour: no fragment covers it, and this colour is nowhere else.
        (colour,) = np.unique(image[inside], axis=0)
        assert (image == colour).all(-1).sum() == inside.sum()
    assert found == {round(32 * share) for share in DIGIT_SIDES}
    assert 2 * FRAGMENT_SIDE < min(DIGIT_SIDES) < max(DIGIT_SIDES) < 1


def test_as_many_fragments_as_asked_for():
    def fragments(clutter, number):
        image, mask = solid(97, clutter).paint(0, np.random.default_rng(number))
        outside = image[(mask[..., 0] == 0) & (image.min(-1) >= 119)]
        return len(np.unique(outside, axis=0))

    assert [fragments(0, number) for number in range(5)] == [0] * 5
    # There are fewer if fragments lie on each other or under the digit.
    found = [fragments(3, number) for number in range(30)]
    assert max(found) == 3


def test_the_label_says_which_scan_is_whole():
    scans = np.zeros((10, 8, 8))
    scans[:, 3:5] = 1
    scans[7] = 1
    painter = Painter(scans, np.arange(10), 32, 0)
    for label in range(10):
        rows, columns = np.nonzero(painter.paint(label, np.random.default_rng(label))[1][..., 0])
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert height == width if label == 7 else height <= width / 2


def test_the_mask_covers_the_holes_of_a_digit():
    ring = np.ones((10, 8, 8))
    ring[:, 2:6, 2:6] = 0
    image, mask = Painter(ring, np.arange(10), 64, 0).paint(0, np.random.default_rng(3))
    inside = mask[..., 0] == 255
    rows, columns = np.nonzero(inside)
    assert inside.sum() == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
    middle = image[int(rows.mean()), int(columns.mean())]
    assert middle.min() < 100 < image[inside].max()


BAD = [
    ({"image_size": 31}, "`image_size` is out of range. Expected an integer at least 32. Received: image_size=31."),
    ({"clutter": -1}, "`clutter` is out of range. Expected an integer at least 0. Received: clutter=-1."),
    ({"clutter": True}, "`clutter` is out of range. Expected an integer at least 0. Received: clutter=True."),
    ({"count": 59}, "`count` is out of range. Expected an integer at least 60. Received: count=59."),
    ({"count": 60.5}, "`count` is out of range. Expected an integer at least 60. Received: count=60.5."),
    ({"test_count": 9}, "`test_count` is out of range. Expected an integer at least 10. Received: test_count=9."),
    ({"seed": -1}, "`seed` is out of range. Expected an integer at least 0"),
    ({"seed": 2**32}, "`seed` is out of range. Expected an integer at least 0"),
]


@pytest.mark.parametrize(("options", "message"), BAD, ids=[str(options) for options, _ in BAD])
def test_bad_options(options, message, tmp_path):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        load("cluttered_digits", data_dir=tmp_path, **SMALLEST | options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["clutterr", "version", "description"])
def test_the_error_for_an_unknown_option_gives_the_known_ones(name, tmp_path):
    match = rf"^Unknown option '{name}'.*\. Expected one of: .*clutter, count, test_count, seed\. Received: option='"
    with pytest.raises(ValueError, match=match):
        load("cluttered_digits", data_dir=tmp_path, **SMALLEST, **{name: 3})

"""Images of two digits: deterministic, of two classes, apart from each other, from the scans of one split."""

import re

import numpy as np
import pytest
import seams

from keras_attention.data import digit_pairs
from keras_attention.data.cluttered_digits import split_scans
from keras_attention.data.two_digits import PAIR_SIDES, PairPainter


@pytest.fixture(scope="module")
def pairs():
    return digit_pairs(40, 48, split="validation")


def test_what_there_is(pairs):
    images, labels, masks = pairs
    assert (images.dtype, images.shape) == (np.uint8, (40, 48, 48, 3))
    assert (labels.dtype, labels.shape) == (np.float32, (40, 10))
    assert (masks.dtype, masks.shape) == (np.uint8, (40, 48, 48, 10))
    np.testing.assert_array_equal(labels.sum(axis=1), 2)
    assert (labels.sum(axis=0) > 0).all()
    assert set(np.unique(masks)) == {0, 1}
    np.testing.assert_array_equal(masks.max(axis=(1, 2)), labels)
    assert len(np.unique(images, axis=0)) == 40


def box(mask):
    rows, columns = np.nonzero(mask)
    return rows.min(), rows.max(), columns.min(), columns.max()


def test_the_two_do_not_overlap(pairs):
    for labels, masks in zip(*pairs[1:], strict=True):
        one, other = (box(masks[..., digit]) for digit in np.flatnonzero(labels))
        apart = [one[end] < other[start] or other[end] < one[start] for start, end in ((0, 1), (2, 3))]
        assert any(apart)
        for top, bottom, left, right in (one, other):
            assert max(bottom - top, right - left) < 48 * max(PAIR_SIDES) + 1


def test_an_image_depends_on_seed_split_and_index_alone(pairs):
    for found, expected in zip(digit_pairs(3, 48, split="validation"), pairs, strict=True):
        np.testing.assert_array_equal(found, expected[:3])
    for others in (digit_pairs(3, 48, seed=1, split="validation"), digit_pairs(3, 48)):
        assert (others[0] != pairs[0][:3]).any(axis=(1, 2, 3)).all()


def test_the_scans_are_those_of_the_split(monkeypatch):
    painted_from = []
    painter = PairPainter.__init__

    def recorded(self, scans, *others):
        painted_from.append(scans)
        painter(self, scans, *others)

    seams.making_of_a_pair_painter(monkeypatch, recorded)
    digit_pairs(1, 32, seed=5, split="test")
    np.testing.assert_array_equal(painted_from, [split_scans(5)["test"][0]])


def test_each_mask_covers_the_digit_of_its_class():
    scans = np.ones((10, 8, 8))
    scans[3, :, 2:] = 0  # a bar; the others are squares
    painter = PairPainter(scans, np.arange(10), 64, 0, PAIR_SIDES)
    for number in range(20):
        image, masks = painter.paint_pair((3, 7), np.random.default_rng(number))
        sides = [
            (bottom - top + 1, right - left + 1) for top, bottom, left, right in map(box, np.moveaxis(masks, -1, 0))
        ]
        assert sides[0][0] > 2 * sides[0][1]
        assert sides[1][0] == sides[1][1]
        # Ink is at least 120, the ground at most 70 plus a little noise.
        assert ((image.min(axis=-1) > 110) <= (masks.max(axis=-1) == 1)).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "`count` is out of range. Expected an integer at least 1. Received: count=0."),
        ({"image_size": 31}, "`image_size` is out of range. Expected an integer at least 32."),
        ({"clutter": -1}, "`clutter` is out of range. Expected an integer at least 0."),
        ({"seed": -1}, "`seed` is out of range. Expected an integer at least 0"),
        ({"split": "tets"}, "Unknown split 'tets' (did you mean 'test'?). Expected one of: train, validation, test."),
    ],
)
def test_errors_have_three_parts(arguments, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        digit_pairs(**{"count": 1, **arguments})

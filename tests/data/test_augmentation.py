"""Augmentation: image and mask change together, each image in its own way, and a seed is all that decides."""

import numpy as np
import pytest
import tensorflow as tf

from keras_attention.data.augmentation import AUGMENTATIONS, Augmentation

COUNT, SIDE = 101, 32
CHANGING = [name for name in AUGMENTATIONS if name != "none"]
SEED = (3, 5)


@pytest.fixture
def masks(rng):
    """Masks with one rectangle each, away from the border."""
    masks = np.zeros((COUNT, SIDE, SIDE, 1), "uint8")
    for mask in masks:
        top, left = rng.integers(5, 14, 2)
        mask[top : top + 13, left : left + 7] = 1
    return masks


def augmented(name, images, masks=None, seed=SEED):
    images, masks = Augmentation(name)(
        tf.constant(images), None if masks is None else tf.constant(masks), tf.constant(seed)
    )
    return images.numpy(), None if masks is None else masks.numpy()


def test_none_changes_nothing(rng, masks):
    images = rng.integers(0, 256, (COUNT, SIDE, SIDE, 3)).astype("uint8")
    found, found_masks = augmented("none", images, masks)
    assert (found.dtype, found_masks.dtype) == ("float32", "uint8")
    np.testing.assert_array_equal(found, images)
    np.testing.assert_array_equal(found_masks, masks)


@pytest.mark.parametrize("name", CHANGING)
def test_image_and_mask_change_together(name, masks):
    images = np.where(masks.repeat(3, -1) == 1, 220, 20).astype("uint8")
    found, found_masks = augmented(name, images, masks)
    assert (found.dtype, found_masks.dtype, found_masks.shape) == ("float32", "uint8", masks.shape)
    assert set(np.unique(found_masks)) == {0, 1}
    assert (found_masks != masks).any((1, 2, 3)).mean() > 0.9
    grey = found.mean(-1, keepdims=True)
    middle = (grey.max((1, 2), keepdims=True) + grey.min((1, 2), keepdims=True)) / 2
    differs = (grey > middle) != (found_masks == 1)
    # Up to half a pixel along an outline of 40: three layers, each to the nearest pixel.
    assert differs.mean((1, 2, 3)).max() < 0.04
    assert differs.mean() < 0.01
    assert ((grey > middle) != (masks == 1)).mean() > 0.03


@pytest.mark.parametrize("name", CHANGING)
def test_masks_do_not_change_what_happens_to_the_images(name, masks):
    images = np.where(masks.repeat(3, -1) == 1, 220, 20).astype("uint8")
    with_masks, _ = augmented(name, images, masks)
    without, none = augmented(name, images)
    assert none is None
    np.testing.assert_array_equal(with_masks, without)


@pytest.mark.parametrize("name", CHANGING)
def test_the_seed_decides(name, masks):
    images = (99 * masks + 99).repeat(3, -1)
    first, again, other = (augmented(name, images, seed=seed)[0] for seed in (SEED, SEED, (3, 6)))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any((1, 2, 3)).mean() > 0.9


@pytest.mark.parametrize("name", CHANGING)
def test_each_image_of_a_batch_changes_in_its_own_way(name, masks):
    images = np.broadcast_to((99 * masks[:1] + 99).repeat(3, -1), (COUNT, SIDE, SIDE, 3))
    assert len(np.unique(augmented(name, images)[0], axis=0)) > 0.9 * COUNT


@pytest.mark.parametrize("name", CHANGING)
def test_values_stay_in_range(name, rng):
    images = np.where(rng.random((COUNT, SIDE, SIDE, 3)) > 0.5, 255, 0).astype("uint8")
    found, _ = augmented(name, images)
    # Interpolation between float32 numbers may be off by a bit.
    assert found.min() >= -1e-4
    assert found.max() <= 255 + 1e-4
    assert found.std() > 50


# The quarters that a spot in the upper left quarter may move to: (whether upper, whether left).
QUARTERS = {
    "shift": {(True, True)},
    "photo": {(True, True), (True, False)},
    "isotropic": {(True, True), (True, False), (False, True), (False, False)},
    "crop": {(True, True), (True, False), (False, True), (False, False)},
}


@pytest.mark.parametrize("name", QUARTERS)
def test_mirrored(name):
    images = np.full((COUNT, SIDE, SIDE, 3), 20, "uint8")
    images[:, 6:11, 7:12] = 220
    found, _ = augmented(name, images)
    rows, columns = np.unravel_index(found.mean(-1).reshape(COUNT, -1).argmax(-1), (SIDE, SIDE))
    quarters = list(zip((rows < SIDE / 2).tolist(), (columns < SIDE / 2).tolist(), strict=True))
    assert set(quarters) == QUARTERS[name]
    for quarter in QUARTERS[name]:
        # Each as often as the others, to within four standard deviations.
        share = 1 / len(QUARTERS[name])
        assert abs(quarters.count(quarter) - share * COUNT) <= 4 * (share * (1 - share) * COUNT) ** 0.5


def test_quarter_turns_and_mirrors_are_equally_likely():
    """A spot off the diagonals moves to each of eight places equally often."""
    images = np.full((1024, SIDE, SIDE, 3), 20, "uint8")
    images[:, 4:7, 11:14] = 220
    found, _ = augmented("crop", images)
    rows, columns = np.unravel_index(found.mean(-1).reshape(1024, -1).argmax(-1), (SIDE, SIDE))
    upper, left = rows < SIDE / 2, columns < SIDE / 2
    steeper = abs(rows - SIDE / 2) > abs(columns - SIDE / 2)
    counts = np.bincount(4 * upper + 2 * left + steeper, minlength=8)
    assert abs(counts - 128).max() < 4 * np.sqrt(128)


def test_a_crop_enlarges_by_eight_sevenths(masks):
    _, found_masks = augmented("crop", masks.repeat(3, -1), masks)
    assert found_masks.mean() / masks.mean() == pytest.approx((256 / 224) ** 2, rel=0.05)

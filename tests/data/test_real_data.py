"""Photographs and a data set of TFDS, if they are on disk."""

import itertools

import numpy as np
import pytest

from keras_attention.data import load


@pytest.mark.slow
@pytest.mark.long
def test_isic(shared, read):
    root = shared("data/isic2017")
    with pytest.raises(ValueError, match=r"^1 image lies in two splits, .*0012970\.jpg and .*0012127\.jpg\."):
        load(root / "images", image_size=32)
    data = load(root / "images", masks=root / "masks", image_size=32, allow_duplicates=True)
    assert (data.name, data.class_names) == ("isic2017", ("melanoma", "nevus", "seborrheic_keratosis"))
    assert (data.has_masks, data.skipped) == (True, ())
    assert data.notes[0] == "test: 300 images taken from train, stratified, split seed 0; the source has none"
    assert data.notes[1].startswith("1 image lies in two splits")
    assert len(data.notes) == 2
    for split, counts in {"train": [318, 1166, 216], "validation": [30, 78, 42], "test": [56, 206, 38]}.items():
        images, labels, masks = read(data, split)
        assert labels.sum(0).tolist() == counts
        assert images.std((1, 2, 3)).min() > 1
        assert masks.max((1, 2, 3)).min() == 1  # even at 32 pixels every photograph shows its lesion
        assert 0.1 < masks.mean() < 0.5
        # Lesions are darker than the skin around them.
        inside, outside = (images[np.broadcast_to(masks == side, images.shape)].mean() for side in (1, 0))
        assert inside < outside - 20


@pytest.mark.long
def test_cifar10(shared):
    data = load("cifar10", data_dir=shared("data/tensorflow_datasets"))
    assert [data.split(split).count for split in ("train", "validation", "test")] == [45_000, 5_000, 10_000]
    assert (data.name, data.image_size, data.has_masks) == ("cifar10", 32, False)
    assert data.class_names[:3] == ("airplane", "automobile", "bird")
    assert data.notes == ("validation: train[90%:100%]; the source has none",)
    assert np.bincount(data.test.labels()).tolist() == [1_000] * 10
    first, second = itertools.islice(data.training_batches(128, "photo").as_numpy_iterator(), 2)
    assert first[0].shape == (128, 32, 32, 3)
    assert first[0].std() > 30
    assert (first[0] != second[0]).any()

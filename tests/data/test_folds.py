"""Folds: each image of a folder is a test image once, groups stay whole, and classes are in each fold."""

import collections

import numpy as np
import pytest
from cases import some_now
from PIL import Image

from keras_attention.data import load

COUNT = 4


@pytest.fixture
def pictures(tmp_path, rng):
    """`pictures({"a": 9})` writes so many different images into each folder, three to a patient; returns the root."""

    def write(counts):
        for folder, count in counts.items():
            (tmp_path / "pictures" / folder).mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 256, (12, 12, 3)).astype("uint8")
                path = tmp_path / "pictures" / folder / f"{folder[-1]}{number // 3}_{number}.png"
                Image.fromarray(pixels).save(path)
        return tmp_path / "pictures"

    return write


def of_folds(root, **options):
    return [load(root, image_size=32, fold=f"{number}/{COUNT}", **options) for number in range(1, COUNT + 1)]


@pytest.mark.parametrize("group", [None, r"re:/(\w+)_"])
def test_each_image_is_a_test_image_once(group, pictures):
    folds = of_folds(pictures({"a": 36, "b": 24}), group=group)
    tested = collections.Counter(name for data in folds for name in data.files["test"])
    assert len(tested) == 60
    assert set(tested.values()) == {1}
    for number, data in enumerate(folds, 1):
        assert sum(data.split(name).count for name in ("train", "validation", "test")) == 60
        assert np.bincount(data.test.labels(), minlength=2).tolist() == [9, 6]
        assert f"taken from train, fold {number}/{COUNT}, stratified, split seed 0" in " ".join(data.notes)
    if group:
        for data in folds:
            patients = [{name.split("_")[0] for name in data.files[split]} for split in ("train", "validation", "test")]
            assert not any(patients[one] & patients[other] for one, other in ((0, 1), (0, 2), (1, 2)))


def test_another_split_seed_draws_other_folds(pictures):
    root = pictures({"a": 20, "b": 20})
    first, again, other = (load(root, image_size=32, fold="1/4", split_seed=seed).files["test"] for seed in (0, 0, 1))
    assert first == again != other


def test_a_folder_with_a_test_split_has_no_folds(pictures):
    root = pictures({"train/a": 9, "train/b": 9, "test/a": 4, "test/b": 4})
    message = r"^`fold` makes a test split, and the data have one\. .* Received: fold='1/4'\.$"
    with pytest.raises(ValueError, match=message):
        load(root, image_size=32, fold="1/4")


def test_a_class_must_be_in_each_fold(pictures):
    root = pictures({"a": 30, "b": 9})
    message = (
        "^The class 'b' cannot be in each of 10 folds. Expected at most 9 folds, as many as it has images or groups "
    )
    with pytest.raises(ValueError, match=message):
        load(root, image_size=32, fold="1/10")
    with pytest.raises(ValueError, match="Expected at most 3 folds"):
        load(root, image_size=32, fold="1/4", group=r"re:/(\w+)_")


@pytest.mark.parametrize("fold", some_now(["0/5", "6/5", "1/1", "2", "a/b", "-1/5", "1.5/3", ""], "6/5", "1/1", "a/b"))
def test_a_fold_that_does_not_exist(fold, pictures):
    root = pictures({"a": 9, "b": 9})
    with pytest.raises(ValueError, match=r"^`fold` must be one of at least two folds\. Expected a text such as 2/5\."):
        load(root, image_size=32, fold=fold)


def test_only_a_folder_has_folds():
    with pytest.raises(
        ValueError, match=r"^`fold` needs a folder or a table of images\. .* Received: cluttered_digits\.$"
    ):
        load("cluttered_digits", fold="1/5")

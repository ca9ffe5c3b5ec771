"""A run remembers its images: a folder that has grown or shrunk gives those of them that are left."""

import shutil

import numpy as np
import pytest
from PIL import Image

from keras_attention.data import load
from keras_attention.data.remembered import RememberedSplit

SPLITS = ("train", "validation", "test")


def picture(path, number):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3)).astype("uint8")
    Image.fromarray(pixels).save(path)


@pytest.fixture
def root(tmp_path):
    for number in range(60):
        picture(tmp_path / "pets" / ("cat" if number < 30 else "dog") / f"{number:02d}.png", number)
    return tmp_path / "pets"


@pytest.fixture
def before(root):
    return load(root, image_size=32)


def remembered(data):
    return RememberedSplit(data.class_names, data.files)


def test_an_unchanged_folder_gives_the_same_images(root, before):
    again = load(root, image_size=32, remembered=remembered(before))
    assert again.files == before.files
    assert again.notes == ()
    for split in SPLITS:
        assert again.split(split).fingerprint() == before.split(split).fingerprint()


def test_of_a_folder_that_shrank_those_that_are_left_are_read(root, before):
    gone = sorted(before.files["test"])[0]
    (root / gone).unlink()
    trained = sorted(before.files["train"])[:5]
    for name in trained:
        (root / name).unlink()
    data = load(root, image_size=32, remembered=remembered(before))
    assert data.files["test"] == {name: digest for name, digest in before.files["test"].items() if name != gone}
    count = len(before.files["test"])
    assert f"test: 1 of its {count} images is gone since the training, the first {gone}" in data.notes


def test_new_images_are_left_out_and_told(root, before):
    for number in range(3):
        picture(root / "dog" / f"new_{number}.png", 100 + number)
    picture(root / "cow" / "0.png", 200)
    data = load(root, image_size=32, remembered=remembered(before))
    assert data.files == before.files
    assert data.class_names == ("cat", "dog")
    assert data.notes == ("4 images are new since the training and left out, the first cow/0.png",)


def test_changed_images_are_told(root, before):
    name = sorted(before.files["test"])[0]
    picture(root / name, 999)
    data = load(root, image_size=32, remembered=remembered(before))
    assert data.notes == (f"test: 1 image has changed since the training, the first {name}",)


def test_one_split_is_read_alone(root, before):
    shutil.copy(root / "cat" / "00.png", root / "dog" / "copy.png")  # new, and so no matter
    data = load(root, image_size=32, remembered=remembered(before), only="test")
    assert (data.train.count, data.test.count) == (0, before.test.count)


def test_a_split_that_is_gone_is_refused(root, before):
    for name in before.files["test"]:
        (root / name).unlink()
    with pytest.raises(ValueError, match=r"^No test image of the run is left\."):
        load(root, image_size=32, remembered=remembered(before))


@pytest.mark.parametrize("change", ["gone", "new", "changed"])
def test_training_goes_on_only_with_the_same_images(change, root, before):
    name = sorted(before.files["train"])[0]
    files = {split: dict(names) for split, names in before.files.items()}
    remembered(before).require_training_images(files)
    if change == "gone":
        del files["train"][name]
    elif change == "changed":
        files["train"][name] = "0"
    else:
        name = "a/new.png"
        files["train"][name] = "0"
    what = "gone" if change == "gone" else "changed"
    with pytest.raises(ValueError, match=rf"^1 of the \d+ train images .* began is {what}, the first {name}\."):
        remembered(before).require_training_images(files)

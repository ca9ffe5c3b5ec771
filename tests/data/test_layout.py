"""Folders as people have them: each is read in the one way that it can be meant, or refused by a line that says how."""

import os

import pytest

from keras_attention.data.layout import read_layout
from keras_attention.data.listing import list_images
from keras_attention.data.names import split_named


@pytest.fixture
def lay(tmp_path):
    """`lay("a/1.png", …)` makes files with the first bytes of a PNG image, or with none for other suffixes."""

    def make(*names):
        for name in names:
            path = tmp_path / "root" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"\x89PNG\r\n\x1a\n" if path.suffix in ("", ".png", ".jpg") else b"text")
        return tmp_path / "root"

    return make


def many(*folders, count=2, name="{}.png"):
    return [f"{folder}/{name.format(number)}" for folder in folders for number in range(count)]


def counts(layout):
    return {split: len(pairs) for split, pairs in layout.files.items()}


READINGS = {
    "kaggle's cats and dogs": (
        many("training_set/cats", "training_set/dogs", "test_set/cats", "test_set/dogs"),
        {"train": 4, "test": 4},
        ["cats", "dogs"],
    ),
    "folders in folders of the same name": (
        many("seg_train/seg_train/sea", "seg_train/seg_train/wood", "seg_test/seg_test/sea", "seg_test/seg_test/wood"),
        {"train": 4, "test": 4},
        ["sea", "wood"],
    ),
    "one folder around the classes": (many("PetImages/Cat", "PetImages/Dog"), {"train": 4}, ["Cat", "Dog"]),
    "classes, then splits": (
        many("cat/train", "dog/train", "cat/val", "dog/val"),
        {"train": 4, "validation": 4},
        ["cat", "dog"],
    ),
    "splits of images": (
        many("train/images/a", "train/images/b", "val/images/a", "val/images/b"),
        {"train": 4, "validation": 4},
        ["a", "b"],
    ),
    "classes named like masks": (many("mask", "no_mask"), {"train": 4}, ["mask", "no_mask"]),
    "deeper folders of a class": (many("a/monday", "a/tuesday", "b/monday"), {"train": 6}, ["a", "b"]),
    "unlabelled test images": (many("train/a", "train/b", "test"), {"train": 4}, ["a", "b"]),
    "splits with numbers": (
        many("1_train/a", "1_train/b", "2_val/a", "2_val/b"),
        {"train": 4, "validation": 4},
        ["a", "b"],
    ),
    "splits at the end of names": (
        many("cat_train", "cat_test", "dog_train", "dog_test"),
        {"train": 4, "test": 4},
        ["cat", "dog"],
    ),
    "a set beside the documentation": (many("set/a", "set/b", "docs"), {"train": 4}, ["a", "b"]),
    "unlabelled images": (many("a", "b", "unlabeled", "_unsorted"), {"train": 4}, ["a", "b"]),
    "other folders beside splits": (
        many("train/a", "train/b", "test/a", "ground_truth/a", "seg_pred"),
        {"train": 4, "test": 2},
        ["a", "b"],
    ),
    "images of a list": (many("train/a", "train/b", "val/images"), {"train": 4}, ["a", "b"]),
    "thumbnails": (many("a", "a/thumbs", "b", "b/thumbs"), {"train": 4}, ["a", "b"]),
    "a picture of a label for each image": (
        [
            f"{name}/{name}{number}_json/{stem}.png"
            for name in "ab"
            for number in "12"
            for stem in ("img", "label", "viz")
        ],
        {"train": 4},
        ["a", "b"],
    ),
    "photographs of labels": (
        many("wine", "beer", name="{}.jpg") + many("wine", "beer", name="{}_label.jpg"),
        {"train": 8},
        ["beer", "wine"],
    ),
    "several masks of an image": (
        [*many("a", "b"), *many("a", "b", name="{}_mask.png"), "a/1_mask_1.png", "b/mask_0.png"],
        {"train": 4},
        ["a", "b"],
    ),
    "a class that is called testing ground": (
        many("testing ground", "meadow"),
        {"train": 4},
        ["meadow", "testing ground"],
    ),
}


@pytest.mark.parametrize("case", READINGS)
def test_readings(case, lay):
    names, splits, classes = READINGS[case]
    layout = read_layout(lay(*names))
    assert (counts(layout), layout.class_names) == (splits, classes)


REFUSED = {
    "two readings": (
        many("siteA/cat", "siteA/dog", "siteB/cat", "siteB/dog"),
        r"can be read in two ways: the folders in it hold folders of the same names\. Expected either the classes "
        r"siteA, siteB, .* or one folder at a time, such as .*/siteA, with the classes cat, dog\.",
    ),
    "masks of other names": (
        [*many("images/a", "images/b"), *many("masks", name="m{}.png")],
        r"holds images and masks, of which none has the path of an image\. Expected .*/images, and .*/masks\.",
    ),
    "images alone": (["1.png", "2.png"], r"has no class folders\."),
    "a class that is called like a split": (
        many("train", "car", "boat"),
        r"^train in .* is named like a split, and lies beside other folders of images\. Expected class folders in it",
    ),
    "a further split": (
        many("train/a", "train/b", "test/a", "PublicTest/a"),
        r"^PublicTest in .* may be a split, but it is not clear which\.",
    ),
    "one split twice": (many("val/a", "validation/a", "train/a"), r"^The folders val and validation in .* are both a"),
    "images in no class folder": (
        many("train", "test"),
        r"^The 2 images of the train split of .* lie in no class folder\. .* Received: train/0\.png\.$",
    ),
    "images and labels": (
        [*many("train/images"), *many("train/labels", name="{}.txt")],
        r"^The 2 images of the train split of .* lie in no class folder\. .* Received: folders images, labels\.$",
    ),
    "sites of which one lacks a class": (
        many("berlin/ill", "berlin/well", "madrid/ill", "tokyo/ill", "tokyo/well"),
        r"can be read in two ways",
    ),
    "parts of one set": (many("set_images_part_1", "set_images_part_2"), r"look like parts of one set"),
    "parts around the classes": (
        many("photos-001/photos/a", "photos-001/photos/b", "photos-002/photos/a", "photos-002/photos/b"),
        r"look like parts of one set",
    ),
    "a copy of a class": (many("cats", "cats (1)", "dogs"), r"^cats and cats \(1\) in .* look like one class"),
    "a set for segmentation": (many("imagesTr", "imagesTs", "labelsTr"), r"is a set for segmentation, without classes"),
    "no images": (
        [*many("a", "b"), *many("c", name="{}.dcm", count=3)],
        r"^The class folder .*/c holds no images\. .* Received: 3 other files, such as 0\.dcm\.$",
    ),
    "a packed set": (["set.zip"], r"Received: data=.*, with set\.zip, which must be unpacked first\.$"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case, lay):
    names, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        read_layout(lay(*names))


@pytest.mark.parametrize(
    ("name", "split"),
    [("Train", "train"), ("TRAINING-SET", "train"), ("valid", "validation"), ("val_images", "validation"),
     ("test data", "test"), ("seg_test", "test"), ("tests", None), ("trains", None), ("device", None), ("pred", None)],
)  # fmt: skip
def test_names_of_splits(name, split):
    assert split_named(name) == split


def test_what_is_passed_over_is_counted(lay):
    root = lay(
        *("a/1.png", "a/1_mask.png", "a/1_superpixels.png", "a/notes.txt", "a/Thumbs.db", "a/.DS_Store"),
        *("b/2.png", "b/@eaDir/2.png/thumb.jpg", "__MACOSX/a/._1.png", "b/3"),
    )
    listing = list_images(root)
    assert [str(path.relative_to(root)) for path in listing.images] == ["a/1.png", "b/2.png", "b/3"]
    assert dict(listing.passed) == {
        "hidden, or of the system": 4,
        "files that are not images": 1,
        "masks beside their images": 1,
        "pictures made of other images": 1,
    }
    assert {mask.name for masks in listing.mask_of.values() for mask in masks} == {"1_mask.png"}


def test_a_name_that_ends_like_a_mask_is_an_image_if_no_image_has_the_rest(lay):
    root = lay("a/with_mask.png", "a/0_mask.png", "b/1.png")
    assert len(list_images(root).images) == 3


def test_masks_in_folders_beside_images(lay):
    root = lay(*many("a/images", "b/images"), *many("a/masks", "b/masks", name="{}_mask.png"))
    listing = list_images(root)
    assert len(listing.images) == len(listing.mask_of) == 4


def test_a_link_lies_where_it_lies(lay):
    root = lay("a/1.png", "b/2.png", "store/b/3.png")
    os.symlink(root / "store" / "b" / "3.png", root / "a" / "3.png")
    os.symlink(root / "store", root / "b" / "more")
    os.symlink(root, root / "b" / "circle")
    os.rename(root / "store", root.parent / "store")
    os.unlink(root / "a" / "3.png")
    os.symlink(root.parent / "store" / "b" / "3.png", root / "a" / "3.png")
    os.unlink(root / "b" / "more")
    os.symlink(root.parent / "store", root / "b" / "more")
    layout = read_layout(root)
    found = sorted((str(path.relative_to(root)), label) for path, label in layout.files["train"])
    assert found == [("a/1.png", 0), ("a/3.png", 0), ("b/2.png", 1), ("b/more/b/3.png", 1)]


def test_unlabelled_images_are_told(lay):
    layout = read_layout(lay(*many("train/a", "train/b", "test")))
    assert layout.notes == ("test: its 2 images lie in no class folder, and are passed over",)
    assert layout.passed["images outside all class folders"] == 2


def test_what_is_left_out_or_lacking_is_told(lay):
    layout = read_layout(lay(*many("train/a", "train/b", "test/a", "plots"), "1.png"))
    assert layout.notes == (
        "left out: images in folders that are neither splits nor classes: plots (2)",
        "test: no images of b, which no mean over the classes counts",
    )
    assert layout.passed["images outside all class folders"] == 1


def test_folders_in_a_class_are_told(lay):
    layout = read_layout(lay(*many("animals/cat", "animals/dog", "plants/fern")))
    assert layout.notes == ("classes join the folders in them, such as animals: cat, dog",)


def test_names_of_one_class_in_two_forms_of_unicode_are_one(lay):
    layout = read_layout(lay(*many("train/br\u00fbl\u00e9e", "train/tarte", "test/bru\u0302le\u0301e")))
    assert (layout.class_names, counts(layout)) == (["br\u00fbl\u00e9e", "tarte"], {"train": 4, "test": 2})


def test_a_class_whose_name_is_not_utf_8_is_named(lay):
    root = lay(*many("a", "b"))
    try:
        os.rename(os.fsencode(root / "b"), os.fsencode(root) + b"/chien\xe9")
    except OSError:
        pytest.skip("this file system takes no such names")
    with pytest.raises(ValueError, match=r"^The name of a class folder must be UTF-8\. .*chien"):
        read_layout(root)


def test_links_that_lead_nowhere_are_counted(lay):
    root = lay(*many("a", "b"))
    os.symlink(root / "gone.png", root / "a" / "gone.png")
    assert read_layout(root).passed["links that lead nowhere"] == 1
    os.unlink(root / "b" / "0.png")
    os.unlink(root / "b" / "1.png")
    os.symlink(root / "gone.png", root / "b" / "gone.png")
    with pytest.raises(ValueError, match=r"/b holds no images\. .* Received: 1 links that lead nowhere"):
        read_layout(root)

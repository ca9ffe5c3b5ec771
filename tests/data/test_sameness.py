"""Equal images and groups: found, named, and never on two sides of a split."""

import re
import shutil

import pytest
from PIL import Image

from keras_attention.data import load
from keras_attention.data.sameness import units
from keras_attention.patterns import parse_group

SPLITS = ("train", "validation", "test")


@pytest.fixture
def pictures(tmp_path, rng):
    """`pictures({"a": 9})` writes so many different images into each folder; returns the root."""

    def write(counts, name="pictures"):
        for folder, count in counts.items():
            (tmp_path / name / folder).mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 256, (12, 12, 3)).astype("uint8")
                Image.fromarray(pixels).save(tmp_path / name / folder / f"p{number // 3}_{number}.png")
        return tmp_path / name

    return write


def sides(data, names):
    """The splits in which any of some images lie."""
    return {split for split in SPLITS if any(name in data.files[split] for name in names)}


def test_units_join_through_others():
    assert len(set(units(["a", "b", "c", "d"], [1, 2, 2, 3]))) == 3
    joined = units(["a", "a", "c", "d"], [1, 2, 2, 3])
    assert joined[0] == joined[1] == joined[2] != joined[3]


@pytest.mark.parametrize("options", [{}, {"compress_level": 1}], ids=["bytes", "pixels"])
def test_equal_images_stay_on_one_side(options, pictures):
    root = pictures({"a": 20, "b": 20})
    names = [f"a/p{number // 3}_{number}.png" for number in range(6)]
    for name in names:
        with Image.open(root / name) as image:
            image.save(root / name.replace("a/", "a/copy_"), **options)
    data = load(root, image_size=32)
    for name in names:
        assert len(sides(data, (name, name.replace("a/", "a/copy_")))) == 1
    assert any(
        note.startswith("6 images equal another one, and stay on one side with it, the first a/") for note in data.notes
    )
    assert sum(data.split(split).count for split in SPLITS) == 46
    assert [len(data.files[split]) for split in SPLITS] == [data.split(split).count for split in SPLITS]


def test_equal_images_in_two_splits_of_the_folder_are_refused_or_told(pictures):
    root = pictures({"train/a": 9, "train/b": 9, "test/a": 4, "test/b": 4})
    shutil.copy(root / "train/a/p0_1.png", root / "test/a/other.png")
    with pytest.raises(
        ValueError,
        match=r"^1 image lies in two splits, the first as train/a/p0_1\.png and test/a/other\.png\. Expected",
    ):
        load(root, image_size=32)
    data = load(root, image_size=32, allow_duplicates=True)
    assert any(note.startswith("1 image lies in two splits") for note in data.notes)


def test_equal_images_in_two_classes_are_refused(pictures):
    root = pictures({"a": 9, "b": 9})
    shutil.copy(root / "a/p0_1.png", root / "b/other.png")
    with pytest.raises(ValueError, match=r"^1 image lies in two classes, the first as a/p0_1\.png and b/other\.png\."):
        load(root, image_size=32)


def test_groups_stay_whole(pictures):
    root = pictures({"a": 30, "b": 30})
    data = load(root, image_size=32, group="re:([ab]/p\\d+)_")
    for label in "ab":
        for group in range(10):
            names = [f"{label}/p{group}_{3 * group + number}.png" for number in range(3)]
            assert len(sides(data, names)) == 1
    assert data.test.count > 5
    assert sum(data.split(split).count for split in SPLITS) == 60


def test_a_group_in_two_splits_of_the_folder_is_refused(pictures):
    root = pictures({"train/a": 9, "train/b": 9, "test/a": 3, "test/b": 3})
    with pytest.raises(
        ValueError, match=r"^The group 'p0' lies in two splits, as train/a/p0_0\.png and test/a/p0_0\.png"
    ):
        load(root, image_size=32, group="re:p\\d+")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("p\\d", "`group` must be a pattern"),
        ("re:(", "`group` is not a regular expression"),
        ("re:", "`group` has an empty pattern"),
    ],
)
def test_patterns_that_are_none(text, what):
    with pytest.raises(ValueError, match=what):
        parse_group(text)


def test_a_pattern_that_misses_paths_is_refused(pictures):
    with pytest.raises(ValueError, match=r"^`group` does not match 36 of 36 paths, the first a/p0_0\.png\."):
        load(pictures({"a": 18, "b": 18}), image_size=32, group="re:lesion")


def test_groups_may_hold_several_classes(pictures):
    data = load(pictures({"a": 18, "b": 18}), image_size=32, group="re:p\\d")
    names = [{name.rpartition("/")[2] for name in data.files[split]} for split in SPLITS]
    assert sum(map(len, names)) == 18
    assert [data.split(split).count for split in SPLITS] == [24, 6, 6]


ALL = "at least 3 groups with images of each class"
TOO_FEW = {
    "one group": ("re:p", "`group` puts all 36 images in one group.", "1 group"),
    "one for a class": ("re:^b|^a/p\\d", "`group` puts all 18 images of the class 'b' in one group.", "7 groups"),
    "two for a class": (
        "re:^b/p0|^b|^a/p\\d",
        "`group` puts the 18 images of the class 'b' in only 2 groups.",
        "8 groups",
    ),
}


@pytest.mark.parametrize("case", TOO_FEW)
def test_a_pattern_that_makes_too_few_groups_says_so(case, pictures):
    group, what, count = TOO_FEW[case]
    with pytest.raises(ValueError, match=f"^{re.escape(what)} Expected .* Received: ") as raised:
        load(pictures({"a": 18, "b": 18}), image_size=32, group=group)
    assert str(raised.value) == f"{what} Expected {ALL}. Received: group={group!r}, {count} of all images."

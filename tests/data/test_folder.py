"""Folders of images: their layout, their splits, their masks, and the errors for faulty ones."""

import itertools
import os
import re
import shutil
import subprocess
import sys
import warnings

import numpy as np
import pytest
import seams
from cases import some_now
from parts import encoded, parts_of
from PIL import Image

from keras_attention.data import load
from keras_attention.data import split as split_module
from keras_attention.data.images import read_pixels
from keras_attention.data.mask_files import shape_of
from keras_attention.data.reasons import READ

SPLITS = ("train", "validation", "test")
SIZE = 7
PNG = b"\x89PNG\r\n\x1a\n"


def exactly(wrong, expected, received):
    return f"^{re.escape(f'{wrong} Expected {expected}. Received: {received}.')}$"


def counts(dataset):
    return [dataset.split(split).count for split in SPLITS]


def labels(dataset, split):
    return dataset.split(split).labels().tolist()


WITHOUT_A = "test: no images of a, which no mean over the classes counts"


def test_named_splits(tree, numbers):
    root = tree({"train/b": 5, "train/a": 7, "validation/a": 2, "validation/b": 3, "test/b": 4})
    data = load(root, image_size=SIZE)
    assert (data.name, data.class_names, data.image_size) == ("pictures", ("a", "b"), SIZE)
    assert (data.has_masks, data.notes, data.skipped) == (False, (WITHOUT_A,), ())
    assert counts(data) == [12, 5, 4]
    assert numbers(data, "train") == [*range(5, 12), *range(5)]
    assert numbers(data, "validation") == list(range(12, 17))
    assert numbers(data, "test") == list(range(17, 21))
    assert labels(data, "train") == [0] * 7 + [1] * 5
    assert labels(data, "validation") == [0, 0, 1, 1, 1]
    assert labels(data, "test") == [1] * 4


@pytest.mark.parametrize(
    ("train", "validation"), some_now([("training", "val"), ("train", "valid"), ("train", "dev")], "train-dev")
)
def test_other_names_of_splits(train, validation, tree):
    root = tree({f"{train}/a": 7, f"{train}/b": 5, f"{validation}/a": 2, f"{validation}/b": 3, "test/b": 4})
    data = load(root, image_size=SIZE)
    assert (data.class_names, counts(data), data.notes) == (("a", "b"), [12, 5, 4], (WITHOUT_A,))


def test_splits_are_told_in_any_case(tree):
    data = load(tree({"Training/a": 7, "Training/b": 5, "Val/a": 2, "Val/b": 2, "Testing/a": 1}), image_size=SIZE)
    assert (data.class_names, counts(data)) == (("a", "b"), [12, 4, 1])


def test_two_folders_for_one_split_are_an_error(tree):
    root = tree({"train/a": 5, "train/b": 5, "val/a": 3, "val/b": 3, "valid/a": 3})
    with pytest.raises(ValueError, match=r"^The folders val and valid in .* are both a validation split\. Expected "):
        load(root, image_size=SIZE)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".JPEG", ".bmp", ".gif"])
def test_kinds_of_files(suffix, tree, numbers):
    data = load(tree({"a": 5, "b": 7}, suffix=suffix), image_size=SIZE)
    assert sorted(number for split in SPLITS for number in numbers(data, split)) == list(range(12))


def test_a_folder_of_classes_is_split(tree, numbers):
    root = tree({"a": 20, "b": 40})
    data = load(root, image_size=SIZE)
    found = {split: numbers(data, split) for split in SPLITS}
    assert counts(data) == [42, 9, 9]
    assert sorted(found["train"] + found["validation"] + found["test"]) == list(range(60))
    for split, of_a in {"train": 14, "validation": 3, "test": 3}.items():
        assert labels(data, split) == [0] * of_a + [1] * (2 * of_a)
        assert sorted(found[split]) == found[split]
        assert sum(number < 20 for number in found[split]) == of_a
    note = "9 images taken from train, stratified, split seed 0; the source has none"
    assert data.notes == (f"test: {note}", f"validation: {note}")
    again, other = load(root, image_size=SIZE), load(root, image_size=SIZE, split_seed=1)
    assert {split: numbers(again, split) for split in SPLITS} == found
    for split in SPLITS:
        assert numbers(other, split) != found[split]


@pytest.mark.parametrize(("missing", "other"), [("test", "validation"), ("validation", "test")])
def test_a_missing_split_is_taken_from_train(missing, other, tree, numbers):
    data = load(tree({"train/a": 20, "train/b": 20, f"{other}/a": 3, f"{other}/b": 2}), image_size=SIZE)
    assert data.notes == (f"{missing}: 6 images taken from train, stratified, split seed 0; the source has none",)
    assert numbers(data, other) == list(range(40, 45))
    assert labels(data, missing) == [0] * 3 + [1] * 3
    assert sorted(numbers(data, "train") + numbers(data, missing)) == list(range(40))


def test_as_few_images_as_can_be_split(tree):
    data = load(tree({"a": 3, "b": 3}), image_size=SIZE)
    assert [labels(data, split) for split in SPLITS] == [[0, 1]] * 3


def test_nested_files_belong_to_the_class_and_hidden_ones_to_none(tree, numbers):
    hidden = {"a/.checkpoints": 2, ".cache": 3, "train": 0}
    root = tree({"a": 3, "a/summer/june": 2, "b": 5})
    (root / "a" / ".DS_Store").write_bytes(b"none")
    for folder in hidden:
        if folder.startswith(".") or "/." in folder:
            (root / folder).mkdir()
            Image.new("RGB", (11, 13), (99, 99, 99)).save(root / folder / "a.png")
    (root / "readme.txt").write_text("no class")
    data = load(root, image_size=SIZE)
    assert data.class_names == ("a", "b")
    assert sorted(number for split in SPLITS for number in numbers(data, split)) == list(range(10))
    assert sum(labels(data, split).count(0) for split in SPLITS) == 5


@pytest.mark.parametrize(
    ("folders", "name"), [("skin/images", "skin"), ("skin/data", "skin"), ("skin/photos", "photos")]
)
def test_the_name_is_that_of_the_folder(folders, name, tree):
    assert load(tree({"a": 3, "b": 3}, folders), image_size=SIZE).name == name


def test_a_link_has_its_own_name(tree, tmp_path, monkeypatch):
    root = tree({"a": 3, "b": 3})
    (tmp_path / "linked").symlink_to(root)
    monkeypatch.chdir(root)
    for given, name in ((tmp_path / "linked", "linked"), (f"{tmp_path}/linked/", "linked"), (".", "pictures")):
        assert load(given, image_size=SIZE).name == name


def test_names_are_shown_without_control_characters(tree):
    root = tree({"a": 20, "b\x1b[31m": 20}, name="two\nlines")
    (root / "a" / "tab\t.png").write_bytes(b"")
    with pytest.warns(UserWarning, match="skipped") as warned:
        data = load(root, image_size=SIZE)
    assert str(warned[0].message) == f"{root.parent}/two\\nlines/a/tab\\t.png is empty; it is skipped."
    first = "data    two\\nlines: 28 train, 6 validation, 6 test images, 2 classes (a, b\\x1b[31m), 7 px"
    assert data.described.splitlines()[0] == first


def test_a_folder_may_be_a_string_and_a_size_left_out(tree):
    assert load(str(tree({"a": 3, "b": 3}))).image_size == 224


# Masks.


@pytest.fixture
def with_masks(tree, tmp_path):
    """Images and, in a parallel tree, masks whose first (number % 5 + 1) columns are inside."""

    def write(counts, value=255, suffix=".png"):
        root, masks = tree(counts), tmp_path / "masks"
        for path in root.rglob("*.png"):
            mask = np.zeros((13, 11), "uint8")
            mask[:, : int(path.stem) % 5 + 1] = value
            place = (masks / path.relative_to(root)).with_suffix(suffix)
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(place)
        return root, masks

    return write


@pytest.mark.parametrize(
    ("value", "suffix"),
    some_now([(255, ".png"), (1, ".png"), (1, ".bmp"), (255, ".gif"), (255, ".jpg")], "255-.png", "1-.bmp"),
)
def test_masks_follow_their_images(value, suffix, with_masks, read):
    root, masks = with_masks({"train/a": 20, "train/b": 20, "val/a": 3, "val/b": 4}, value, suffix)
    data = load(root, masks=masks, image_size=55)
    assert data.has_masks
    for split, count in {"train": 34, "validation": 7, "test": 6}.items():
        images, _, found = read(data, split)
        assert (found.shape, found.dtype) == ((count, 55, 55, 1), np.uint8)
        columns = images[:, 0, 0, 0].astype(int) % 5 + 1
        for mask, inside in zip(found[..., 0], columns, strict=True):
            # Each of the eleven columns is now five wide.
            expected = np.arange(55) < 5 * inside
            assert (mask == expected).mean() > (0.98 if suffix != ".jpg" else 0.95)
            assert set(np.unique(mask)) == {0, 1}


# The columns of 13 × 11 pixels, each five wide in a square of 55 × 55 or, where the height is that, 55/13 = 4.23.
COLUMNS = {"crop": (0, 5), "pad": (4, 55 / 13)}


@pytest.mark.parametrize(
    ("fits", "resize"),
    [
        pytest.param(fits, resize, id=f"{where}-{resize}", marks=[] if fits == (resize == "pad") else pytest.mark.long)
        for fits, where in ((True, "in memory"), (False, "read again"))
        for resize in COLUMNS
    ],
)
def test_masks_and_images_keep_their_aspect(resize, fits, with_masks, read, monkeypatch):
    root, masks = with_masks({"train/a": 6, "train/b": 6, "val/a": 3, "test/b": 4})
    if not fits:
        seams.memory_for_a_split(monkeypatch, 0)
    data = load(root, masks=masks, image_size=55, resize=resize)
    images, _, found = read(data, "train")
    start, width = COLUMNS[resize]
    end = start + round(11 * width)
    assert len(np.unique(images[:, 27, 27])) == len(images)
    for image, mask in zip(images, found[..., 0], strict=True):
        value = image[27, 27, 0]
        np.testing.assert_array_equal(
            image, np.pad(np.full((55, end - start, 3), value), ((0, 0), (start, 55 - end), (0, 0)))
        )
        expected = (np.arange(55) >= start) & (np.arange(55) < start + width * (value % 5 + 1))
        assert (mask == expected).mean() > 0.98


def test_an_image_without_a_mask_gets_an_empty_one_and_a_note(with_masks, read):
    root, masks = with_masks({"train/a": 3, "train/b": 3, "test/a": 2, "test/b": 2})
    (masks / "train" / "b" / "004.png").unlink()
    (masks / "test" / "a" / "007.png").unlink()
    data = load(root, masks=str(masks), image_size=SIZE)
    assert data.has_masks
    assert data.notes[-1] == "2 of 10 images have no mask, the first train/b/004.png"
    for split, number in (("train", 4), ("test", 7)):
        images, _, found = read(data, split)
        empty = images[:, 0, 0, 0].astype(int) == number
        assert empty.sum() <= 1
        np.testing.assert_array_equal(found.reshape(len(found), -1).any(1), ~empty)
    whole = load(root, masks=str(masks), image_size=SIZE)
    assert whole.train.count + whole.validation.count + whole.test.count == 10


@pytest.mark.parametrize("name", some_now(["{}_mask", "{}_Segmentation", "mask_{}"], "{}_mask"))
def test_masks_may_be_named_as_beside_an_image(name, with_masks):
    root, masks = with_masks({"a": 3, "b": 7})
    whole = load(root, masks=str(masks), image_size=SIZE)
    for path in masks.rglob("*.png"):
        path.rename(path.with_stem(name.format(path.stem)))
    again = load(root, masks=str(masks), image_size=SIZE)
    assert again.train.fingerprint("mask") == whole.train.fingerprint("mask")


def test_several_masks_of_an_image_are_one(with_masks):
    root, masks = with_masks({"a": 3, "b": 7})
    for path in sorted(masks.rglob("*.png")):
        pixels = np.zeros(np.shape(Image.open(path))[:2], "uint8")
        for name, half in (("_mask", slice(None, 5)), ("_mask_1", slice(5, None))):
            part = pixels.copy()
            part[half] = 255
            Image.fromarray(part).save(path.with_stem(path.stem + name))
        path.unlink()
    data = load(root, masks=str(masks), image_size=SIZE)
    assert all(example["mask"].all() for example in data.train.examples().as_numpy_iterator())


def test_masks_that_fit_no_image(with_masks):
    root, masks = with_masks({"a": 3, "b": 3})
    for path in masks.rglob("*.png"):
        path.rename(path.with_stem(f"of {path.stem}"))
    expected = f"files with the same relative paths and stems in {masks}, such as of a/000.png"
    wrong = exactly("No image has a mask.", expected, f"a/of 000.png in {masks}")
    with pytest.raises(ValueError, match=wrong):
        load(root, masks=str(masks), image_size=SIZE)


def test_a_mask_of_another_size_is_named(with_masks):
    root, masks = with_masks({"a": 3, "b": 3})
    Image.new("L", (13, 11)).save(masks / "a" / "001.png")
    wrong = "The mask a/001.png must have the size or the aspect of its image."
    with pytest.raises(ValueError, match=exactly(wrong, "width and height (11, 13)", "(13, 11)")):
        load(root, masks=masks, image_size=SIZE)


# What is in the file of a mask, and what is said of it.
NO_MASKS = {
    "empty": (b"", "is empty", READ),
    "a text": (b"no image", "does not decode", READ),
    "a header": (PNG, "does not decode: the PNG data are damaged, incomplete or of a rare kind", READ),
    "a photo": (
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        "contains HEIC data, which are not supported",
        f"{READ}; convert it to PNG or JPEG",
    ),
}


@pytest.mark.parametrize("case", NO_MASKS)
def test_a_mask_that_cannot_be_read_says_why(case, with_masks):
    root, masks = with_masks({"a": 3, "b": 3})
    content, what, expected = NO_MASKS[case]
    (masks / "a" / "001.png").write_bytes(content)
    wanted = exactly(f"The mask a/001.png {what}.", expected, str(masks / "a" / "001.png"))
    with pytest.raises(ValueError, match=wanted):
        load(root, masks=masks, image_size=SIZE)


def test_the_images_are_not_their_own_masks(with_masks):
    root, masks = with_masks({"a": 3, "b": 3})
    expected = "the folder of their masks, or `masks=beside`"
    wanted = exactly("`masks` is the folder of the images themselves.", expected, f"masks={str(root)!r}")
    with pytest.raises(ValueError, match=wanted):
        load(root, masks=root, image_size=SIZE)
    (masks / "b" / "004.png").unlink()
    (masks / "b" / "004.png").symlink_to(root / "b" / "004.png")
    wanted = exactly(
        "The mask b/004.png is the image itself.", "a mask of its own for each image", str(masks / "b" / "004.png")
    )
    with pytest.raises(ValueError, match=wanted):
        load(root, masks=masks, image_size=SIZE)


def test_values_of_masks_need_masks(tree):
    wanted = exactly(
        "`mask_values` has no effect without masks.", "`masks` too, or no `mask_values`", "mask_values='1,3'"
    )
    with pytest.raises(ValueError, match=wanted):
        load(tree({"a": 3, "b": 3}), mask_values="1,3", image_size=SIZE)


def test_values_that_no_mask_has(with_masks):
    root, masks = with_masks({"a": 3, "b": 3}, value=3)
    wanted = exactly("No mask has a value that `mask_values` names.", "a value of the masks: 0, 3", "mask_values='9'")
    with pytest.raises(ValueError, match=wanted):
        load(root, masks=masks, mask_values="9", image_size=SIZE)


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_shape_of_a_file_is_that_of_the_upright_image(orientation, kind, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (9, 5)).save(tmp_path / "image", kind, exif=exif)
    height, width = read_pixels((tmp_path / "image").read_bytes()).shape[:2]
    assert shape_of(tmp_path / "image") == (width, height)
    assert (width > height) == (orientation < 5)


def test_a_file_that_is_not_an_image_needs_no_mask(with_masks):
    root, masks = with_masks({"a": 20, "b": 20})
    (root / "b" / "broken.png").write_text("no image")
    (root / "b" / "notes.txt").write_text("no image")
    with pytest.warns(UserWarning, match=r"broken\.png does not decode; it is skipped\.$"):
        data = load(root, masks=masks, image_size=SIZE)
    assert data.skipped == ("b/broken.png",)
    assert data.notes[-1] == "passed over: files that are not images (1)"


def test_a_mask_that_does_not_decode_is_named(with_masks):
    root, masks = with_masks({"a": 20, "b": 20})
    broken = masks / "a" / "003.png"
    broken.write_bytes(broken.read_bytes()[:-30])
    why = f"has a mask, {broken}, that does not decode: the PNG data are damaged, incomplete or of a rare kind"
    with pytest.warns(UserWarning, match=f"^{re.escape(f'{root}/a/003.png {why}; it is skipped.')}$"):
        data = load(root, masks=masks, image_size=SIZE)
    assert data.skipped == ("a/003.png",)


def test_no_folder_of_masks(tree, tmp_path):
    missing = tmp_path / "masks"
    wrong, root = "The folder of masks does not exist.", tree({"a": 3, "b": 3})
    with pytest.raises(ValueError, match=exactly(wrong, "an existing folder", f"masks={str(missing)!r}")):
        load(root, masks=missing, image_size=SIZE)
    for name, expected in {"mask.png": "a folder", "masks.ZIP": "a folder: unpack it first"}.items():
        file = tmp_path / name
        file.write_bytes(b"")
        with pytest.raises(ValueError, match=exactly(f"{file} is a file.", expected, f"masks={str(file)!r}")):
            load(root, masks=file, image_size=SIZE)


# Files that do not decode.


def break_files(root):
    """Replaces images 3, 21 and 45 by files that do not decode: a truncated one, an empty one, and a text."""
    jpeg = root / "a" / "003.jpg"
    Image.effect_noise((11, 13), 99).save(jpeg)
    jpeg.write_bytes(jpeg.read_bytes()[:-20])
    (root / "a" / "003.png").unlink()
    (root / "a" / "021.png").write_bytes(b"")
    (root / "b" / "045.png").write_text("no image")


def test_files_that_do_not_decode_are_named_and_skipped(tree, numbers):
    root = tree({"a": 40, "b": 40})
    break_files(root)
    with pytest.warns(UserWarning, match=r"it is skipped\.$") as warned:
        data = load(root, image_size=SIZE)
    bad = {
        "a/003.jpg": "does not decode: the JPEG data are damaged, incomplete or of a rare kind",
        "a/021.png": "is empty",
        "b/045.png": "does not decode",
    }
    assert data.skipped == tuple(bad)
    assert [str(warning.message) for warning in warned] == [
        f"{root / name} {why}; it is skipped." for name, why in bad.items()
    ]
    assert {warning.filename for warning in warned} == {__file__}
    assert counts(data) == [53, 12, 12]
    found = {split: numbers(data, split) for split in SPLITS}
    assert sorted(itertools.chain(*found.values())) == [number for number in range(80) if number not in (3, 21, 45)]
    for split in SPLITS:
        assert labels(data, split) == [int(number >= 40) for number in found[split]]


def test_too_many_that_do_not_decode(tree):
    root = tree({"a": 19, "b": 20})
    (root / "a" / "notes.png").write_text("no image")
    (root / "b" / "notes.png").write_text("no image")
    expected = exactly(
        f"2 of 41 files cannot be read as images, the first {root / 'a' / 'notes.png'}: it does not decode.",
        f"at most 5% of them; each must be {READ}",
        "4.9%",
    )
    with pytest.warns(UserWarning, match="is skipped"):
        load(root, image_size=SIZE)
    (root / "b" / "more.png").write_text("no image")
    expected = expected.replace("2\\ of\\ 41", "3\\ of\\ 42").replace("4\\.9%", "7\\.1%")
    with pytest.warns(UserWarning, match="is skipped"), pytest.raises(ValueError, match=expected):
        load(root, image_size=SIZE)


def test_of_many_files_three_are_named_and_the_others_counted_by_reason(tree):
    root = tree({"a": 60, "b": 60})
    for number in range(5):
        (root / "a" / f"phone{number}.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    (root / "b" / "empty.png").write_bytes(b"")
    with pytest.warns(UserWarning, match="skipped") as warned:
        data = load(root, image_size=SIZE)
    heic = "contains HEIC data, which are not supported"
    assert [str(warning.message) for warning in warned] == [
        *(f"{root}/a/phone{number}.heic {heic}; it is skipped." for number in range(3)),
        f"3 more files are skipped: 2 × {heic}; 1 × is empty.",
    ]
    assert len(data.skipped) == 6


REASONS = {
    "pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n",
        "is a pointer of Git LFS, not the image",
        "the image itself, which `git lfs pull` fetches",
    ),
    "fractions": (
        encoded(np.float32([[-114, 646]]), "tiff"),
        "cannot be used (its values are from -114 to 646, and must be from 0 to 255)",
        "an image of 8 or 16 bits",
    ),
    "page": (b"\n<!DOCTYPE html><html>", "is an HTML page, not an image", "the image itself, downloaded again"),
}


@pytest.mark.parametrize("case", REASONS)
def test_what_was_not_downloaded_is_told(case, tree):
    root, (content, what, expected) = tree({"a": 3, "b": 3}), REASONS[case]
    (root / "a" / "003.jpg").write_bytes(content)
    wrong = f"1 of 7 files cannot be read as images, the first {root}/a/003.jpg: it {what}."
    wanted = exactly(wrong, f"at most 5% of them; each must be {expected}", "14.3%")
    with pytest.warns(UserWarning, match="skipped"), pytest.raises(ValueError, match=wanted):
        load(root, image_size=SIZE)


# Root may read everything, unless the program gives that up.
POWERLESS = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
POWERLESS += ["--inh-caps", "-dac_override,-dac_read_search"] if POWERLESS else []
READING = """
import pathlib, sys, warnings
from keras_attention.data import load
warnings.formatwarning = lambda message, *_: f"{message}\\n"
root, masks = map(pathlib.Path, sys.argv[1:])
for closed in (root / "a" / "003.png", masks / "a" / "004.png", masks / "b"):
    rights = closed.stat().st_mode
    closed.chmod(0)
    try:
        load(root, image_size=7, masks=None if root in closed.parents else masks)
        print("read")
    except ValueError as error:
        print(error)
    finally:
        closed.chmod(rights)
"""


@pytest.mark.long
@pytest.mark.skipif(bool(POWERLESS) and shutil.which("setpriv") is None, reason="root may read everything")
def test_what_may_not_be_read_is_called_that(with_masks):
    root, masks = with_masks({"a": 30, "b": 30})
    command = [*POWERLESS, sys.executable, "-c", READING, str(root), str(masks)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert f"{root}/a/003.png cannot be opened: Permission denied; it is skipped.\n" in done.stderr
    mask = "The mask a/004.png cannot be opened: Permission denied. Expected a readable path."
    folder = f"{masks}/b cannot be opened: Permission denied. Expected a readable path."
    assert done.stdout.splitlines() == [
        "read",
        f"{mask} Received: {masks}/a/004.png.",
        f"{folder} Received: masks='{masks}'.",
    ]


def test_a_split_of_which_nothing_decodes(tree):
    root = tree({"train/a": 20, "train/b": 20, "val/a": 1, "val/b": 1})
    for path in (root / "val").rglob("*.png"):
        path.write_text("no image")
    with (
        pytest.warns(UserWarning, match="is skipped"),
        pytest.raises(ValueError, match=r"validation split .*\. Expected .*\. Received: .*\.$"),
    ):
        load(root, image_size=SIZE)


def test_a_split_that_is_too_large_for_memory_is_the_same(with_masks, read, monkeypatch):
    root, masks = with_masks({"a": 40, "b": 40})
    break_files(root)
    kept = []
    for memory in (split_module.MEMORY_FOR_A_SPLIT, 0):
        seams.memory_for_a_split(monkeypatch, memory)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            data = load(root, masks=masks, image_size=SIZE)
        stream = data.training_batches(5, seed=3, first_epoch=2, with_masks=True).take(13)
        kept.append([read(data, split) for split in SPLITS] + [parts_of(batch) for batch in stream.as_numpy_iterator()])
    for one, other in zip(*kept, strict=True):
        assert len(one) == 3
        for mine, others in zip(one, other, strict=True):
            np.testing.assert_array_equal(mine, others)


# Errors: the counts of a tree, and the three parts of the message, in which {root} is the path of the tree.
LAYOUT = "<root>/<class>/* or <root>/<split>/<class>/*"
ALONE = "one folder each named train, validation and test, or folders named after the classes alone"
ERRORS = {
    "nothing": ({}, "{root} has no class folders.", LAYOUT, "data={root}, with nothing in it"),
    "no images": ({"a": 0, "b": 0}, "The class folder {root}/a is empty.", "at least one image in it", "class='a'"),
    "empty class": ({"a": 3, "b": 0}, "The class folder {root}/b is empty.", "at least one image in it", "class='b'"),
    "one class": ({"a": 5}, "{root} has only one class.", "at least two class folders", "classes a"),
    "one class in train": ({"train/a": 5}, "{root} has only one class.", "at least two class folders", "classes a"),
    "empty split": (
        {"train/a": 3, "train/b": 3, "test/a": 0},
        "The test split of {root} is empty.",
        "images in every split",
        "split='test'",
    ),
    "empty train": (
        {"train": 3, "test/a": 3},
        "The 3 images of the train split of {root} lie in no class folder.",
        "a folder for each class in every split",
        "train/000.png",
    ),
    "unknown class": (
        {"train/a": 3, "train/b": 3, "val/a": 2, "val/c": 1},
        "The class 'c' of the validation split is not in train.",
        "one of: a, b",
        "{root}/val/c",
    ),
    "splits and others": (
        {"train/a": 3, "train/b": 3, "hard test/a": 3},
        "hard test in {root} may be a split, but it is not clear which.",
        "one folder each named train, validation and test; move or rename it",
        "folders hard test, train",
    ),
    "no train": (
        {"test/a": 3, "test/b": 3, "val/a": 3},
        "{root} has no train split.",
        "training images",
        "splits validation, test",
    ),
    "too few to split": (
        {"a": 2, "b": 5},
        "The class 'a' has too few training images.",
        "at least 3 images in a class",
        "2",
    ),
    "too few to split once": (
        {"train/a": 5, "train/b": 1, "val/a": 2},
        "The class 'b' has too few training images.",
        "at least 2 images in a class",
        "1",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_have_three_parts(case, tree):
    folders, *parts = ERRORS[case]
    root = tree(folders)
    root.mkdir(exist_ok=True)
    with pytest.raises(ValueError, match=exactly(*(part.format(root=root) for part in parts))):
        load(root, image_size=SIZE)


def test_of_a_folder_with_splits_another_split_is_not_taken_for_the_one_that_is_wanted(tree):
    root = tree({"train/a": 5, "train/b": 5})
    with pytest.raises(ValueError, match=r"^The data have no test split\. Expected one of: train\."):
        load(root, image_size=SIZE, only="test")
    assert load(tree({"a": 5, "b": 5}, name="flat"), image_size=SIZE, only="test").test.count == 10

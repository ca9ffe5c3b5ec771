"""Sources that do not exist, and arguments that a source does not take."""

import pathlib
import re

import numpy as np
import pytest

from keras_attention.data import load

ARRAYS = (np.full((12, 5, 5, 3), 99, "uint8"), np.arange(12) % 2)
ENDS = (".zip", ".tar", ".tar.gz", ".7Z")
SOURCES = "cluttered_digits, a folder of images, or a name in TensorFlow Datasets"


def exactly(wrong, expected, received):
    return f"^{re.escape(f'{wrong} Expected {expected}. Received: {received}.')}$"


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("cluttered_digit", "cluttered_digits"), ("oxford_iit_pet", "oxford_iiit_pet"), ("pictures/cats", None)],
)
def test_the_error_for_an_unknown_name_gives_the_nearest(name, nearest):
    hint = f" (did you mean {nearest!r}?)" if nearest else ""
    with pytest.raises(ValueError, match=exactly(f"Unknown data source {name!r}{hint}.", SOURCES, f"data={name!r}")):
        load(name)


@pytest.mark.parametrize(
    "source", ["./pictures", "/no/pictures", "~/pictures/none", "pictures/", "a/b/c", "../pictures"]
)
def test_a_path_that_does_not_exist(source):
    with pytest.raises(ValueError, match=exactly("There is no such folder.", "an existing folder", f"data={source!r}")):
        load(source)


def test_a_path_object_is_never_a_name(tmp_path):
    wanted = exactly("There is no such folder.", "an existing folder", f"data={str(tmp_path / 'none')!r}")
    with pytest.raises(ValueError, match=wanted):
        load(tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("picture.png", "a folder"), *((f"pictures{end}", "a folder: unpack it first") for end in ENDS)],
)
def test_a_file_is_no_folder_and_an_archive_is_to_be_unpacked(name, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text("no folder")
    for source in (name, pathlib.Path(name), str(tmp_path / name)):
        with pytest.raises(ValueError, match=exactly(f"{source} is a file.", expected, f"data={str(source)!r}")):
            load(source, masks=tmp_path)


NO_FOLDERS = {"cluttered_digits": "cluttered_digits", "cifar10": "cifar10", "path": "./pictures", "arrays": ARRAYS}


@pytest.mark.parametrize("source", NO_FOLDERS.values(), ids=NO_FOLDERS)
def test_masks_need_a_folder_of_images(source, tmp_path):
    is_path = isinstance(source, pathlib.Path) or (isinstance(source, str) and "/" in source)
    wrong = (
        "There is no such folder. Expected an existing folder"
        if is_path
        else "`masks` needs a folder or a table of images."
    )
    with pytest.raises(ValueError, match=f"^{wrong}") as error:
        load(source, masks=tmp_path)
    assert len(str(error.value)) < 200


def test_values_of_masks_need_masks():
    wanted = exactly(
        "`mask_values` has no effect without masks.", "(images, labels, masks), or no `mask_values`", "mask_values='3'"
    )
    with pytest.raises(ValueError, match=wanted):
        load(ARRAYS, mask_values="3")
    masks = np.full((12, 5, 5), 3, "uint8")
    assert load((*ARRAYS, masks), mask_values="3").has_masks


def test_options_belong_to_sources_that_take_them(tmp_path):
    for source in ("cifar10", str(tmp_path)):
        with pytest.raises(ValueError, match=exactly(f"{source} takes no options.", "no options", "clutter, count")):
            load(source, clutter=3, count=60)


@pytest.mark.parametrize("size", [0, -3, 32.0, True, "32"])
def test_image_size(size):
    wanted = exactly("`image_size` is out of range.", "an integer at least 1", f"image_size={size!r}")
    with pytest.raises(ValueError, match=wanted):
        load(ARRAYS, image_size=size)


@pytest.mark.parametrize("resize", ["padded", None, 3])
def test_an_unknown_way_to_become_a_square(resize, tmp_path):
    hint = " (did you mean 'pad'?)" if resize == "padded" else ""
    wanted = exactly(f"Unknown resize {resize!r}{hint}.", "one of: stretch, crop, pad", f"resize={resize!r}")
    for source in (ARRAYS, "cluttered_digits", tmp_path):
        with pytest.raises(ValueError, match=wanted):
            load(source, resize=resize)


SAID = {"stretch": "5 px", "crop": "5 px, cropped to squares", "pad": "5 px, padded to squares"}


@pytest.mark.parametrize("resize", SAID)
def test_a_data_set_says_how_its_images_became_squares(resize):
    data = load(ARRAYS, resize=resize)
    assert data.resize == resize
    assert data.described.splitlines()[0].endswith(f"classes (0, 1), {SAID[resize]}")
    assert load(ARRAYS).resize == "stretch"


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5, None])
def test_split_seed(seed):
    with pytest.raises(ValueError, match=r"^`split_seed` is out of range\. Expected .*\. Received: split_seed="):
        load(ARRAYS, split_seed=seed)

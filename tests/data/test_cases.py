"""Small folders that were once read wrongly, each with what it must give; skipped where their maker is absent."""

import json
import subprocess
import sys

import numpy as np
import pytest
from cases import some_now

from keras_attention.data import load
from keras_attention.data.layout import read_layout
from keras_attention.data.listing import list_images
from keras_attention.prediction import find_images
from keras_attention.prediction.reading import read_image

LAYOUTS = (
    *("split_names", "images_and_masks_below", "class_first", "masks_beside", "masks_in_class"),
    *("thumbnails", "suffixes", "links"),
)
MASKS = (
    *("mask_8bit", "mask_16bit_1", "mask_16bit_7", "mask_opacity_black", "mask_opacity_white"),
    *("mask_half_size", "mask_1bit_bmp"),
)


@pytest.fixture(scope="module")
def cases(tmp_path_factory, shared):
    """The folder of all cases, and what each must give."""
    out = tmp_path_factory.mktemp("cases")
    subprocess.run([sys.executable, shared("cases") / "make_cases.py", out], check=True, capture_output=True)
    return out, json.loads((out / "expected.json").read_text())


@pytest.mark.parametrize("name", LAYOUTS)
def test_folders(name, cases):
    folder, expected = cases[0] / name, cases[1][name]
    layout = read_layout(folder)
    counts = {split: len(pairs) for split, pairs in layout.files.items()}
    assert layout.class_names == expected["classes"]
    assert counts == {split: expected[split] for split in ("train", "test") if split in expected} or {
        "train": expected["images"]
    }
    for pairs in layout.files.values():
        assert all(layout.class_names[label] in path.relative_to(layout.root).parts for path, label in pairs)
    if "masks" in expected:
        assert len(layout.mask_of) == expected["masks"]
    seen = sorted(path for pairs in layout.files.values() for path, _ in pairs)
    assert seen == sorted(list_images(folder).images)
    assert [str(path) for path in seen] == sorted(source.path for source in find_images([folder]))


def cover(dataset):
    masks = [
        example["mask"]
        for split in ("train", "validation", "test")
        for example in dataset.split(split).examples().as_numpy_iterator()
    ]
    return np.mean(masks)


@pytest.mark.parametrize("name", some_now(MASKS, "mask_16bit_7", "mask_opacity_black", "mask_half_size"))
def test_masks(name, cases):
    folder, expected = cases[0] / name, cases[1][name]
    data = load(folder / "images", masks=folder / "masks", image_size=64)
    assert cover(data) == pytest.approx(expected["cover"], abs=expected["tolerance"])


def test_masks_of_several_values_are_refused_and_read_when_they_are_told(cases):
    folder, expected = cases[0] / "mask_trimap", cases[1]["mask_trimap"]
    with pytest.raises(ValueError, match=r"^The masks hold several values\. .* Received: values 1, 2, 3\.$"):
        load(folder / "images", masks=folder / "masks", image_size=64)
    data = load(folder / "images", masks=folder / "masks", image_size=64, mask_values="1,3")
    assert cover(data) == pytest.approx(expected["cover"], abs=expected["tolerance"])


def test_masks_beside_teach(cases):
    data = load(cases[0] / "masks_beside", masks="beside", image_size=64)
    assert cover(data) == pytest.approx(cases[1]["mask_8bit"]["cover"], abs=0.01)


def test_eight_orientations_are_one_picture(cases):
    files = sorted((cases[0] / "orientation").glob("*.png"))
    pictures = [read_image(path, 64) for path in files]
    assert len(pictures) == 8
    for picture in pictures[1:]:
        np.testing.assert_array_equal(picture, pictures[0])

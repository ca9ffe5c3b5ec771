"""Shortcuts: what is planted is found and named, and nothing where there is nothing."""

import numpy as np
import pytest
from PIL import Image

from keras_attention.data import layout_of
from keras_attention.inspection.pictures import read_pictures
from keras_attention.inspection.shortcuts import find_shortcuts

PLANTED = {
    "border": lambda pixels: np.pad(pixels, ((6, 6), (6, 6), (0, 0)))[6:-6, 6:-6] * _inside(pixels, 6),
    "mean colour": lambda pixels: (pixels * (1.2, 1, 0.8)).clip(0, 255).astype("uint8"),
    "size": lambda pixels: np.concatenate([pixels, pixels[:, :10]], axis=1),
}


def _inside(pixels, width):
    inside = np.zeros_like(pixels)
    inside[width:-width, width:-width] = 1
    return inside


def shortcuts_of(root):
    pictures, _ = read_pictures(layout_of(root))
    return find_shortcuts(pictures, 3, np.arange(len(pictures)))


@pytest.fixture
def root(folder):
    return folder({"a": 40, "b": 40, "c": 40})


def test_there_is_none_where_there_is_none(root):
    found = shortcuts_of(root)
    assert len(found) == 9
    assert not any(each.is_suspicious for each in found)
    assert all(0 <= each.low <= each.roc_auc <= each.high <= 1 for each in found)


@pytest.mark.parametrize("fact", PLANTED)
def test_one_that_is_planted_is_named(fact, root):
    for path in (root / "b").iterdir():
        Image.fromarray(PLANTED[fact](np.asarray(Image.open(path)))).save(path)
    found = shortcuts_of(root)
    assert (found[0].label, found[0].is_suspicious) == (1, True)
    assert fact in {each.fact for each in found if each.is_suspicious}
    assert {each.label for each in found if each.is_suspicious and each.fact == fact} == {1}


def test_copies_do_not_tell_a_class(root):
    """Each image three times: a forest that had seen a copy would know the class of the others."""
    pictures, _ = read_pictures(layout_of(root))
    pictures, groups = pictures * 3, np.tile(np.arange(120), 3)
    assert not any(each.is_suspicious for each in find_shortcuts(pictures, 3, groups))
    assert any(each.roc_auc > 0.9 for each in find_shortcuts(pictures, 3, np.arange(360)))


def test_too_few_images_tell_nothing(folder):
    pictures, _ = read_pictures(layout_of(folder({"a": 20, "b": 4})))
    assert find_shortcuts(pictures, 2, np.arange(24)) == []

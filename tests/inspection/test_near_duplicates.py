"""Near duplicates: each kind of copy is found, nothing else is, and the hashes know the eight orientations."""

import io

import numpy as np
import pytest
import seams
from PIL import Image, ImageEnhance, ImageOps

from keras_attention.inspection.near_duplicates import (
    find_near_duplicates,
    grey_copies,
    hashes,
    oriented,
    turned_back,
    without_border,
)

COUNT = 25
KINDS = {
    "resized": lambda image: image.resize((102, 77), Image.Resampling.BICUBIC),
    "moved": lambda image: image.crop((3, 2, 128, 96)),
    "mirrored": ImageOps.mirror,
    "turned": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "upside down": lambda image: image.transpose(Image.Transpose.ROTATE_180),
    "transposed": lambda image: image.transpose(Image.Transpose.TRANSPOSE),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.15),
    "black border": lambda image: ImageOps.expand(image, 6, "black"),
    "white border": lambda image: ImageOps.expand(image, (0, 16), "white"),
    "middle": lambda image: image.crop((6, 5, 122, 91)),
    "corner": lambda image: image.crop((0, 0, 115, 86)),
}


def compressed(image, quality=70):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


@pytest.fixture(scope="module")
def copies(picture):
    return [grey_copies(picture(number)) for number in range(COUNT)]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_copy_is_found(kind, copies, picture):
    changed = [grey_copies(compressed(KINDS[kind](Image.fromarray(picture(number))))) for number in range(COUNT)]
    found, distance = find_near_duplicates([*copies, *changed])
    assert distance == 18
    assert [(each.first, each.second) for each in found] == [(number, number + COUNT) for number in range(COUNT)]
    assert all(0.96 <= each.correlation <= 1 for each in found)
    turned = kind in ("mirrored", "turned", "upside down", "transposed")
    assert {each.turned for each in found} == {turned}


def test_the_order_of_the_images_does_not_matter(copies, picture):
    changed = grey_copies(compressed(KINDS["turned"](Image.fromarray(picture(3)))))
    (found,) = find_near_duplicates([changed, *copies])[0]
    assert (found.first, found.second, found.turned) == (0, 4, True)


def test_images_of_one_colour_are_no_near_duplicates():
    assert find_near_duplicates([np.full((1, 64, 64), level, "uint8") for level in (10, 10, 200)])[0] == []


def test_the_search_is_narrowed_and_says_so(copies, monkeypatch):
    alike = [np.roll(copies[0], (0, step, step), (0, 1, 2)) for step in range(4)]
    assert find_near_duplicates(alike)[1] == 18
    seams.most_candidates_of_near_duplicates(monkeypatch, 1)
    found, distance = find_near_duplicates([*alike, copies[0]])
    assert distance < 18
    assert (0, 4) in [(each.first, each.second) for each in found]  # whose distance is 0


@pytest.mark.parametrize("number", range(8))
def test_hashes_are_those_of_the_turned_images(number, copies):
    greys = np.concatenate(copies)
    np.testing.assert_array_equal(hashes(oriented(greys, number))[:, 0], hashes(greys)[:, number])
    np.testing.assert_array_equal(turned_back(oriented(greys, number), number), greys)


def test_a_border_is_taken_away_where_it_is_one(picture):
    pixels = picture(0)
    for level in (0, 255, 90):
        around = np.pad(pixels, ((5, 0), (2, 9), (0, 0)), constant_values=level)
        np.testing.assert_array_equal(without_border(around), pixels)
    np.testing.assert_array_equal(without_border(pixels), pixels)
    speck = np.zeros((40, 40, 3), "uint8")
    speck[20, 20] = 255  # the picture itself, not a border around it
    assert without_border(speck).shape == speck.shape
    assert len(grey_copies(pixels)) == 1
    assert len(grey_copies(np.pad(pixels, ((5, 5), (5, 5), (0, 0))))) == 2

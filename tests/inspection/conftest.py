"""Pictures with details, as photographs have, and folders of them."""

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter


@pytest.fixture(scope="session")
def picture():
    """`picture(7)`: a picture of clouds and specks that no other number has, uint8 `(96, 128, 3)`."""

    def paint(number, height=96, width=128):
        rng = np.random.default_rng(number)
        scales = (24, 8, 3, 1)
        layers = [gaussian_filter(rng.normal(size=(height, width, 3)), (each, each, 0)) for each in scales]
        pixels = sum(layer / layer.std() / (1 + place) for place, layer in enumerate(layers))
        return (110 + 35 * pixels).clip(0, 255).astype("uint8")

    return paint


@pytest.fixture
def folder(tmp_path, picture):
    """`folder({"train/a": 20, "train/b": 20})`: a tree of so many pictures, all different; returns its root."""

    def write(counts, name="photos", suffix=".png"):
        number = 0
        for place, count in counts.items():
            (tmp_path / name / place).mkdir(parents=True)
            for _ in range(count):
                Image.fromarray(picture(number)).save(tmp_path / name / place / f"{number:03}{suffix}")
                number += 1
        return tmp_path / name

    return write

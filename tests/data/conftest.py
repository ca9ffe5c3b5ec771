"""Small data for the tests of this folder: the embedded data set, made once, and trees of numbered images."""

import numpy as np
import pytest
from parts import parts_of
from PIL import Image

from keras_attention.data import load


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """The embedded data set at its smallest: 60 + 10 + 10 images of 32 pixels, with masks."""
    return load("cluttered_digits", data_dir=tmp_path_factory.mktemp("digits"), image_size=32, count=60)


@pytest.fixture
def tree(tmp_path):
    """`tree({"train/a": 7, "train/b": 5})` writes so many images into each folder and returns the root of the tree.

    Every image has one grey value, its number in the order of writing, so an image that was read shows its file. An
    image is 13 pixels high and 11 wide.
    """

    def write(counts, name="pictures", suffix=".png"):
        root, number = tmp_path / name, 0
        for folder, count in counts.items():
            (root / folder).mkdir(parents=True)
            for _ in range(count):
                grey = np.full((13, 11, 3), number, "uint8")
                Image.fromarray(grey).save(root / folder / f"{number:03}{suffix}")
                number += 1
        return root

    return write


@pytest.fixture
def read():
    """`read(dataset, split)`: the images, one-hot labels and, if there are any, masks of a split, each as one array."""

    def arrays(dataset, split, batch_size=17):
        stream = dataset.batches(split, batch_size, with_masks=dataset.has_masks)
        batches = [parts_of(batch) for batch in stream.as_numpy_iterator()]
        return tuple(np.concatenate(parts) for parts in zip(*batches, strict=True))

    return arrays


@pytest.fixture
def numbers(read):
    """`numbers(dataset, split)`: the numbers of the images of a split in order, which are their grey values."""
    return lambda dataset, split: read(dataset, split)[0][:, 0, 0, 0].astype(int).tolist()

"""Seconds to read a folder of JPEG images with the search for equal images, relative to reading alone.

Both are measured in turn in one process. The files are those of `predict_throughput.py`, smooth noise of 500×375 pixels
with a finer grain, in two classes.

    python benchmarks/duplicate_check.py
    python benchmarks/duplicate_check.py --files 2000 --image-size 64
"""

import argparse
import pathlib
import tempfile
import types
from unittest import mock

import numpy as np
from predict_throughput import write_files

from keras_attention.data import load, sameness, split
from keras_attention.timing import medians

CLASSES = ("a", "b")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name in CLASSES:
            (root / name).mkdir()
        for number, path in enumerate(write_files(root, options.files)):
            path.rename(root / CLASSES[number % 2] / path.name)
        times = medians(
            {"alone": lambda: read_alone(root, options), "with the search": lambda: read(root, options)},
            options.repeats,
            warm_up=0,
        )
    print(f"{options.files:,} JPEG files of 500×375, at {options.image_size} px")
    for name, seconds in times.items():
        print(f"{name:<16} {seconds:.1f} s")
    print(f"ratio            {times['with the search'] / times['alone']:.3f}")


def read(root, options):
    load(root, image_size=options.image_size)


def read_alone(root, options):
    """As `read`, without the digests of the images and without what is made of them."""
    numbers = iter(range(10**9))

    def numbered(*_, **__):
        return types.SimpleNamespace(hexdigest=lambda: f"{next(numbers):032x}")

    with (
        mock.patch.object(split.hashlib, "blake2b", numbered),
        mock.patch.object(sameness.Sameness, "check", return_value=()),
        mock.patch.object(sameness.Sameness, "units", lambda self, name: np.arange(len(self.keys[name]))),
    ):
        read(root, options)


if __name__ == "__main__":
    main()

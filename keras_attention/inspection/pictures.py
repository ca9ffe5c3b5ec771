"""What an inspection keeps of each image: read once, in threads, and small enough for a hundred thousand of them."""

import concurrent.futures
import dataclasses
import hashlib
import os
import pathlib

import numpy as np

from keras_attention.data.images import read_pixels
from keras_attention.data.reasons import reason_of
from keras_attention.inspection.near_duplicates import grey_copies

FRAME = 0.02  # the share of each side that is the border
COLOURLESS = 1.0  # levels by which the channels of a grey image may differ, as JPEG data do


@dataclasses.dataclass(frozen=True, kw_only=True)
class Picture:
    """What is kept of an image.

    Args:
        name: its path below the folder of the data.
        split: its split.
        label: the number of its class.
        size: its width and height in pixels.
        bytes: the size of its file.
        digest: of its pixels.
        colour: the mean of each channel, `(3,)`, from 0 to 255.
        contrast: the standard deviation of each channel, `(3,)`.
        border: the mean and the standard deviation of each channel in its border, `(6,)`.
        greys: small grey copies, with and without its border, for near duplicates.
    """

    name: str
    split: str
    label: int
    size: tuple
    bytes: int
    digest: str
    colour: np.ndarray
    contrast: np.ndarray
    border: np.ndarray
    greys: np.ndarray

    @property
    def is_grey(self):
        """Whether its channels are alike, as far as their means and deviations tell."""
        return float(np.ptp(self.colour) + np.ptp(self.contrast)) < COLOURLESS


def read_pictures(layout, told=lambda count: None):
    """The `Picture`s of a `Layout`, and pairs of the path and the `Reason` of each file that cannot be read.

    Args:
        layout: the `Layout`.
        told: a function that is called with the number of images read so far, now and then.
    """
    jobs = [(split, path, label) for split, pairs in layout.files.items() for path, label in pairs]
    pictures, damaged = [], []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as threads:
        for number, found in enumerate(threads.map(lambda job: _read(layout.root, *job), jobs), 1):
            (pictures if isinstance(found, Picture) else damaged).append(found)
            told(number)
    return pictures, damaged


def _read(root, split, path, label):
    encoded = b""
    try:
        encoded = pathlib.Path(path).read_bytes()
        pixels = read_pixels(encoded)
    except (OSError, ValueError):
        return path, reason_of(path)
    border = border_of(pixels)
    return Picture(
        name=path.relative_to(root).as_posix(),
        split=split,
        label=label,
        size=pixels.shape[1::-1],
        bytes=len(encoded),
        digest=hashlib.blake2b(np.ascontiguousarray(pixels), key=str(pixels.shape).encode()).hexdigest(),
        colour=pixels.mean(axis=(0, 1)),
        contrast=pixels.std(axis=(0, 1)),
        border=np.concatenate([border.mean(axis=0), border.std(axis=0)]),
        greys=grey_copies(pixels),
    )


def border_of(pixels):
    """The pixels of the border of an image, `(n, 3)`: a fiftieth of each side, at least one row and column."""
    rows, columns = (max(1, round(FRAME * side)) for side in pixels.shape[:2])
    sides = pixels[:rows], pixels[-rows:], pixels[rows:-rows, :columns], pixels[rows:-rows, -columns:]
    return np.concatenate([side.reshape(-1, 3) for side in sides])

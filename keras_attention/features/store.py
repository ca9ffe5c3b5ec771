"""Rows of feature maps on disk, in files that are complete or missing, never half-written."""

import dataclasses
import functools
import io
import json
import math
import pathlib
import shutil
import warnings
import zlib

import ml_dtypes
import numpy as np

from keras_attention.arguments import invalid
from keras_attention.atomic import remove, remove_leftovers, replacing
from keras_attention.files import write_json

SHARD = 64  # rows of a file, the most that is lost if the process is killed
FREE_AFTERWARDS = 2**28  # bytes that must stay free on the disk


@dataclasses.dataclass(frozen=True)
class FeatureStore:
    """The features of the images of one split, with a folder for each layer.

    `<layer>/00003-1a2b3c4d.npy` holds rows 192 to 255; the second part of its name is the CRC-32 of its rows, so that a
    truncated or changed file is detected. `about.json` says from what the features were computed.

    Args:
        folder: the folder of the features.
        about: from what they are computed, as plain data. A folder with another `about.json` is emptied.
        layers: name → (shape of a row, dtype).
        count: number of rows.
    """

    folder: pathlib.Path
    about: dict
    layers: dict
    count: int

    def open(self):
        """Prepares the folder; returns shard number → names of the layers whose file is missing.

        Damaged files, and files that a killed process left half-written, are removed.
        """
        if (self.folder / "about.json").is_file() and self._read_about() != self.about:
            remove(self.folder)
        for layer in self.layers:
            (self.folder / layer).mkdir(parents=True, exist_ok=True)
            remove_leftovers(self.folder / layer)
        remove_leftovers(self.folder)
        write_json(self.folder / "about.json", self.about)
        damaged = [path for path in self.folder.glob("*/*.npy") if not self._is_intact(path)]
        for path in damaged:
            remove(path)
        if damaged:
            warnings.warn(f"{len(damaged)} damaged feature files in {self.folder} are computed again.", stacklevel=2)
        missing = {
            shard: [layer for layer in self.layers if not self._files(layer, shard)] for shard in range(self.shards)
        }
        return {shard: layers for shard, layers in missing.items() if layers}

    @property
    def shards(self):
        """The number of shards."""
        return math.ceil(self.count / SHARD)

    def rows_of(self, shard):
        """The number of rows in a shard."""
        return min(SHARD, self.count - shard * SHARD)

    def bytes_of(self, missing):
        """The size in bytes of missing files, given as `open` returns them."""
        return sum(self.rows_of(shard) * self._row_bytes(layer) for shard, names in missing.items() for layer in names)

    def check_space(self, missing):
        """Raises `ValueError` if the disk has too little space for the missing files."""
        needed, free = self.bytes_of(missing), shutil.disk_usage(self.folder).free - FREE_AFTERWARDS
        if needed > free:
            raise invalid(
                f"The features need {needed / 1e6:,.0f} MB in {self.folder.parent}.",
                f"so much free space and {FREE_AFTERWARDS / 1e6:,.0f} MB more, another `cache_dir`, or "
                "`cache_features=False`",
                f"{(free + FREE_AFTERWARDS) / 1e6:,.0f} MB free",
            )

    def write(self, shard, arrays):
        """Writes the rows of one shard, a file for each layer."""
        for layer, array in arrays.items():
            shape, dtype = self.layers[layer]
            # NumPy's files have no bfloat16, so its bits are stored as uint16.
            rows = np.ascontiguousarray(array, _numpy_dtype(dtype)).reshape(-1, *shape).view(_stored_dtype(dtype))
            path = self.folder / layer / f"{shard:05d}-{zlib.crc32(rows):08x}.npy"
            with replacing(path) as temporary:
                np.save(temporary, rows)

    def read(self, numbers):
        """The features of these rows for each layer, in the order of `layers`, `(len(numbers), …)`."""
        return [self._rows(layer, numbers) for layer in self.layers]

    def _rows(self, layer, numbers):
        """Rows of one layer, read straight into the array: a second copy would take as long as the reading."""
        shape, dtype = self.layers[layer]
        rows = np.empty((len(numbers), *shape), _stored_dtype(dtype))
        for place, number in zip(rows, numbers, strict=True):
            shard, row = divmod(int(number), SHARD)
            # Not `np.load`: it parses the header as Python code, which Python 3.11 cannot do in several threads.
            with self._index[layer, shard].open("rb", buffering=0) as file:
                file.seek((row - self.rows_of(shard)) * self._row_bytes(layer), io.SEEK_END)
                _fill(place, file)
        return rows.view(_numpy_dtype(dtype))

    @functools.cached_property
    def _index(self):
        """(layer, shard) → its file; used when no file is missing."""
        return {(layer, shard): self._files(layer, shard)[0] for layer in self.layers for shard in range(self.shards)}

    def _files(self, layer, shard):
        return sorted((self.folder / layer).glob(f"{shard:05d}-*.npy"))

    def _is_intact(self, path):
        """Whether the rows in a file have the CRC-32 in its name; files of layers that are not in `layers` pass."""
        if path.parent.name not in self.layers:
            return True
        shape, dtype = self.layers[path.parent.name]
        try:
            rows = np.load(path)
        except (ValueError, OSError, EOFError):
            return False
        expected = (self.rows_of(int(path.name[:5])), *shape), _stored_dtype(dtype)
        return (rows.shape, rows.dtype) == expected and path.stem.endswith(f"-{zlib.crc32(rows):08x}")

    def _read_about(self):
        try:
            return json.loads((self.folder / "about.json").read_text("utf-8"))
        except ValueError:
            return None

    def _row_bytes(self, layer):
        shape, dtype = self.layers[layer]
        return math.prod(shape) * _stored_dtype(dtype).itemsize


class PairedStores:
    """Two stores of the same rows as one: the layers of the first, then those of the second.

    Args:
        first, second: the `FeatureStore`s.
    """

    def __init__(self, first, second):
        self.first, self.second = first, second
        self.layers, self.count = first.layers | second.layers, first.count

    def read(self, numbers):
        """The features of these rows for each layer, in the order of `layers`, `(len(numbers), …)`."""
        return [*self.first.read(numbers), *self.second.read(numbers)]


class JoinedStores:
    """Several stores of the same layers as one: the rows of the first, then those of the next.

    Args:
        stores: the `FeatureStore`s.
    """

    def __init__(self, stores):
        self.stores, self.layers = tuple(stores), stores[0].layers
        self.starts = np.cumsum([0, *(store.count for store in stores)])

    def read(self, numbers):
        """The features of these rows for each layer, in the order of `layers`, `(len(numbers), …)`."""
        places = np.searchsorted(self.starts, numbers, side="right") - 1
        offsets = numbers - self.starts[places]
        rows = [self.stores[place].read([row]) for place, row in zip(places, offsets, strict=True)]
        return [np.concatenate(layer) for layer in zip(*rows, strict=True)]


def _fill(array, file):
    """Reads a contiguous array from an unbuffered file, whose single reads may give less than is asked for."""
    left = memoryview(array).cast("B")
    while left:
        if not (count := file.readinto(left)):
            raise EOFError(
                f"A file of features ends early. Expected {left.nbytes:,} bytes more. Received: {file.name}."
            )
        left = left[count:]


def _numpy_dtype(dtype):
    return np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)


def _stored_dtype(dtype):
    return np.dtype("uint16" if dtype == "bfloat16" else dtype)

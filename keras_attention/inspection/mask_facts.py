"""The masks of the images: how much of an image they cover, how many are empty, and why they cannot be used."""

import concurrent.futures
import dataclasses
import os

import numpy as np

from keras_attention.arguments import one_line
from keras_attention.data.mask_files import masks_of
from keras_attention.data.masks import MaskReader


@dataclasses.dataclass(frozen=True)
class MaskFacts:
    """The masks of a data set.

    Args:
        covered: the share of each image that its mask covers, `(n,)`, of the masks that are not empty.
        empty: the number of masks that are empty.
        without: the names of the images without a mask.
        wrong: why the masks cannot be used, `None` if they can.
    """

    covered: np.ndarray
    empty: int
    without: list
    wrong: str | None = None


def read_mask_facts(layout, masks, values):
    """The `MaskFacts` of a `Layout`; `None` if there are no masks.

    Args:
        layout: the `Layout`.
        masks, values: where the masks are, and the values inside, as `masks` and `mask_values` of `load`.
    """
    if masks is None and layout.own_masks is None:
        return None
    try:
        mask_of, without = masks_of(layout, masks)
        reader = MaskReader(values)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as threads:
            shares = np.array(list(threads.map(lambda paths: _share(reader, paths), mask_of.values())))
    except ValueError as error:
        return MaskFacts(np.zeros(0), 0, [], one_line(error))
    names = [path.relative_to(layout.root).as_posix() for path in without]
    return MaskFacts(shares[shares > 0], int((shares == 0).sum()), names, _wrong(reader))


def _share(reader, paths):
    return float(reader.read(*(path.read_bytes() for path in paths)).mean())


def _wrong(reader):
    try:
        reader.check()
    except ValueError as error:
        return one_line(error)
    return None

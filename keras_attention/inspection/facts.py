"""What was read of the data, and which of its images belong together."""

import collections
import functools
import itertools

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from keras_attention.data.sameness import units
from keras_attention.text import shown


class Facts:
    """What was read of the data, as findings, the page and the table need it.

    Args:
        layout: the `Layout`.
        pictures: the `Picture`s.
        damaged: pairs of the path and the `Reason` of each file that cannot be read.
        duplicates: the `NearDuplicate`s among the pictures.
        shortcuts: the `Shortcut`s.
        masks: the `MaskFacts`; `None` without masks.
        groups: the group of each picture; `None` without groups.
    """

    def __init__(self, layout, pictures, damaged=(), duplicates=(), shortcuts=(), masks=None, groups=None):
        self.layout, self.pictures, self.damaged, self.masks = layout, pictures, damaged, masks
        self.shortcuts, self.groups = shortcuts, groups
        self.labels = np.array([picture.label for picture in pictures])
        self.splits = np.array([picture.split for picture in pictures])
        self.equal = _equal(pictures)
        twins = {pair for each in self.equal for pair in itertools.combinations(each, 2)}
        near = [(each.first, each.second) for each in duplicates]
        self.near = [pair for pair in near if pair not in twins]

    @property
    def missing(self):
        """The splits that training draws from train."""
        return [name for name in ("test", "validation") if name not in self.layout.files]

    @property
    def drawn_from(self):
        """Which pictures are in the split that others are drawn from, or that is trained on, `(n,)`."""
        return self.splits == ("train" if "train" in self.layout.files else self.splits[0])

    @functools.cached_property
    def kept_together(self):
        """The number of the unit of each picture that training keeps on one side: equal images and groups."""
        equal = _joined(len(self.pictures), self.equal)
        return equal if self.groups is None else units(equal, self.groups)

    @functools.cached_property
    def belongs_together(self):
        """The same, with near duplicates."""
        return units(self.kept_together, _joined(len(self.pictures), self.near))

    def name(self, number):
        """The name of a picture as it is told."""
        return shown(self.pictures[number].name)

    def where(self, number):
        """The name of a picture, its split if the data have any, and its class."""
        picture = self.pictures[number]
        split = f"{picture.split}, " if self.layout.has_splits else ""
        return f"{self.name(number)} ({split}{shown(self.layout.class_names[picture.label])})"

    def differ(self, numbers, of):
        """Whether pictures differ in an attribute, `"label"` or `"split"`."""
        return len({getattr(self.pictures[number], of) for number in numbers}) > 1

    def counts(self):
        """Split → the number of images of each class, as they were read."""
        classes = len(self.layout.class_names)
        return {
            split: np.bincount(self.labels[self.splits == split], minlength=classes).tolist()
            for split in self.layout.files
        }


def _equal(pictures):
    """Tuples of the numbers of pictures with equal pixels."""
    same = collections.defaultdict(list)
    for number, picture in enumerate(pictures):
        same[picture.digest].append(number)
    return [tuple(each) for each in same.values() if len(each) > 1]


def _joined(count, together):
    """The number of the unit of each of `count` images, of which tuples of numbers belong together."""
    pairs = np.array([(each[0], other) for each in together for other in each[1:]], "int64").reshape(-1, 2)
    graph = coo_array((np.ones(len(pairs)), pairs.T), shape=(count, count))
    return connected_components(graph, directed=False)[1]

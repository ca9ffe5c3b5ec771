"""Images that belong together: equal ones, and those of one group, such as one patient. None may lie on two sides."""

import collections
import hashlib

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from keras_attention.arguments import invalid
from keras_attention.data.images import read_pixels
from keras_attention.patterns import PATTERN
from keras_attention.text import counted, shown


def groups_of(names, group):
    """The group of each path: what the first parenthesis of the pattern matches, or else the whole pattern.

    Raises:
        ValueError: a path that the pattern does not match.
    """
    found = [group.search(name) for name in names]
    others = [name for name, match in zip(names, found, strict=True) if match is None]
    if others:
        raise invalid(
            f"`group` does not match {len(others):,} of {counted(len(names), 'path')}, the first {shown(others[0])}.",
            "a pattern that is found in every path",
            f"group={PATTERN + group.pattern!r}",
        )
    return [match[1] if group.groups else match[0] for match in found]


def units(*keys):
    """The number of the unit of each image: images that share any key, directly or through others, are one unit.

    Args:
        keys: lists of hashable values, each `(n,)`.
    """
    count = len(keys[0])
    numbers = [np.unique(np.asarray(values), return_inverse=True)[1].reshape(-1) for values in keys]
    starts = count + np.cumsum([0, *(each.max(initial=-1) + 1 for each in numbers)])
    rows = np.tile(np.arange(count), len(keys))
    columns = np.concatenate([each + start for each, start in zip(numbers, starts, strict=False)])
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(starts[-1], starts[-1]))
    return connected_components(graph, directed=False)[1][:count]


class Sameness:
    """Which images of a folder are equal, or of one group.

    Args:
        read: split → what was read: `names`, `labels` and `digests` of the scaled images.
        root: the folder below which the names are.
        groups: split → the group of each image, or `None`.
    """

    def __init__(self, read, root, groups=None):
        self.read = read
        self.keys = _keys(read, root)
        self.groups = groups

    def units(self, split):
        """The number of the unit of each image of a split."""
        keys = self.keys[split]
        return units(keys) if self.groups is None else units(keys, self.groups[split])

    def check(self, allowed):
        """Sentences on equal images.

        Args:
            allowed: whether equal images may lie in two classes, or in two splits that the source has.

        Raises:
            ValueError: such images, unless they are allowed; or a group in two splits.
        """
        places = collections.defaultdict(list)
        for split, each in self.read.items():
            for name, label, key in zip(each.names, each.labels, self.keys[split], strict=True):
                places[key].append((split, int(label), name))
        equal = [found for found in places.values() if len(found) > 1]
        told = [
            *self._across(equal, 1, "classes", allowed),
            *self._across(equal, 0, "splits", allowed),
        ]
        if self.groups is not None:
            self._check_groups()
        within = [found for found in equal if len({split for split, _, _ in found}) == 1]
        if within:
            first = " and ".join(name for _, _, name in within[0][:2])
            more = counted(sum(len(found) - 1 for found in within), "image equals", "images equal")
            stay = "stays" if more.startswith("1 ") else "stay"
            told.append(f"{more} another one, and {stay} on one side with it, the first {first}")
        return tuple(told)

    def _across(self, equal, key, kind, allowed):
        found = [each for each in equal if len({place[key] for place in each}) > 1]
        if not found:
            return
        first = found[0][0]
        other = next(place for place in found[0] if place[key] != first[key])
        what = (
            f"{counted(len(found), 'image lies', 'images lie')} in two {kind}, the first as {first[2]} and {other[2]}"
        )
        if not allowed:
            raise invalid(
                f"{what}.", f"each image in one of the {kind}, or `allow_duplicates=True`", counted(len(found), "image")
            )
        yield what

    def _check_groups(self):
        seen = {}
        for split, groups in self.groups.items():
            for group, name in zip(groups, self.read[split].names, strict=True):
                before = seen.setdefault(group, (split, name))
                if before[0] != split:
                    raise invalid(
                        f"The group {group!r} lies in two splits, as {before[1]} and {name}.",
                        "each group in one split",
                        f"{before[0]} and {split}",
                    )


def _keys(read, root):
    """Split → a key of each image, which equal images share.

    Images whose scaled pixels are equal are read once more, as they are stored: few are, and this tells them apart.
    """
    count = collections.Counter(digest for each in read.values() for digest in each.digests)

    def key(name, digest):
        if count[digest] == 1:
            return digest
        pixels = read_pixels((root / name).read_bytes())
        return hashlib.blake2b(pixels, key=str(pixels.shape).encode()).hexdigest()

    return {split: [*map(key, each.names, each.digests)] for split, each in read.items()}

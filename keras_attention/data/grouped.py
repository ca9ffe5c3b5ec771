"""Groups → parts of given shares: each group whole, and each class in its share as nearly as the groups allow.

Groups are dealt out, the largest first, each to the part that lacks its classes most; then groups are moved and
exchanged while that brings the classes nearer to their shares. It takes any number of labels in an image.
"""

import numpy as np

PASSES = 3
EXCHANGES = 2_000  # groups that a group is tried against in a pass
WITHOUT_A_CLASS = 1e6  # far more than any distance from a share


def deal(labels, groups, shares, seed):
    """The part of each group.

    The distance to the shares is Σ (count − target)² / target over parts and classes, and the images of each part.

    Args:
        labels: `(n, classes)`, whether an image has a class.
        groups: the number of the group of each image, `(n,)`, from 0.
        shares: the share of each part; they sum to 1.
        seed: of the order of groups that are alike.

    Returns:
        `(groups,)` integers, the number of the part of each group.

    Example:

    >>> import numpy as np
    >>> from keras_attention.data.grouped import deal
    >>> labels, groups = np.eye(2, dtype=bool)[np.arange(40) % 2], np.arange(40) // 4
    >>> np.bincount(deal(labels, groups, (0.6, 0.2, 0.2), seed=0)).tolist()
    [6, 2, 2]
    """
    return _Deal(labels, groups, shares, seed).parts


class _Deal:
    def __init__(self, labels, groups, shares, seed):
        self.rng, count = np.random.default_rng(seed), groups.max() + 1
        # Counts of each group: its images of each class, and all of its images, as one more class.
        columns = np.column_stack([labels, np.ones(len(labels))]).astype("float64")
        self.counts = np.stack([np.bincount(groups, column, count) for column in columns.T], axis=1)
        self.targets = np.outer(shares, self.counts.sum(axis=0))
        self.filled, self.parts = np.zeros_like(self.targets), np.full(count, -1)
        for group in self._largest_first():
            self._put(group, self._costs_with(self.counts[group]).argmin())
        for _ in range(PASSES):
            if not sum([self._improve(group) for group in self.rng.permutation(count)]):
                break

    def _largest_first(self):
        order = self.rng.permutation(len(self.counts))
        return order[np.argsort(-self.counts[order, -1], kind="stable")]

    def _put(self, group, part):
        if self.parts[group] >= 0:
            self.filled[self.parts[group]] -= self.counts[group]
        self.filled[part] += self.counts[group]
        self.parts[group] = part

    def _cost(self, filled, parts):
        """The distance of parts from their targets when they are filled so, the classes on the last axis."""
        targets = self.targets[parts]
        distance = (filled - targets) ** 2 / np.maximum(targets, 1e-9)
        return (distance + WITHOUT_A_CLASS * ((filled < 0.5) & (targets > 0))).sum(axis=-1)

    def _costs_with(self, counts):
        """How much farther each part is from its target with these counts more."""
        every = np.arange(len(self.targets))
        return self._cost(self.filled + counts, every) - self._cost(self.filled, every)

    def _improve(self, group):
        """Moves a group to another part, or exchanges it with another group, if that is nearer; whether it did."""
        here, counts = self.parts[group], self.counts[group]
        costs = self._costs_with(counts)
        costs += self._cost(self.filled[here] - counts, here) - self._cost(self.filled[here], here)
        costs[here] = 0
        others = np.flatnonzero(self.parts != here)
        if len(others) > EXCHANGES:
            others = self.rng.choice(others, EXCHANGES, replace=False)
        gains = self._gains_of_exchanges(group, others)
        best_part, best_other = costs.argmin(), gains.argmin() if len(gains) else None
        if best_other is not None and gains[best_other] < min(costs[best_part], -1e-9):
            there = self.parts[others[best_other]]
            self._put(others[best_other], here)
            self._put(group, there)
            return True
        if costs[best_part] < -1e-9:
            self._put(group, best_part)
            return True
        return False

    def _gains_of_exchanges(self, group, others):
        """How the distance changes when a group is exchanged with each of some others."""
        here, there = self.parts[group], self.parts[others]
        difference = self.counts[others] - self.counts[group]
        changed = self._cost(self.filled[here] + difference, here) + self._cost(self.filled[there] - difference, there)
        return changed - self._cost(self.filled[here], here) - self._cost(self.filled[there], there)

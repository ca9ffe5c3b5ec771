"""Looks at a comparison that grows: each verdict spends a share of the level, and the shares add up to the level.

Adding seeds until something shows, with the full level at each look, gives a false verdict in up to a quarter of all
comparisons without a difference. Shares that add up to the level cannot, whatever the runs have in common.
"""

from keras_attention.arguments import require_integer

FIRST_SHARE = 0.8


def level_of_look(level, seeds, earlier=None, most_seeds=None):
    """The level of the verdict that is given with `seeds` seeds.

    Without a plan, a look spends four fifths of the level that is left. With `most_seeds`, the share spent up to a look
    is (seeds/most_seeds)² of the level, so that a comparison may be looked at after each seed, and most of the level is
    left for the last looks; one look with all seeds has the whole level. No look spends more than is left. A look that
    adds no seeds is the same look once more.

    Args:
        level: the level of all looks together.
        seeds: the number of seeds now.
        earlier: the number of seeds at each earlier look → the level that it had.
        most_seeds: the largest number of seeds that is planned; `None` without a plan.

    Returns:
        The level of this look; 0 beyond the plan, or where nothing is left.

    Raises:
        ValueError: `seeds` or `most_seeds` is not an integer of at least 1.

    Reference:
        Lan, DeMets, *Discrete Sequential Boundaries for Clinical Trials*, Biometrika 1983, whose spending functions
        these are; the shares are added (Bonferroni), so that they hold at any degrees of freedom and in any family.

    Example:

    >>> from keras_attention.comparison.looks import level_of_look
    >>> [round(level_of_look(0.05, *each), 4) for each in ((3,), (5, {3: 0.04}), (5, {3: 0.04, 5: 0.008}))]
    [0.04, 0.008, 0.008]
    >>> [round(level_of_look(0.05, seeds, most_seeds=4), 4) for seeds in (2, 4, 5)]
    [0.0125, 0.05, 0.05]
    >>> round(level_of_look(0.05, 4, {2: 0.0125, 3: 0.0156}, most_seeds=4), 4)
    0.0219
    """
    require_integer("seeds", seeds, at_least=1)
    earlier = earlier or {}
    if seeds in earlier:
        return earlier[seeds]
    left = level - sum(earlier.values())
    if most_seeds is None:
        return max(0.0, left * FIRST_SHARE)
    require_integer("most_seeds", most_seeds, at_least=1)
    planned = _spent(seeds, most_seeds) - _spent(max(earlier, default=0), most_seeds)
    return max(0.0, min(left, level * planned))


def levels_of_looks(level, looks, most_seeds=None):
    """The number of seeds at each look → its level, for looks one after the other; see `level_of_look`."""
    levels = {}
    for seeds in looks:
        levels[seeds] = level_of_look(level, seeds, levels, most_seeds)
    return levels


def _spent(seeds, most_seeds):
    return min(1.0, seeds / most_seeds) ** 2

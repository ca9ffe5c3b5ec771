"""Looks at a comparison that grows: each verdict spends a share of the level, and the shares add up to the level.

Adding seeds until something shows, with the full level at each look, gives a false verdict in up to a quarter of all
comparisons without a difference. Shares that add up to the level cannot, whatever the runs have in common.
"""

from keras_attention.arguments import invalid, require_integer

FIRST_SHARE = 0.8


def level_of_look(level, seeds, earlier=(), most_seeds=None):
    """The level of the verdict that is given with `seeds` seeds.

    Without a plan, four fifths of the level are spent at the first look, four fifths of the rest at the second, and so
    on. With `most_seeds`, which must be said before the first look, the share that is spent up to a look is
    (seeds/most_seeds)², so that a comparison may be looked at after each seed, and most of the level is left for the
    last looks; a single look with all seeds has the whole level. A look that adds no seeds is the last look once more.

    Args:
        level: the level of all looks together.
        seeds: the number of seeds now.
        earlier: the numbers of seeds at the earlier looks.
        most_seeds: the largest number of seeds that was planned; `None` without a plan.

    Returns:
        The level of this look; 0 beyond the plan, where nothing is left.

    Raises:
        ValueError: `seeds` or `most_seeds` is not an integer of at least 1.

    Reference:
        Lan, DeMets, *Discrete Sequential Boundaries for Clinical Trials*, Biometrika 1983, whose spending functions
        these are; the shares are added (Bonferroni), so that they hold at any degrees of freedom and in any family.

    Example:

    >>> from keras_attention.comparison.looks import level_of_look
    >>> [round(level_of_look(0.05, seeds, earlier), 4) for seeds, earlier in ((3, ()), (5, (3,)), (5, (3, 5)))]
    [0.04, 0.008, 0.008]
    >>> [round(level_of_look(0.05, seeds, range(2, seeds), most_seeds=4), 4) for seeds in (2, 3, 4, 5)]
    [0.0125, 0.0156, 0.0219, 0.0]
    """
    require_integer("seeds", seeds, at_least=1)
    before = sorted({look for look in earlier if look < seeds})
    if most_seeds is None:
        return level * FIRST_SHARE * (1 - FIRST_SHARE) ** len(before)
    require_integer("most_seeds", most_seeds, at_least=1)
    if any(look != int(look) or look < 1 for look in before):
        raise invalid("`earlier` must hold numbers of seeds.", "integers of at least 1", f"earlier={before}")
    return level * (_spent(seeds, most_seeds) - _spent(max(before, default=0), most_seeds))


def _spent(seeds, most_seeds):
    return min(1.0, seeds / most_seeds) ** 2

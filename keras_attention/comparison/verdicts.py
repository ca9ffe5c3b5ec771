"""The verdict on a difference, by stated rules: helps, hurts, the same within a margin, or not known."""

import dataclasses

from keras_attention.arguments import require_integer, require_number
from keras_attention.comparison.chances import chance_of_margin
from keras_attention.comparison.contrasts import LEVEL
from keras_attention.comparison.looks import level_of_look

HELPS, HURTS, NO_EVIDENCE, NO_INTERVAL = "helps", "hurts", "no evidence", "no interval"
EQUIVALENT, NOT_SETTLED = "the same within the margin", "not settled"
DECIDED = (HELPS, HURTS, EQUIVALENT)


@dataclasses.dataclass(frozen=True)
class Rule:
    """How a comparison is judged.

    Args:
        margin: the largest difference that does not matter, in the unit of the metric that decides; `None` to ask only
            whether there is a difference.
        looks: the number of seeds of each earlier verdict → the level that it had.
        most_seeds: the number of seeds up to which the comparison is planned to grow; `None` without a plan.
        same_images, held_out_ratio: as in `JointModel`, for runs whose seeds draw their own splits.
        level: the level of all verdicts of a family, over all looks together.

    Raises:
        ValueError: the margin, the ratio, the level or the number of seeds is out of range.

    Example:

    >>> from keras_attention.comparison.verdicts import Rule
    >>> Rule(margin=0.01, looks={3: 0.04}).level_with(5)
    0.008
    """

    margin: float | None = None
    looks: dict = dataclasses.field(default_factory=dict)
    most_seeds: int | None = None
    same_images: bool = True
    held_out_ratio: float = 0.0
    level: float = LEVEL

    def __post_init__(self):
        if self.margin is not None:
            require_number("margin", self.margin, above=0)
        require_number("held_out_ratio", self.held_out_ratio, at_least=0)
        if self.most_seeds is not None:
            require_integer("most_seeds", self.most_seeds, at_least=1)
        require_number("level", self.level, above=0, below=1)

    def level_with(self, seeds):
        """The level of a verdict with this number of seeds, after the earlier looks."""
        return round(level_of_look(self.level, seeds, self.looks, self.most_seeds), 12)

    def level_later(self, seeds):
        """The level of the next verdict after one with this number of seeds, or of all that the plan leaves."""
        looks = self.looks | {seeds: self.level_with(seeds)}
        later = max(seeds + 1, self.most_seeds or 0)
        return round(level_of_look(self.level, later, looks, self.most_seeds), 12)


def verdict(difference, p_corrected, p_within=None, level=LEVEL, more_is_better=True):
    """The verdict on the paired difference of a variant to a reference, one of the texts of this module.

    "no interval" if nothing is known about the variation over the seeds; with a margin "the same within the margin" if
    `p_within` is below the level; "helps" or "hurts", depending on the sign, if `p_corrected` is; otherwise "no
    evidence", or with a margin "not settled".

    Args:
        difference: the `Estimate` of variant minus reference.
        p_corrected: the p-value of no difference, corrected for the family.
        p_within: the p-value of a difference as large as the margin, corrected for the family; `None` without a margin.
        level: the level of this look.
        more_is_better: whether a larger figure is better.
    """
    if not difference.has_interval:
        return NO_INTERVAL
    if p_within is not None and p_within < level:
        return EQUIVALENT
    if p_corrected < level:
        return HELPS if (difference.mean > 0) == more_is_better else HURTS
    return NO_EVIDENCE if p_within is None else NOT_SETTLED


def within_margin(difference, margin):
    """The p-value of a difference as large as the margin; `None` without a margin or an interval."""
    return None if margin is None else chance_of_margin(difference, margin)

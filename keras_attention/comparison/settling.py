"""What would settle the differences that are open: seeds, images, and minutes of training."""

import numpy as np

from keras_attention.comparison.verdicts import NO_EVIDENCE, NOT_SETTLED
from keras_attention.text import duration
from keras_attention.variants import REFERENCES

UNDECIDED = (NO_EVIDENCE, NOT_SETTLED)


def add_minutes(variants, pooled, anew=False):
    """Adds to each difference the `minutes` that the missing seeds would train, one run after the other.

    They are the seconds that a run of the variant and of each reference took, times the seeds that are missing; `None`
    if no number of seeds is known to be enough. `anew` says whether they are seeds of a new comparison, as no level is
    left for a later verdict of this one.

    Args:
        variants: the variants of a summary.
        pooled: the differences of all variants with attention together, which need the runs of all of them.
        anew: whether none of the seeds there are counts.
    """
    seconds = {each["name"]: _seconds(each) for each in variants}
    of_references = sum(seconds.get(name) or 0.0 for name in REFERENCES)
    attending = [each["name"] for each in variants if each["attends"] and not each["control"]]
    together = of_references + sum(seconds[name] or 0.0 for name in attending)
    for each in variants:
        own = 0.0 if each["name"] in REFERENCES else seconds[each["name"]] or 0.0
        _add(each["differences"], of_references + own, anew)
    _add(pooled, together, anew)


def largest_open(found):
    """The name and the difference that is largest of those that are open; `None` if none is.

    Args:
        found: name → difference.
    """
    still = {name: each for name, each in found.items() if each["verdict"] in UNDECIDED}
    return max(still.items(), key=lambda item: abs(item[1]["mean"])) if still else None


def enough(difference, images):
    """What would be enough to settle an open difference of the size that was seen, as text.

    Args:
        difference: a difference as plain data.
        images: the number of test images now.
    """
    if difference["needed"] is None:
        return "more than 100 seeds and 100 times the test images"
    seeds, wanted = difference["needed"]
    if wanted > images and not difference["anew"] and seeds <= difference["seeds"]:
        return f"{wanted:,} test images, with as many seeds as there are"
    more = "in a new comparison" if difference["anew"] else f"{seeds - difference['seeds']} more"
    time = "" if difference["minutes"] is None else f", {duration(difference['minutes'])} of training"
    text = f"about {seeds} seeds ({more}{time})"
    return text if wanted <= images else f"{text} and {wanted:,} test images"


def to_settle(summary, against):
    """A line on what would settle the largest open difference to each reference; `None` if none is open.

    Args:
        summary: the summary.
        against: reference → name → difference, of the variants with attention.
    """
    found = {reference: item for reference, each in against.items() if (item := largest_open(each))}
    parts = [
        f"{enough(difference, summary['images'])} for {name} against {reference}"
        for reference, (name, difference) in found.items()
    ]
    return "; ".join(parts) or None


def _seconds(variant):
    """How long a run of a variant takes on average, in seconds; `None` without runs."""
    known = [run["seconds"] for run in variant["runs"] if run["seconds"] is not None]
    return float(np.mean(known)) if known else None


def _add(by_reference, seconds, anew):
    for found in by_reference.values():
        for difference in found.values():
            before = 0 if anew else difference["seeds"]
            missing = difference["needed"] and max(difference["needed"][0] - before, 0)
            difference["anew"] = anew
            difference["minutes"] = missing * seconds / 60 if missing is not None and seconds else None

"""What a comparison does where little is asked for: its margin, its processes, and how many seeds."""

import dataclasses

from keras_attention.config import DEFAULT_COMPARISON

DEFAULT_MARGIN = 0.02  # of the comparison with these settings, so that "the same" is an answer too
WHERE_AND_WHICH = ("data_dir", "precision", "seed")  # settings that ask no other question
# The cores gain more from a network each than from one in common, if it is that narrow. A process takes about 1 GB.
MOST_DEFAULT_JOBS = 4
DEFAULT_SEEDS = 3
USUAL_MOST_SEEDS = 20  # of a comparison until the verdict is settled
# Of more variants than `MANY` the best are chosen by one seed each: that finds more than as many runs spread over all.
MANY, CHOSEN, CONFIRMING_SEEDS = 8, 4, 7


def asks_the_default(config):
    """Whether the settings ask what `DEFAULT_COMPARISON` asks, with whatever seed, precision and folder of data."""
    same = {name: getattr(DEFAULT_COMPARISON, name) for name in WHERE_AND_WHICH}
    return dataclasses.replace(config, **same) == DEFAULT_COMPARISON

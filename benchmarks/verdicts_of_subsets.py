"""How often the verdict of three seeds contradicts itself, by the rule in use and by the one before.

    keras-attention compare … --seeds 8 --run runs/study
    python benchmarks/verdicts_of_subsets.py runs/study

Draws subsets of the seeds of a comparison that has more, and gives each the verdict of every variant with attention
against both references. The rule in use is `Judged`, which takes the errors of all variants together. The one before
took the spread of each difference over its own seeds alone, Student's t, and Holm's correction; the error of the images
is that of each image's influence here, where it was a bootstrap. It prints how many verdicts of each kind there were,
how many pairs of subsets said "helps" and "hurts" of the same difference, and in how many only one of the two decided.
"""

import argparse
import collections
import itertools
import math
import pathlib

import numpy as np
from scipy import optimize, special

from keras_attention import Comparison
from keras_attention.comparison.family import holm
from keras_attention.comparison.judging import Judged
from keras_attention.comparison.verdicts import HELPS, HURTS, NO_EVIDENCE, Rule
from keras_attention.metrics import METRICS, image_deviations
from keras_attention.models.outputs import LOGITS
from keras_attention.variants import REFERENCES


def figures_of(run, metric):
    """The figure of a run, and how it varies with the test images."""
    arrays = run.arrays()
    return run.metrics[metric], image_deviations(arrays[LOGITS], arrays["labels"])[metric]


def by_rule_in_use(runs, attending, metric, images):
    """`(variant, reference)` → verdict."""
    judged = Judged(runs, attending, METRICS[metric], images, Rule(), seeds=len(next(iter(runs.values()))))
    return {
        (name, reference): found["verdict"]
        for name in attending
        for reference, found in judged.differences(name).items()
    }


def by_rule_before(runs, attending, metric, images):
    """The same by the differences of each variant alone. Holm's family are all networks but the reference."""
    sign = 1 if METRICS[metric].more_is_better else -1
    verdicts = {}
    for reference in REFERENCES:
        names = [name for name in runs if name != reference]
        found = [alone(runs[name], runs[reference], images) for name in names]
        for name, (mean, p_value), p_holm in zip(names, found, holm([p for _, p in found]), strict=True):
            decided = p_value < 0.05 and p_holm < 0.05
            verdicts[name, reference] = (HELPS if sign * mean > 0 else HURTS) if decided else NO_EVIDENCE
    return {pair: verdict for pair, verdict in verdicts.items() if pair[0] in attending}


def alone(own, others, images):
    """The mean difference, and the level at which its interval √((t·seed error)² + (t·image error)²) ends at 0."""
    values = np.array([own[seed][0] - others[seed][0] for seed in own])
    image_error = np.linalg.norm(np.mean([own[seed][1] - others[seed][1] for seed in own], axis=0))
    seed_error = values.std(ddof=1) / math.sqrt(len(values))
    mean = values.mean()

    def beyond(level):
        quantiles = (-special.stdtrit(count - 1, level / 2) for count in (len(values), images))
        return math.hypot(*np.multiply(tuple(quantiles), (seed_error, image_error))) - abs(mean)

    return mean, 1.0 if mean == 0 else 1e-12 if beyond(1e-12) < 0 else optimize.brentq(beyond, 1e-12, 1.0)


def opposite(one, other):
    return {one, other} == {HELPS, HURTS}


def tell(title, subsets, everything):
    """Prints how the verdicts of a rule on the subsets agree with each other, and with those of all seeds."""
    kinds = collections.Counter(verdict for each in subsets for verdict in each.values())
    print(f"{title}: {', '.join(f'{count} {kind}' for kind, count in sorted(kinds.items()))}")
    pairs = [(one[name], other[name]) for one, other in itertools.combinations(subsets, 2) for name in one]
    against = sum(opposite(*pair) for pair in pairs)
    differ = sum(one != other for one, other in pairs) - against
    print(f"  two subsets: of {len(pairs)} pairs of verdicts {against} are opposite, in {differ} only one decides")
    pairs = [(each[name], everything[name]) for each in subsets for name in each]
    print(f"  a subset and all seeds: {sum(opposite(*pair) for pair in pairs)} of {len(pairs)} are opposite")


def read(folder):
    """The figures of all runs, the names of the variants with attention, the metric, the test images and the seeds."""
    comparison = Comparison(folder)
    plan = comparison.plan
    runs = {
        variant.name: {seed: figures_of(comparison.run(variant.name, seed), plan.metric) for seed in plan.seed_numbers}
        for variant in plan.variants
    }
    attending = [
        variant.name for variant in plan.variants if variant.config(plan.config).weighs and not variant.is_control
    ]
    return runs, attending, plan.metric, comparison.summary["images"], plan.seed_numbers


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=pathlib.Path, help="the folder of a finished comparison")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of a subset")
    parser.add_argument("--subsets", type=int, default=5)
    options = parser.parse_args()
    runs, *about, numbers = read(options.folder)
    subsets = list(itertools.combinations(numbers, options.seeds))
    drawn = [subsets[place] for place in np.random.default_rng(0).permutation(len(subsets))[: options.subsets]]
    everything = by_rule_in_use(runs, *about)
    print(f"subsets of seeds {drawn}; all {len(numbers)} seeds: {dict(collections.Counter(everything.values()))}")
    for title, rule in (("the rule in use", by_rule_in_use), ("the rule before", by_rule_before)):
        chosen = ({name: {seed: each[seed] for seed in seeds} for name, each in runs.items()} for seeds in drawn)
        tell(title, [rule(each, *about) for each in chosen], everything)


if __name__ == "__main__":
    main()

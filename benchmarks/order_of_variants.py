"""How much of the order of the variants of a comparison stays when something else changes, such as `normalize`.

    keras-attention compare … --variants all-scores,all-alignments --normalize none --run runs/none
    keras-attention compare … --variants all-scores,all-alignments --normalize layer --run runs/layer
    python benchmarks/order_of_variants.py runs/none runs/layer

For each pair of comparisons it prints Spearman's rank correlation of the mean figures of their common variants, with
and without the controls, and then how far the figure of each variant moved, with the largest move first.
"""

import argparse
import itertools
import pathlib

import numpy as np
from scipy.stats import spearmanr

from keras_attention import Comparison


def means(comparison):
    """Variant → the mean over its seeds of the figure that decides; controls are marked by `True`."""
    metric = comparison.summary["metric"]
    return {
        each["name"]: (each["metrics"][metric]["mean"], each["control"])
        for each in comparison.summary["variants"]
        if metric in each["metrics"]
    }


def compare_orders(first, second):
    """Prints the rank correlations of two comparisons, and how far each variant moved."""
    mine, others = means(first), means(second)
    shared = [name for name in mine if name in others]
    print(f"{first.folder.name} and {second.folder.name}: {len(shared)} variants of both")
    for title, names in (("all", shared), ("without controls", [name for name in shared if not mine[name][1]])):
        values = [np.array([found[name][0] for name in names]) for found in (mine, others)]
        print(f"  rank correlation, {title}: {spearmanr(*values).statistic:+.2f}")
    for name in sorted(shared, key=lambda name: -abs(others[name][0] - mine[name][0])):
        print(f"  {name:28} {mine[name][0]:.3f} → {others[name][0]:.3f} ({others[name][0] - mine[name][0]:+.3f})")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    options = parser.parse_args()
    for pair in itertools.combinations(map(Comparison, options.folders), 2):
        compare_orders(*pair)


if __name__ == "__main__":
    main()

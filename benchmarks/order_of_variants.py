"""How much of the order of the variants of a comparison stays when something else changes, such as `normalize`.

    keras-attention compare … --variants all-scores,all-alignments --normalize none --run runs/none
    keras-attention compare … --variants all-scores,all-alignments --normalize layer --run runs/layer
    python benchmarks/order_of_variants.py runs/none runs/layer

For each pair of comparisons it prints Spearman's rank correlation of the mean figures of their common variants, with
and without the controls, and then how far the figure of each variant moved, with the largest move first. Then follows
a table in Markdown: the figure of each variant in each comparison, its differences to the plain network and to the
multi-scale head with their verdicts, and the entropy of its maps before and after training, the mean over the blocks.
"""

import argparse
import itertools
import pathlib

import numpy as np
from scipy.stats import spearmanr

from keras_attention import Comparison
from keras_attention.comparison.verdicts import EQUIVALENT, HELPS, HURTS, NO_EVIDENCE, NO_INTERVAL, NOT_SETTLED
from keras_attention.text import interval, number
from keras_attention.variants import REFERENCES

SHORT = {HELPS: "helps", HURTS: "hurts", EQUIVALENT: "same"} | dict.fromkeys(
    (NO_EVIDENCE, NO_INTERVAL, NOT_SETTLED), "–"
)


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


def row(comparison, name):
    """The cells of a variant in one comparison."""
    found = {each["name"]: each for each in comparison.summary["variants"]}.get(name)
    if found is None:
        return ["–"] * 4
    metric = comparison.summary["metric"]
    cells = [number(found["metrics"][metric]["mean"])]
    for reference in REFERENCES:
        difference = found["differences"].get(reference, {}).get(metric)
        cells.append("" if difference is None else f"{interval(difference)} {SHORT[difference['verdict']]}")
    means = {when: [each[when] for each in found["map_entropy"].values()] for when in ("before", "after")}
    entropy = [number(np.mean(each), 2) for each in means.values() if each]
    return [*cells, " → ".join(entropy) or "–"]


def table(comparisons):
    """Lines of Markdown, with the variants by their figures in the first comparison that has them."""
    figures = {}
    for comparison in comparisons:
        figures = {name: figure for name, (figure, _) in means(comparison).items()} | figures
    titles = ("figure", *(f"to `{name}`" for name in REFERENCES), "entropy")
    heads = [f"{each.folder.name}: {title}" for each in comparisons for title in titles]
    yield f"| variant | {' | '.join(heads)} |"
    yield "|" + "---|" * (len(heads) + 1)
    for name in sorted(figures, key=lambda name: -figures[name]):
        yield f"| `{name}` | {' | '.join(cell for each in comparisons for cell in row(each, name))} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    options = parser.parse_args()
    comparisons = [Comparison(folder) for folder in options.folders]
    for pair in itertools.combinations(comparisons, 2):
        compare_orders(*pair)
    print("\n".join(table(comparisons)))


if __name__ == "__main__":
    main()

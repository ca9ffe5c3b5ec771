"""Figures of a comparison on several data sets, as those of a comparison."""

import numpy as np
from matplotlib.figure import Figure

from keras_attention.report.comparison_figures import COLOURS, INK, WIDTH

ROW = 0.5  # the distance of two names, in units of the axis


def ranks_figure(ranks):
    """A critical-difference diagram: mean ranks on an axis, best left; bars join variants that cannot be told apart.

    Args:
        ranks: `mean`, name → mean rank; `critical`, the critical difference; `groups`, lists of names.

    Reference:
        Demšar, *Statistical Comparisons of Classifiers over Multiple Data Sets*, JMLR 2006, fig. 1.
    """
    order = sorted(ranks["mean"], key=ranks["mean"].get)
    half, last = (len(order) + 1) // 2, len(order)
    below = 0.35 * (1 + len(ranks["groups"]))  # where the names begin, under the bars
    depth = below + ROW * half
    figure = Figure(figsize=(WIDTH * 1.3, 0.7 + 0.45 * depth), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(0.2 - 0.25 * last, last + 0.8 + 0.25 * last), ylim=(depth, -1.3))
    axes.axis("off")
    _axis(axes, last)
    _bar_of_length(axes, ranks["critical"])
    for row, group in enumerate(ranks["groups"]):
        ends = [ranks["mean"][name] for name in (group[0], group[-1])]
        axes.plot([ends[0] - 0.04, ends[1] + 0.04], [0.3 + 0.35 * row] * 2, color=COLOURS["attention"], linewidth=4)
    for place, name in enumerate(order):
        left = place < half
        row = below + ROW * (place if left else last - 1 - place)
        _name(axes, name, ranks["mean"][name], row, 0.8 if left else last + 0.2, "right" if left else "left")
    return figure


def _axis(axes, last):
    axes.plot([1, last], [0, 0], color=INK, linewidth=1)
    for tick in range(1, last + 1):
        axes.plot([tick] * 2, [-0.12, 0], color=INK, linewidth=1)
        axes.text(tick, -0.2, str(tick), ha="center", va="bottom", fontsize=8)


def _bar_of_length(axes, critical):
    axes.plot([1, 1 + critical], [-0.85] * 2, color=INK, linewidth=1.5)
    for end in (1, 1 + critical):
        axes.plot([end] * 2, [-0.93, -0.77], color=INK, linewidth=1.5)
    axes.text(1 + critical + 0.1, -0.85, f"critical difference {critical:.2f}", va="center", fontsize=8)


def _name(axes, name, rank, row, end, side):
    axes.plot([rank, rank, end], [0, row, row], color=INK, linewidth=0.8)
    shift = -0.06 if side == "right" else 0.06
    axes.text(end + shift, row, f"{name} {rank:.2f}", ha=side, va="center", fontsize=8)


def sets_figure(variants, reference, metric, title):
    """The joined difference of each variant to a reference, with its interval, and a dot for each data set."""
    shown = [each for each in variants if metric in each["differences"].get(reference, {})]
    figure = Figure(figsize=(WIDTH, 0.9 + 0.3 * len(shown)), layout="constrained")
    axes = figure.subplots()
    for place, variant in enumerate(shown):
        found = variant["differences"][reference][metric]
        colour = COLOURS["attention"] if variant["attends"] else COLOURS[reference]
        axes.plot([found["low"], found["high"]], [place] * 2, color=colour, linewidth=1.6)
        fill = colour if found["settled"] else "none"
        axes.plot(found["mean"], place, "o", color=colour, markerfacecolor=fill, markersize=5)
        single = [each["mean"] for each in found["single"].values()]
        axes.plot(single, np.full(len(single), place + 0.24), "o", color=colour, markersize=3, alpha=0.7)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(shown)), [each["name"].replace("@", "\n@") for each in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", alpha=0.25, color=INK)
    axes.set_xlabel(f"difference in {title} to {reference}")
    return figure

"""Figures of a comparison, as SVG in the colour of the surrounding text, for light and dark pages."""

import html
import io
import re

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

# Figures are drawn in this colour, which is then replaced by the colour of the text.
INK = "#010203"
MARKERS = {"plain": "o", "multiscale": "s"}
OPEN_LINE = (0, (2.5, 1.2))
COLOURS = {"plain": "#7d8590", "multiscale": "#b7791f", "attention": "#2f81f7"}
WIDTH = 4.4  # inches; legible at the width of a phone
STYLE = {
    "svg.fonttype": "path",
    "svg.hashsalt": "keras_attention",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def svg(draw, title):
    """A figure as inline SVG: `draw` makes the figure, `title` describes it for screen readers."""
    with matplotlib.rc_context(STYLE):
        figure, buffer = draw(), io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    tag, rest = text[text.index("<svg") :].replace(INK, "currentColor").split(">", 1)
    text = re.sub(r' (width|height)="[^"]*"', "", tag) + ">" + rest  # the page sets the width
    name = re.sub(r"\W+", "-", title.lower())
    # One page has several figures, whose ids must differ.
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    return text.replace("<svg", f'<svg role="img" aria-label="{html.escape(title)}"', 1)


def means_figure(variants, metric, title):
    """The mean of each variant with its interval, and a dot for each seed; the line is the plain network."""
    figure, axes = _rows(variants)
    for place, variant in enumerate(variants):
        found = variant["metrics"].get(metric)
        if found is None:
            continue
        _interval(axes, place, found, _colour(variant))
        values = [run[metric] for run in variant["runs"]]
        axes.plot(values, [place + 0.24] * len(values), "o", color=_colour(variant), markersize=3, alpha=0.7)
        if variant["name"] == "plain":
            axes.axvline(found["mean"], color=COLOURS["plain"], linewidth=0.8, linestyle="--")
    axes.set_xlabel(title)
    return figure


def differences_figure(variants, metric, title, margin=None):
    """The differences of each variant to the two references, with their intervals; right of 0 is a larger figure.

    A settled difference has a filled mark, an open one a hollow mark and a broken line. Differences within the margin,
    which is shaded, do not matter.
    """
    figure, axes = _rows(variants)
    if margin is not None:
        axes.axvspan(-margin, margin, color=INK, alpha=0.12, linewidth=0)
    for place, variant in enumerate(variants):
        for shift, (reference, differences) in zip((-0.14, 0.14), variant["differences"].items(), strict=False):
            if (found := differences.get(metric)) is not None:
                style = {"marker": MARKERS[reference], "settled": found["settled"]}
                _interval(axes, place + shift, found, COLOURS[reference], **style)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_xlabel(f"difference in {title}")
    handles = [
        Line2D([], [], color=COLOURS[name], marker=MARKERS[name], markersize=4, label=f"to {name}")
        for name in ("plain", "multiscale")
    ]
    for label, fill, line in (("settled", INK, "-"), ("open", "none", OPEN_LINE)):
        style = {"color": INK, "linestyle": line, "marker": "o", "markersize": 4, "markerfacecolor": fill}
        handles.append(Line2D([], [], label=label, **style))
    if margin is not None:
        handles.append(Patch(color=INK, alpha=0.12, label="margin"))
    figure.legend(handles=handles, loc="outside upper left", ncols=3, frameon=False, fontsize=8)
    return figure


def power_figure(curves, title):
    """The chance that this comparison finds a true difference, over its size, for the variant in the middle.

    Args:
        curves: reference → `variant`, `differences` and `powers`, and the difference `found_from` a power of `chance`
            on, which is marked.
        title: the title of the metric.
    """
    figure = Figure(figsize=(WIDTH, 2.6), layout="constrained")
    axes = figure.subplots()
    for (reference, curve), line in zip(curves.items(), ("-", "--"), strict=False):
        percent = 100 * np.array(curve["powers"])
        label = f"{curve['variant']} to {reference}"
        axes.plot(curve["differences"], percent, color=COLOURS[reference], linestyle=line, linewidth=1.8, label=label)
        axes.plot(
            curve["found_from"], 100 * curve["chance"], MARKERS[reference], color=COLOURS[reference], markersize=5
        )
        axes.axhline(100 * curve["chance"], color=INK, linewidth=0.8, linestyle=":")
    axes.set(xlabel=f"true difference in {title}", ylabel="chance to find it, %", ylim=(0, 102))
    axes.set_xlim(left=0)
    axes.grid(alpha=0.25, color=INK)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    figure.legend(loc="outside upper left", ncols=1, frameon=False, fontsize=8)
    return figure


def curve_figure(variant, reference, limits, epochs):
    """The monitor of a variant over the epochs: each seed, their mean, and the mean of the plain network."""
    figure = Figure(figsize=(2.1, 1.5), layout="constrained")
    axes = figure.subplots()
    for each, colour, width in ((reference, COLOURS["plain"], 1.0), (variant, _colour(variant), 1.8)):
        curves = list(each["curves"].values()) if each else []
        if each is variant:
            for curve in curves:
                # A line of one epoch would not be visible.
                style = {"marker": "o", "markersize": 3} if len(curve) == 1 else {"linewidth": 0.7}
                axes.plot(range(1, len(curve) + 1), _numbers(curve), color=colour, alpha=0.5, **style)
        if curves:
            mean = _mean_curve(curves)
            axes.plot(range(1, len(mean) + 1), mean, color=colour, linewidth=width)
    axes.set(ylim=limits, xlim=(1, epochs) if epochs > 1 else (0.5, 1.5))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=4))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=3))
    axes.tick_params(labelsize=8)
    return figure


def cost_figure(variants, metric, title, cost, label):
    """A metric against a cost: each variant has its number in the table of results, and its interval."""
    figure = Figure(figsize=(WIDTH, 3.0), layout="constrained")
    axes = figure.subplots()
    for variant in variants:
        found = variant["metrics"].get(metric)
        if found is None or not variant["cost"] or variant["cost"].get(cost) is None:
            continue
        place, colour = variant["cost"][cost], _colour(variant)
        if found["low"] is not None:
            axes.plot([place] * 2, [found["low"], found["high"]], color=colour, linewidth=1, alpha=0.5)
        axes.plot(place, found["mean"], "o", color=colour, markersize=13)
        axes.text(place, found["mean"], str(variant["number"]), ha="center", va="center", fontsize=7, color="white")
    axes.margins(0.1)
    axes.set(xlabel=label, ylabel=title)
    return figure


def curve_limits(variants):
    """The limits of the axis for all curves, and the largest number of epochs."""
    curves = [_numbers(curve) for variant in variants for curve in variant["curves"].values()]
    known = np.concatenate([curve[np.isfinite(curve)] for curve in curves] or [np.zeros(0)])
    low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
    room = 0.05 * max(high - low, 1e-3)
    return (low - room, high + room), max(map(len, curves), default=1)


def _rows(variants):
    figure = Figure(figsize=(WIDTH, 0.9 + 0.3 * len(variants)), layout="constrained")
    axes = figure.subplots()
    names = [f"{_label(variant)} {variant['number']}".rstrip() for variant in variants]
    axes.set_yticks(range(len(variants)), names)
    axes.set_ylim(len(variants) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.25, color=INK)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    return figure, axes


def _label(variant):
    """The name of a variant, with the layers on a line of their own; a control is marked as one."""
    return variant["name"].replace("@", "\n@") + (" (control)" if variant["control"] else "")


def _interval(axes, place, found, colour, marker="o", settled=True):
    if found["low"] is not None:
        line = "-" if settled else OPEN_LINE
        axes.plot([found["low"], found["high"]], [place] * 2, color=colour, linewidth=1.6, linestyle=line)
    # A hollow mark is transparent, so that it does not depend on the colour of the page.
    fill = colour if settled else "none"
    axes.plot(found["mean"], place, marker, color=colour, markersize=5, markerfacecolor=fill)


def _colour(variant):
    if variant["attends"]:
        return COLOURS["attention"]
    return COLOURS["plain"] if variant["name"] == "plain" else COLOURS["multiscale"]


def _numbers(curve):
    return np.array([np.nan if value is None else value for value in curve], "float64")


def _mean_curve(curves):
    """The mean over the seeds, for the epochs that all of them have."""
    length = min(map(len, curves))
    return np.mean([_numbers(curve)[:length] for curve in curves], axis=0)

"""Figures of a comparison, as SVG in the colour of the surrounding text, for light and dark pages."""

import html
import io
import re

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

# Figures are drawn in this colour, which is then replaced by the colour of the text.
INK = "#010203"
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


def differences_figure(variants, metric, title):
    """The differences of each variant to the two references, with their intervals; right of 0 is a larger figure."""
    figure, axes = _rows(variants)
    for place, variant in enumerate(variants):
        for shift, (reference, differences) in zip((-0.14, 0.14), variant["differences"].items(), strict=False):
            if metric in differences:
                _interval(axes, place + shift, differences[metric], COLOURS[reference])
    axes.axvline(0, color=INK, linewidth=0.8)
    for reference in ("plain", "multiscale"):
        axes.plot([], [], "o-", color=COLOURS[reference], markersize=4, label=f"to {reference}")
    figure.legend(loc="outside upper left", ncols=2, frameon=False)
    axes.set_xlabel(f"difference in {title}")
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
    axes.set(ylim=limits, xlim=(1, max(2, epochs)))
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
    names = [f"{variant['name'].replace('@', chr(10) + '@')} {variant['number']}" for variant in variants]
    axes.set_yticks(range(len(variants)), names)
    axes.set_ylim(len(variants) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.25, color=INK)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    return figure, axes


def _interval(axes, place, found, colour):
    if found["low"] is not None:
        axes.plot([found["low"], found["high"]], [place] * 2, color=colour, linewidth=1.6)
    axes.plot(found["mean"], place, "o", color=colour, markersize=5)


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

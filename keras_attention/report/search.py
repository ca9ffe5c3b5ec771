"""The picture of a search: how it went on, and which scores, alignments and units did well."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, ScalarFormatter


def search_figure(trials, objective, more_is_better=True):
    """Four plots of the trials of a search.

    Args:
        trials: dictionaries with `settings` and `figures`, in the order in which they were run, those that completed.
        objective: the name of the figure that trials are compared by.
        more_is_better: whether a larger one is better.

    Returns:
        A `matplotlib.figure.Figure`: each trial and the best so far; the figure by score, by alignment, and by units.
    """
    figure = Figure(figsize=(11, 8), layout="constrained")
    (course, by_score), (by_alignment, by_units) = figure.subplots(2, 2)
    values = np.array([trial["figures"][objective] for trial in trials])
    _draw_course(course, values, more_is_better)
    names = [trial["settings"]["score"] or "multiscale" for trial in trials]
    _draw_groups(by_score, names, values, "score", more_is_better)
    attending = [number for number, trial in enumerate(trials) if "units" in trial["settings"]]
    names = [trials[number]["settings"]["alignment"] for number in attending]
    _draw_groups(by_alignment, names, values[attending], "alignment", more_is_better)
    _draw_units(by_units, [trials[number]["settings"]["units"] for number in attending], values[attending])
    for axes in (course, by_units):
        axes.set_ylabel(objective)
    for axes in (by_score, by_alignment):
        axes.set_xlabel(objective)
    return figure


def _draw_course(axes, values, more_is_better):
    best = np.maximum.accumulate(values) if more_is_better else np.minimum.accumulate(values)
    numbers = np.arange(1, len(values) + 1)
    axes.plot(numbers, values, "o", markersize=5, alpha=0.6, label="a trial")
    axes.step(numbers, best, where="post", label="best so far")
    axes.set(title="Course of the search", xlabel="completed trials")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)


def _draw_groups(axes, names, values, title, more_is_better):
    """The trials of each name in a row, their median as a bar, the best row on top."""
    axes.set_title(f"By {title}")
    groups = {name: [value for each, value in zip(names, values, strict=True) if each == name] for name in set(names)}
    order = sorted(groups, key=lambda name: (np.median(groups[name]), name), reverse=not more_is_better)
    for row, name in enumerate(order):
        axes.plot(groups[name], [row] * len(groups[name]), "o", markersize=5, alpha=0.6, color="C0")
        axes.plot([np.median(groups[name])] * 2, [row - 0.3, row + 0.3], color="C1", linewidth=2)
    axes.set_yticks(range(len(order)), [f"{name} ({len(groups[name])})" for name in order])
    axes.set_ylim(-0.6, max(0.6, len(order) - 0.4))
    axes.grid(alpha=0.3, axis="x")


def _draw_units(axes, units, values):
    axes.set(title="By units", xlabel="units")
    axes.grid(alpha=0.3)
    if not units:
        return
    axes.plot(units, values, "o", markersize=5, alpha=0.6)
    known = sorted(set(units))
    axes.plot(known, [np.median(values[np.array(units) == each]) for each in known], color="C1", label="median")
    axes.set_xscale("log", base=2)
    axes.set_xticks(known)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.legend(frameon=False)

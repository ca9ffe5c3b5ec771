"""The picture of a search: its progress, and which scores, alignments and units did well."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, ScalarFormatter

from keras_attention.variants import name_without_score


def search_figure(trials, monitor, more_is_better=True):
    """Four plots of the trials of a search.

    Trials of fewer epochs than others, as in Hyperband, are hollow. They count for a median only if a group has no
    others.

    Args:
        trials: the completed trials in the order in which they ran, dictionaries with `settings`, `figures` and
            `epochs`.
        monitor: the name of the figure by which trials are compared.
        more_is_better: whether a larger value of the monitor is better.

    Returns:
        A `matplotlib.figure.Figure`: each trial and the best so far, and the monitor by score, by alignment, and by
        units.
    """
    figure = Figure(figsize=(11, 8), layout="constrained")
    (course, by_score), (by_alignment, by_units) = figure.subplots(2, 2)
    longest = max(trial["epochs"] for trial in trials)
    values = np.array([trial["figures"][monitor] for trial in trials])
    full = np.array([trial["epochs"] == longest for trial in trials])
    _draw_course(course, values, full, more_is_better)
    _draw_groups(by_score, "score", _groups(trials, "score", values, full), more_is_better)
    attending = np.array(["units" in trial["settings"] for trial in trials])
    trials = [trial for trial, attends in zip(trials, attending, strict=True) if attends]
    values, full = values[attending], full[attending]
    _draw_groups(by_alignment, "alignment", _groups(trials, "alignment", values, full), more_is_better)
    groups = _groups(trials, "units", values, full)
    _draw_units(by_units, {units: group for units, group in groups.items() if units})
    for axes in (course, by_units):
        axes.set_ylabel(monitor)
    for axes in (by_score, by_alignment):
        axes.set_xlabel(monitor)
    return figure


def _groups(trials, setting, values, full):
    """Value of a setting → (the figures of its trials, whether each trial is full)."""
    found = [trial["settings"] for trial in trials]
    if setting == "score":
        names = [each["score"] or name_without_score(each) for each in found]
    else:
        names = [each[setting] for each in found]
    names = np.array(names, dtype=object)
    return {name: (values[names == name], full[names == name]) for name in dict.fromkeys(names)}


def _median(values, full):
    return float(np.median(values[full] if full.any() else values))


def _draw_points(axes, x, y, full, label=None):
    """Draws filled points, and hollow points for trials of fewer epochs."""
    style = {"linestyle": "none", "marker": "o", "markersize": 5, "alpha": 0.7, "color": "C0"}
    x, y = np.broadcast_arrays(x, y)
    axes.plot(x[full], y[full], **style, label=label)
    if not full.all():
        axes.plot(x[~full], y[~full], **style, markerfacecolor="none", label=label and "a trial of fewer epochs")


def _draw_course(axes, values, full, more_is_better):
    best = np.maximum.accumulate(values) if more_is_better else np.minimum.accumulate(values)
    numbers = np.arange(1, len(values) + 1)
    _draw_points(axes, numbers, values, full, "a trial")
    axes.step(numbers, best, where="post", color="C1", label="best so far")
    axes.set(title="Course of the search", xlabel="completed trials")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)


def _draw_groups(axes, title, groups, more_is_better):
    """Draws a row for each name, with its trials and their median as a bar; the best row is on top."""
    axes.set_title(f"By {title}")
    order = sorted(groups, key=lambda name: (_median(*groups[name]), name), reverse=not more_is_better)
    for row, name in enumerate(order):
        values, full = groups[name]
        _draw_points(axes, values, row, full)
        axes.plot([_median(values, full)] * 2, [row - 0.3, row + 0.3], color="C1", linewidth=2)
    axes.set_yticks(range(len(order)), [f"{name} ({len(groups[name][0])})" for name in order])
    axes.set_ylim(-0.6, max(0.6, len(order) - 0.4))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.grid(alpha=0.3, axis="x")


def _draw_units(axes, groups):
    axes.set(title="By units", xlabel="units")
    axes.grid(alpha=0.3)
    if not groups:
        return
    for units, (values, full) in groups.items():
        _draw_points(axes, units, values, full)
        axes.plot([units / 1.15, units * 1.15], [_median(values, full)] * 2, color="C1", linewidth=2)
    known = sorted(groups)
    axes.set_xscale("log", base=2)
    axes.set_xticks(known)
    axes.set_xlim(known[0] / 1.4, known[-1] * 1.4)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())

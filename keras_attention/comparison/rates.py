"""Learning rates of a run: each variant gets as many, and its validation images choose one."""

import contextlib
import dataclasses
import math
import os
import pathlib

from keras_attention.atomic import remove
from keras_attention.files import read_json, write_json
from keras_attention.metrics import METRICS
from keras_attention.runs import Run

STEP = math.sqrt(10)  # between two rates
FILE = "rates.json"  # in the folder of a run: each rate and its validation figure


def rates_around(rate, count):
    """So many learning rates, each √10 times the one below; the given one is the middle, or just below it.

    Example:

    >>> from keras_attention.comparison.rates import rates_around
    >>> rates_around(0.001, 3), rates_around(0.001, 2)
    ((0.000316, 0.001, 0.00316), (0.001, 0.00316))
    """
    exponents = range(-((count - 1) // 2), count // 2 + 1)
    return tuple(rate if each == 0 else float(f"{rate * STEP**each:.3g}") for each in exponents)


def candidates(task):
    """The tasks of a run with each of its learning rates, in one folder beside that of the run."""
    beside = place_of_rates(task.folder)
    return [
        dataclasses.replace(
            task,
            config=task.config.with_settings(learning_rate=rate),
            folder=str(beside / f"{rate:g}"),
            learning_rates=1,
        )
        for rate in rates_around(task.config.learning_rate, task.learning_rates)
    ]


def choose(task, errors):
    """Makes the candidate with the best validation figure the run of a task, and removes the others.

    Of equal figures the one whose rate is nearest to that of the task counts. Who calls it holds the lock of the task.

    Args:
        task: the task, whose candidates were carried out.
        errors: the folder of each candidate that failed → its error.

    Returns:
        The error of the first candidate if none finished, else `None`.
    """
    tried, monitor, own = candidates(task), task.config.monitor, math.log(task.config.learning_rate)
    if not Run(task.folder).finished:
        figures = {each.folder: _figure(each, monitor) for each in tried}
        finished = [each for each in tried if Run(each.folder).finished]
        if not finished:
            return next((errors[each.folder] for each in tried if each.folder in errors), "no learning rate was tried")
        nearest = sorted(finished, key=lambda each: abs(math.log(each.config.learning_rate) - own))
        best = max(nearest, key=lambda each: _order(figures[each.folder], monitor))
        rows = [
            {"learning_rate": each.config.learning_rate, monitor: figures[each.folder]}
            | ({"error": errors[each.folder]} if each.folder in errors else {})
            for each in tried
        ]
        write_json(Run(best.folder).folder / FILE, rows)
        remove(task.folder)  # what a kill left of it
        os.replace(best.folder, task.folder)
    place = place_of_rates(task.folder)
    remove(place)
    with contextlib.suppress(OSError):  # there is none, or it holds the candidates of other seeds
        place.parent.rmdir()
    return None


def rate_of(run):
    """The learning rate that was chosen for a run; `None` if it was tried with one."""
    return run.config.learning_rate if (run.folder / FILE).exists() else None


def failed_rates(run):
    """How many learning rates of a run failed; 0 if it was tried with one."""
    path = run.folder / FILE
    return sum("error" in row for row in read_json(path)) if path.exists() else 0


def place_of_rates(folder):
    """The folder of the candidates of a run, from the folder of the run."""
    folder = pathlib.Path(folder)
    return folder.parent / "rates" / folder.name


def _figure(task, monitor):
    """The validation figure of the best epoch of a candidate; `None` if it failed, or the figure is not defined.

    A file that cannot be read, as after a full disk, is as if the run had not finished.
    """
    run = Run(task.folder)
    try:
        return run.metrics["validation"].get(monitor) if run.finished else None
    except ValueError:
        remove(run.folder / "metrics.json")
        return None


def _order(figure, monitor):
    """What is larger for a better figure; least for one that is not defined."""
    sign = METRICS[monitor.removeprefix("val_")].sign
    return -math.inf if figure is None or math.isnan(figure) else sign * figure

"""Learning rates of a run: each variant gets as many, and its validation images choose one."""

import dataclasses
import math
import os
import pathlib

from keras_attention.atomic import alone, remove
from keras_attention.files import write_json
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
    beside = _place(task)
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

    Args:
        task: the task, whose candidates were carried out.
        errors: the folder of each candidate that failed → its error.

    Returns:
        The error of the first candidate if none finished, else `None`.
    """
    tried, monitor = candidates(task), task.config.monitor
    with alone(task.beside("lock")):
        if Run(task.folder).finished:
            return None
        figures = {each.config.learning_rate: _figure(Run(each.folder), monitor) for each in tried}
        finished = [each for each in tried if Run(each.folder).finished]
        if not finished:
            return next((errors[each.folder] for each in tried if each.folder in errors), "no learning rate was tried")
        best = max(finished, key=lambda each: _order(figures[each.config.learning_rate], monitor))
        rows = [{"learning_rate": rate, monitor: figure} for rate, figure in figures.items()]
        write_json(Run(best.folder).folder / FILE, rows)
        remove(task.folder)  # what a kill left of it
        os.replace(best.folder, task.folder)
        remove(_place(task))
    return None


def _place(task):
    folder = pathlib.Path(task.folder)
    return folder.parent / "rates" / folder.name


def _figure(run, monitor):
    """The validation figure of the best epoch; `None` if the run failed or the figure is not defined."""
    return run.metrics["validation"].get(monitor) if run.finished else None


def _order(figure, monitor):
    """What is larger for a better figure; least for one that is not defined."""
    sign = METRICS[monitor.removeprefix("val_")].sign
    return -math.inf if figure is None or math.isnan(figure) else sign * figure

"""The runs of a comparison as tasks, which any process on any machine that sees the folder can do.

A finished run is not repeated. A run that was cut off continues from its last epoch. A run that fails is tried once
more from its beginning.
"""

import contextlib
import dataclasses
import json
import math
import pathlib
import time
import traceback

from keras_attention.arguments import named_line
from keras_attention.atomic import alone, remove, replacing
from keras_attention.comparison.rates import candidates, choose, place_of_rates
from keras_attention.config import TrainConfig
from keras_attention.layers import ALIGNMENTS, GATES, MAP_REGULARIZERS, POOLINGS, SCORES
from keras_attention.models import BACKBONES, Backbone
from keras_attention.own_process import call_in_own_process
from keras_attention.registry import PACKAGE
from keras_attention.runs import Run
from keras_attention.training import train, train_together, what_is_shared

ATTEMPTS = 2
KILLED = "its process was killed each time"
REGISTRIES = {
    registry.family: registry for registry in (SCORES, ALIGNMENTS, POOLINGS, GATES, MAP_REGULARIZERS, BACKBONES)
}


@dataclasses.dataclass(frozen=True)
class Task:
    """One run of a comparison.

    Args:
        variant: the name of the variant.
        config: the settings of the run.
        folder: the folder of the run.
        members: scores, alignments, poolings, gates, regularizers of maps and backbones from outside the package, as
            `(family, name, member)`, for processes that do not know them.
        learning_rates: how many are tried; the run is the one with the best validation figure.
    """

    variant: str
    config: TrainConfig
    folder: str
    members: tuple = ()
    learning_rates: int = 1

    @property
    def begun(self):
        """Whether a process began with it and has not ended it."""
        return self.beside("attempts").exists() or any(place_of_rates(self.folder).glob("*.attempts"))

    def beside(self, suffix):
        """The path of a file next to the folder of the run."""
        return pathlib.Path(f"{self.folder}.{suffix}")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a task ended.

    Args:
        task: the `Task`.
        seconds: how long it took.
        error: the error in one line, or `None`.
    """

    task: Task
    seconds: float
    error: str | None = None


def foreign_members():
    """Members of the families that were registered outside the package."""
    return tuple(
        (family, name, member)
        for family, registry in REGISTRIES.items()
        for name, member in registry.items()
        if _module(member).split(".")[0] != PACKAGE
    )


def _module(member):
    return (member.build if isinstance(member, Backbone) else member).__module__


def register_members(members):
    """Registers the `foreign_members` that this process does not know."""
    for family, name, member in members:
        if name in REGISTRIES[family]:
            continue
        if isinstance(member, Backbone):
            BACKBONES.add(name, member)
        else:
            REGISTRIES[family].register(name)(member)


def run_task(task):
    """Does a task to its end in this process; a failure is returned in the `Outcome`, not raised."""
    began = time.monotonic()
    register_members(task.members)
    pathlib.Path(task.folder).parent.mkdir(parents=True, exist_ok=True)
    with alone(task.beside("lock")):
        error = None if Run(task.folder).finished else _attempt(task)
    return Outcome(task, time.monotonic() - began, error)


def run_group(tasks):
    """Does several tasks, their runs trained together; returns their `Outcome`s.

    What fails together is tried alone. A group of one is `run_task`. Of several learning rates a run takes the best.
    """
    if any(task.learning_rates > 1 for task in tasks):
        return _best_of_rates(tasks)
    if len(tasks) == 1:
        return [run_task(tasks[0])]
    began = time.monotonic()
    failed = _attempt_together(tasks)
    seconds = (time.monotonic() - began) / len(tasks)
    return [run_task(task) if task.folder in failed else Outcome(task, seconds) for task in tasks]


def _best_of_rates(tasks):
    """The `Outcome`s of tasks of which each is tried with several learning rates, all trained together."""
    began = time.monotonic()
    register_members(tasks[0].members)
    with contextlib.ExitStack() as locks:
        for task in tasks:
            pathlib.Path(task.folder).parent.mkdir(parents=True, exist_ok=True)
            locks.enter_context(alone(task.beside("lock")))
        tried = [each for task in tasks if not Run(task.folder).finished for each in candidates(task)]
        clear_attempts([each for each in tried if not Run(each.folder).finished])
        outcomes = [outcome for group in grouped(tried) for outcome in run_group(group)]
        errors = {outcome.task.folder: outcome.error for outcome in outcomes if outcome.error}
        found = [choose(task, errors) for task in tasks]
    seconds = (time.monotonic() - began) / len(tasks)
    return [Outcome(task, seconds, error) for task, error in zip(tasks, found, strict=True)]


def _attempt_together(tasks):
    """Trains the unfinished runs of several tasks together; returns the folders of those that failed."""
    register_members(tasks[0].members)
    with contextlib.ExitStack() as locks:
        for task in tasks:
            pathlib.Path(task.folder).parent.mkdir(parents=True, exist_ok=True)
            locks.enter_context(alone(task.beside("lock")))
        todo = [task for task in tasks if not Run(task.folder).finished]
        for task in todo:
            _count_attempt(task)
        try:
            errors = train_together([task.config for task in todo], [task.folder for task in todo]) if todo else []
        except Exception as failure:  # one of them may be the cause, which shows when each is tried alone
            errors = [named_line(failure)] * len(todo)
        clear_attempts([task for task, error in zip(todo, errors, strict=True) if error is None])
    return {task.folder for task, error in zip(todo, errors, strict=True) if error is not None}


def grouped(tasks, least=1):
    """Tasks in the groups whose runs can be trained together: those that share their images, and are at one epoch.

    Args:
        tasks: the `Task`s.
        least: how many groups there should be at least, for as many processes; larger groups are divided.
    """
    groups = {}
    for task in tasks:
        shared, run = what_is_shared(task.config), Run(task.folder)
        epochs = len(run.progress()[0]) if run.begun else 0
        alone = shared is None or (epochs and not run.best_path.exists())  # left by an earlier version
        key = task.folder if alone else json.dumps([shared, epochs], sort_keys=True)
        groups.setdefault(key, []).append(task)
    parts = math.ceil(least / max(len(groups), 1))
    return [part for group in groups.values() for part in _divided(group, parts)]


def _divided(group, parts):
    size = math.ceil(len(group) / parts)
    return [group[start : start + size] for start in range(0, len(group), size)]


def run_group_in_own_process(tasks):
    """Does `run_group` in a fresh interpreter, and once more if that is killed."""
    for _ in range(ATTEMPTS):
        with contextlib.suppress(ChildProcessError):
            return call_in_own_process(run_group, tasks)
    return [Outcome(task, 0.0, KILLED) for task in tasks]


def clear_attempts(tasks):
    """Resets the count of attempts, as a comparison that is continued counts anew."""
    for task in tasks:
        remove(task.beside("attempts"))
        remove(task.beside("error.txt"))


def _attempt(task):
    """Tries until the run is finished or was tried too often; returns the error, or `None`."""
    error, anew = KILLED, False
    while _attempts(task) < ATTEMPTS:
        _count_attempt(task)
        try:
            unfinished = Run(task.folder).begun and not anew
            if not unfinished:
                remove(task.folder)  # a kill may have left files before the settings were written
            quietly = {"verbose": 0, "export": False, "pictures": False}  # the report draws what it shows
            train(task.config, task.folder, resume=unfinished, overwrite=not unfinished, **quietly)
        except Exception as failure:
            error, anew = named_line(failure), True
            with replacing(task.beside("error.txt")) as temporary:
                temporary.write_text(traceback.format_exc(), "utf-8")
            continue
        clear_attempts([task])
        return None
    return error


def _count_attempt(task):
    with replacing(task.beside("attempts")) as temporary:
        temporary.write_text(str(_attempts(task) + 1))


def _attempts(task):
    path = task.beside("attempts")
    return int(path.read_text()) if path.exists() else 0

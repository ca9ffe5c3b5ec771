"""The runs of a comparison as tasks, which any process on any machine that sees the folder can do.

A finished run is not repeated. A run that was cut off continues from its last epoch. A run that fails is tried once
more from its beginning.
"""

import contextlib
import dataclasses
import pathlib
import time
import traceback

from keras_attention.arguments import named_line
from keras_attention.atomic import alone, remove, replacing
from keras_attention.config import TrainConfig
from keras_attention.layers import ALIGNMENTS, MAP_REGULARIZERS, SCORES
from keras_attention.models import BACKBONES, Backbone
from keras_attention.own_process import call_in_own_process
from keras_attention.registry import PACKAGE
from keras_attention.runs import Run
from keras_attention.training import train

ATTEMPTS = 2
KILLED = "its process was killed each time"
REGISTRIES = {registry.family: registry for registry in (SCORES, ALIGNMENTS, MAP_REGULARIZERS, BACKBONES)}


@dataclasses.dataclass(frozen=True)
class Task:
    """One run of a comparison.

    Args:
        variant: the name of the variant.
        config: the settings of the run.
        folder: the folder of the run.
        members: scores, alignments, regularizers of maps and backbones from outside the package, as
            `(family, name, member)`, for processes that do not know them.
    """

    variant: str
    config: TrainConfig
    folder: str
    members: tuple = ()

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
    """Scores, alignments, regularizers of maps and backbones that were registered outside the package."""
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


def run_task_in_own_process(task):
    """Does `run_task` in a fresh interpreter, and once more if that is killed."""
    for _ in range(ATTEMPTS):
        with contextlib.suppress(ChildProcessError):
            return call_in_own_process(run_task, task)
    return Outcome(task, 0.0, KILLED)


def clear_attempts(tasks):
    """Resets the count of attempts, as a comparison that is continued counts anew."""
    for task in tasks:
        remove(task.beside("attempts"))
        remove(task.beside("error.txt"))


def _attempt(task):
    """Tries until the run is finished or was tried too often; returns the error, or `None`."""
    error, anew = KILLED, False
    while (attempts := _attempts(task)) < ATTEMPTS:
        with replacing(task.beside("attempts")) as temporary:
            temporary.write_text(str(attempts + 1))
        try:
            unfinished = Run(task.folder).begun and not anew
            if not unfinished:
                remove(task.folder)  # a kill may have left files before the settings were written
            train(task.config, task.folder, resume=unfinished, overwrite=not unfinished, verbose=0, export=False)
        except Exception as failure:
            error, anew = named_line(failure), True
            with replacing(task.beside("error.txt")) as temporary:
                temporary.write_text(traceback.format_exc(), "utf-8")
            continue
        clear_attempts([task])
        return None
    return error


def _attempts(task):
    path = task.beside("attempts")
    return int(path.read_text()) if path.exists() else 0

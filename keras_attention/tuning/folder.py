"""The folder of a search: its plan, its trials, and the winner.

`search.json` holds the plan, `tuner/` the state of KerasTuner, `trials/` a result for each trial, and `networks/` the
trained networks. `trials.csv`, `search.png` and `best.json` are made from those; `winner/` is the run of the winner.
"""

import contextlib
import csv
import dataclasses
import json

from keras_attention.arguments import invalid, require_choice, require_integer
from keras_attention.atomic import alone, remove, replacing
from keras_attention.config import TrainConfig
from keras_attention.members import TUNERS
from keras_attention.metrics import MONITORS
from keras_attention.runs import Run, WorkFolder
from keras_attention.tuning.trials import COMPLETED, TrialResult
from keras_attention.variants import name_without_score

LOCK = "search.lock"
OPTIONS = ("score_options", "alignment_options")
RENAMED = {"objective": "monitor"}  # names in best.json of older searches → those of today


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is searched, and how.

    Args:
        config: the `TrainConfig` with the settings that are not searched.
        fix, choose: how the space is narrowed; see `AttentionHyperModel`.
        tuner: `"random"`, `"grid"`, `"hyperband"` or `"bayesian"`.
        max_trials: the largest number of trials.
        executions: how many networks each trial trains.
        max_parameters: networks with more parameters are skipped.
        space: the hyperparameters as KerasTuner describes them; empty until they are known.
        data: a description of the images; empty until they are loaded.
    """

    config: TrainConfig
    fix: dict
    choose: dict
    tuner: str
    max_trials: int
    executions: int = 1
    max_parameters: int | None = None
    space: list = dataclasses.field(default_factory=list)
    data: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        require_choice("tuner", self.tuner, TUNERS)
        require_integer("max_trials", self.max_trials, at_least=1)
        require_integer("executions", self.executions, at_least=1)
        if self.max_parameters is not None:
            require_integer("max_parameters", self.max_parameters, at_least=1)
        if self.config.train_on_validation:
            raise invalid(
                "A search compares its trials on the validation images.",
                "train_on_validation=False",
                "train_on_validation=True",
            )

    @property
    def monitor(self):
        """The figure by which trials are compared."""
        return self.config.monitor

    def to_dict(self):
        """The plan as plain data."""
        return dataclasses.asdict(self) | {"config": self.config.to_dict()}

    @classmethod
    def from_dict(cls, plan):
        """The plan that `to_dict` described."""
        return cls(**plan | {"config": TrainConfig.from_dict(plan["config"])})

    def extended(self, other):
        """Returns the other plan if it continues this one: only the number of trials may differ, and only grow.

        Raises:
            ValueError: the other plan differs in anything else, or has fewer trials.
        """
        self.config.require_same(other.config, "search")
        before, after = (json.loads(json.dumps(plan.to_dict())) for plan in (self, other))
        for name in ("tuner", "executions", "max_parameters", "data"):
            if after[name] != before[name] and after[name] != {}:
                what = "The images differ from those" if name == "data" else f"`{name}` differs from that"
                raise invalid(f"{what} of the search.", f"{before[name]!r}", f"{after[name]!r}")
        if after["space"] and after["space"] != before["space"]:
            raise invalid("The space differs from that of the search.", *_first_difference(before, after))
        if other.max_trials < self.max_trials:
            raise invalid(
                "`max_trials` is less than that of the search.",
                f"at least {self.max_trials}",
                f"max_trials={other.max_trials}",
            )
        return other


def _first_difference(before, mine):
    """The first hyperparameter that differs between two spaces, as texts for a message."""
    spaces = [{json.dumps(hp, sort_keys=True): hp["config"] for hp in plan["space"]} for plan in (before, mine)]
    only = [[hp for key, hp in space.items() if key not in other] for space, other in (spaces, spaces[::-1])]
    return [_hyperparameter_text(hps[0]) if hps else "nothing more" for hps in only]


def _hyperparameter_text(hp):
    values = hp.get("values") or [hp.get("min_value"), hp.get("max_value")]
    return f"{hp['name']} in {values}"


class Search(WorkFolder):
    """The folder of a search, and its content.

    Args:
        folder: its path; it need not exist yet.

    Example:

    >>> from keras_attention import Search
    >>> found = Search("runs/photos-search")  # what `search` made there, or will make
    >>> str(found.csv_path), str(found.winner.folder)
    ('runs/photos-search/trials.csv', 'runs/photos-search/winner')
    """

    kind, plan_name, result_name, plan_type = "search", "search.json", "best.json", Plan
    grows = True

    def __init__(self, folder):
        super().__init__(folder)
        self.winner = Run(self.folder / "winner")
        self.csv_path, self.picture_path = self.folder / "trials.csv", self.folder / "search.png"
        self.best_path = self.folder / self.result_name

    @property
    def finished(self):
        """Whether the run of the winner is finished."""
        return self.winner.finished

    @property
    def trials(self):
        """The `TrialResult`s of the trials that have ended, in the order of their numbers."""
        paths = (self.folder / "trials").glob("[!.]*.json")
        return [TrialResult.load(path) for path in sorted(paths, key=lambda path: int(path.stem))]

    @property
    def best(self):
        """The content of `best.json`: the winning `trial`, its `settings`, its `figures` in the search, and the
        `config` of its run.

        Raises:
            ValueError: the search has no winner yet.
        """
        return {RENAMED.get(name, name): value for name, value in self.result.items()}

    def best_trial(self, monitor):
        """The completed trial with the best figure, the first of several equal ones; `None` if there is none."""
        completed = [trial for trial in self.trials if trial.status == COMPLETED]
        sign = -MONITORS[monitor].sign
        return min(completed, key=lambda trial: (sign * trial.figures[monitor], int(trial.trial)), default=None)

    def begin(self, plan, resume=False):
        """Writes the plan; empties the folder first unless the search is continued.

        Raises:
            ValueError: the folder cannot be written, or another process runs this search.
        """
        if (self.folder / LOCK).exists():
            with self.alone():
                pass
        super().begin(plan, resume)
        (self.folder / "trials").mkdir(exist_ok=True)

    @contextlib.contextmanager
    def alone(self):
        """Keeps other processes from running this search inside the `with` statement.

        Raises:
            ValueError: another process runs this search.
        """
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(alone(self.folder / LOCK, wait=False))
            except BlockingIOError as error:
                raise invalid(
                    "Another process runs this search.",
                    "to wait for its end, or to run as a `worker` of its `chief`",
                    str(self.folder),
                ) from error
            yield

    def forget_damaged_trials(self):
        """Removes results that cannot be read; returns the numbers of their trials."""
        damaged = []
        for path in sorted((self.folder / "trials").glob("[!.]*.json")):
            try:
                TrialResult.load(path)
            except ValueError:
                remove(path)
                damaged.append(path.stem)
        return damaged

    def write_table(self):
        """Writes `trials.csv`, with a row for each trial."""
        rows = [_row(trial) for trial in self.trials]
        names = list(dict.fromkeys(name for row in rows for name in row))
        with replacing(self.csv_path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=[*(name for name in names if name != "error"), "error"])
            writer.writeheader()
            writer.writerows(rows)

    def save_figure(self, figure):
        """Writes `search.png`."""
        with replacing(self.picture_path) as temporary:
            figure.savefig(temporary, dpi=130)


def _row(trial):
    """A trial as a row of plain cells; a cell without a value is empty."""
    attributes = ("trial", "status", "worker", "repeats", "best_epoch", "epochs", "seconds", "parameters")
    settings = {name: _cell(value) for name, value in trial.settings.items()}
    if "score" in settings:
        name = name_without_score(trial.settings)
        settings["score"] = settings["score"] or ("none" if name == "multiscale" else name)
    cells = {name: getattr(trial, name) for name in attributes} | {"seconds": round(trial.seconds, 2)}
    return cells | trial.figures | settings | {"error": trial.error}


def _cell(value):
    if isinstance(value, dict):
        return " ".join(f"{name}={option}" for name, option in value.items())
    return "+".join(value) if isinstance(value, tuple) else value

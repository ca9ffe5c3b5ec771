"""The folder of a search: its plan, its trials, and the winner.

`search.json` is the plan, `tuner/` what KerasTuner remembers, `trials/` a result for each trial, `networks/` what was
trained; `trials.csv`, `search.png` and `best.json` are made from those, and `winner/` is the run of the winner.
"""

import contextlib
import csv
import dataclasses
import json

from keras_attention.arguments import invalid, require_choice, require_integer
from keras_attention.atomic import alone, remove, replacing
from keras_attention.config import TrainConfig
from keras_attention.metrics import MONITORS
from keras_attention.runs import Run, WorkFolder
from keras_attention.tuning.oracles import TUNERS
from keras_attention.tuning.trials import COMPLETED, TrialResult

LOCK = "search.lock"
OPTIONS = ("score_options", "alignment_options")
RENAMED = {"objective": "monitor"}  # names in best.json of older searches → those of today


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is searched, and how.

    Args:
        config: the `TrainConfig` of what is not searched.
        fix, choose: what was narrowed of the space; see `AttentionHyperModel`.
        tuner: `"random"`, `"grid"`, `"hyperband"` or `"bayesian"`.
        max_trials: the number of trials at most.
        executions: networks of a trial.
        max_parameters: larger networks are skipped.
        space: the hyperparameters, as KerasTuner describes them; none as long as they are not known.
        data: what is known of the images; nothing as long as they are not loaded.
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
        """As plain data."""
        return dataclasses.asdict(self) | {"config": self.config.to_dict()}

    @classmethod
    def from_dict(cls, plan):
        """The plan that `to_dict` gave."""
        return cls(**plan | {"config": TrainConfig.from_dict(plan["config"])})

    def extended(self, other):
        """Another plan, which goes on with this one: only the number of trials may grow.

        Raises:
            ValueError: a plan that differs in anything else.
        """
        self.config.require_same(other.config, "search")
        before, after = (json.loads(json.dumps(plan.to_dict())) for plan in (self, other))
        for name in ("tuner", "executions", "max_parameters", "data"):
            if after[name] != before[name] and after[name] != {}:
                what = "The images differ" if name == "data" else f"`{name}` differs"
                raise invalid(f"{what} from that of the search.", f"{before[name]!r}", f"{after[name]!r}")
        if after["space"] and after["space"] != before["space"]:
            raise invalid("The space differs from that of the search.", *_first_difference(before, after))
        if other.max_trials < self.max_trials:
            raise invalid(
                "The search has more trials.", f"at least {self.max_trials}", f"max_trials={other.max_trials}"
            )
        return other


def _first_difference(before, mine):
    """What of two spaces differs first, as text, for a message."""
    spaces = [{json.dumps(hp, sort_keys=True): hp["config"] for hp in plan["space"]} for plan in (before, mine)]
    only = [[hp for key, hp in space.items() if key not in other] for space, other in (spaces, spaces[::-1])]
    return [_described(hps[0]) if hps else "nothing more" for hps in only]


def _described(hp):
    values = hp.get("values") or [hp.get("min_value"), hp.get("max_value")]
    return f"{hp['name']} in {values}"


class Search(WorkFolder):
    """The folder of a search, and what is in it.

    Args:
        folder: where it is, or will be.

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
        """Whether there is a winner, and its run is finished."""
        return self.winner.finished

    @property
    def trials(self):
        """The `TrialResult`s of the trials that have ended, in the order of their numbers."""
        paths = (self.folder / "trials").glob("[!.]*.json")
        return [TrialResult.load(path) for path in sorted(paths, key=lambda path: int(path.stem))]

    @property
    def best(self):
        """What `best.json` holds: the winning `trial`, its `settings`, the `figures` of the search, and the `config` of
        the run that was made of it.

        Raises:
            ValueError: a search without a winner yet.
        """
        return {RENAMED.get(name, name): value for name, value in self.result.items()}

    def best_trial(self, monitor):
        """The completed trial with the best figure, the first of equals; `None` without any."""
        completed = [trial for trial in self.trials if trial.status == COMPLETED]
        sign = -MONITORS[monitor].sign
        return min(completed, key=lambda trial: (sign * trial.figures[monitor], int(trial.trial)), default=None)

    def begin(self, plan, resume=False):
        """Writes the plan down; makes the folder anew unless the search is continued.

        Raises:
            ValueError: a folder that cannot be written, or a search that another process is at.
        """
        if (self.folder / LOCK).exists():
            with self.alone():
                pass
        super().begin(plan, resume)
        (self.folder / "trials").mkdir(exist_ok=True)

    @contextlib.contextmanager
    def alone(self):
        """Keeps a second process from this search while the block runs.

        Raises:
            ValueError: a search that another process is at.
        """
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(alone(self.folder / LOCK, wait=False))
            except BlockingIOError as error:
                raise invalid(
                    "Another process is at this search.", "to wait, or a `worker` with its `chief`", str(self.folder)
                ) from error
            yield

    def forget_damaged_trials(self):
        """Removes results that cannot be read; gives the numbers of their trials."""
        damaged = []
        for path in sorted((self.folder / "trials").glob("[!.]*.json")):
            try:
                TrialResult.load(path)
            except ValueError:
                remove(path)
                damaged.append(path.stem)
        return damaged

    def write_table(self):
        """Writes `trials.csv`, a row a trial."""
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
    """A trial as a row of plain cells; what has no value is left empty."""
    named = ("trial", "status", "worker", "repeats", "best_epoch", "epochs", "seconds", "parameters")
    settings = {name: _cell(value) for name, value in trial.settings.items()}
    if "score" in settings:
        settings["score"] = settings["score"] or "none"
    cells = {name: getattr(trial, name) for name in named} | {"seconds": round(trial.seconds, 2)}
    return cells | trial.figures | settings | {"error": trial.error}


def _cell(value):
    if isinstance(value, dict):
        return " ".join(f"{name}={option}" for name, option in value.items())
    return "+".join(value) if isinstance(value, tuple) else value

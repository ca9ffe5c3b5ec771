"""One search is one folder: its plan, its trials, and the winner.

`search.json` is the plan, `tuner/` what KerasTuner remembers, `trials/` a result for each trial, `networks/` what was
trained; `trials.csv`, `search.png` and `best.json` are made from those, and `winner/` is the run of the winner.
"""

import contextlib
import csv
import dataclasses
import json
import pathlib

from keras_attention.arguments import invalid, require_choice, require_integer
from keras_attention.atomic import alone, remove, replacing
from keras_attention.config import TrainConfig
from keras_attention.evaluate import MONITORS
from keras_attention.files import read_json, write_json
from keras_attention.runs import Run
from keras_attention.search.oracles import TUNERS
from keras_attention.search.trials import COMPLETED, TrialResult

PLAN = "search.json"
OPTIONS = ("score_options", "alignment_options")


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
    def objective(self):
        """The figure by which trials are compared."""
        return self.config.monitor

    def to_dict(self):
        """As plain data."""
        return dataclasses.asdict(self) | {"config": json.loads(self.config.to_json())}

    @classmethod
    def from_dict(cls, plan):
        """The plan that `to_dict` gave."""
        return cls(**plan | {"config": TrainConfig.from_json(json.dumps(plan["config"]))})

    def check_continues(self, saved):
        """Raises `ValueError` unless this plan goes on with a saved one: only the number of trials may grow."""
        for name, (given, before) in self.config.differences(saved.config).items():
            raise invalid(f"`{name}` differs from that of the search.", f"{name}={before!r}", f"{name}={given!r}")
        mine, before = self.to_dict(), json.loads(json.dumps(saved.to_dict()))
        mine = json.loads(json.dumps(mine))
        for name in ("tuner", "executions", "max_parameters", "data"):
            if mine[name] != before[name] and mine[name] != {}:
                what = "The images differ" if name == "data" else f"`{name}` differs"
                raise invalid(f"{what} from that of the search.", f"{before[name]!r}", f"{mine[name]!r}")
        if mine["space"] and mine["space"] != before["space"]:
            raise invalid("The space differs from that of the search.", *_first_difference(before, mine))
        if self.max_trials < saved.max_trials:
            raise invalid(
                "The search has more trials.", f"at least {saved.max_trials}", f"max_trials={self.max_trials}"
            )


def _first_difference(before, mine):
    """What of two spaces differs first, as text, for a message."""
    spaces = [{json.dumps(hp, sort_keys=True): hp["config"] for hp in plan["space"]} for plan in (before, mine)]
    only = [[hp for key, hp in space.items() if key not in other] for space, other in (spaces, spaces[::-1])]
    return [_described(hps[0]) if hps else "nothing more" for hps in only]


def _described(hp):
    values = hp.get("values") or [hp.get("min_value"), hp.get("max_value")]
    return f"{hp['name']} in {values}"


class Search:
    """The folder of a search, and what is in it.

    Args:
        folder: where it is, or will be.
    """

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.winner = Run(self.folder / "winner")
        self.csv_path, self.picture_path = self.folder / "trials.csv", self.folder / "search.png"
        self.best_path = self.folder / "best.json"

    @property
    def plan(self):
        """What is searched.

        Raises:
            ValueError: a folder without a search.
        """
        path = self.folder / PLAN
        if not path.is_file():
            raise invalid(f"{self.folder} holds no search.", f"a folder with {PLAN}", str(self.folder))
        try:
            return Plan.from_dict(read_json(path))
        except (KeyError, TypeError) as error:
            raise invalid(f"{path} is not that of a search.", "one that a search wrote", repr(error)) from error

    @property
    def trials(self):
        """The `TrialResult`s of the trials that have ended, in the order of their numbers."""
        return [TrialResult.load(path) for path in sorted((self.folder / "trials").glob("[!.]*.json"))]

    @property
    def best(self):
        """What `best.json` holds: the winning `trial`, its `settings`, the `figures` of the search, and the `config` of
        the run that was made of it.

        Raises:
            ValueError: a search without a winner yet.
        """
        if not self.best_path.is_file():
            raise invalid(f"{self.folder} has no winner yet.", f"a folder with {self.best_path.name}", str(self.folder))
        return read_json(self.best_path)

    def best_trial(self, objective):
        """The completed trial with the best figure, the first of equals; `None` without any."""
        completed = [trial for trial in self.trials if trial.status == COMPLETED]
        sign = -1 if MONITORS[objective] else 1
        return min(completed, key=lambda trial: (sign * trial.figures[objective], trial.trial), default=None)

    def claim(self, plan, resume=False, overwrite=False):
        """Checks that a plan may be carried out here; nothing is written yet.

        Raises:
            ValueError: a folder that is there without leave to continue or replace it, one that holds something else,
                or another search than the one to continue.
        """
        if self.folder.is_file():
            raise invalid(f"{self.folder} is a file.", "the folder of a search", f"run={str(self.folder)!r}")
        if resume:
            self.check(plan)
        elif self.folder.exists() and any(self.folder.iterdir()):
            if not (self.folder / PLAN).exists():
                raise invalid(f"{self.folder} is not empty and holds no search.", "a new folder", str(self.folder))
            if not overwrite:
                self.check(plan)
                raise invalid(f"{self.folder} is there.", "--resume or --overwrite, or another --run", str(self.folder))

    def check(self, plan):
        """Raises `ValueError` unless a plan goes on with the saved one, and says what differs."""
        saved = self.plan
        try:
            plan.check_continues(saved)
        except ValueError as error:
            advice = "take another --run, or --overwrite it"
            raise ValueError(f"{self.folder} holds another search: {advice}. {error}") from error

    def begin(self, plan, resume):
        """Writes the plan down; makes the folder anew unless the search is continued.

        Raises:
            ValueError: a folder that cannot be written.
        """
        try:
            if self.folder.exists() and (self.folder / "search.lock").exists():
                with self.alone():
                    pass
            if not resume:
                remove(self.folder)
            write_json(self.folder / PLAN, plan.to_dict())
            (self.folder / "trials").mkdir(exist_ok=True)
        except OSError as error:
            reason = error.strerror or error
            raise invalid(f"{self.folder} cannot be written: {reason}.", "another --run", str(self.folder)) from error

    @contextlib.contextmanager
    def alone(self):
        """Keeps a second process from this search while the block runs.

        Raises:
            ValueError: a search that another process is at.
        """
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(alone(self.folder / "search.lock", wait=False))
            except BlockingIOError as error:
                raise invalid(
                    "Another process is at this search.", "to wait, or --worker NAME --chief ADDRESS", str(self.folder)
                ) from error
            yield

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

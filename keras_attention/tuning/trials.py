"""The trials of a search: each trains the networks of its settings, in folders that are named by those settings.

Settings that come again, in another trial or in a longer one of Hyperband, find what was trained of them and go on from
there. A trial that was cut off goes on from its last epoch.
"""

import contextlib
import dataclasses
import glob
import hashlib
import math
import pathlib
import time
import traceback

import keras
import keras_tuner
import numpy as np

from keras_attention.arguments import invalid, named_line
from keras_attention.atomic import alone, remove, replacing
from keras_attention.config import UNIFORM
from keras_attention.files import read_json, write_json
from keras_attention.metrics import MONITORS
from keras_attention.runs import Run
from keras_attention.training import best_row, build_networks, fit_run, make_stages

COMPLETED, FAILED, SKIPPED = "completed", "failed", "skipped"
MOST_KILLS = 2
EPOCHS = "tuner/epochs"  # what Hyperband calls the epochs of a trial


@dataclasses.dataclass(frozen=True)
class TrialResult:
    """What came of a trial.

    Args:
        trial: its number, a text.
        status: `"completed"`, `"failed"`, or `"skipped"`, where the network is too large.
        settings: those of `TrainConfig` that were searched.
        figures: the validation figures of the best epoch, means over the executions.
        best_epoch: the epoch they are of, a mean too.
        epochs: that were trained.
        parameters: of the network.
        seconds: of training, over all executions, without what another trial had trained of them.
        repeats: the trial that had the same settings before, if one had.
        folders: those of the executions.
        error: what went wrong, in one line.
        worker: who did it.
    """

    trial: str
    status: str
    settings: dict
    figures: dict = dataclasses.field(default_factory=dict)
    best_epoch: float | None = None
    epochs: int = 0
    parameters: int | None = None
    seconds: float = 0.0
    repeats: str | None = None
    folders: tuple = ()
    error: str | None = None
    worker: str | None = None

    @classmethod
    def load(cls, path):
        """The result that `save` wrote.

        Raises:
            ValueError: a file that is not there, or damaged.
        """
        result = read_json(path)
        try:
            settings = result["settings"].items()
            settings = {name: tuple(value) if isinstance(value, list) else value for name, value in settings}
            return cls(**result | {"settings": settings, "folders": tuple(result["folders"])})
        except (AttributeError, KeyError, TypeError) as error:
            what = f"{path} is not the result of a trial."
            raise invalid(what, "one as written", f"{type(error).__name__}: {error}") from error

    def save(self, path):
        """Writes the result as JSON."""
        write_json(path, dataclasses.asdict(self))


class TrialRunner:
    """Runs trials, and writes down what comes of them.

    Args:
        hypermodel: the `AttentionHyperModel`.
        folder: of the search.
        executions: networks of a trial, which differ in their seed.
        max_parameters: a larger network is skipped; `None` takes any.
        keep_backups: whether a trial may go on later.
        worker: who runs it, a name.
    """

    def __init__(self, hypermodel, folder, executions=1, max_parameters=None, keep_backups=False, worker=None):
        self.hypermodel, self.folder = hypermodel, pathlib.Path(folder)
        self.executions, self.max_parameters = executions, max_parameters
        self.keep_backups, self.worker = keep_backups, worker

    def result_path(self, trial_id):
        """Where the result of a trial is, or will be."""
        return self.folder / "trials" / f"{trial_id}.json"

    def __call__(self, trial):
        """Runs a `keras_tuner` trial to its end; a failure is a result too."""
        hp, began = trial.hyperparameters, time.monotonic()
        made = {"trial": trial.trial_id, "settings": {}, "worker": self.worker}
        try:
            made["settings"] = self.hypermodel.space(hp)
            if known := self._known(trial.trial_id, made["settings"]):
                return known
            result = TrialResult(status=COMPLETED, **made, **self._train(trial))
        except keras_tuner.errors.FailedTrialError as error:
            result = TrialResult(status=SKIPPED, error=str(error), **made)
        except Exception as error:
            self._write_traceback(trial.trial_id)
            result = TrialResult(status=FAILED, error=named_line(error), seconds=time.monotonic() - began, **made)
        result.save(self.result_path(trial.trial_id))
        return result

    def _known(self, trial_id, settings):
        """The result of a trial that ended, but whose end the oracle had not written down before a kill."""
        path = self.result_path(trial_id)
        result = TrialResult.load(path) if path.exists() else None
        return result if result and (result.status, result.settings) == (COMPLETED, settings) else None

    def _train(self, trial):
        hp = trial.hyperparameters
        configs = [self.hypermodel.configure(hp, execution) for execution in range(self.executions)]
        epochs = min(hp.values.get(EPOCHS, math.inf), configs[0].last_epoch)
        repeated = self._claim(configs[0], trial.trial_id, epochs)
        runs = [self._execute(config, epochs) for config in configs]
        figures = {name: _mean([row[name] for _, row, _ in runs]) for name in MONITORS}
        monitor = self.hypermodel.config.monitor
        if figures[monitor] is None:
            raise invalid(
                f"`{monitor}` is not defined on the validation images.", "a figure", f"{monitor}=nan", ArithmeticError
            )
        return {
            "figures": figures,
            "best_epoch": float(np.mean([row["epoch"] for _, row, _ in runs])),
            "epochs": max(len(rows) for rows, _, _ in runs),
            "parameters": runs[0][2]["parameters"],
            "seconds": sum(about["spent"] for _, _, about in runs),
            "repeats": repeated,
            "folders": tuple(str(self._run(config).folder.relative_to(self.folder)) for config in configs),
        }

    def _claim(self, config, trial_id, epochs):
        """Notes whose settings these are; the first trial that had them, for as many epochs, if it is another one."""
        path = self._run(config).folder.parent / "trials.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        with alone(path.with_suffix(".lock")):
            trials = read_json(path) if path.exists() else {}
            first = next((other for other, longest in trials.items() if longest >= epochs and other != trial_id), None)
            write_json(path, trials | {trial_id: epochs})
        return first

    def _run(self, config):
        """The folder of a network, named by its settings; in an older search that of the same settings."""
        digest = hashlib.sha256(_identity(config).to_json().encode()).hexdigest()[:8]
        with_attention = config.score not in (None, UNIFORM)
        name = f"{config.score}+{config.alignment}" if with_attention else config.score or "multiscale"
        run = Run(self.folder / "networks" / f"{name}-{digest}" / f"seed-{config.seed}")
        return run if run.folder.parent.exists() else self._of_older_name(config, name) or run

    def _of_older_name(self, config, name):
        """The folder of these settings under a digest of other names or another order of them, or `None`."""
        for path in sorted((self.folder / "networks").glob(f"{glob.escape(name)}-*/seed-*/config.json")):
            with contextlib.suppress(ValueError):  # a file that is damaged is of no settings
                if _identity(Run(path.parent).config) == _identity(config):
                    return Run(path.parent.with_name(f"seed-{config.seed}"))
        return None

    def _execute(self, config, epochs):
        """One network after so many epochs: its rows, its best row, and what is known about it."""
        run = self._run(config)
        with alone(run.folder.with_name(f"{run.folder.name}.lock")):
            about = read_json(run.folder / "network.json") if (run.folder / "network.json").exists() else None
            rows, before = (run.history()[:epochs], about["seconds"]) if about else ([], 0.0)
            if len(rows) < epochs and not (about and about["ended"]):
                rows, about = self._fit(run, config, epochs)
        return rows, rows[best_row(rows, config.monitor)], about | {"spent": max(0.0, about["seconds"] - before)}

    def _fit(self, run, config, epochs):
        try:
            self._count_kills(run)
            rows, about = self._fit_counted(run, config, epochs)
        finally:  # whatever ends here did not kill the process
            remove(self._kills(run))
        if about["ended"] or not self.keep_backups:
            remove(run.folder / "backup")
        return rows, about

    def _fit_counted(self, run, config, epochs):
        keras.backend.clear_session()
        dataset = self.hypermodel.dataset
        backbone, model = build_networks(config, dataset)
        parameters = int(model.count_params())
        if self.max_parameters is not None and parameters > self.max_parameters:
            raise keras_tuner.errors.FailedTrialError(
                f"{parameters:,} parameters, more than the limit of {self.max_parameters:,}"
            )
        if not run.begun:
            run.begin(config)
        shortened = dataclasses.replace(config, stop_after=epochs)
        keeper = fit_run(run, shortened, dataset, make_stages(shortened, dataset, model, backbone), keep_model=False)
        # Where patience ended it, more epochs would not be trained either.
        ended = len(keeper.rows) < epochs or epochs == config.last_epoch
        about = {"parameters": parameters, "seconds": round(keeper.seconds, 2), "ended": ended}
        write_json(run.folder / "network.json", about)
        return keeper.rows, about

    def _count_kills(self, run):
        """Counts that this was begun; raises where the process was killed over it each time before."""
        path = self._kills(run)
        kills = read_json(path) if path.exists() else 0
        if kills >= MOST_KILLS:
            raise invalid(
                f"Its process was killed {MOST_KILLS} times.",
                "one that ends",
                run.folder.parent.name,
                ChildProcessError,
            )
        write_json(path, kills + 1)

    def _kills(self, run):
        return run.folder.with_name(f"{run.folder.name}.begun.json")

    def _write_traceback(self, trial_id):
        with replacing(self.folder / "trials" / f"{trial_id}.error.txt") as temporary:
            temporary.write_text(traceback.format_exc(), "utf-8")


def _identity(config):
    """The settings of a network but for its seed and the places of its files."""
    return dataclasses.replace(config, seed=0, cache_dir=None, data_dir=None)


def _mean(values):
    mean = float(np.mean(values))
    return None if math.isnan(mean) else mean

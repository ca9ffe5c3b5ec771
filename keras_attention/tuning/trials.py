"""The trials of a search: each trains networks with its settings, in folders named after those settings.

If the same settings come up again, in another trial or in a longer trial of Hyperband, training continues from the
network in their folder. A trial that was cut off continues from its last epoch.
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
from keras_attention.files import read_json, write_json
from keras_attention.members import BETWEEN
from keras_attention.memory import released
from keras_attention.metrics import MONITORS
from keras_attention.runs import Run
from keras_attention.training import best_row, build_networks, fit_run, make_stages

COMPLETED, FAILED, SKIPPED = "completed", "failed", "skipped"
MOST_KILLS = 2
EPOCHS = "tuner/epochs"  # what Hyperband calls the epochs of a trial


@dataclasses.dataclass(frozen=True)
class TrialResult:
    """The result of a trial.

    Args:
        trial: the number of the trial, as text.
        status: `"completed"`, `"failed"`, or `"skipped"` if the network is too large.
        settings: the searched settings of `TrainConfig`.
        figures: the validation figures of the best epoch, averaged over the executions.
        best_epoch: the best epoch, averaged over the executions.
        epochs: the number of epochs trained.
        parameters: the number of parameters of the network.
        seconds: the time of training over all executions, without epochs that another trial had trained.
        repeats: the earlier trial with the same settings, if there is one.
        folders: the folders of the executions.
        error: the error, in one line.
        worker: the name of the worker that ran the trial.
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
            ValueError: the file is missing or damaged.
        """
        result = read_json(path)
        try:
            settings = result["settings"].items()
            settings = {name: tuple(value) if isinstance(value, list) else value for name, value in settings}
            return cls(**result | {"settings": settings, "folders": tuple(result["folders"])})
        except (AttributeError, KeyError, TypeError) as error:
            what = f"{path} must hold the result of a trial."
            raise invalid(what, "the file as written", f"{type(error).__name__}: {error}") from error

    def save(self, path):
        """Writes the result as JSON."""
        write_json(path, dataclasses.asdict(self))


class TrialRunner:
    """Runs trials, and writes their results.

    Args:
        hypermodel: the `AttentionHyperModel`.
        folder: the folder of the search.
        executions: how many networks each trial trains, which differ in their seed.
        max_parameters: networks with more parameters are skipped; `None` sets no limit.
        keep_backups: whether to keep what a longer trial needs to continue.
        worker: the name of the worker that runs the trials.
    """

    def __init__(self, hypermodel, folder, executions=1, max_parameters=None, keep_backups=False, worker=None):
        self.hypermodel, self.folder = hypermodel, pathlib.Path(folder)
        self.executions, self.max_parameters = executions, max_parameters
        self.keep_backups, self.worker = keep_backups, worker

    def result_path(self, trial_id):
        """The path of the result of a trial, which need not exist yet."""
        return self.folder / "trials" / f"{trial_id}.json"

    def __call__(self, trial):
        """Runs a `keras_tuner` trial to its end, and returns its result, also if it fails."""
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
        """The result of a trial that had ended when a kill kept the oracle from saving that; otherwise `None`."""
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
                f"`{monitor}` must be defined on the validation images.", "a figure", f"{monitor}=nan", ArithmeticError
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
        """Notes that a trial has these settings; returns the first other trial with them and as many epochs, if any."""
        path = self._run(config).folder.parent / "trials.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        with alone(path.with_suffix(".lock")):
            trials = read_json(path) if path.exists() else {}
            first = next((other for other, longest in trials.items() if longest >= epochs and other != trial_id), None)
            write_json(path, trials | {trial_id: epochs})
        return first

    def _run(self, config):
        """The folder of a network, named after its settings; in an older search, that of the same settings."""
        digest = hashlib.sha256(_identity(config).to_json().encode()).hexdigest()[:8]
        name = config.kind.replace(BETWEEN, "-")
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
        """Trains one network for so many epochs; returns its rows, its best row, and facts about it."""
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
        finally:  # the process was not killed if it comes here
            remove(self._kills(run))
        if about["ended"] or not self.keep_backups:
            remove(run.folder / "backup")
        return rows, about

    @released()
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
        keeper = fit_run(run, shortened, dataset, make_stages(shortened, dataset, model, backbone), keep_best=False)
        # If patience ended the training, a longer trial would not train more epochs either.
        ended = len(keeper.rows) < epochs or epochs == config.last_epoch
        about = {"parameters": parameters, "seconds": round(keeper.seconds, 2), "ended": ended}
        write_json(run.folder / "network.json", about)
        return keeper.rows, about

    def _count_kills(self, run):
        """Counts the beginnings of this network; raises an error if each of them ended in a kill of the process."""
        path = self._kills(run)
        kills = read_json(path) if path.exists() else 0
        if kills >= MOST_KILLS:
            raise invalid(
                f"The process of the trial was killed {MOST_KILLS} times.",
                "a process that is not killed",
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

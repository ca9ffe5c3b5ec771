"""KerasTuner's oracles, which choose the settings of each trial; these survive a kill of the process."""

import glob
import warnings

import keras_tuner
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from keras_attention.arguments import invalid
from keras_attention.files import read_json, write_json
from keras_attention.metrics import MONITORS

HALVING = 3  # Hyperband continues one in three trials from one rung to the next
ENDLESS = 10**6  # more than enough iterations of Hyperband, and failed trials; the number of trials ends the search


class Durable:
    """An oracle whose files are always whole, and which neither loses a trial nor counts one twice.

    KerasTuner writes its files in place. A kill while it writes leaves half a file, and a kill between two files leaves
    a trial that is noted as running but runs nowhere.
    """

    def save(self):
        write_json(self._get_oracle_fname(), self.get_state())

    def _save_trial(self, trial):
        write_json(f"{self._get_trial_dir(trial.trial_id)}/trial.json", trial.get_state())

    def reload(self):
        """Restores the state from the files.

        Raises:
            ValueError: a file is damaged.
        """
        for path in (self._get_oracle_fname(), *glob.glob(f"{self._project_dir}/trial_*/trial.json")):
            read_json(path)  # raises an error that names the file
        try:
            super().reload()
        except (RuntimeError, KeyError, TypeError) as error:
            raise invalid(
                f"{self._get_oracle_fname()} must hold the state of a tuner.", "the file as written", error
            ) from error
        # A trial that the oracle's file does not list was never handed out: the same trial is drawn again.
        self.trials = {trial_id: trial for trial_id, trial in self.trials.items() if trial_id in self.start_order}
        # KerasTuner puts the trial that ended last back into the queue. It takes the next trial from the queue's end.
        self._retry_queue = sorted(set(self._retry_queue) - set(self.end_order), reverse=True)

    @keras_tuner.synchronized
    def create_trial(self, tuner_id):
        """Returns a trial to run; keeps idle workers while another worker runs a trial, as it may die."""
        trial = super().create_trial(tuner_id)
        if trial.status == "STOPPED" and self.ongoing_trials:
            self.tuner_ids.add(tuner_id)
            trial.status = "IDLE"
        return trial

    @keras_tuner.synchronized
    def run_again(self, trial_id):
        """Puts a trial that ended back into the queue."""
        self.end_order = [ended for ended in self.end_order if ended != trial_id]
        self._retry_queue = sorted({*self._retry_queue, trial_id}, reverse=True)
        self.save()

    @property
    def pending(self):
        """The trials to run again."""
        return tuple(self._retry_queue)

    @keras_tuner.synchronized
    def give_back(self, tuner_id):
        """Puts the trial of a lost worker back into the queue; returns the trial's number, or `None`."""
        self.tuner_ids.discard(tuner_id)
        trial = self.ongoing_trials.pop(tuner_id, None)
        if trial is None:
            return None
        self._retry_queue.append(trial.trial_id)
        self.save()
        return trial.trial_id


class RandomOracle(Durable, keras_tuner.oracles.RandomSearchOracle):
    """Draws each hyperparameter at random; no settings twice."""


class GridOracle(Durable, keras_tuner.oracles.GridSearchOracle):
    """Tries all combinations in order; saves its position, which KerasTuner's grid oracle does not."""

    def get_state(self):
        ordered = sorted(self._ordered_ids._memory, key=self._place_of)
        return super().get_state() | {"ordered": ordered, "populate_next": self._populate_next}

    def set_state(self, state):
        super().set_state(state)
        for trial_id in state["ordered"]:
            self._ordered_ids.insert(trial_id)
        # KerasTuner notes which trials can follow only after it has saved that a trial ended, so that a kill in between
        # loses them. So all ended trials are listed; settings that are already known are passed over.
        self._populate_next = [*state["populate_next"], *self.end_order]

    def _place_of(self, trial_id):
        """A key that sorts trials in the order of the grid: minus the number of trials after this one."""
        after, following = 0, trial_id
        while (following := self._ordered_ids.next(following)) is not None:
            after += 1
        return -after


class HyperbandOracle(Durable, keras_tuner.oracles.HyperbandOracle):
    """Trains many settings for few epochs, and the best of them for more.

    A bracket is a group of settings that compete for more epochs. This oracle begins a bracket only if enough trials
    are left to end it. KerasTuner's oracle ignores the number of trials: with too few, no trial would reach its last
    epoch.

    Args:
        max_trials: the number of trials.
        **settings: the settings of KerasTuner's oracle.
    """

    def __init__(self, max_trials, **settings):
        self.most = max_trials
        super().__init__(**settings)
        self.max_trials = max_trials

    def _get_num_brackets(self):
        brackets = range(1, super()._get_num_brackets() + 1)
        return max((count for count in brackets if self._trials_of(count - 1) <= self.most), default=1)

    def _increment_bracket_num(self):
        super()._increment_bracket_num()
        while self._current_bracket and self._trials_of(self._current_bracket) > self.max_trials - len(self.trials):
            self._current_bracket -= 1

    def _trials_of(self, bracket):
        return sum(self._get_size(bracket, rung) for rung in range(bracket + 1))


class BayesianOracle(Durable, keras_tuner.oracles.BayesianOptimizationOracle):
    """Tries the settings from which a Gaussian process over the past trials expects most.

    KerasTuner maps the names to choose from to points on a line. Here each name is a separate dimension of the process
    (Garrido-Merchán, Hernández-Lobato, *Dealing with Categorical and Integer-valued Variables in Bayesian
    Optimization with Gaussian Processes*, Neurocomputing 380, 2020).
    """

    def populate_space(self, trial_id):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # due to few trials; a person could not fix it
            return super().populate_space(trial_id)

    def _make_gpr(self):
        return make_pipeline(FunctionTransformer(self._with_directions), super()._make_gpr())

    def _with_directions(self, points):
        """Replaces the column of each hyperparameter that chooses a name by one column for each name."""
        columns = []
        for hp, column in zip(self._nonfixed_space(), np.asarray(points).T, strict=True):
            if isinstance(hp, keras_tuner.engine.hyperparameters.Choice) and not hp.ordered:
                chosen = [hp.prob_to_value(float(probability)) for probability in column]
                columns += [np.array([value == name for value in chosen], float) for name in hp.values]
            else:
                columns.append(column)
        return np.stack(columns, axis=-1)


def make_oracle(tuner, monitor, max_trials, epochs, seed):
    """Returns the oracle of a kind of tuner.

    Args:
        tuner: `"random"`, `"grid"`, `"hyperband"` or `"bayesian"`.
        monitor: a name in `MONITORS`.
        max_trials: the number of trials.
        epochs: the epochs of a whole trial.
        seed: equal seeds give equal trials.
    """
    settings = {
        "objective": keras_tuner.Objective(monitor, "max" if MONITORS[monitor].more_is_better else "min"),
        "seed": seed + 1,  # KerasTuner takes 0 for no seed
        "max_consecutive_failed_trials": ENDLESS,
    }
    if tuner == "hyperband":
        settings |= {"max_epochs": epochs, "factor": HALVING, "hyperband_iterations": ENDLESS}
        return HyperbandOracle(max_trials, **settings)
    if tuner == "bayesian":
        settings["num_initial_points"] = max(3, max_trials // 3)
    kinds = {"random": RandomOracle, "grid": GridOracle, "bayesian": BayesianOracle}
    return kinds[tuner](max_trials=max_trials, **settings)

"""The tuner: KerasTuner's bookkeeping around the trials."""

import contextlib
import io
import os
import time

import keras_tuner

from keras_attention.tuning.trials import COMPLETED, EPOCHS

SECONDS_BETWEEN_QUESTIONS = 1.0
PROJECT = "tuner"


class AttentionTuner(keras_tuner.Tuner):
    """Gets trials from an oracle, runs them, and reports their results to the oracle.

    Args:
        oracle: what `make_oracle` returned.
        hypermodel: the `AttentionHyperModel`.
        runner: the `TrialRunner`.
        folder: the folder of the search; KerasTuner's files are in its subfolder `tuner/`.
        check: called before each request to the oracle; it must raise an error if the oracle is out of reach, as
            KerasTuner would wait for it for an hour.
    """

    def __init__(self, oracle, hypermodel, runner, folder, check=lambda: None):
        self.runner, self.check = runner, check
        with quiet():
            super().__init__(oracle=oracle, hypermodel=hypermodel, directory=str(folder), project_name=PROJECT)
            if self.oracle is oracle and os.path.exists(oracle._get_oracle_fname()):
                oracle.reload()

    def _populate_initial_space(self):
        """Declares all hyperparameters without building a model, unlike KerasTuner."""
        hp, activated = self.oracle.get_space(), []
        self.hypermodel.space(hp)
        self.oracle.update_space(hp)
        inactive = list(hp.inactive_scopes)
        while inactive:  # hyperparameters under a condition can be declared only while the condition holds
            conditions = inactive.pop()
            if conditions not in activated:
                activated.append(conditions)
                hp = self.oracle.get_space()
                hp.values |= {condition.name: condition.values[0] for condition in conditions}
                hp.ensure_active_values()
                self.hypermodel.space(hp)
                self.oracle.update_space(hp)
                inactive += hp.inactive_scopes

    def trials(self):
        """Runs trials until the oracle has no more; yields each `keras_tuner` trial before it runs, then its result."""
        while True:
            self.check()
            with quiet():
                trial = self.oracle.create_trial(self.tuner_id)
            if trial.status == "STOPPED":
                return
            if trial.status == "IDLE":
                time.sleep(SECONDS_BETWEEN_QUESTIONS)
                continue
            yield trial
            result = self.runner(trial)
            self.check()
            with quiet():
                self._tell(trial, result)
            yield result

    def _tell(self, trial, result):
        if result.status == COMPLETED:
            figures = {name: value for name, value in result.figures.items() if value is not None}
            self.oracle.update_trial(trial.trial_id, figures, step=trial.hyperparameters.values.get(EPOCHS, 0))
        trial.status = "COMPLETED" if result.status == COMPLETED else "FAILED"
        trial.message = result.error
        self.oracle.end_trial(trial)


def quiet():
    """Suppresses what KerasTuner prints: its tables, and some lines of debugging."""
    return contextlib.redirect_stdout(io.StringIO())

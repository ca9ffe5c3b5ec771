"""The oracles: the same seed gives the same trials, and a kill at any moment loses and doubles none."""

import json
import pathlib

import keras_tuner
import pytest
from cases import some_now

from keras_attention.members import TUNERS
from keras_attention.tuning.hypermodel import AttentionHyperModel
from keras_attention.tuning.oracles import BayesianOracle, make_oracle
from keras_attention.tuning.trials import COMPLETED, EPOCHS, FAILED, TrialResult
from keras_attention.tuning.tuner import AttentionTuner

every_tuner = pytest.mark.parametrize("tuner", TUNERS)


NARROW = {"alignment": "softmax", "units": 64, "num_heads": 1, "dropout": 0.0, "attend": "block3_pool"}


class Killed(BaseException):
    """Ends a process at once."""


@pytest.fixture
def tune(config, tmp_path, figure_of):
    """`tune(tuner, folder, …)`: an `AttentionTuner` whose trials are not trained."""

    def make(tuner, folder="search", max_trials=14, seed=0, run=None, **space):
        hypermodel = AttentionHyperModel(config, **space)

        def runner(trial):
            settings = hypermodel.space(trial.hyperparameters)
            return TrialResult(trial.trial_id, COMPLETED, settings, {"val_accuracy": figure_of(settings)})

        oracle = make_oracle(tuner, "val_accuracy", max_trials, config.epochs, seed)
        return AttentionTuner(oracle, hypermodel, run or runner, tmp_path / folder)

    return make


def results(tuner):
    return [step for step in tuner.trials() if isinstance(step, TrialResult)]


def settings_of(found):
    return [result.settings for result in found]


@pytest.mark.parametrize("tuner", some_now(TUNERS, "grid", "random"))
def test_the_same_seed_gives_the_same_trials(tuner, tune):
    # A Gaussian process over few dimensions, as it takes its time.
    few = (
        {"max_trials": 4, "fix": NARROW, "choose": {"score": ["additive", "concat", "dot"]}}
        if tuner == "bayesian"
        else {}
    )
    first, second = results(tune(tuner, "one", **few)), results(tune(tuner, "two", **few))
    assert len(first) == few.get("max_trials", 14)
    assert settings_of(first) == settings_of(second)
    if tuner != "grid":
        assert settings_of(results(tune(tuner, "three", seed=5, **few))) != settings_of(first)


@pytest.mark.parametrize("tuner", some_now(TUNERS, *(set(TUNERS) - {"bayesian"})))
def test_a_space_that_is_exhausted_ends_the_search(tuner, tune):
    small = {"score": ["dot", "general"], "alignment": ["sigmoid"], "units": [32], "num_heads": [1], "dropout": [0.0]}
    small |= {"attend": ["block3_pool"], "learning_rate": [0.001]}
    found = results(tune(tuner, max_trials=9, choose=small))
    assert {result.settings["score"] for result in found} == {"dot", "general"}


@pytest.mark.parametrize("tuner", some_now(TUNERS, "grid"))
@pytest.mark.parametrize("moment", some_now(["_save_trial", "save", "update_trial", "end_trial"], "end_trial"))
def test_a_kill_at_any_moment_loses_no_trial_and_doubles_none(tuner, moment, tune, monkeypatch):
    few = {"max_trials": 6, "fix": NARROW}
    undisturbed = [(result.trial, result.settings) for result in results(tune(tuner, "undisturbed", **few))]
    killed = tune(tuner, **few)
    original, calls = getattr(killed.oracle, moment), []

    def dying(*arguments, **named):
        calls.append(moment)
        if len(calls) == 5:
            raise Killed
        return original(*arguments, **named)

    monkeypatch.setattr(killed.oracle, moment, dying)
    with pytest.raises(Killed):
        results(killed)
    again = tune(tuner, **few)
    results(again)
    trials = again.oracle.trials
    assert sorted(trials) == [trial for trial, _ in undisturbed]
    assert all(trial.status == "COMPLETED" for trial in trials.values())
    assert sorted(set(again.oracle.end_order)) == sorted(trials)


def test_files_are_written_whole(tune, tmp_path, monkeypatch):
    results(tune("random", max_trials=2))
    oracle = tmp_path / "search" / "tuner" / "oracle.json"
    before = oracle.read_text()

    def half(path, text, *_):
        with path.open("w") as file:
            file.write(text[: len(text) // 2])
        raise Killed

    monkeypatch.setattr(pathlib.Path, "write_text", half)
    with pytest.raises(Killed):
        results(tune("random", max_trials=3))
    assert oracle.read_text() == before


def test_a_damaged_file_is_named(tune, tmp_path):
    results(tune("random", max_trials=2))
    (tmp_path / "search" / "tuner" / "oracle.json").write_text('{"half": ')
    with pytest.raises(ValueError, match=r"oracle\.json cannot be read\. Expected a complete file"):
        tune("random", max_trials=3)


@every_tuner
def test_failures_do_not_stop_a_search(tuner, tune, config):
    hypermodel = AttentionHyperModel(config)

    def failing(trial):
        return TrialResult(trial.trial_id, FAILED, hypermodel.space(trial.hyperparameters), error="ValueError: no")

    assert [result.status for result in results(tune(tuner, run=failing))] == [FAILED] * 14


def test_hyperband_gives_the_best_of_a_rung_more_epochs(tune):
    tuner = tune("hyperband")
    steps = list(tuner.trials())
    epochs = [step.hyperparameters.values[EPOCHS] for step in steps if not isinstance(step, TrialResult)]
    assert epochs[:9] == [1] * 9  # a rung of nine, of which the best three go on for three epochs
    assert sorted(epochs[9:12]) == [3, 3, 3]
    figures = [step.figures["val_accuracy"] for step in steps if isinstance(step, TrialResult)]
    assert sorted(figures[9:12]) == sorted(figures[:9])[-3:]


@pytest.mark.parametrize(("max_trials", "epochs"), [(3, [9] * 3), (14, [1] * 9 + [3] * 3 + [9] * 2), (5, None)])
def test_hyperband_begins_only_what_its_trials_can_end(max_trials, epochs, tune):
    steps = list(tune("hyperband", max_trials=max_trials).trials())
    found = [step.hyperparameters.values[EPOCHS] for step in steps if not isinstance(step, TrialResult)]
    assert len(found) == max_trials
    assert max(found) == 9
    if epochs:
        assert sorted(found) == sorted(epochs)


def test_bayesian_optimization_takes_names_for_directions_of_their_own():
    oracle = BayesianOracle(objective=keras_tuner.Objective("x", "max"), seed=1)
    hp = keras_tuner.HyperParameters()
    hp.Choice("score", ["a", "b", "c"])
    hp.Float("rate", 0.0, 1.0)
    hp.Choice("units", [32, 64])
    oracle.update_space(hp)
    points = oracle._with_directions([[1 / 6, 0.3, 0.25], [0.5, 0.4, 0.75], [5 / 6, 0.5, 0.75]])
    assert points.tolist() == [[1, 0, 0, 0.3, 0.25], [0, 1, 0, 0.4, 0.75], [0, 0, 1, 0.5, 0.75]]


@pytest.mark.long
def test_bayesian_optimization_finds_the_best_name(tune):
    best = {"score": "general", "alignment": "sparsemax"}

    def runner(trial):
        values = trial.hyperparameters.values
        value = sum(values[name] == wanted for name, wanted in best.items())
        return TrialResult(trial.trial_id, COMPLETED, dict(values), {"val_accuracy": value / 2})

    few = {name: value for name, value in NARROW.items() if name != "alignment"} | {"learning_rate": 0.001}
    choose = {"score": ["additive", "concat", "general", "dot"], "alignment": ["softmax", "sigmoid", "sparsemax"]}
    fixed = {"softmax.temperature": 1.0, "additive.activation": "tanh", "concat.activation": "tanh"}
    found = results(tune("bayesian", max_trials=16, run=runner, fix=few | fixed, choose=choose))
    late = [result.settings for result in found[8:]]
    assert sum(each["score"] == "general" and each["alignment"] == "sparsemax" for each in late) >= 4


def test_what_is_declared_behind_a_condition_is_found(config, tmp_path):
    class Hidden(AttentionHyperModel):
        def space(self, hp):
            settings = super().space(hp)
            with hp.conditional_scope("alignment", ["entmax"]):
                if settings["alignment"] == "entmax":
                    hp.Choice("deep", [1, 2])
                    with hp.conditional_scope("deep", [2]):
                        hp.Choice("deeper", [3, 4])
            return settings

    hypermodel = Hidden(config, choose={"alignment": ["softmax", "entmax"]})
    tuner = AttentionTuner(make_oracle("random", "val_accuracy", 3, 9, 0), hypermodel, None, tmp_path)
    assert {"deep", "deeper"} <= {hp.name for hp in tuner.oracle.get_space().space}


def test_no_worker_goes_while_another_has_a_trial(tune):
    oracle = tune("random", max_trials=1).oracle
    trial = oracle.create_trial("one")
    assert oracle.create_trial("two").status == "IDLE"
    assert oracle.give_back("one") == trial.trial_id
    assert oracle.give_back("one") is None
    again = oracle.create_trial("two")
    assert (again.trial_id, again.status) == (trial.trial_id, "RUNNING")
    oracle.update_trial(again.trial_id, {"val_accuracy": 0.5})
    again.status = "COMPLETED"
    oracle.end_trial(again)
    assert oracle.create_trial("two").status == "STOPPED"
    assert json.loads(json.dumps(oracle.get_state()))["retry_queue"] == []

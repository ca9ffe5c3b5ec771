"""A trial: what it trains, what it finds trained, and how it fails. Nothing is trained here but in the last test."""

import json
import math
import types

import keras
import keras_tuner
import numpy as np
import pytest
import seams

from keras_attention import TrainConfig
from keras_attention.metrics import MONITORS
from keras_attention.runs import Run
from keras_attention.tuning.hypermodel import AttentionHyperModel
from keras_attention.tuning.trials import COMPLETED, EPOCHS, FAILED, SKIPPED, TrialResult, TrialRunner

SECONDS_AN_EPOCH = 2.0


@pytest.fixture
def trained(monkeypatch):
    """Replaces training by rows of figures, better with each epoch; gives (folder, first epoch, last) of each fit."""
    fits = []

    def fit_run(run, config, dataset, plan, keep_best=True):
        assert not keep_best
        first = len(run.progress()[0])
        fits.append((run.folder.parent.name.split("-")[0], config.seed, first, config.last_epoch))
        rows = [dict.fromkeys(MONITORS, 0.1 * epoch + 0.01 * config.seed) | {"epoch": epoch} for epoch in range(1, 10)]
        rows = run.write_history(rows[: config.last_epoch])
        model = types.SimpleNamespace(weights=[], optimizer=types.SimpleNamespace(variables=[]))
        run.back_up(model, len(rows), SECONDS_AN_EPOCH * len(rows))
        return types.SimpleNamespace(rows=rows, seconds=SECONDS_AN_EPOCH * len(rows))

    seams.training_of_a_trial(monkeypatch, fit_run)
    seams.stages_of_a_trial(monkeypatch, lambda *_: None)
    monkeypatch.setattr(keras.backend, "clear_session", lambda: None)  # there is nothing, and it takes a while
    seams.networks_of_a_trial(monkeypatch, lambda *_: (None, types.SimpleNamespace(count_params=lambda: 1234)))
    return fits


@pytest.fixture
def run(config, dataset, tmp_path):
    """`run(number, epochs=None, …)`: the result of a trial with these values."""

    def run_trial(number, epochs=None, values=None, **options):
        hypermodel = options.pop("hypermodel", None) or AttentionHyperModel(config, dataset)
        (tmp_path / "trials").mkdir(exist_ok=True)
        hp = keras_tuner.HyperParameters()
        hp.values = dict(values or {"score": "dot"}) | ({EPOCHS: epochs} if epochs else {})
        trial = keras_tuner.engine.trial.Trial(hp, f"{number:02d}")
        return TrialRunner(hypermodel, tmp_path, **options)(trial)

    return run_trial


def test_a_trial_and_its_file(run, trained, tmp_path):
    result = run(0, worker="one")
    assert (result.status, result.best_epoch, result.epochs, result.parameters) == (COMPLETED, 9, 9, 1234)
    assert result.figures == pytest.approx(dict.fromkeys(MONITORS, 0.9) | {"val_loss": 0.1}, abs=0.81)
    assert result.settings["score"] == "dot"
    assert result.seconds == 9 * SECONDS_AN_EPOCH
    assert trained == [("dot+softmax", 0, 0, 9)]
    assert TrialResult.load(tmp_path / "trials" / "00.json") == result
    (folder,) = result.folders
    assert Run(tmp_path / folder).config.score == "dot"
    assert not (tmp_path / folder / "backup").exists()


@pytest.mark.long
def test_executions_differ_in_their_seed_alone(run, trained):
    result = run(0, executions=3)
    assert trained == [("dot+softmax", seed, 0, 9) for seed in range(3)]
    assert result.figures["val_accuracy"] == pytest.approx(0.91)
    assert result.seconds == 3 * 9 * SECONDS_AN_EPOCH
    assert len(set(result.folders)) == 3


def test_settings_that_come_again_are_not_run_again(run, trained):
    first, other, again = run(0), run(1, values={"score": "cosine"}), run(2)
    assert len(trained) == 2
    assert (first.repeats, other.repeats, again.repeats) == (None, None, "00")
    assert (again.figures, again.seconds) == (first.figures, 0)
    assert again.folders == first.folders != other.folders


def test_the_same_trial_again_finds_what_it_had_done(run, trained):
    first = run(0)
    assert run(0) == first
    assert len(trained) == 1


def test_more_epochs_go_on_where_fewer_ended(run, trained):
    short, full = run(0, 3, keep_backups=True), run(1, 9, keep_backups=True)
    assert trained == [("dot+softmax", 0, 0, 3), ("dot+softmax", 0, 3, 9)]
    assert (short.epochs, full.epochs) == (3, 9)
    assert (short.seconds, full.seconds) == (3 * SECONDS_AN_EPOCH, 6 * SECONDS_AN_EPOCH)
    assert full.repeats is None
    fewer = run(2, 3, keep_backups=True)
    assert (fewer.repeats, fewer.figures, len(trained)) == ("00", short.figures, 2)


def test_networks_that_are_too_large_are_skipped(run, trained):
    result = run(0, max_parameters=1000)
    assert (result.status, result.error) == (SKIPPED, "1,234 parameters, more than the limit of 1,000")
    assert trained == []
    assert run(1, max_parameters=1234).status == COMPLETED


@pytest.mark.parametrize("error", [MemoryError("no more"), ValueError("a\nbad value")])
def test_a_failure_is_a_result_with_its_traceback(error, run, trained, tmp_path, monkeypatch):
    def failing(*_):
        raise error

    seams.networks_of_a_trial(monkeypatch, failing)
    result = run(0)
    assert (result.status, result.settings["score"]) == (FAILED, "dot")
    assert result.error == f"{type(error).__name__}: {' '.join(str(error).split())}"
    assert "in failing" in (tmp_path / "trials" / "00.error.txt").read_text()


def test_settings_that_cannot_be_are_a_failure_too(config, dataset, run, trained):
    class Broken(AttentionHyperModel):
        def space(self, hp):
            raise KeyError("units")

    result = run(0, hypermodel=Broken(config, dataset))
    assert (result.status, result.settings, result.error) == (FAILED, {}, "KeyError: 'units'")


def test_a_figure_that_is_not_defined_is_a_failure(run, trained, monkeypatch):
    seams.best_row_of_a_trial(monkeypatch, lambda rows, monitor: rows[0].update(val_accuracy=math.nan) or 0)
    result = run(0)
    assert result.error.startswith("ArithmeticError: `val_accuracy` must be defined on the validation images.")


def test_what_kills_the_process_each_time_is_given_up(run, trained, tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    def killing(*_):
        raise Killed

    seams.networks_of_a_trial(monkeypatch, killing)
    seams.removal_by_a_trial(monkeypatch, lambda path: None)  # as by kill -9, which tidies nothing up
    for _ in range(2):
        with pytest.raises(Killed):
            run(0)
    network = next((tmp_path / "networks").iterdir()).name
    expected = f"Expected a process that is not killed. Received: {network}."
    assert run(0).error == f"ChildProcessError: The process of the trial was killed 2 times. {expected}"


def test_other_data_or_precision_is_another_network(config, dataset, run, trained):
    changed = [config, *(TrainConfig(**vars(config) | change) for change in ({"batch_size": 8}, {"image_size": 64}))]
    for number, each in enumerate(changed):
        assert run(number, hypermodel=AttentionHyperModel(each, dataset)).repeats is None
    assert len(trained) == 3


@pytest.mark.long
@pytest.mark.apart
@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")  # of Keras: it is not built yet
def test_any_tuner_of_kerastuner_searches_over_a_hypermodel(tmp_path, monkeypatch):
    """Seeds differ between executions and precision holds, though KerasTuner clears both; features are cached."""
    from keras_attention.models import VGG16BN

    seams.shallow_backbone(monkeypatch)
    keras.utils.set_random_seed(1)
    VGG16BN((32, 32, 3), width=0.0625).save_weights(tmp_path / "small.weights.h5")
    config = TrainConfig(
        data_options={"count": 60},
        data_dir=str(tmp_path / "data"),
        image_size=32,
        width=0.0625,
        epochs=2,
        batch_size=16,
        weights=str(tmp_path / "small.weights.h5"),
        freeze="all",
        cache_dir=str(tmp_path / "cache"),
        precision="mixed_bfloat16",
    )
    built = []

    class Recording(AttentionHyperModel):
        def fit(self, hp, model, *data, **options):
            head = model.get_layer("logits").get_weights()[0]
            built.append((head.copy(), model.layers[3].dtype_policy.name, len(model.trainable_weights)))
            return super().fit(hp, model, *data, **options)

    narrow = {"score": "additive", "alignment": "softmax", "attend": "block4_pool", "units": 7, "num_heads": 1}
    narrow |= {"additive.activation": "relu", "softmax.temperature": 1.0, "dropout": 0.0}
    hypermodel = Recording(config, fix=narrow)
    tuner = keras_tuner.RandomSearch(
        hypermodel, "val_accuracy", max_trials=1, executions_per_trial=2, directory=tmp_path / "tuner", seed=3
    )
    tuner.search(verbose=0)
    (one, policy, trainable), (other, *_) = built
    assert (policy, trainable) == ("mixed_bfloat16", 6)  # of the score 4, of the head 2: the backbone is frozen
    assert not (one == other).all()
    another_trial = hypermodel.build(keras_tuner.HyperParameters())
    assert (one == another_trial.get_layer("logits").get_weights()[0]).all()
    images, labels = np.zeros((8, 32, 32, 3)), np.eye(10)[np.arange(8)]
    history = hypermodel.fit(keras_tuner.HyperParameters(), another_trial, images, labels, epochs=1, verbose=0)
    assert list(history.history) == ["accuracy", "loss"]
    (found,) = tuner.oracle.get_best_trials(1)
    assert found.status == "COMPLETED"
    assert json.loads((tmp_path / "tuner/untitled_project/trial_0/trial.json").read_text())["score"] is not None
    model = tuner.get_best_models()[0]
    assert (model.input_shape, model.output_shape) == ((None, 32, 32, 3), (None, 10))

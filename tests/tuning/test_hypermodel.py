"""`AttentionHyperModel.fit` in two stages, a frozen backbone and then a free one, is one training."""

import keras
import keras_tuner
import numpy as np
import pytest
import seams

from keras_attention import TrainConfig
from keras_attention.models import VGG16BN
from keras_attention.tuning.hypermodel import AttentionHyperModel

EPOCHS, FROZEN, STEPS = 4, 2, 3
FIXED = {"score": "dot", "attend": "block4_pool", "units": 4, "num_heads": 1}
HOOKS = [name for name in dir(keras.callbacks.Callback) if name.startswith("on_")]


class Recorder(keras.callbacks.Callback):
    """Notes each call of each hook with its number, and stops the training in the hook that `stops` names."""

    def __init__(self, stops=None):
        super().__init__()
        self.calls, self.logs, self.steps, self.stops = [], {}, [], stops
        for hook in HOOKS:
            setattr(self, hook, self._noting(hook))

    def _noting(self, hook):
        def note(*arguments, logs=None):
            call = (hook, *(value for value in arguments if isinstance(value, int)))
            self.calls.append(call)
            self.logs[hook] = {name for value in (*arguments, logs) if isinstance(value, dict) for name in value}
            if hook == "on_epoch_end":
                self.steps.append(int(self.model.optimizer.iterations))
            if call == self.stops:
                self.model.stop_training = True

        return note


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "small.weights.h5"
    with pytest.MonkeyPatch.context() as patched:
        seams.shallow_backbone(patched)
        VGG16BN((32, 32, 3), width=0.05).save_weights(path)
    return str(path)


@pytest.fixture
def fit(weights, dataset, tmp_path, monkeypatch):
    """`fit(*callbacks, …)`: the history and the model of a training from cached features, and then of all weights."""
    seams.shallow_backbone(monkeypatch)

    def run(*callbacks, settings=(), **options):
        given = {"weights": weights, "freeze": "all", "unfreeze_after": FROZEN, "cache_dir": str(tmp_path / "cache")}
        given |= {"width": 0.05, "image_size": 32, "epochs": EPOCHS, "batch_size": 4, "dropout": 0.0}
        images = None if "data_options" in settings else dataset
        hypermodel = AttentionHyperModel(TrainConfig(**given | dict(settings)), images, fix=FIXED)
        hp = keras_tuner.HyperParameters()
        model = hypermodel.build(hp)
        return hypermodel.fit(hp, model, callbacks=list(callbacks), **{"verbose": 0} | options), model

    return run


def reference(*callbacks):
    """What one `Model.fit` of as many epochs and steps, with as many batches of validation, tells callbacks."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    model.compile("sgd", "mse", metrics=["accuracy"])
    x = np.zeros((4 * STEPS, 2))
    return model.fit(
        x, x, 4, EPOCHS, verbose=2, callbacks=list(callbacks), validation_data=(x, x), validation_batch_size=128
    )


def epochs_printed(capsys):
    return [line for line in capsys.readouterr().out.splitlines() if line.startswith("Epoch")]


@pytest.mark.parametrize(
    ("stops", "epochs"),
    [
        (None, EPOCHS),
        pytest.param(("on_epoch_end", 0), 1, marks=pytest.mark.long),
        pytest.param(("on_epoch_end", FROZEN - 1), FROZEN, marks=pytest.mark.long),
        pytest.param(("on_epoch_begin", FROZEN), FROZEN + 1, marks=pytest.mark.long),
        pytest.param(("on_train_batch_end", 1), 1, marks=pytest.mark.long),
        pytest.param(("on_train_begin",), 1, marks=pytest.mark.long),
    ],
    ids=["to the end", "first stage", "end of it", "second stage", "batch", "beginning"],
)
def test_callbacks_are_called_as_in_one_fit(stops, epochs, fit, capsys):
    ours, theirs = Recorder(stops), Recorder(stops)
    history, model = fit(ours, verbose=2)
    printed = epochs_printed(capsys)
    expected = reference(theirs)
    assert printed == epochs_printed(capsys) == [f"Epoch {epoch}/{EPOCHS}" for epoch in range(1, epochs + 1)]
    assert ours.calls == theirs.calls
    assert ours.steps == theirs.steps  # of the optimizer that trains, whose rate a callback may change
    assert ours.params == theirs.params == history.params == {"epochs": EPOCHS, "steps": STEPS, "verbose": 2}
    assert ours.model is history.model is model
    assert model.history is history
    assert history.epoch == expected.epoch == list(range(epochs))
    assert {len(values) for values in history.history.values()} == {epochs}
    assert model.stop_training == (stops is not None)
    for hook in set(theirs.logs) - {"on_test_batch_end"}:  # the figures of validation are those of the whole split
        assert ours.logs[hook] >= theirs.logs[hook], hook


@pytest.mark.long
def test_a_callback_that_stops_and_restores_sees_one_training(fit):
    """`EarlyStopping` waits across the stages, and restores the best weights of the whole model."""
    stopping = keras.callbacks.EarlyStopping("never_better", patience=FROZEN, mode="min", restore_best_weights=True)
    kept = []

    class Figures(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["never_better"] = float(epoch)
            kept.append(self.model.get_weights())

    history, model = fit(Figures(), stopping)
    assert history.epoch == [0, 1, 2]
    assert history.history["never_better"] == [0.0, 1.0, 2.0]
    for now, best in zip(model.get_weights(), kept[0], strict=True):
        np.testing.assert_array_equal(now, best)


@pytest.mark.parametrize(
    ("settings", "first"),
    [((), FROZEN + 1), ({"unfreeze_after": None}, 1)],
    ids=["second stage", "one stage"],
)
@pytest.mark.long
def test_the_history_has_the_epochs_that_were_trained(settings, first, fit):
    history, _ = fit(settings=settings, initial_epoch=first)
    assert history.epoch == list(range(first, EPOCHS))
    assert {"loss", "val_loss", "accuracy", "val_accuracy"} <= set(history.history)


def test_without_an_epoch_the_history_is_empty(fit):
    recorder = Recorder()
    assert fit(recorder, epochs=0)[0].epoch == []
    assert [call for call, *_ in recorder.calls] == ["on_train_begin", "on_train_end"]


@pytest.mark.long
def test_callbacks_see_the_optimizer_that_trains_where_masks_teach(fit, tmp_path):
    recorder = Recorder()
    data = {"data_options": {"count": 60, "clutter": 1}, "data_dir": str(tmp_path / "data")}
    fit(recorder, settings=data | {"supervise_attention": 1.0, "epochs": 2, "unfreeze_after": 1, "batch_size": 16})
    assert recorder.steps == [recorder.params["steps"], 2 * recorder.params["steps"]]

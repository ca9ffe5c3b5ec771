"""A figure that the validation images do not define decides nothing, and settings that cannot work are refused."""

import math
import random
import types

import numpy as np
import pytest
import seams
from PIL import Image

from keras_attention import TrainConfig, compare, search, train
from keras_attention.data import load
from keras_attention.training.callbacks import Keeper, require_monitor
from keras_attention.training.networks import class_weights
from keras_attention.training.results import warn_of_export

SMALL = {"image_size": 32, "width": 0.05, "units": 4, "epochs": 1}


@pytest.fixture
def one_class_to_validate(tmp_path, rng):
    """A folder whose validation split has images of one class alone."""
    for folder, count in (("train/a", 6), ("train/b", 6), ("val/a", 3), ("test/a", 2), ("test/b", 2)):
        (tmp_path / "data" / folder).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 256, (32, 32, 3)).astype("uint8")
            Image.fromarray(pixels).save(tmp_path / "data" / folder / f"{number}.png")
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("job", "monitor"),
    [
        pytest.param(train, "val_roc_auc", marks=pytest.mark.long),
        (train, "val_average_precision"),
        (compare, "val_roc_auc"),
        pytest.param(compare, "val_average_precision", marks=pytest.mark.long),
        (search, "val_roc_auc"),
        pytest.param(search, "val_average_precision", marks=pytest.mark.long),
    ],
)
def test_a_monitor_that_is_not_defined_is_refused_before_training(job, monitor, one_class_to_validate, tmp_path):
    config = TrainConfig(data=str(one_class_to_validate), monitor=monitor, **SMALL)
    with pytest.raises(
        ValueError, match=rf"The validation images do not define {monitor}\. Expected .*Received: images of a"
    ):
        job(config, run=tmp_path / "run")
    assert not (tmp_path / "run" / "config.json").exists()


def test_a_monitor_that_is_defined_is_not_refused(one_class_to_validate):
    data = load(one_class_to_validate, image_size=32)
    for monitor in ("val_accuracy", "val_macro_f1", "val_loss"):
        require_monitor(TrainConfig(monitor=monitor), data)
    require_monitor(TrainConfig(monitor="val_roc_auc", train_on_validation=True), data)


def test_an_epoch_without_a_figure_is_told():
    run = types.SimpleNamespace(write_history=list, save_model=lambda model: None, back_up=lambda *state: None)
    keeper = Keeper(run, TrainConfig(monitor="val_roc_auc", epochs=3), None)
    keeper.set_model(types.SimpleNamespace(optimizer=types.SimpleNamespace(learning_rate=1.0), stop_training=False))
    keeper.on_train_begin()
    keeper.on_epoch_end(0, {"val_roc_auc": 0.5})
    with pytest.warns(UserWarning, match="Epoch 2 has no val_roc_auc, and cannot be the best one"):
        keeper.on_epoch_end(1, {"val_roc_auc": math.nan})
    assert keeper.best_row == 0


def test_a_class_without_training_images_has_no_weight():
    split = types.SimpleNamespace(labels=lambda: np.arange(40) % 2)
    data = types.SimpleNamespace(trained=split, class_names=("a", "b", "c"))
    with pytest.raises(
        ValueError, match=r"Classes without training images have no weight: c\. Expected images of each"
    ):
        class_weights(TrainConfig(class_weights="balanced"), data)


@pytest.mark.long
def test_training_leaves_no_trace_in_the_random_numbers_of_the_caller(tmp_path, monkeypatch):
    import tensorflow as tf

    seams.shallow_backbone(monkeypatch)
    seams.without_pictures(monkeypatch)

    def numbers():
        return random.random(), float(np.random.rand()), float(tf.random.uniform(()))

    def after(work):
        random.seed(5)
        np.random.seed(5)
        tf.random.set_seed(5)
        work()
        return numbers()

    config, losses = TrainConfig(data_options={"count": 60}, **SMALL), []

    def training():
        run = train(config, tmp_path / str(len(losses)), verbose=0, export=False)
        losses.append(run.metrics["loss"])

    assert after(training) == after(lambda: None)
    training()  # from other random numbers of the caller
    assert losses[0] == losses[1]


class UncopiableError(Exception):
    """What a layer of others may raise when it is copied."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "error",
    [pytest.param(ValueError("no such format"), marks=pytest.mark.long), RuntimeError("it differs")],
    ids=repr,
)
def test_an_export_that_fails_does_not_cost_the_run(error, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise error

    seams.export_after_training(monkeypatch, fail)
    seams.shallow_backbone(monkeypatch)
    seams.without_pictures(monkeypatch)
    config = TrainConfig(data_options={"count": 60}, attend=(), **SMALL)
    with pytest.warns(
        UserWarning, match=r"The run is finished, but its model cannot be exported; `keras-attention export"
    ):
        run = train(config, tmp_path / "run", verbose=0)
    assert run.finished
    assert run.metrics["count"] == 10
    assert not run.export_path.exists()


def test_what_cannot_be_exported_is_said_before_training(monkeypatch):
    def fail(*_):
        raise UncopiableError("a layer without\na configuration")

    seams.graph_before_training(monkeypatch, fail)
    with pytest.warns(UserWarning, match="The trained model will not be exported: a layer without a configuration"):
        warn_of_export(None, ("a", "b"))

"""Runs that start from pretrained weights: what is frozen, cached, calibrated, unfrozen, and resumed."""

import csv

import keras
import numpy as np
import pytest
import seams

from keras_attention import load_predictor, train
from keras_attention.cli import main
from keras_attention.evaluation import predict_split, predict_with_flips
from keras_attention.metrics import classification_metrics
from keras_attention.models import VGG16BN, layout
from keras_attention.runs import Run, load_data

WIDTH = 0.05


@pytest.fixture
def weights(tmp_path):
    """Weights with batch normalization, in a file of this package."""
    keras.utils.set_random_seed(2)
    path = tmp_path / "pretrained.weights.h5"
    VGG16BN((32, 32, 3), width=WIDTH).save_weights(path)
    return str(path)


@pytest.fixture
def plain_weights(tmp_path):
    """Weights without batch normalization, in torchvision's layout."""
    keras.utils.set_random_seed(2)
    kernels = [
        VGG16BN((32, 32, 3), width=WIDTH).get_layer(name).get_weights()[0] for name in layout.convolution_names()
    ]
    state = {}
    for place, kernel in zip((0, 3, 6, 9, 12), kernels, strict=True):  # a pooling after each convolution
        state[f"features.{place}.weight"] = kernel.transpose(3, 2, 0, 1)
        state[f"features.{place}.bias"] = np.linspace(-0.1, 0.1, kernel.shape[-1])
    np.savez(tmp_path / "plain.npz", **state)
    return str(tmp_path / "plain.npz")


@pytest.fixture
def tuned(tiny, weights, tmp_path):
    """Makes a `TrainConfig` of a tiny fine-tuning."""
    defaults = {"weights": weights, "width": WIDTH, "augment": "none", "cache_dir": str(tmp_path / "cache")}
    return lambda **changes: tiny(**defaults | changes)


def rows_of(run):
    with (run.folder / "history.csv").open() as file:
        return [[float(value) for value in row.values()] for row in csv.DictReader(file)]


def changed_layers(run, weights):
    """The layers of the backbone whose weights are not those of the file."""
    model, before = keras.models.load_model(run.model_path), VGG16BN((32, 32, 3), weights, WIDTH)
    pairs = {layer.name: (layer.get_weights(), model.get_layer(layer.name).get_weights()) for layer in before.layers}
    return [
        name for name, (one, other) in pairs.items() if any((a != b).any() for a, b in zip(one, other, strict=True))
    ]


def test_a_frozen_backbone_trains_from_its_cache(tuned, weights, tmp_path, capsys):
    run = train(tuned(freeze="all", epochs=1), tmp_path / "run", verbose=2, export=False, pictures=False)
    printed = capsys.readouterr().out
    assert f"weights {weights}, the whole backbone frozen" in printed
    assert "train: features into" in printed
    assert changed_layers(run, weights) == []
    # The loss, which comes from the cache, is that of the whole model on raw images.
    model, dataset = keras.models.load_model(run.model_path), load_data(run.config)
    figures = classification_metrics(*predict_split(model, dataset, "test"), dataset.class_names)
    assert run.metrics["loss"] == pytest.approx(figures["loss"], rel=1e-5)


@pytest.mark.long
def test_a_frozen_backbone_trains_from_its_cache_and_is_joined_again(tuned, weights, tmp_path, monkeypatch, capsys):
    run = train(tuned(freeze="all", flips="both"), tmp_path / "run", verbose=2)
    printed = capsys.readouterr().out
    assert f"weights {weights}, the whole backbone frozen" in printed
    assert "train: features into" in printed
    assert changed_layers(run, weights) == []
    # The figures, which come from the cache, are those of the whole model on raw images.
    model, dataset = keras.models.load_model(run.model_path), load_data(run.config)
    figures = classification_metrics(*predict_split(model, dataset, "test"), dataset.class_names)
    assert run.metrics["loss"] == pytest.approx(figures["loss"], rel=1e-5)
    flipped = classification_metrics(*predict_with_flips(model, dataset, "test", "both"), dataset.class_names)
    assert run.metrics["with_flips"] == {"flips": "both"} | {
        name: pytest.approx(flipped[name], rel=1e-5) for name in ("accuracy", "macro_f1", "roc_auc", "count")
    } | {"average_precision": pytest.approx(flipped["average_precision"], rel=1e-5)}
    images = next(dataset.batches("test", 3).as_numpy_iterator())[0]
    exported, saved = (load_predictor(path)(images) for path in (run.export_path, run.folder))
    assert set(exported) == {"probabilities", "logits", "attention_block3_pool", "attention_block4_pool"}
    np.testing.assert_allclose(exported["logits"], saved["logits"], atol=1e-4)
    assert (run.folder / "attention.png").exists()
    # Another head takes the same features; nothing goes through the backbone but what results need.
    seams.making_of_features(monkeypatch, None)
    seams.only_training(monkeypatch)
    train(tuned(freeze="all", score="dot", seed=4, attend=("block4_pool",)), tmp_path / "other", verbose=0)


@pytest.mark.usefixtures("only_training")
@pytest.mark.long
def test_the_cache_changes_no_figure(tuned, tmp_path):
    runs = [
        train(tuned(freeze="all", cache_features=kept), tmp_path / f"run-{kept}", verbose=0) for kept in (True, False)
    ]
    np.testing.assert_allclose(rows_of(runs[0]), rows_of(runs[1]), rtol=1e-4)
    assert not list((tmp_path / "run-False").glob("cache"))


@pytest.mark.usefixtures("only_training")
def test_a_part_is_frozen(tuned, weights, tmp_path):
    run = train(tuned(freeze="block3", epochs=1, warmup_epochs=0.0), tmp_path / "run", verbose=0)
    changed = changed_layers(run, weights)
    assert {name[: len("block4")] for name in changed} == {"block4", "block5"}
    assert not (tmp_path / "cache").exists()


@pytest.mark.usefixtures("only_training")
@pytest.mark.parametrize(
    ("part", "epochs"),
    # Interrupted at the start of the second stage, and inside it.
    [pytest.param("all", (2,), marks=pytest.mark.long), pytest.param("block3", (3,), marks=pytest.mark.long)],
)
def test_unfreezing_and_resuming_in_every_stage(part, epochs, tuned, weights, tmp_path, monkeypatch):
    seams.keep_the_last_epoch(monkeypatch)  # so that the file shows what the second stage trained
    config = tuned(freeze=part, unfreeze_after=2, epochs=4 if part == "block3" else 3, backbone_rate=0.5)
    whole = train(config, tmp_path / "whole", verbose=0)
    assert {name[: len("block1")] for name in changed_layers(whole, weights)} >= {"block1", "block5"}
    for epoch in epochs:
        with monkeypatch.context() as patched:
            seams.interrupt_in_epoch(patched, epoch)
            with pytest.raises(KeyboardInterrupt):
                train(config, tmp_path / f"run-{epoch}", verbose=0)
        assert len(rows_of(Run(tmp_path / f"run-{epoch}"))) == epoch
        resumed = train(config, tmp_path / f"run-{epoch}", resume=True, verbose=0)
        np.testing.assert_allclose(rows_of(resumed), rows_of(whole), rtol=2e-4)


@pytest.mark.long
@pytest.mark.usefixtures("only_training")
def test_the_schedule_goes_on_after_unfreezing(tuned, tmp_path):
    options = {"schedule": "step", "step_epochs": 1, "step_factor": 0.5, "warmup_epochs": 0.0, "learning_rate": 0.01}
    run = train(tuned(freeze="all", unfreeze_after=1, epochs=3, **options), tmp_path / "run", verbose=0)
    np.testing.assert_allclose([row["learning_rate"] for row in run.history()], [0.005, 0.0025, 0.00125], rtol=1e-6)


@pytest.mark.long
@pytest.mark.usefixtures("only_training")
def test_a_slow_backbone_moves_less(tuned, weights, tmp_path):
    moved = []
    for factor in (1.0, 0.01):
        options = {"backbone_rate": factor, "epochs": 1, "optimizer": "sgd", "learning_rate": 0.01}
        run = train(tuned(**options), tmp_path / f"run-{factor}", verbose=0)
        kernels = [
            keras.models.load_model(run.model_path).get_layer("block3_conv1").get_weights()[0],
            VGG16BN((32, 32, 3), weights, WIDTH).get_layer("block3_conv1").get_weights()[0],
        ]
        moved.append(np.abs(kernels[0] - kernels[1]).mean())
    assert moved[1] < 0.03 * moved[0]


@pytest.mark.long
@pytest.mark.usefixtures("only_training")
@pytest.mark.parametrize(
    "settings",
    [({}, {"loss": "focal"}, {"loss": "focal", "focal_gamma": 0.5}), ({"optimizer": "sgd"}, {"clip_norm": 0.01})],
    ids=["loss", "clip_norm"],
)
def test_settings_of_training_take_effect(settings, tuned, tmp_path):
    """Each, added to the one before, changes the first epoch."""
    rows = []
    for number, given in enumerate(settings):
        config = tuned(freeze="all", epochs=1, **settings[0] | given)
        rows.append(rows_of(train(config, tmp_path / str(number), verbose=0))[0])
        assert number == 0 or not np.allclose(rows[-2], rows[-1], rtol=1e-3)


@pytest.mark.long
@pytest.mark.usefixtures("only_training")
def test_balanced_sampling_and_views_train_from_the_cache(tuned, tmp_path):
    config = tuned(freeze="all", sampling="balanced", augment="crop", views=2)
    run = train(config, tmp_path / "run", verbose=0)
    assert len(rows_of(run)) == 2
    assert sum(path.is_dir() for path in (tmp_path / "cache").glob("vgg16_bn-train-*")) == 2


@pytest.mark.long
@pytest.mark.usefixtures("only_training")
def test_weights_without_batch_norm_are_calibrated(tuned, plain_weights, tmp_path):
    images = np.random.default_rng(1).uniform(0, 255, (3, 32, 32, 3)).astype("float32")
    expected = VGG16BN((32, 32, 3), plain_weights, WIDTH).predict(images, verbose=0)
    run = train(tuned(freeze="all", weights=plain_weights), tmp_path / "run", verbose=0)
    model = keras.models.load_model(run.model_path)
    found = keras.Model(model.input, model.get_layer("block5_pool").output).predict(images, verbose=0)
    np.testing.assert_allclose(found, expected, atol=1e-4 * expected.max())
    gamma, beta, mean, variance = model.get_layer("block3_bn1").get_weights()
    assert np.ptp(variance) > 0
    np.testing.assert_allclose(gamma, np.sqrt(variance + 1e-5), rtol=1e-4)
    bias = np.linspace(-0.1, 0.1, len(mean))
    np.testing.assert_allclose(beta, mean + bias, atol=1e-4 * np.abs(beta).max())


@pytest.mark.long
@pytest.mark.usefixtures("no_pictures")
def test_a_finished_run_is_a_source_of_weights(finished, tuned, tmp_path):
    config = tuned(freeze="all", weights=str(finished.model_path), epochs=1)
    run = train(config, tmp_path / "run", verbose=0)
    assert changed_layers(run, finished.model_path) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--weights", "nothing.npz", "--freeze"], "The file of weights nothing.npz does not exist"),
        (["--weights", "nothing.npz", "--freeze", "block9"], "Unknown freeze 'block9' (did you mean 'block5'?)"),
        (["--freeze"], "Random weights must not be frozen"),
        (["--weights", "{}", "--width", "0.1"], "The width must be that of the weights in {}. Expected --width 0.0"),
        (["--weights", "{}"], "The width must be that of the weights in {}. Expected --width 0.0"),
    ],
    ids=str,
)
def test_mistakes_are_one_line(arguments, message, weights, data_dir, tmp_path, capsys):
    data = ["--data-dir", data_dir, "--data-option", "count=90", "--data-option", "clutter=2", "--image-size", "32"]
    arguments = [argument.format(weights) for argument in arguments]
    assert main(["train", *data, *arguments, "--run", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("keras-attention: error: ")
    assert message.format(weights) in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.long
@pytest.mark.usefixtures("no_pictures")
def test_the_command_line_freezes(weights, data_dir, tmp_path):
    data = ["--data-dir", data_dir, "--data-option", "count=90", "--data-option", "clutter=2", "--image-size", "32"]
    options = ["--weights", weights, "--width", str(WIDTH), "--freeze", "--cache-dir", str(tmp_path / "cache")]
    assert main(["train", *data, *options, "--epochs", "1", "--units", "7", "--run", str(tmp_path / "run")]) == 0
    config = Run(tmp_path / "run").config
    assert (config.freeze, config.cache_features) == ("all", True)
    assert list((tmp_path / "cache").glob("*/*/*.npy"))

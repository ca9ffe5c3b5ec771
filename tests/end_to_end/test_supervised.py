"""Runs whose attention is taught by masks, or regularized: from raw images and from the cache, resumed and compared."""

import csv

import keras
import numpy as np
import pytest
import seams

from keras_attention import TrainConfig, Variant, train
from keras_attention.cli import main
from keras_attention.models import VGG16BN, attention_outputs
from keras_attention.runs import Run, load_data
from keras_attention.training import make_stages, networks

MAPS = ("attention_block3_pool", "attention_block4_pool")


def rows_of(run):
    with (run.folder / "history.csv").open() as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


@pytest.fixture
def frozen(tiny, tmp_path):
    """Makes a `TrainConfig` of a run on cached features."""
    keras.utils.set_random_seed(2)
    path = tmp_path / "pretrained.weights.h5"
    VGG16BN((32, 32, 3), width=0.05).save_weights(path)
    settings = {"weights": str(path), "width": 0.05, "freeze": "all", "cache_dir": str(tmp_path / "cache")}
    return lambda **changes: tiny(**settings | changes)


@pytest.mark.long
@pytest.mark.usefixtures("no_pictures")
def test_masks_teach_attention_where_to_look(tiny, tmp_path):
    shared = {"alignment": "sigmoid", "epochs": 4, "learning_rate": 0.01, "augment": "none"}
    taught = train(tiny(supervise_attention=3.0, **shared), tmp_path / "taught", verbose=0, export=False)
    rows = rows_of(taught)
    assert {"accuracy", "loss", "logits_loss", "val_accuracy", *(f"{name}_loss" for name in MAPS)} <= set(rows[0])
    for row in rows:
        parts = row["logits_loss"] + 3 * sum(row[f"{name}_loss"] for name in MAPS)
        assert row["loss"] == pytest.approx(parts, rel=1e-4)
    assert rows[-1]["attention_block3_pool_loss"] < rows[0]["attention_block3_pool_loss"]
    # What is kept is the classifier alone, as of any run.
    model = keras.models.load_model(taught.model_path, compile=False)
    assert model.output_shape == (None, 10)
    assert taught.config.supervise_attention == 3.0
    assert set(taught.metrics["jaccard"]) == {"block3_pool", "block4_pool", "joint"}


@pytest.mark.long
@pytest.mark.usefixtures("only_training")
def test_a_supervised_run_is_resumed(frozen, tmp_path, monkeypatch):
    changes = {"supervise_attention": 0.5, "class_weights": "balanced", "map_regularizers": {"entropy": 0.01}}
    config = frozen(views=2, **changes)
    whole = train(config, tmp_path / "whole", verbose=0)
    with monkeypatch.context() as patched:
        seams.interrupt_in_epoch(patched, 1)
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "run", verbose=0)
    assert len(rows_of(Run(tmp_path / "run"))) == 1
    resumed = train(config, tmp_path / "run", resume=True, verbose=0)
    for one, other in zip(rows_of(resumed), rows_of(whole), strict=True):
        assert one == pytest.approx(other, rel=2e-4)


def test_what_is_trained_on(tiny, frozen):
    config = tiny(supervise_attention=0.5, class_weights="balanced")
    dataset = load_data(config)
    backbone, model = networks.build_networks(config, dataset)
    (stage,) = make_stages(config, dataset, model, backbone)
    _, targets, weights = next(stage.training_batches(0).as_numpy_iterator())
    assert set(targets) == set(weights) == {"logits", *MAPS}
    numbers = targets["logits"].argmax(-1)
    np.testing.assert_allclose(weights["logits"], networks.class_weights(config, dataset)[numbers], rtol=1e-6)
    for name in MAPS:
        assert targets[name].shape == (16, 32, 32, 1)
        assert targets[name].any(axis=(1, 2, 3)).all()
        assert weights[name].tolist() == [1.0] * 16
    network = stage.prepare()
    assert list(network.output) == list(attention_outputs(model).output)


def test_a_comparison_teaches_those_that_can_learn(tiny):
    base = tiny(supervise_attention=0.5, map_regularizers={"entropy": 0.1, "disagreement": 0.2})
    for name, settings in (("plain", {"attend": ()}), ("multiscale", {"score": None}), ("even", {"score": "uniform"})):
        config = Variant(name, settings).config(base)
        assert (config.supervise_attention, config.map_regularizers) == (None, {})
    one = Variant("one", {"attend": ("block4_pool",)}).config(base)
    assert (one.supervise_attention, one.map_regularizers) == (0.5, {"entropy": 0.1})
    assert Variant("dot", {"score": "dot"}).config(base).supervise_attention == 0.5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"supervise_attention": 0.1, "score": None}, "There must be attention to teach."),
        ({"supervise_attention": 0.1, "attend": ()}, "There must be attention to teach."),
        ({"supervise_attention": 0.1, "score": "uniform"}, "There must be attention to teach."),
        ({"supervise_attention": 0}, "`supervise_attention` is out of range. Expected a number above 0."),
        ({"map_regularizers": {"entropi": 1}}, r"Unknown map regularizer 'entropi' \(did you mean 'entropy'\?\)."),
        ({"map_regularizers": {"entropy": "much"}}, r"`map_regularizers\['entropy'\]` is out of range."),
        ({"map_regularizers": {"entropy": 1}, "attend": ()}, "There must be attention to regularize."),
        ({"map_regularizers": {"disagreement": 1}, "attend": "block3_pool"}, "Disagreement needs at least two maps."),
    ],
)
def test_settings_without_effect_are_refused(settings, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        TrainConfig(**settings)


def test_the_command_line(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(6):
            pixels = rng.integers(0, 256, (32, 32, 3)).astype("uint8")
            keras.utils.save_img(tmp_path / "photos" / name / f"{number}.png", pixels, scale=False)
    given = ["train", "--data", str(tmp_path / "photos"), "--image-size", "32", "--run", str(tmp_path / "run")]
    assert main([*given, "--supervise-attention", "0.1"]) == 2
    assert "photos has no masks to teach attention. Expected a data set with masks" in capsys.readouterr().err
    assert main([*given, "--map-regularizer", "entropy"]) == 2
    assert "A map regularizer must be a name and a number." in capsys.readouterr().err
    assert not (tmp_path / "run").exists()

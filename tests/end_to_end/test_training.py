"""A run from settings to results, and what happens when it is disturbed."""

import csv
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import seams
from PIL import Image

from keras_attention import TrainConfig, train
from keras_attention.data import load
from keras_attention.data.cluttered_digits import ClutteredDigits
from keras_attention.evaluation import predict_split
from keras_attention.maps import MEASURES, entropy
from keras_attention.maps.measures import OF_PIXELS
from keras_attention.metrics import classification_metrics
from keras_attention.models import attention_outputs
from keras_attention.runs import Run, load_data
from keras_attention.training import build_networks
from keras_attention.training.networks import class_weights


def rows_of(run):
    with (run.folder / "history.csv").open() as file:
        return [[float(value) for value in row.values()] for row in csv.DictReader(file)]


def test_a_finished_run_holds_what_it_says(finished):
    names = {path.name for path in finished.folder.iterdir()}
    assert names == {
        "config.json",
        "history.csv",
        "metrics.json",
        "predictions.npz",
        "model.keras",
        "saved_model",
        "history.png",
        "confusion.png",
        "attention.png",
    }
    assert finished.finished
    assert len(finished.history()) == 2


@pytest.mark.long
def test_a_run_that_stops_early_is_the_beginning_of_a_whole_one(finished, tiny, tmp_path, only_training):
    run = train(tiny(stop_after=1), tmp_path / "run", verbose=0)
    assert run.history() == finished.history()[:1]


def test_predictions_are_those_that_the_metrics_come_from(finished):
    arrays, metrics = finished.arrays(), finished.metrics
    assert (arrays["logits"].argmax(-1) == arrays["labels"]).mean() == pytest.approx(metrics["accuracy"])
    assert arrays["map/block4_pool"].shape == (12, 2, 2)
    for measure in ("pointing_game", "energy_inside", "jaccard"):
        values = arrays[f"measure/{measure}/joint"]
        assert np.nanmean(values) == pytest.approx(metrics[measure]["joint"]["score"])
    assert np.nanmean(arrays["chance"]) == pytest.approx(metrics["jaccard"]["joint"]["chance"])


def test_metrics_are_complete_and_consistent(finished):
    metrics = json.loads((finished.folder / "metrics.json").read_text())
    assert metrics["count"] == 15 == np.sum(metrics["confusion"])
    assert metrics["accuracy"] == pytest.approx(np.trace(metrics["confusion"]) / 15)
    for measure in OF_PIXELS:
        assert set(metrics[measure]) == {"block3_pool", "block4_pool", "joint"}
        for figures in metrics[measure].values():
            assert 0 <= figures["score"] <= 1
            assert 0.05 < figures["chance"] < 0.4
    assert metrics["parameters"] == keras.models.load_model(finished.model_path).count_params()
    assert metrics["images"] == {"train": 90, "validation": 15, "test": 15}
    assert metrics["seconds"] > 0
    assert metrics["skipped_count"] == 0
    best = max(finished.history(), key=lambda row: (row["val_accuracy"], -row["epoch"]))
    assert metrics["best_epoch"] == best["epoch"]
    assert metrics["validation"]["val_accuracy"] == pytest.approx(best["val_accuracy"])


@pytest.mark.parametrize("name", ["history.png", "confusion.png", "attention.png"])
def test_pictures_show_something(finished, name):
    with Image.open(finished.folder / name) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert min(pixels.shape[:2]) > 300
    assert len(np.unique(pixels @ np.array([1, 256, 256**2]))) > 50  # colours


def test_config_round_trips_through_the_run(finished, tiny):
    assert finished.config == tiny()


def test_the_saved_model_is_the_best_epoch(finished, tiny):
    """The metrics on validation of `model.keras` are those of the best row of the history."""
    from keras_attention.evaluation import predict_split
    from keras_attention.metrics import classification_metrics
    from keras_attention.runs import load_data

    dataset = load_data(tiny())
    logits, labels = predict_split(keras.models.load_model(finished.model_path), dataset, "validation")
    figures = classification_metrics(logits, labels, dataset.class_names)
    assert figures["loss"] == pytest.approx(finished.metrics["validation"]["val_loss"], rel=1e-4)


def test_how_even_the_maps_were_before_training_and_are_after(finished, tiny):
    """Of the network as it was made, and of the one that is saved, on the validation images."""
    dataset, course = load_data(tiny()), finished.metrics["map_entropy"]
    networks = {"before": build_networks(tiny(), dataset)[1], "after": keras.models.load_model(finished.model_path)}
    for when, network in networks.items():
        outputs, _ = predict_split(attention_outputs(network), dataset, "validation")
        for layer in ("block3_pool", "block4_pool"):
            assert course[layer][when] == pytest.approx(entropy(outputs[f"attention_{layer}"]).mean(), abs=2e-4)


@pytest.mark.long
@pytest.mark.usefixtures("no_pictures")
def test_an_interrupted_run_resumes_to_the_same_end(finished, tiny, tmp_path, monkeypatch):
    folder = tmp_path / "interrupted"
    with monkeypatch.context() as patched:
        seams.interrupt_in_epoch(patched, epoch=1)
        with pytest.raises(KeyboardInterrupt):
            train(tiny(), folder, verbose=0)
    assert not Run(folder).finished
    assert len(rows_of(Run(folder))) == 1
    resumed = train(tiny(), folder, resume=True, verbose=0)
    np.testing.assert_allclose(rows_of(resumed), rows_of(finished), rtol=1e-5)
    assert resumed.metrics["accuracy"] == finished.metrics["accuracy"]
    assert not (folder / "backup").exists()


@pytest.mark.long
@pytest.mark.usefixtures("only_training")
def test_a_run_that_is_interrupted_in_its_first_epoch_resumes(finished, tiny, tmp_path, monkeypatch):
    folder = tmp_path / "early"
    with monkeypatch.context() as patched:
        seams.interrupt_in_epoch(patched, epoch=0)
        with pytest.raises(KeyboardInterrupt):
            train(tiny(), folder, verbose=0)
    resumed = train(tiny(), folder, resume=True, verbose=0)
    np.testing.assert_allclose(rows_of(resumed), rows_of(finished), rtol=1e-5)


@pytest.mark.long
@pytest.mark.usefixtures("only_training")
def test_a_failure_between_two_files_leaves_a_run_that_resumes(finished, tiny, tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise OSError("disk full")

    with monkeypatch.context() as patched:
        seams.backup(patched, fail)
        with pytest.raises(OSError, match="disk full"):
            train(tiny(), tmp_path / "run", verbose=0)
    resumed = train(tiny(), tmp_path / "run", resume=True, verbose=0)
    np.testing.assert_allclose(rows_of(resumed), rows_of(finished), rtol=1e-5)
    assert resumed.finished


@pytest.mark.long
def test_kill_9_in_the_second_epoch_loses_nothing(tiny, tmp_path, only_training):
    """A real process, really killed; its end is that of an undisturbed run."""
    config = tiny(epochs=3, data_options={"count": 600, "clutter": 2})
    undisturbed = train(config, tmp_path / "undisturbed", verbose=0)
    folder = tmp_path / "killed"
    code = (
        f"import sys\n{seams.SHALLOW_PROGRAM}"
        "from keras_attention import *; train(TrainConfig.from_json(sys.argv[1]), sys.argv[2], verbose=0)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, config.to_json(), str(folder)], stderr=subprocess.DEVNULL)
    limit = time.monotonic() + 120
    while not list(folder.glob("backup/epoch-000001*")) and time.monotonic() < limit and process.poll() is None:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not Run(folder).finished
    assert 1 <= len(rows_of(Run(folder))) < 3
    resumed = train(config, folder, resume=True, verbose=0)
    np.testing.assert_allclose(rows_of(resumed), rows_of(undisturbed), rtol=1e-5)


def test_a_finished_run_is_never_replaced_without_leave(finished, tiny):
    before = (finished.folder / "metrics.json").read_text()
    with pytest.raises(ValueError, match=r"holds a run that is finished\. Expected `overwrite=True`"):
        train(tiny(), finished.folder, verbose=0)
    assert train(tiny(), finished.folder, resume=True, verbose=0).metrics == finished.metrics
    assert (finished.folder / "metrics.json").read_text() == before


def test_a_file_is_no_run(tiny, tmp_path):
    (tmp_path / "notes.txt").write_text("notes")
    with pytest.raises(ValueError, match=r"notes\.txt is a file\. Expected the folder of a run"):
        train(tiny(), tmp_path / "notes.txt", overwrite=True, verbose=0)


def test_another_backend_is_refused_before_training(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match=r"Exports need the TensorFlow backend. Expected KERAS_BACKEND=tensorflow"):
        train(tiny(), tmp_path / "run", verbose=0)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_something_else_is_never_replaced(tiny, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="holds no run"):
        train(tiny(), tmp_path, overwrite=True, verbose=0)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.long
@pytest.mark.usefixtures("no_pictures")
def test_overwrite_replaces_a_run_and_bfloat16_ends_in_float32(tiny, tmp_path):
    folder = tmp_path / "run"
    Run(folder).begin(tiny(seed=5))
    (folder / "old.txt").write_text("old")
    run = train(tiny(precision="mixed_bfloat16", epochs=1), folder, overwrite=True, verbose=0)
    assert run.config.seed == 0
    assert not (folder / "old.txt").exists()
    assert run.metrics["precision"] == "mixed_bfloat16"
    assert keras.models.load_model(run.model_path).get_layer("block1_conv1").compute_dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"


def test_resume_refuses_other_settings(finished, tiny):
    with pytest.raises(ValueError, match=r"`width` differs .* Expected width=0.05\. Received: width=0.1"):
        train(tiny(width=0.1), finished.folder, resume=True, verbose=0)


def test_resume_needs_a_run(tiny, tmp_path):
    with pytest.raises(ValueError, match="holds no run"):
        train(tiny(), tmp_path / "nowhere", resume=True, verbose=0)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.usefixtures("only_training")
def test_early_stop_keeps_the_best_epoch(tiny, tmp_path):
    settings = {"attend": (), "epochs": 6, "patience": 1, "learning_rate": 1e-6, "monitor": "val_macro_f1"}
    run = train(tiny(**settings), tmp_path / "run", verbose=0)
    values = [row["val_macro_f1"] for row in run.history()]
    assert len(values) < 6
    assert len(values) == int(np.argmax(values)) + 2


def test_a_loss_that_is_not_finite_stops_the_run_at_its_step(tiny, tmp_path):
    with pytest.raises(FloatingPointError, match=r"The loss became (nan|inf) at step \d+ of epoch 1"):
        train(tiny(attend=(), learning_rate=1e30, optimizer="sgd", warmup_epochs=0.0), tmp_path / "run", verbose=0)
    assert not Run(tmp_path / "run").finished


@pytest.mark.long
@pytest.mark.parametrize(
    ("changes", "layers"),
    [
        ({"attend": ()}, 0),
        ({"attend": ("block4_pool",), "alignment": "hard", "alignment_options": {"estimator": "reinforce"}}, 1),
    ],
    ids=["plain", "sampled"],
)
def test_other_heads_train_and_export_too(tiny, tmp_path, changes, layers):
    run = train(tiny(epochs=1, **changes), tmp_path / "run", verbose=0)
    assert (run.folder / "attention.png").exists() == bool(layers)
    assert ("pointing_game" in run.metrics) == bool(layers)
    assert (run.export_path / "card.json").exists()


@pytest.mark.usefixtures("only_training")
@pytest.mark.long
def test_options_of_training_take_effect(finished, tiny, tmp_path):
    run = train(tiny(epochs=1, label_smoothing=0.1), tmp_path / "run", verbose=0)
    assert not np.allclose(rows_of(run)[0], rows_of(finished)[0], rtol=1e-3)


def test_class_weights_are_the_inverse_of_the_frequency(tiny):
    labels = np.array([0] * 30 + [1] * 10)
    dataset = load((np.zeros((40, 32, 32, 3), "uint8"), labels))
    weights = class_weights(tiny(class_weights="balanced"), dataset)
    counts = np.bincount(dataset.train.labels())
    assert weights[1] / weights[0] == pytest.approx(counts[0] / counts[1])
    assert np.dot(weights, counts) == pytest.approx(counts.sum())
    assert class_weights(tiny(), dataset) is None


@pytest.mark.long
@pytest.mark.usefixtures("only_training")
def test_step_schedule_is_in_the_history(tiny, tmp_path):
    options = {"schedule": "step", "step_epochs": 1, "step_factor": 0.5, "warmup_epochs": 0.0, "learning_rate": 0.01}
    run = train(tiny(optimizer="sgd", **options), tmp_path / "run", verbose=0)
    np.testing.assert_allclose([row["learning_rate"] for row in run.history()], [0.005, 0.0025], rtol=1e-6)


@pytest.fixture
def photo_folder(tmp_path):
    """A folder of 2 classes × 20 images with one file that does not decode."""
    generator = np.random.default_rng(0)
    for label, name in enumerate(("dark", "light")):
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        for number in range(20):
            pixels = generator.integers(100 * label, 100 * label + 100, (40, 37, 3)).astype("uint8")
            Image.fromarray(pixels).save(folder / f"{number}.jpg")
    (tmp_path / "photos" / "dark" / "broken.jpg").write_bytes(b"not an image")
    return tmp_path / "photos"


@pytest.mark.long
@pytest.mark.usefixtures("no_pictures")
def test_a_folder_without_masks_trains_and_counts_what_it_skipped(photo_folder, tiny, tmp_path):
    config = tiny(data=str(photo_folder), data_options={}, data_dir=None, epochs=1)
    with pytest.warns(UserWarning, match=r"broken\.jpg does not decode"):
        run = train(config, tmp_path / "run", verbose=0)
    assert run.metrics["skipped_files"] == [os.path.join("dark", "broken.jpg")]
    assert run.metrics["class_names"] == ["dark", "light"]
    assert "pointing_game" not in run.metrics


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": "/no/such/folder", "data_options": {}}, "no such folder"),
        ({"data_options": {"count": 1}}, "`count` is out of range"),
        ({"data_options": {"fragments": 1}}, "fragments"),
    ],
)
def test_what_fails_before_training_leaves_nothing_behind(tiny, tmp_path, changes, message):
    with pytest.raises((ValueError, TypeError), match=message):
        train(tiny(**changes), tmp_path / "run", verbose=0)
    assert list(tmp_path.iterdir()) == []


def test_data_are_generated_once(data_dir, finished):
    """The fixtures above trained many runs; the folder of TFDS holds one data set for each set of options."""
    configs = {path.name for path in pathlib.Path(data_dir, ClutteredDigits.name).iterdir()}
    assert all("incomplete" not in name for name in configs)
    assert "32px-2fragments-90images-seed0" in configs


def test_train_config_is_the_default_of_train():
    assert TrainConfig().name == "cluttered_digits-additive-softmax"


def test_no_measure_of_a_map_bears_the_name_of_a_figure(finished):
    assert isinstance(finished.metrics["average_precision"], float)
    assert not set(MEASURES) & {"accuracy", "macro_f1", "roc_auc", "average_precision", "loss", "count"}


@pytest.mark.slow
@pytest.mark.usefixtures("no_pictures")
@pytest.mark.long
def test_a_map_that_is_a_single_one_is_told_once_and_kept(tiny, tmp_path):
    """With so cold a softmax; the figures of the epochs are those of a run that is not watched."""
    config = tiny(attend=("block4_pool",), score="general", normalize="none", alignment_options={"temperature": 1e-6})
    with pytest.warns(UserWarning, match=r"^The maps of block4_pool are a single 1") as caught:
        run = train(config, tmp_path / "run", verbose=0, export=False)
    assert sum(str(one.message).startswith("The maps of") for one in caught) == 1
    (found,) = run.metrics["map_warnings"]
    assert (found["layer"], found["maps"], found["epoch"]) == ("block4_pool", "one-hot", 1)
    model, dataset = keras.models.load_model(run.model_path), load_data(run.config)
    figures = classification_metrics(*predict_split(model, dataset, "validation"), dataset.class_names)
    best = run.history()[run.metrics["best_epoch"] - 1]
    assert best["val_loss"] == pytest.approx(figures["loss"], rel=1e-5)

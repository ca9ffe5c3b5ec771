"""The benchmark of an export: one table of size, speed, accuracy and pointing, in the card and on the terminal."""

import numpy as np
import pytest
import seams

from keras_attention import export_model
from keras_attention.cli import main
from keras_attention.data import load

pytest.importorskip("tf2onnx")

NAMES = ("red", "green", "blue")


@pytest.fixture(autouse=True)
def _few_calls(monkeypatch):
    seams.calls_of_a_benchmark(monkeypatch, {1: 2, 32: 1})


@pytest.mark.long
def test_every_format_is_measured_beside_keras(colour_model, coloured, tmp_path, capsys):
    images, labels = coloured(12, seed=1)
    labels = np.where(np.arange(12) == 0, (labels + 1) % 3, labels)  # one of twelve is wrong
    masks = np.full((12, 32, 32, 1), 255, "uint8")
    given = {"images": images, "labels": labels, "masks": masks}
    card = export_model(colour_model, tmp_path, NAMES, ("savedmodel", "onnx"), benchmark=True, verbose=1, **given)
    figures = card["benchmark"]
    assert (figures["images"], figures["split"]) == (12, None)
    assert list(figures["rows"]) == ["Keras float32", "savedmodel", "onnx"]
    for row in figures["rows"].values():
        assert row["accuracy"] == pytest.approx(11 / 12)
        assert row["pointing_game"] == {"block3_pool": 1.0, "block4_pool": 1.0, "joint": 1.0}
        assert set(row["milliseconds"]) == {"1", "32"}
        assert min(row["milliseconds"].values()) > 0
    assert figures["rows"]["onnx"]["megabytes"] == card["formats"]["onnx"]["bytes"] / 1e6
    assert figures["rows"]["Keras float32"]["megabytes"] == pytest.approx(4e-6 * card["parameters"])
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split()[:3] == ["format", "MB", "ms,"] for line in lines)
    assert "Accuracy and pointing are of 12 images of the given split." in lines
    text = (tmp_path / "card.md").read_text("utf-8")
    assert "| Keras float32 | " in text
    assert "| format | MB | ms, batch of 1 | ms, batch of 32 | accuracy | pointing block3_pool |" in text


@pytest.mark.long
def test_pointing_counts_the_maps_against_the_masks(colour_model, coloured, tmp_path):
    images, labels = coloured(6, seed=1)
    masks = np.zeros((6, 32, 32, 1), "uint8")
    masks[:3] = 255  # everything is inside
    masks[3:, 0, 0] = 255  # a corner, at which no map of these images has its largest weight alone
    card = export_model(
        colour_model, tmp_path, NAMES, "onnx", images=images, labels=labels, masks=masks, benchmark=True
    )
    for row in card["benchmark"]["rows"].values():
        assert all(0.5 <= value < 1 for value in row["pointing_game"].values())


@pytest.mark.long
def test_a_run_is_measured_on_its_validation_images(untrained_run, tmp_path, capsys):
    assert main(["export", str(untrained_run.folder), "--out", str(tmp_path / "out"), "--benchmark"]) == 0
    out = capsys.readouterr().out
    assert "Accuracy and pointing are of 4 images of the validation split." in out


@pytest.mark.long
def test_without_data_there_are_times_and_sizes_only(untrained_run, tmp_path, capsys, monkeypatch):
    seams.data_of_an_exported_run(monkeypatch, lambda *_: load(str(tmp_path / "nowhere")))
    with pytest.warns(UserWarning, match="compared on noise, and the benchmark has times and sizes only, because"):
        assert main(["export", str(untrained_run.folder), "--out", str(tmp_path / "out"), "--benchmark"]) == 0
    out = capsys.readouterr().out
    assert "Times and sizes only: without labelled images there is neither accuracy nor pointing." in out
    assert "accuracy" not in out.split("Times and sizes only")[0]

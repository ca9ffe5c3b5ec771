"""`keras-attention export`: its arguments, its output, and its errors."""

import json
import pathlib

import pytest

from keras_attention.cards import is_card
from keras_attention.cli import main
from keras_attention.config import TrainConfig
from keras_attention.export.run import default_folder
from keras_attention.runs import Run

pytest.importorskip("tf2onnx")
pytest.importorskip("ai_edge_litert")


def said(capsys, *arguments):
    """The one line of the error that the command prints."""
    assert main(["export", *map(str, arguments)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("keras-attention: error: ")
    assert printed.err.count("\n") == 1
    assert "Traceback" not in printed.err
    return printed.err.removeprefix("keras-attention: error: ")


@pytest.fixture
def inside(tmp_path, monkeypatch):
    """Runs the test in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.long
def test_several_formats_with_a_line_each(untrained_run, inside, capsys):
    (inside / "saved_models").mkdir()
    asked = ["--format", "litert, onnx,litert", "--quantize", "dynamic"]
    assert main(["export", str(untrained_run.folder), *asked]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert [line[: len(start)] for line, start in zip(lines, ("litert dynamic", "onnx dynamic"), strict=False)] == [
        "litert dynamic",
        "onnx dynamic",
    ]
    assert all("largest difference" in line and "images" in line for line in lines[:2])
    assert lines[2:] == [
        "export           saved_models/untrained",
        "card             saved_models/untrained/card.md",
    ]
    assert printed.err == ""
    folder = inside / "saved_models" / "untrained"
    names = {"model_dynamic.onnx", "model_dynamic.tflite", "card.json", "card.md"}
    assert {path.name for path in folder.iterdir()} == names
    assert "| untrained | litert dynamic, onnx dynamic |" in (inside / "saved_models" / "README.md").read_text("utf-8")
    # The export is listed, and a second export with `--out` replaces it.
    assert main(["models"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("untrained  litert dynamic, onnx dynamic")
    assert main(["export", str(untrained_run.folder), "--format", "onnx", "--out", str(folder)]) == 0
    assert {path.name for path in folder.iterdir()} == {"model.onnx", "card.json", "card.md"}
    assert is_card(json.loads((folder / "card.json").read_text("utf-8")))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--format", "onx"],
            "Unknown format 'onx' (did you mean 'onnx'?). Expected one of: savedmodel, onnx, litert, openvino. "
            "Received: --format onx.",
        ),
        (["--format", "onnx,"], "Unknown format ''. Expected one of: savedmodel, onnx, litert, openvino."),
        (["--format", ""], "Unknown format ''. Expected one of: savedmodel, onnx, litert, openvino."),
        (["--quantize", "float16"], "A SavedModel stays in float32."),
        (
            ["--format", "onnx", "--quantize", "half"],
            "Unknown quantize 'half'. Expected one of: float16, dynamic, int8.",
        ),
    ],
)
def test_unknown_names(arguments, message, untrained_run, inside, capsys):
    assert said(capsys, untrained_run.folder, *arguments).startswith(message)
    assert list(inside.iterdir()) == []


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("runs/photos", "photos"),
        ("runs/first/runs/dot+softmax/seed-3", "first-dot+softmax-seed-3"),
        ("elsewhere/seed-3", "seed-3"),
    ],
)
def test_runs_of_a_comparison_have_folders_of_their_own(folder, name, tmp_path):
    assert default_folder(Run(tmp_path / folder)) == pathlib.Path("saved_models") / name


def test_a_keras_file_is_no_run(untrained_run, inside, capsys):
    message = said(capsys, untrained_run.model_path)
    assert message.startswith(f"{untrained_run.model_path} is a file. Expected the folder of a run. Received: ")
    assert list(inside.iterdir()) == []


def test_a_folder_that_is_no_run(inside, capsys):
    (inside / "empty").mkdir()
    assert said(capsys, "empty").startswith("empty holds no run. Expected the folder of a run, with ")
    assert said(capsys, "nowhere").startswith("nowhere does not exist. Expected the folder of a finished run.")
    assert [path.name for path in inside.iterdir()] == ["empty"]


def test_an_unfinished_run(inside, capsys):
    Run("run").begin(TrainConfig())
    assert said(capsys, "run").startswith("run is not finished. Expected the folder of a run, with metrics.json.")
    assert [path.name for path in inside.iterdir()] == ["run"]


def test_a_run_without_its_model(untrained_run, inside, capsys):
    run = Run("run")
    run.begin(untrained_run.config)
    run.finish(untrained_run.metrics)
    assert "model.keras" in said(capsys, "run")
    assert [path.name for path in inside.iterdir()] == ["run"]


@pytest.mark.long
def test_a_folder_that_holds_something_else_stays(untrained_run, inside, capsys):
    (inside / "out").mkdir()
    (inside / "out" / "thesis.txt").write_text("years of work")
    for out in ("out", "out/thesis.txt"):
        assert said(capsys, untrained_run.folder, "--out", out).startswith(
            f"{out} holds something other than an export."
        )
    assert (inside / "out" / "thesis.txt").read_text() == "years of work"
    assert [path.name for path in inside.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("out", "message"),
    [
        pytest.param("file/below/it", "file is a file.", marks=pytest.mark.long),
        ("link", "link holds something other than an export."),
        pytest.param("", "--out must not be empty.", marks=pytest.mark.long),
    ],
)
def test_a_folder_below_a_file_and_none_at_all(out, message, untrained_run, inside, capsys):
    (inside / "file").write_text("mine")
    (inside / "link").symlink_to("nowhere")
    assert said(capsys, untrained_run.folder, "--out", out).startswith(message)
    assert {path.name for path in inside.iterdir()} == {"file", "link"}


@pytest.mark.long
def test_an_export_into_its_own_run_is_refused(untrained_run, inside, capsys):
    before = sorted(path.name for path in untrained_run.folder.iterdir())
    assert "holds something other than an export" in said(capsys, untrained_run.folder, "--out", untrained_run.folder)
    assert sorted(path.name for path in untrained_run.folder.iterdir()) == before

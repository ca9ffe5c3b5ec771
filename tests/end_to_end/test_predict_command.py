"""`keras-attention predict`: what it prints, and where, for every form of a model."""

import csv
import io
import json
import os
import sys

import numpy as np
import pytest
import seams
from cases import some_now
from PIL import Image

from keras_attention import load_predictor
from keras_attention.cli import main, predict
from keras_attention.prediction import predict_files
from keras_attention.text import UNSEEN

NAMES = [f"{number:02}.png" for number in range(7)]


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Seven images of several sizes in a folder, and a file that is none; the folder around them is the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    rng = np.random.default_rng(0)
    for number, name in enumerate(NAMES):
        pixels = rng.integers(0, 256, (30 + number, 50, 3)).astype("uint8")
        Image.fromarray(pixels).save(tmp_path / "photos" / name)
    return tmp_path / "photos"


def command(finished, *arguments):
    return main(["predict", str(finished.folder), *map(str, arguments)])


def test_a_folder_and_a_pattern_give_what_single_images_give(finished, photos, capsys):
    predictor = load_predictor(finished.folder)
    alone = [predictor(predictor.read(photos / name)[None])["probabilities"][0] for name in NAMES]
    for named in ("photos", "photos/*.png"):
        assert command(finished, named, "--json", "--batch-size", 3) == 0
        answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [answer["image"] for answer in answers] == [f"photos/{name}" for name in NAMES]
        found = [list(answer["probabilities"].values()) for answer in answers]
        np.testing.assert_allclose(found, alone, atol=2e-6)


def test_csv_is_a_table(finished, photos, capsys):
    (photos / "with, comma\n.png").write_bytes((photos / NAMES[0]).read_bytes())
    assert command(finished, "photos", "--csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out, newline="")))
    assert list(rows[0]) == ["image", "class", "probability", *"0123456789"]
    assert [row["image"] for row in rows] == [f"photos/{name}" for name in [*NAMES, "with, comma\n.png"]]
    for row in rows:
        assert max("0123456789", key=lambda name: float(row[name])) == row["class"]
        assert row[row["class"]] == row["probability"]


NAMED = {
    "two\nlines.png": r"two\nlines.png",
    "tab\there.png": r"tab\there.png",
    "\x1b]0;title\x07.png": r"\x1b]0;title\x07.png",
    "\x9b2J\u202egnp.png": r"\x9b2J\u202egnp.png",
    "Übersicht 日本 \\n.png": r"Übersicht 日本 \n.png",
}


NAMED_NOW = ("two\nlines.png", "\x9b2J\u202egnp.png")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in NAMED_NOW else pytest.mark.long, id=NAMED[name]) for name in NAMED],
)
def test_a_name_cannot_break_a_line_or_command_a_terminal(name, finished, photos, capsys):
    (photos.parent / name).write_bytes((photos / NAMES[0]).read_bytes())
    assert command(finished, name) == 0
    line = capsys.readouterr().out
    assert (line.count("\n"), line.count("\t"), line.split("\t")[0]) == (1, 2, NAMED[name])
    assert command(finished, name, "--json") == 0
    line = capsys.readouterr().out
    assert json.loads(line)["image"] == name
    assert UNSEEN.sub("", line) == line.rstrip("\n")
    assert command(finished, name, "--csv") == 0
    table = capsys.readouterr().out
    row = list(csv.reader(io.StringIO(table, newline="")))[1]
    assert row[0] == (name if name.startswith(("two", "tab")) else NAMED[name])
    assert set(UNSEEN.findall(table)) <= {"\n", "\t"}
    (photos.parent / name).write_text("no image")
    assert command(finished, name) == 1
    assert capsys.readouterr().err.startswith(f"keras-attention: skipped: {NAMED[name]} does not decode. Expected")


def test_top_gives_more_classes(finished, photos, capsys):
    assert command(finished, "photos/00.png", "--top", 3) == 0
    path, *pairs = capsys.readouterr().out.rstrip("\n").split("\t")
    probabilities = [float(value) for value in pairs[1::2]]
    assert (path, len(pairs)) == ("photos/00.png", 6)
    assert probabilities == sorted(probabilities, reverse=True)
    assert len(set(pairs[::2])) == 3


@pytest.mark.parametrize("name", ["image", "class", "probability"])
def test_a_class_named_like_a_column_has_one_of_its_own(name):
    columns = predict.class_columns([name, f"class {name}", "other"])
    assert columns == [f"class class {name}", f"class {name}", "other"]
    assert predict.class_columns(["a", "b"]) == ["a", "b"]


@pytest.mark.parametrize("form", some_now(["--json", "--csv", "--top=2"], "--json", "--csv"))
def test_a_file_has_what_would_be_printed(form, finished, photos, capsys):
    assert command(finished, "photos", form) == 0
    printed = capsys.readouterr().out
    assert command(finished, "photos", form, "--out", "new/results") == 0
    assert capsys.readouterr().out == ""
    assert (photos.parent / "new" / "results").read_text("utf-8") == printed


def test_what_fails_is_named_and_the_others_are_in_the_file(finished, photos, capsys):
    (photos / "03.png").write_text("hello")
    (photos / "scan.tiff").write_bytes(b"II*\0")
    named = ["photos", "none/*.jpg", "http://x.org/a.jpg", "nowhere.png"]
    assert command(finished, *named, "--out", "results.txt") == 1
    lines = (photos.parent / "results.txt").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines] == [f"photos/{name}" for name in NAMES if name != "03.png"]
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 5
    for error, reason in zip(
        errors,
        ("03.png does not decode", "TIFF", "matches nothing", "is a URL", "must be an existing file"),
        strict=True,
    ):
        assert error.startswith("keras-attention: skipped: ")
        assert reason in error


def test_after_an_interrupt_nothing_has_the_name_of_the_file(finished, photos, monkeypatch, capsys):
    (photos.parent / "results.txt").write_text("of before")

    def interrupted(*arguments):
        yield next(predict_files(*arguments))
        raise KeyboardInterrupt

    seams.prediction_of_files(monkeypatch, interrupted)
    assert command(finished, "photos", "--out", "results.txt") == 130
    assert (photos.parent / "results.txt").read_text() == "of before"
    assert sorted(path.name for path in photos.parent.iterdir()) == ["photos", "results.txt"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "photos"], "photos must be a regular file"),
        (["--out", "/dev/null"], "/dev/null must be a regular file"),
        (["--out", "photos/00.png"], "photos/00.png must not have the name of an image"),
        (["--out", ""], "must be a regular file"),
        (["--batch-size", "0"], "--batch-size is out of range"),
        (["--top", "0"], "--top is out of range"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_done(arguments, message, finished, photos, capsys):
    before = (photos / "00.png").read_bytes()
    assert command(finished, "photos", *arguments) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert (photos / "00.png").read_bytes() == before


def test_forms_exclude_each_other(finished, capsys):
    with pytest.raises(SystemExit) as stop:
        command(finished, "a.png", "--json", "--csv")
    assert stop.value.code == 2


def test_a_name_that_is_no_text_is_written_with_escapes(finished, photos):
    os.rename(photos / "00.png", os.fsencode(photos) + b"/\xff.png")
    assert command(finished, "photos", "--json", "--out", "results.jsonl") == 0
    names = [json.loads(line)["image"] for line in (photos.parent / "results.jsonl").read_text("utf-8").splitlines()]
    assert names == [*(f"photos/{name}" for name in NAMES[1:]), "photos/\udcff.png"]


@pytest.mark.parametrize(
    ("error_is_a_terminal", "output_is_a_terminal", "out", "shown"),
    [
        (True, True, None, False),  # the results go there too
        pytest.param(True, False, None, True, marks=pytest.mark.long),
        (True, True, "results.txt", True),
        pytest.param(False, False, "results.txt", False, marks=pytest.mark.long),
    ],
)
def test_the_bar_is_where_a_person_sees_it_alone(
    error_is_a_terminal, output_is_a_terminal, out, shown, finished, photos, monkeypatch, capsys
):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: error_is_a_terminal)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: output_is_a_terminal)
    assert command(finished, "photos", *(["--out", out] if out else [])) == 0
    assert ("/7 [" in capsys.readouterr().err) == shown

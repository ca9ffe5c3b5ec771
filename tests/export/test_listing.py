"""The list of exported models, and the README that contains it."""

import json

import pytest

from keras_attention.cards.listing import BEGIN, COLUMNS, END, list_models, models_table, refresh_listing
from keras_attention.cli import main


def card(**changes):
    form = {"files": [{"path": "model.onnx", "bytes": 1_500_000, "sha256": "0"}], "bytes": 1_500_000, "quantized": None}
    base = {
        "name": "tiny",
        "class_names": ["cat", "dog"],
        "image_size": 32,
        "attention": [
            {"layer": "block3_pool", "score": "additive", "alignment": "softmax", "heads": 1},
            {"layer": "block4_pool", "score": "additive", "alignment": "softmax", "heads": 1},
        ],
        "formats": {"onnx": form},
        "result": {"accuracy": 0.8765, "count": 1234},
        "created": "2026-02-03T04:05:06+00:00",
    }
    return base | changes


@pytest.fixture
def folder(tmp_path):
    """A folder called `saved_models` with two models, a folder without a card, and a file."""
    root = tmp_path / "saved_models"
    small = {**card()["formats"]["onnx"], "quantized": "float16", "bytes": 250_000}
    cards = {
        "b": card(),
        "a": card(attention=[], result=None, formats=card()["formats"] | {"litert": small}),
    }
    for name, content in cards.items():
        (root / name).mkdir(parents=True)
        (root / name / "card.json").write_text(json.dumps(content))
    (root / "empty").mkdir()
    (root / "notes.txt").write_text("hello")
    return root


ROW_A = ["a", "onnx, litert float16", "1.8", "32 × 32", "2", "none", "–", "–", "2026-02-03"]
PAIR = "additive+softmax@block3_pool+block4_pool"
ROW_B = ["b", "onnx", "1.5", "32 × 32", "2", PAIR, "0.876", "1,234", "2026-02-03"]

DAMAGED = {
    "half of a card": json.dumps(card())[:200],
    "empty": "",
    "no text": b"\xff\xfe\x00",
    "of something else": '{"name": "queen of hearts"}',
    "a list": "[1, 2]",
    "a number": "3",
    "formats is a list": json.dumps(card(formats=["onnx"])),
    "formats are empty": json.dumps(card(formats={})),
    "unknown formats": json.dumps(card(formats={"h5": card()["formats"]["onnx"]})),
    "a format without files": json.dumps(card(formats={"onnx": {"bytes": 3, "quantized": None}})),
    "a format with no file": json.dumps(card(formats={"onnx": {"files": [], "bytes": 3, "quantized": None}})),
    "attention is a text": json.dumps(card(attention="additive")),
    "accuracy is a text": json.dumps(card(result={"accuracy": "high"})),
    "result is a list": json.dumps(card(result=[3])),
    "names are numbers": json.dumps(card(class_names=[1, 2])),
    "names are a text": json.dumps(card(class_names="ab")),
    "no date": json.dumps({name: value for name, value in card().items() if name != "created"}),
}


def test_models_are_listed_by_name(folder):
    models = list_models(folder)
    assert list(models) == [folder / "a", folder / "b"]
    assert models_table(models) == [ROW_A, ROW_B]
    assert len(ROW_A) == len(ROW_B) == len(COLUMNS)


@pytest.mark.parametrize("case", DAMAGED)
def test_a_file_that_is_not_a_card_is_named_and_the_others_are_listed(case, folder):
    (folder / "a2").mkdir()
    content = DAMAGED[case]
    (folder / "a2" / "card.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.warns(UserWarning, match=r"a2 is left out of the list\. .*card\.json") as warned:
        assert [path.name for path in list_models(folder)] == ["a", "b"]
    assert len(warned) == 1
    assert "\n" not in str(warned[0].message)


def test_what_an_interrupted_export_left_is_no_model(folder):
    (folder / "b").rename(folder / ".unfinished-1234abcd-b")
    assert [path.name for path in list_models(folder)] == ["a"]


def test_a_newer_format_beside_a_known_one_is_listed(folder):
    form = card()["formats"]["onnx"]
    (folder / "b" / "card.json").write_text(json.dumps(card(formats={"onnx": form, "coreml": form})))
    assert models_table(list_models(folder))[1][1] == "onnx, coreml"


def test_the_readme_is_made_in_saved_models_alone(folder, tmp_path):
    refresh_listing(folder)
    text = (folder / "README.md").read_text("utf-8")
    assert text.startswith("# Exported models\n")
    lines = text[text.index(BEGIN) : text.index(END)].splitlines()
    assert lines[1:] == [
        f"| {' | '.join(COLUMNS)} |",
        "| " + " | ".join(["---"] * len(COLUMNS)) + " |",
        f"| {' | '.join(ROW_A)} |",
        f"| {' | '.join(ROW_B)} |",
    ]
    refresh_listing(tmp_path)
    assert not (tmp_path / "README.md").exists()
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "a", "b", "empty", "notes.txt"]


def test_the_listing_is_the_same_the_second_time(folder):
    refresh_listing(folder)
    once = (folder / "README.md").read_bytes()
    refresh_listing(folder)
    assert (folder / "README.md").read_bytes() == once


def test_what_people_wrote_around_the_list_stays(folder):
    before, after = "# Ours\r\n\r\nbewährt — naïve\r\n".encode("latin-1", "replace"), b"\r\nThe end.\xff"
    old = f"{BEGIN}\n| old |\n{END}".encode()
    (folder / "README.md").write_bytes(before + old + after)
    refresh_listing(folder)
    text = (folder / "README.md").read_bytes()
    assert text.startswith(before)
    assert text.endswith(END.encode() + after)
    assert b"| old |" not in text
    assert b"| a | onnx" in text


@pytest.mark.parametrize("text", ["# Ours\n", f"# Ours\n{BEGIN}\n", f"# Ours\n{END}\n{BEGIN}\n", ""])
def test_a_readme_without_both_marks_is_left_alone(text, folder):
    (folder / "README.md").write_text(text)
    refresh_listing(folder)
    assert (folder / "README.md").read_text() == text


def test_a_removed_model_leaves_the_list(folder):
    refresh_listing(folder)
    for name in "ab":
        (folder / name / "card.json").unlink()
    refresh_listing(folder)
    assert f"{BEGIN}\nThere are no models yet.\n{END}" in (folder / "README.md").read_text("utf-8")


def test_a_name_with_a_bar_does_not_break_the_table(folder):
    (folder / "b").rename(folder / "b|c")
    refresh_listing(folder)
    assert "| b\\|c | onnx |" in (folder / "README.md").read_text("utf-8")


def test_the_command_prints_a_table(folder, capsys):
    assert main(["models", str(folder)]) == 0
    header, first, second = capsys.readouterr().out.splitlines()
    starts = [header.index(column) for column in COLUMNS]
    for line, row in ((first, ROW_A), (second, ROW_B)):
        assert [line[start : start + len(cell)] for start, cell in zip(starts, row, strict=True)] == row


def test_the_command_names_a_damaged_card_and_lists_the_others(folder, capsys):
    (folder / "c").mkdir()
    (folder / "c" / "card.json").write_text("{")
    with pytest.warns(UserWarning, match="c is left out of the list"):
        assert main(["models", str(folder)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_the_command_says_that_a_folder_is_empty(tmp_path, monkeypatch, capsys):
    (tmp_path / "saved_models").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["models"]) == 0
    assert capsys.readouterr().out == "saved_models has no models yet; export one with: keras-attention export RUN\n"


@pytest.mark.parametrize("name", ["nowhere", "notes.txt"])
def test_the_command_refuses_what_is_no_folder(name, folder, capsys):
    assert main(["models", str(folder / name)]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(f"keras-attention: error: {folder / name} must be a folder.")
    assert printed.err.count("\n") == 1


def test_an_export_itself_is_listed(folder, capsys):
    assert main(["models", str(folder / "b")]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:2] == ["b", "onnx"]

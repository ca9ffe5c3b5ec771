"""The card of an export: its fields, its figures, its tables, and that its snippets run unchanged."""

import hashlib
import json
import math
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import seams

import keras_attention
from keras_attention.cards import is_card
from keras_attention.data import load
from keras_attention.export import export_model, export_run, read_card
from keras_attention.export.card import write_card
from keras_attention.export.graph import InferenceGraph
from keras_attention.export.verification import Deviation
from keras_attention.export.writing import Written
from keras_attention.training.results import _data

NAMES = ("cat", "dog", "eel")
FORMATS = ("savedmodel", "onnx", "litert")


@pytest.fixture(scope="module")
def exported(untrained_run, tmp_path_factory):
    """A run in every format: the folder, and what `export_run` returned."""
    pytest.importorskip("tf2onnx")
    pytest.importorskip("ai_edge_litert")
    folder = tmp_path_factory.mktemp("exports") / "animals"
    return folder, export_run(untrained_run, folder, FORMATS)


@pytest.fixture(scope="module")
def graph(tiny_model):
    return InferenceGraph(tiny_model(), NAMES)


@pytest.fixture
def card_text(graph, tmp_path):
    """The `card.md` of a model whose only file is noise."""

    def write(graph=graph, **described):
        (tmp_path / "model.onnx").write_bytes(b"noise")
        written = {"onnx": Written(None, Deviation(0.0, 1.0, 4))}
        write_card(tmp_path, described.pop("name", "tiny"), graph, written, **described)
        assert is_card(read_card(tmp_path))
        return (tmp_path / "card.md").read_text("utf-8")

    return write


def grid(stride):
    """The configuration of the grid of a map that divides the image evenly."""
    axis = {"start": stride / 2, "step": float(stride), "count": 32 // stride, "side": 32}
    return {"rows": axis, "columns": axis}


@pytest.mark.long
def test_the_card_says_what_the_model_is(exported, untrained_run):
    folder, card = exported
    assert json.loads((folder / "card.json").read_text("utf-8")) == json.loads(json.dumps(card))
    assert card["name"] == "untrained"
    assert card["class_names"] == ["cat", "dog", "eel"]
    assert card["image_size"] == 32
    assert card["parameters"] == keras.models.load_model(untrained_run.model_path).count_params()
    assert card["attention"] == [
        {
            "layer": f"block{number}_pool",
            "score": "additive",
            "alignment": "softmax",
            "heads": 1,
            "grid": grid(2**number),
        }
        for number in (3, 4)
    ]
    assert set(card["outputs"]) == {
        "probabilities",
        "logits",
        "labels",
        "attention_block3_pool",
        "attention_block4_pool",
    }
    assert card["outputs"]["attention_block3_pool"].startswith("(batch, 4, 4)")
    assert card["result"] == {name: untrained_run.metrics[name] for name in card["result"]}
    assert card["result"]["accuracy"] == 0.5
    assert card["training"]["units"] == 4
    assert card["versions"]["keras"] == keras.__version__
    assert card["versions"]["keras-spatial-attention"] == keras_attention.__version__
    assert {"onnxruntime", "ai-edge-litert"} <= set(card["versions"])
    assert is_card(card)


@pytest.mark.long
def test_the_files_are_those_of_the_folder(exported):
    folder, card = exported
    listed = [file for form in card["formats"].values() for file in form["files"]]
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {file["path"] for file in listed} == found - {"card.json", "card.md"}
    for file in listed:
        content = (folder / file["path"]).read_bytes()
        assert (file["bytes"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    for form in card["formats"].values():
        assert form["bytes"] == sum(file["bytes"] for file in form["files"])
        assert (form["quantized"], form["same_class"]) == (None, 1.0)
        assert form["compared_images"] == card["data"]["images"]["test"]
        assert 0 <= form["largest_difference"] <= 1e-4
    assert set(card["formats"]["savedmodel"]["endpoints"]) == {"serve", "serve_bytes", "explain"}
    assert "endpoints" not in card["formats"]["onnx"]


@pytest.mark.long
def test_every_snippet_runs_as_it_stands(exported):
    folder, _ = exported
    snippets = re.findall(r"```python\n(.*?)```", (folder / "card.md").read_text("utf-8"), re.DOTALL)
    assert ["tensorflow" in text for text in snippets] == [True, False, False]
    # All in one process, which imports TensorFlow once, but each in its own namespace.
    code = "import json, sys\n"
    code += "\n".join(
        f"exec(compile({text!r}, 'snippet {number}', 'exec'), {{}})\n" for number, text in enumerate(snippets)
    )
    code += "\nassert not [name for name in sys.modules if name.startswith('keras_attention')]"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    saved, maps, onnx, litert = [line for line in done.stdout.splitlines() if line]
    assert maps == "['attention_block3_pool', 'attention_block4_pool', 'attention_joint']"
    answers = [line.split() for line in (saved, onnx, litert)]
    assert {name for name, _ in answers} <= set(NAMES)
    assert len({name for name, _ in answers}) == 1
    assert np.ptp([float(probability) for _, probability in answers]) <= 1e-4


def cells(line):
    """The cells of a row as GitHub reads it: bars with a backslash before them are text."""
    return re.split(r"(?<!\\)(?:\\\\)*\|", line.strip())[1:-1]


def tables(text):
    """The tables of a Markdown text, each a list of rows of cells."""
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    blocks = re.findall(r"(?:^\|.*\|\n)+", outside, re.MULTILINE)
    return [[cells(line) for line in block.splitlines()] for block in blocks]


def check_tables(text):
    found = tables(text)
    for rows in found:
        assert {len(row) for row in rows} == {len(rows[0])}, rows
        assert [cell.strip() for cell in rows[1]] == ["---"] * len(rows[0])
        assert sum(all(cell.strip() == "---" for cell in row) for row in rows) == 1
    # Each line that starts like a row belongs to a table.
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    assert sum(map(len, found)) == sum(line.startswith("|") for line in outside.splitlines())
    return found


@pytest.mark.long
def test_the_tables_are_whole(exported):
    found = check_tables((exported[0] / "card.md").read_text("utf-8"))
    assert len(found) == 7  # the model, its result, its settings, its files, its endpoints, the comparison, its maps


@pytest.mark.long
def test_the_card_says_how_far_the_maps_are(exported):
    folder, card = exported
    for form in card["formats"].values():
        assert list(form["maps"]) == ["attention_block3_pool", "attention_block4_pool"]
        assert all(maps["relative"] < 1e-3 and maps["agreement"] > 0.95 for maps in form["maps"].values())
    assert (folder / "card.md").read_text("utf-8").count("| `attention_block3_pool` |") == len(card["formats"])


def test_options_of_the_settings_are_shown_with_their_values(card_text):
    text = card_text(training={"data_options": {"count": 90, "clutter": 2}, "attend": ("a", "b"), "masks": None})
    assert "| data_options | count=90, clutter=2 |" in text
    assert "| attend | a, b |" in text
    assert "| masks | – |" in text


WILD = "a|b`c\nd\\|e</details><b>"


def test_no_name_breaks_a_table(tiny_model, card_text):
    graph = InferenceGraph(tiny_model(), (WILD, "| --- |", "eel\r\n| x |"))
    text = card_text(
        graph,
        name=WILD,
        training={"data": WILD, "options": {WILD: WILD}, WILD: (WILD, 3)},
        data={"name": WILD, "images": {"test": 3}, "licence": WILD},
        result={"accuracy": 0.5, "count": 4, WILD: 0.25, "note": WILD},
    )
    assert len(check_tables(text)) == 5
    assert text.count("</details>") == 1
    assert "<b>" not in text
    assert "\\|" in text.splitlines()[0]
    assert json.loads(json.dumps(graph.class_names))[0] == WILD


def test_nothing_known_is_said(card_text):
    text = card_text()
    assert "No result was given when the model was exported." in text
    assert "Nothing is known about the images that the model was trained on, or about their licence." in text
    assert "All settings" not in text
    check_tables(text)


def test_an_unknown_licence_is_said(card_text):
    text = card_text(data={"name": "animals", "images": {"train": 1200, "test": 3}, "licence": None})
    assert "Images: animals (1,200 train, 3 test)." in text
    assert "Licence of the data: not known; ask whoever gave you the images." in text


def test_a_known_licence_is_said(card_text):
    text = card_text(data={"name": "animals", "images": None, "licence": "CC BY 4.0"})
    assert "Images: animals.\nLicence of the data: CC BY 4.0." in text


@pytest.mark.parametrize(("accuracy", "count"), [(0.75, 8), (1.0, 20), (0.0, 5), (0.913, 1000)])
def test_the_interval_is_that_of_wilson(accuracy, count, card_text):
    text = card_text(result={"accuracy": accuracy, "count": count, "roc_auc": None})
    z, share = 1.959963984540054, round(accuracy * count) / count
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    low, high = abs(round(centre - half, 3)), round(centre + half, 3)
    assert f"| accuracy | {accuracy:.3f}, 95 % interval [{low:.3f}, {high:.3f}] (Wilson), {count:,} images |" in text
    assert "| roc auc | – |" in text
    check_tables(text)


def test_figures_without_a_count_are_shown_without_an_interval(card_text):
    text = card_text(result={"accuracy": 0.5, "macro_f1": 0.25})
    assert "| accuracy | 0.500 |\n| macro f1 | 0.250 |" in text
    assert "Wilson" not in text


def test_attention_is_told(tiny_model, card_text):
    graph = InferenceGraph(tiny_model(attend="block4_pool", score="dot", num_heads=2), NAMES)
    text = card_text(graph)
    assert "| attention on `block4_pool` | dot, softmax, 2 heads |" in text
    assert "A map shows the weight" in text
    plain = card_text(InferenceGraph(tiny_model(attend=()), NAMES))
    assert "with attention" not in plain
    assert "A map shows" not in plain
    assert re.search(r"into 3 classes\.\n", plain)


# The licence of the images, from the data to the card.


@pytest.mark.long
def test_the_licence_of_a_folder_reaches_the_card(exported):
    folder, card = exported
    assert card["data"]["licence"] == "see LICENSE.txt"
    assert card["data"]["name"] == "animals"
    assert "Licence of the data: see LICENSE.txt." in (folder / "card.md").read_text("utf-8")


def test_the_licence_of_a_dataset_reaches_the_metrics(image_folder, tmp_path):
    assert _data(load(str(image_folder), image_size=32))["licence"] == "see LICENSE.txt"
    (tmp_path / "animals").mkdir()
    for name in NAMES:
        (tmp_path / "animals" / name).symlink_to(image_folder / name)
    assert _data(load(str(tmp_path / "animals"), image_size=32))["licence"] is None


def test_names_that_are_numbers_become_text(tiny_model, tmp_path):
    card = export_model(tiny_model(attend=()), tmp_path / "out", np.arange(3), "onnx")
    assert card["class_names"] == ["0", "1", "2"]


def test_a_run_whose_data_are_gone_is_compared_on_noise(untrained_run, tiny_model, tmp_path, monkeypatch):
    seams.data_of_an_exported_run(monkeypatch, lambda *_: load(str(tmp_path / "nowhere")))
    model = tiny_model(attend=())
    with pytest.warns(UserWarning, match="compared on noise, because the data of the run do not load"):
        card = export_run(untrained_run, tmp_path / "out", "onnx", model=model)
    assert card["formats"]["onnx"]["compared_images"] == 4

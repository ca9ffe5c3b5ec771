"""`evaluate`: for every form of a model the figures that its run has."""

import json
import shutil
import sys

import numpy as np
import pytest
import seams
from PIL import Image

from keras_attention import train
from keras_attention.cli import main
from keras_attention.cli.evaluate import table
from keras_attention.data import load
from keras_attention.evaluation import evaluate, predict_with_flips, split_metrics
from keras_attention.export import export_run
from keras_attention.metrics import classification_metrics, headlines
from keras_attention.models.outputs import maps_of
from keras_attention.prediction import load_predictor
from keras_attention.runs import load_data

FORMS = ("folder", "model_path", "export_path")
FIGURES = (
    "accuracy",
    "macro_f1",
    "roc_auc",
    "average_precision",
    "loss",
    "count",
    "per_class",
    "confusion",
    "intervals",
)
MAPS = ("pointing_game", "energy_inside", "jaccard", "pixel_average_precision")


def assert_same(found, expected, name=""):
    """Figures in nested dictionaries and lists; all but sums over logits and maps to the last digits."""
    if isinstance(expected, dict):
        assert list(found) == list(expected), name
        for key in expected:
            assert_same(found[key], expected[key], f"{name}/{key}")
    elif isinstance(expected, list) and name.startswith("/intervals/"):
        for low_or_high, other in zip(found, expected, strict=True):
            assert_same(low_or_high, other, name)
    elif isinstance(expected, float):
        near = 1e-4 if any(part in name for part in ("loss", *MAPS)) else 1e-6
        assert found == pytest.approx(expected, abs=near), name
    else:
        assert found == expected, name


@pytest.fixture(scope="module")
def dataset(finished):
    return load_data(finished.config)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_the_figures_of_its_run(form, finished):
    found = evaluate(getattr(finished, form))
    assert_same(found, {name: finished.metrics[name] for name in (*FIGURES, *MAPS)})


@pytest.mark.parametrize(("form", "needed"), [("onnx", "onnxruntime"), ("litert", "ai_edge_litert")])
@pytest.mark.long
def test_the_other_formats_too(form, needed, finished, tmp_path, capsys):
    pytest.importorskip(needed)
    if form == "onnx":
        pytest.importorskip("tf2onnx")
    export_run(finished, tmp_path / "export", [form])
    expected = {name: finished.metrics[name] for name in (*FIGURES, *MAPS)}
    assert_same(evaluate(tmp_path / "export"), expected)
    images = sorted(finished.folder.glob("*.png"))
    assert main(["predict", str(tmp_path / "export"), *map(str, images), "--batch-size", "2", "--json"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(images) > 2


def test_flips_are_those_of_training(finished, dataset):
    found = evaluate(finished.export_path, dataset, flips="both")
    model = load_predictor(finished.folder).model
    figures = classification_metrics(*predict_with_flips(model, dataset, "test", "both"), dataset.class_names)
    assert_same(found["with_flips"], {"flips": "both"} | headlines(figures))
    assert found["accuracy"] == finished.metrics["accuracy"]
    assert figures["roc_auc"] != finished.metrics["roc_auc"]


def test_the_split_and_the_batch_size(finished, dataset):
    found = evaluate(finished.folder, dataset, split="validation", batch_size=4)
    assert found["count"] == dataset.validation.count
    assert_same(found, evaluate(finished.folder, dataset, split="validation"))
    best = finished.metrics["validation"]
    assert found["accuracy"] == pytest.approx(best["val_accuracy"])
    assert found["loss"] == pytest.approx(best["val_loss"], abs=1e-4)


@pytest.fixture
def photos(tmp_path, rng):
    """`photos(classes)`: a folder of images of several sizes, two of each class."""

    def write(classes):
        for name in classes:
            (tmp_path / "photos" / "test" / name).mkdir(parents=True)
            (tmp_path / "photos" / "train" / name).mkdir(parents=True)
            for split in ("train", "test"):
                for number in range(3):
                    pixels = rng.integers(0, 256, (40, 35 + number, 3)).astype("uint8")
                    Image.fromarray(pixels).save(tmp_path / "photos" / split / name / f"{number}.png")
        return tmp_path / "photos"

    return write


def test_data_in_a_folder_are_scaled_to_the_model(finished, photos):
    folder = photos("0123456789")
    found = evaluate(finished.export_path, str(folder))
    assert found["count"] == 30
    predictor = load_predictor(finished.folder)
    right = [
        predictor(predictor.read(path)[None])["logits"].argmax() == int(path.parent.name)
        for path in sorted((folder / "test").glob("*/*.png"))
    ]
    assert found["accuracy"] == pytest.approx(np.mean(right))
    assert list(found) == list(FIGURES)  # there are no masks


def test_a_lone_keras_file_takes_the_names_of_the_data(finished, photos, tmp_path):
    shutil.copy(finished.model_path, tmp_path / "lone.keras")
    found = evaluate(tmp_path / "lone.keras", str(photos("abcdefghij")))
    assert list(found["per_class"]) == list("abcdefghij")
    with pytest.raises(ValueError, match="does not name its data"):
        evaluate(tmp_path / "lone.keras")
    with pytest.raises(ValueError, match=r"must have as many classes as the model\. Expected 10\. Received: 2"):
        evaluate(tmp_path / "lone.keras", _arrays(["a", "b"]))


def _arrays(class_names, size=32):
    labels = np.arange(4 * len(class_names)) % len(class_names)
    return load((np.zeros((len(labels), size, size, 3), "uint8"), labels), class_names=class_names)


REFUSED = {
    "order": (lambda: {"data": _arrays(list("1023456789"))}, "the classes of the model in another order"),
    "classes": (lambda: {"data": _arrays(list("abcdefghij"))}, "other classes than the model"),
    "size": (
        lambda: {"data": _arrays(list("0123456789"), 40)},
        "must have the image size of the model. Expected 32 px",
    ),
    "masks": (lambda: {"data": _arrays(list("0123456789")), "masks": "here"}, "has its folder and its masks"),
    "split": (lambda: {"split": "tests"}, "Unknown split 'tests'"),
    "flips": (lambda: {"flips": "all"}, "Unknown flips 'all'"),
    "batch size": (lambda: {"batch_size": 0}, "`batch_size` is out of range"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused(case, finished):
    make, message = REFUSED[case]
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        evaluate(finished.folder, **make())


def test_logits_that_are_not_finite_are_refused(finished, monkeypatch):
    def broken(model):
        predictor = load_predictor(model)
        outputs = predictor.outputs
        predictor.outputs = lambda images: outputs(images) | {"logits": np.full((len(images), 10), np.nan)}
        return predictor

    seams.predictor_that_is_evaluated(monkeypatch, broken)
    with pytest.raises(ValueError, match="logits of the model must be finite"):
        evaluate(finished.folder)


@pytest.fixture
def pictures(tmp_path):
    """`pictures("tests", 2)` writes so many different images of each class of the run; returns their folder."""

    def write(root, count, first=0):
        for label in "0123456789":
            folder = tmp_path / root / label
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(first, first + count):
                pixels = np.random.default_rng(100 * number + int(label)).integers(0, 256, (32, 32, 3)).astype("uint8")
                Image.fromarray(pixels).save(folder / f"{number}.png")
        return tmp_path / root

    return write


def test_other_data_without_splits_are_measured_whole(finished, pictures, capsys):
    for folder in ("tests", "held-out/test"):
        root = pictures(folder, 2)
        figures = evaluate(finished.folder, root if folder == "tests" else root.parent, verbose=1)
        assert figures["count"] == 20
    assert "all 20 images, which must not have been in training" in capsys.readouterr().err
    assert evaluate(finished.export_path, pictures("more", 3))["count"] == 30


def test_arrays_are_measured_whole(finished):
    images = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3))
    assert evaluate(finished.folder, (images, np.arange(40) % 10))["count"] == 40


@pytest.mark.long
@pytest.mark.usefixtures("no_pictures")
def test_a_run_on_a_folder_knows_its_images(tiny, pictures, tmp_path, capsys):
    root = pictures("photos", 12)
    settings = {"data": str(root), "data_options": {}, "data_dir": None, "epochs": 1}
    run = train(tiny(**settings), tmp_path / "run", verbose=0)
    before = json.loads((run.folder / "images.json").read_text())["files"]
    assert {split: len(files) for split, files in before.items()} == run.metrics["images"]
    count = run.metrics["count"]
    assert evaluate(run.folder)["confusion"] == run.metrics["confusion"]
    for name in sorted(before["train"])[:5] + sorted(before["test"])[:2]:
        (root / name).unlink()
    pictures("photos", 1, first=50)
    found = evaluate(run.folder, verbose=1)
    assert found["count"] == count - 2
    told = capsys.readouterr().err
    assert f"test: 2 of its {count} images are gone since the training" in told
    assert "10 images are new since the training and left out" in told
    assert evaluate(run.export_path)["count"] == count - 2  # an export inside its run
    moved = shutil.copytree(run.export_path, tmp_path / "export")
    with pytest.raises(ValueError, match=r"^photos has changed since the training, and would be split anew\."):
        evaluate(moved)
    with pytest.warns(UserWarning, match=r"^\d+ of the 123 images were seen in training, .* flatter the model\."):
        evaluate(run.folder, shutil.copytree(root, tmp_path / "copy"))


def test_a_card_without_settings_needs_data(finished, tmp_path, dataset):
    export = tmp_path / "export"
    shutil.copytree(finished.export_path, export)
    card = json.loads((export / "card.json").read_text())
    (export / "card.json").write_text(json.dumps(card | {"training": None}))
    with pytest.raises(ValueError, match="does not name its data"):
        evaluate(export)
    assert evaluate(export, dataset)["accuracy"] == finished.metrics["accuracy"]


def test_an_export_needs_no_plugin(finished, tmp_path):
    export = shutil.copytree(finished.export_path, tmp_path / "export")
    card = json.loads((export / "card.json").read_text())
    training = card["training"] | {"score": "score_of_a_plugin", "backbone": "backbone_of_a_plugin"}
    (export / "card.json").write_text(json.dumps(card | {"training": training}))
    assert evaluate(export)["confusion"] == finished.metrics["confusion"]


def test_settings_that_are_damaged_are_named_with_their_file(finished, tmp_path):
    export = shutil.copytree(finished.export_path, tmp_path / "export")
    card = json.loads((export / "card.json").read_text())
    (export / "card.json").write_text(json.dumps(card | {"training": 3}))
    with pytest.raises(ValueError, match=r"export/card\.json are damaged\. The settings must be a JSON object"):
        evaluate(export)


def test_of_maps_for_each_class_that_of_the_best_one_counts():
    outputs = {"logits": np.eye(3)[[2, 0]], "attention_a": np.arange(24.0).reshape(2, 3, 2, 2)}
    assert maps_of(outputs)["a"].tolist() == outputs["attention_a"][[0, 1], [2, 0]].tolist()


def test_the_command_prints_a_table_and_names_the_data(finished, capsys):
    assert main(["evaluate", str(finished.folder)]) == 0
    printed = capsys.readouterr()
    assert printed.err == f"data    cluttered_digits, with the settings in {finished.folder / 'config.json'}\n"
    lines = [line.split() for line in printed.out.splitlines()]
    low, high = finished.metrics["intervals"]["accuracy"]
    assert ["accuracy", f"{finished.metrics['accuracy']:.3f}", f"[{low:.3f},", f"{high:.3f}]"] in lines
    rows = {line[0]: line[1:] for line in lines if line}
    assert rows["7"][-1] == str(finished.metrics["per_class"]["7"]["count"])
    assert rows["joint"][0] == f"{finished.metrics['pointing_game']['joint']['score']:.3f}"
    assert rows["chance"][0] == f"{finished.metrics['pointing_game']['joint']['chance']:.3f}"


def test_the_command_gives_json_and_a_file(finished, tmp_path, capsys):
    arguments = ["--data", "cluttered_digits", "--flips", "horizontal", "--json", "--out", str(tmp_path / "new.json")]
    assert main(["evaluate", str(finished.export_path), *arguments]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "new.json").read_text())
    assert printed["with_flips"]["flips"] == "horizontal"
    assert printed["confusion"] == finished.metrics["confusion"]  # of the data of its run, count and all


def test_of_many_classes_the_table_has_none():
    names = [f"class{number}" for number in range(21)]
    for count in (20, 21):
        figures = split_metrics(np.eye(count), np.arange(count), names[:count])[0]
        assert ("class7" in table(figures)) is (count == 20)


def test_a_bar_is_shown_on_a_terminal(finished, dataset, monkeypatch, capsys):
    for shown in (True, False):
        monkeypatch.setattr(sys.stderr, "isatty", lambda shown=shown: shown)
        evaluate(finished.folder, dataset, verbose=1)
        assert (f"/{dataset.test.count} [" in capsys.readouterr().err) == shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", ""], "--data must not be empty"),
        (["--out", "/dev/null"], "must be a regular file"),
        (["--masks", "nowhere"], "--masks needs a folder or a table of images"),
        (["--data", "./nowhere"], "There is no such folder"),
    ],
)
def test_mistakes_are_one_line(arguments, message, finished, capsys):
    assert main(["evaluate", str(finished.folder), *arguments]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("data ")]
    assert len(errors) == 1
    assert message in errors[0]

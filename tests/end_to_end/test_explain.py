"""`explain`: figures of files, galleries of folders and of data, and measures, from every form of a model."""

import csv
import json
import pathlib
import re
import shutil

import keras
import numpy as np
import pytest
import seams
from PIL import Image

from keras_attention.cli import main
from keras_attention.explanation import explain
from keras_attention.explanation.drawing import different
from keras_attention.maps import attention_maps, map_scales, measure
from keras_attention.models import VGG16BN, attention_classifier
from keras_attention.runs import load_data


@pytest.fixture(scope="module")
def photos(finished, tmp_path_factory):
    """`photos/<class>/<number>.png` of the test images, and `masks/` beside it, but for one."""
    root = tmp_path_factory.mktemp("explained")
    examples = load_data(finished.config).test.examples().take(6).as_numpy_iterator()
    for number, example in enumerate(examples):
        for name, pixels in (("photos", example["image"]), ("masks", 255 * example["mask"][..., 0])):
            path = root / name / str(example["label"]) / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            if name == "photos" or number:
                Image.fromarray(pixels).save(path)
    return root


def run(*arguments):
    return main(["explain", *map(str, arguments)])


def cards_of(page):
    """The data of a gallery."""
    found = re.search(r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', page.read_text("utf-8"), re.S)
    return json.loads(found.group(1))


def first(photos):
    return sorted((photos / "photos").rglob("*.png"))[0]


def test_a_figure_for_each_file(finished, photos, tmp_path, capsys):
    image, twin = first(photos), tmp_path / "other" / first(photos).name
    twin.parent.mkdir()
    shutil.copy(image, twin)
    out = tmp_path / "pictures"
    assert run(finished.folder, image, twin, "--out", out, "--format", "png,svg", "--maps", "grad_cam") == 0
    stem = image.stem
    assert sorted(path.name for path in out.iterdir()) == [
        f"{stem}-2.png",
        f"{stem}-2.svg",
        f"{stem}.png",
        f"{stem}.svg",
    ]
    with Image.open(out / f"{stem}.png") as picture:
        assert min(picture.size) > 150
        assert picture.width > 3 * 150  # the image, two blocks, their product, Grad-CAM
    assert "<svg" in (out / f"{stem}.svg").read_text()[:500]
    assert str(out / f"{stem}.svg") in capsys.readouterr().out


def test_a_gallery_of_a_folder(finished, photos, tmp_path):
    out = tmp_path / "gallery"
    assert run(finished.folder, photos / "photos", "--masks", photos / "masks", "--out", out) == 0
    assert sorted(path.name for path in out.iterdir()) == ["index.html", "pictures"]
    data = cards_of(out / "index.html")
    assert data["columns"] == ["input", "block3_pool", "block4_pool", "joint"]
    assert data["labels"] == ["pointing game", "energy inside", "Jaccard at .5"]
    assert len(data["cards"]) == 6
    for picture, name, predicted, probability, true, figures in data["cards"]:
        with Image.open(out / picture) as strip:
            assert strip.size == (4 * 224, 224)
        assert name.split("/")[0] == true  # the folder is the class
        assert predicted in finished.metrics["class_names"]
        assert 0.1 <= probability <= 1
        assert (figures == [None] * 3) == (name == f"{true}/0.png")  # the image without a mask
    # Once more into the same place, of less.
    assert run(finished.folder, first(photos).parent, "--out", out, "--attend", "block4_pool") == 0
    assert cards_of(out / "index.html")["columns"] == ["input", "block4_pool"]
    assert len(list((out / "pictures").iterdir())) == 1


def test_without_images_it_is_the_data_of_the_run(finished, tmp_path):
    done = explain(finished.folder, out=tmp_path, split="validation", limit=4, maps="grad_cam@block4_pool", verbose=0)
    data = cards_of(done.gallery)
    assert data["columns"][-1] == "Grad-CAM block4_pool"
    labels = load_data(finished.config).validation.labels()
    numbers = [int(name.removeprefix("validation ")) for _, name, *_ in data["cards"]]
    assert numbers == [0, 5, 9, 14]
    assert [true for *_, true, _ in data["cards"]] == [str(labels[number]) for number in numbers]
    assert all(None not in figures for *_, figures in data["cards"])


def test_the_maps_are_those_of_the_library(finished, photos, tmp_path, monkeypatch):
    drawn = {}
    seams.scales_of_maps(monkeypatch, lambda maps: drawn.update(maps) or map_scales(maps))
    explain(finished.folder, [photos / "photos"], tmp_path, formats=(), verbose=0)
    paths = sorted((photos / "photos").rglob("*.png"))
    images = np.stack([np.asarray(Image.open(path)) for path in paths])
    expected = attention_maps(keras.models.load_model(finished.model_path, compile=False), images)
    for name, values in expected.items():
        np.testing.assert_allclose(drawn[name], values, rtol=1e-4, atol=1e-6)
    assert drawn["joint"].shape == expected["block3_pool"].shape


def test_an_export_has_its_maps_and_no_gradients(finished, photos, tmp_path, capsys):
    assert run(finished.export_path, first(photos), "--out", tmp_path) == 0
    assert [path.suffix for path in tmp_path.iterdir()] == [".png"]
    assert run(finished.export_path, first(photos), "--out", tmp_path, "--maps", "grad_cam") == 2
    assert "An export has no gradients for Grad-CAM." in capsys.readouterr().err
    assert run(finished.export_path, first(photos), "--out", tmp_path, "--measure") == 2


def test_a_network_without_attention_has_grad_cam_alone(photos, tmp_path, capsys):
    path = tmp_path / "plain.keras"
    attention_classifier(VGG16BN((32, 32, 3), width=0.05), 10, attend=()).save(path)
    assert run(path, photos / "photos", "--out", tmp_path / "out") == 2
    assert "The model has no attention layers. Expected a model trained with attention, or --maps" in _error(capsys)
    assert run(path, photos / "photos", "--out", tmp_path / "out", "--maps", "grad_cam@block3_pool") == 0
    assert cards_of(tmp_path / "out" / "index.html")["columns"] == ["input", "Grad-CAM block3_pool"]
    assert run(path, "--maps", "grad_cam") == 2
    assert "There are no images to explain." in _error(capsys)


def test_a_map_for_each_class(photos, tmp_path):
    model = attention_classifier(
        VGG16BN((32, 32, 3), width=0.05), 10, attend="block4_pool", query="classes", units=4, activation="sigmoid"
    )
    model.save(tmp_path / "classes.keras")
    done = explain(tmp_path / "classes.keras", [photos / "photos"], tmp_path / "out", verbose=0)
    probabilities = [probability for *_, probability, _, _ in cards_of(done.gallery)["cards"]]
    images = np.stack([np.asarray(Image.open(path)) for path in sorted((photos / "photos").rglob("*.png"))])
    np.testing.assert_allclose(probabilities, model.predict(images, verbose=0).max(-1), atol=1e-5)


@pytest.mark.long
def test_measures(finished, photos, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(finished.folder, "--measure", "--perturbed", "3", "--out", out) == 0
    printed = capsys.readouterr().out
    for words in (
        "pointing game",
        "chance",
        "insertion",
        "grad_cam",
        "rank correlation",
        "insertion and deletion on 3",
    ):
        assert words in printed
    summary = json.loads((out / "measures.json").read_text())
    dataset = load_data(finished.config)
    model = keras.models.load_model(finished.model_path, compile=False)
    assert summary == measure(model, dataset, perturbed=3).summary
    # The three figures that the run measured of itself are among them.
    for name in ("pointing_game", "energy_inside", "jaccard"):
        for block in ("block3_pool", "block4_pool", "joint"):
            found = summary["maps"][block][name]
            assert found["score"] == pytest.approx(finished.metrics[name][block]["score"], rel=1e-4)
    with (out / "measures.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == dataset.test.count
    assert rows[3]["name"] == "test 3"
    scores = [float(row["jaccard/block3_pool"]) for row in rows]
    assert np.mean(scores) == pytest.approx(summary["maps"]["block3_pool"]["jaccard"]["score"])


def test_measures_of_files(finished, photos, tmp_path, capsys):
    given = (photos / "photos", "--measure", "--perturbed", "0", "--masks", photos / "masks")
    assert run(finished.folder, *given, "--out", tmp_path, "--maps", "grad_cam@block4_pool") == 0
    summary = json.loads((tmp_path / "measures.json").read_text())
    assert summary["images"] == 6
    assert summary["grad_cam_layer"] == "block4_pool"
    assert summary["accuracy"] is not None
    assert summary["maps"]["joint"]["jaccard"]["skipped"] == 1
    assert "deletion" not in summary["maps"]["joint"]
    assert "images not measured against a mask, because it is missing or empty: 1" in capsys.readouterr().out


def _error(capsys):
    printed = capsys.readouterr().err
    assert len(printed.strip().splitlines()) == 1
    return printed


def test_what_is_refused(finished, photos, tmp_path, capsys):
    image, folder = first(photos), photos / "photos"
    (tmp_path / "empty").mkdir()
    for arguments, message in (
        ((image, "--attend", "block5_pool"), "Unknown attended layer 'block5_pool'"),
        ((image, "--maps", "cam"), "--maps must name Grad-CAM. Expected grad_cam, or grad_cam@LAYER."),
        ((image, "--maps", "grad_cam@"), "--maps must name Grad-CAM."),
        (("",), "The path of an image is empty."),
        ((image, "--format", ""), "--format must not be empty."),
        (("--measure", "--perturbed", "1", "--seed", "-1"), "--seed is out of range."),
        ((image, "--maps", "grad_cam@logits"), "Layer 'logits' must give a feature map."),
        ((image, "--maps", "grad_cam@block9"), "Unknown layer 'block9'"),
        ((image, "--format", "gif"), "Unknown format 'gif'"),
        ((tmp_path / "empty",), "has no images"),
        ((image, "--split", "test"), "--split has no effect if images are named."),
        (("--masks", folder), "--masks needs images, or --data."),
        (("--split", "tests"), "Unknown split 'tests' (did you mean 'test'?)"),
        (("--limit", "0"), "--limit is out of range."),
        (("--measure", "--limit", "3"), "--limit has no effect here. Expected --limit without --measure."),
        (("--perturbed", "3"), "--perturbed has no effect here. Expected --perturbed with --measure."),
        ((folder, "--masks", tmp_path / "empty"), "No image has a mask."),
        ((folder, "--masks", tmp_path / "none"), "The folder of masks does not exist."),
    ):
        assert run(finished.folder, *arguments, "--out", tmp_path / "out") == 2, arguments
        assert message in _error(capsys), arguments
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_read_is_named_and_the_others_go_on(finished, photos, tmp_path, capsys):
    (tmp_path / "notes.png").write_text("hello")
    assert (
        run(finished.folder, tmp_path / "notes.png", tmp_path / "none.png", first(photos), "--out", tmp_path / "a") == 1
    )
    printed = capsys.readouterr()
    assert "notes.png does not decode" in printed.err
    assert "none.png must be an existing file" in printed.err
    assert len(list((tmp_path / "a").iterdir())) == 1


def test_nothing_of_ones_own_is_replaced(finished, photos, tmp_path, capsys):
    own = tmp_path / "own"
    (own / "pictures").mkdir(parents=True)
    shutil.copy(first(photos), own / "a.png")
    shutil.copy(first(photos), own / "pictures" / "b.png")
    before = {path: path.read_bytes() for path in own.rglob("*.png")}
    assert run(finished.folder, own / "a.png", "--out", own) == 2
    assert "A picture would replace the image" in _error(capsys)
    assert run(finished.folder, own, "--out", own) == 2
    assert "The pictures must not be written among the images" in _error(capsys)
    (own / "pictures" / "b.png").rename(own / "pictures" / "00000.jpg")
    before = {path: path.read_bytes() for path in own.rglob("*") if path.is_file()}
    assert run(finished.folder, photos / "photos", "--out", own) == 2
    assert "pictures must be empty or hold only the pictures of a gallery." in _error(capsys)
    assert {path: path.read_bytes() for path in own.rglob("*") if path.is_file()} == before


def test_masks_of_another_size(finished, photos, tmp_path, capsys):
    image = first(photos)
    (tmp_path / "masks").mkdir()
    Image.new("L", (7, 9)).save(tmp_path / "masks" / f"{image.stem}.png")
    assert run(finished.folder, image, "--masks", tmp_path / "masks", "--out", tmp_path / "out") == 2
    assert (
        "must have the size or the aspect of its image. Expected width and height (32, 32). Received: (7, 9)."
        in _error(capsys)
    )


def test_names_that_would_be_the_same_are_numbered():
    assert different(["a", "b", "a", "a-2", "a"]) == ["a", "b", "a-2", "a-2-2", "a-3"]


def test_what_a_run_writes_lies_in_its_folder(finished, tmp_path):
    copied = tmp_path / "run"
    shutil.copytree(finished.folder, copied, ignore=shutil.ignore_patterns("saved_model"))
    done = explain(copied, limit=2, verbose=0)
    assert done.gallery == pathlib.Path(copied) / "explain" / "index.html"

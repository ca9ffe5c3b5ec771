"""A run whose images keep their aspect: whatever reads images for it makes them squares as its training did."""

import json
import shutil

import numpy as np
import pytest
import seams
import tensorflow as tf
from cases import some_now
from PIL import Image

from keras_attention import Run, evaluate, explain, export_run, load_predictor, predict_files
from keras_attention.cli import main, parser
from keras_attention.cli.explain import _data
from keras_attention.data import load
from keras_attention.demo.examples import data_examples
from keras_attention.demo.viewing import Viewer
from keras_attention.explanation.examples import FileExamples

SHAPES = [(41, 67), (67, 41), (32, 90), (50, 50)]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """`photos/<split>/<class>/*.png` of several shapes, and `masks` of half their size."""
    root, rng = tmp_path_factory.mktemp("resized"), np.random.default_rng(3)
    for split, count in (("train", 8), ("validation", 4), ("test", 4)):
        for name in ("cat", "dog"):
            for folder in ("photos", "masks"):
                (root / folder / split / name).mkdir(parents=True)
            for number in range(count):
                height, width = SHAPES[number % len(SHAPES)]
                pixels = rng.integers(0, 256, (height, width, 3)) // (1 if name == "cat" else 3)
                Image.fromarray(pixels.astype("uint8")).save(root / "photos" / split / name / f"{number}.png")
                mask = np.zeros((height // 2, width // 2), "uint8")
                mask[4:14, 6:18] = 255
                Image.fromarray(mask).save(root / "masks" / split / name / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def padded(photos, tmp_path_factory):
    """A run trained with `--resize pad`; tests only read it."""
    folder = tmp_path_factory.mktemp("runs") / "padded"
    given = {"data": photos / "photos", "masks": photos / "masks", "image-size": 32, "resize": "pad", "run": folder}
    given |= {"width": 0.05, "units": 7, "epochs": 2, "batch-size": 8, "learning-rate": 0.01}
    with pytest.MonkeyPatch.context() as patched:
        seams.shallow_backbone(patched)
        seams.without_pictures(patched)
        assert main(["train", *(str(word) for name, value in given.items() for word in (f"--{name}", value))]) == 0
    return Run(folder)


@pytest.fixture(scope="module")
def pictures(photos):
    return sorted((photos / "photos" / "test").rglob("*.png"))


@pytest.fixture(scope="module")
def expected(padded, pictures):
    """The probabilities of the test images, as the run predicts them."""
    predictor = load_predictor(padded.folder)
    assert predictor.resize == "pad"
    images = np.stack([predictor.read(path) for path in pictures])
    assert (images[0, :6] == 0).all()  # 41 × 67 pixels become 20 × 32
    assert images[0, 7:25].any(-1).all()
    found = predictor(images)["probabilities"]
    predictor.resize = "stretch"
    stretched = predictor(np.stack([predictor.read(path) for path in pictures]))["probabilities"]
    assert np.abs(found - stretched).max() > 1e-3  # or nothing below would show how images become squares
    return found


@pytest.mark.long
def test_every_form_predicts_the_same(padded, pictures, expected, tmp_path):
    forms = [padded.folder, padded.model_path, padded.export_path]
    for form in forms:
        predicted = list(predict_files(load_predictor(form), pictures))
        found = np.stack([prediction.outputs["probabilities"] for prediction in predicted])
        np.testing.assert_allclose(found, expected, atol=1e-4, err_msg=str(form))


def test_an_export_decodes_files_as_the_run_reads_them(padded, pictures, expected):
    loaded = tf.saved_model.load(str(padded.export_path))
    encoded = tf.constant([path.read_bytes() for path in pictures])
    found = loaded.signatures["serve_bytes"](image_bytes=encoded)["probabilities"]
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.long
def test_an_onnx_file_alone_knows_it(padded, pictures, expected, tmp_path):
    pytest.importorskip("tf2onnx")
    pytest.importorskip("onnxruntime")
    export_run(padded, tmp_path / "export", ["onnx"])
    predictor = load_predictor(shutil.copy(tmp_path / "export" / "model.onnx", tmp_path / "lone.onnx"))
    assert predictor.resize == load_predictor(tmp_path / "export").resize == "pad"
    found = predictor(np.stack([predictor.read(path) for path in pictures]))["probabilities"]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_card_says_it(padded):
    card = json.loads((padded.export_path / "card.json").read_text("utf-8"))
    said = "the image is scaled so that its longer side is 32 pixels, and centred on 32 × 32 black ones"
    assert card["resize"] == card["training"]["resize"] == "pad"
    assert card["formats"]["savedmodel"]["endpoints"]["serve_bytes"].endswith(f" Of any shape: {said}.")
    text = (padded.export_path / "card.md").read_text("utf-8")
    [line] = [line for line in text.splitlines() if line.startswith("| input |")]
    assert line.endswith(f"; to become a square, {said} |")
    assert "the whole image is scaled to" not in text


def test_an_older_card_is_that_of_stretched_images(padded, pictures, tmp_path):
    export = shutil.copytree(padded.export_path, tmp_path / "export")
    card = json.loads((export / "card.json").read_text("utf-8"))
    assert card.pop("resize")
    (export / "card.json").write_text(json.dumps(card))
    predictor = load_predictor(export)
    assert predictor.resize == "stretch"
    assert predictor.read(pictures[0]).any(-1).all()
    (export / "card.json").write_text(json.dumps(card | {"resize": "fold"}))
    with pytest.raises(ValueError, match=r"card\.json must be the card of an export\."):
        load_predictor(export)


@pytest.mark.parametrize("form", some_now(["folder", "model_path", "export_path"], "export_path"))
def test_it_is_measured_as_it_was_trained(form, padded, photos, tmp_path):
    model, metrics = getattr(padded, form), padded.metrics
    moved = shutil.copytree(photos / "photos", tmp_path / "copy")
    for found in (evaluate(model), evaluate(model, moved, masks=photos / "masks")):
        assert found["confusion"] == metrics["confusion"]
        assert found["accuracy"] == metrics["accuracy"]
        assert found["loss"] == pytest.approx(metrics["loss"], abs=1e-4)
        energy = {name: row["score"] for name, row in metrics["energy_inside"].items()}
        assert {name: row["score"] for name, row in found["energy_inside"].items()} == pytest.approx(energy, abs=1e-4)


@pytest.mark.parametrize("form", some_now(["folder", "model_path", "export_path"], "export_path"))
def test_other_squares_are_refused(form, padded, photos, tmp_path):
    model = getattr(padded, form)
    right, wrong = (load(photos / "photos", image_size=32, resize=resize) for resize in ("pad", "crop"))
    assert evaluate(model, right)["loss"] == pytest.approx(padded.metrics["loss"], abs=1e-4)
    message = (
        r"^The images of the data must become squares as those of the training did\. "
        r"Expected data loaded with resize='pad'\. Received: resize='crop'\.$"
    )
    with pytest.raises(ValueError, match=message):
        evaluate(model, wrong)
    with pytest.raises(ValueError, match=message):
        explain(model, data=wrong, out=tmp_path / "out", verbose=0)


@pytest.mark.long
def test_a_keras_file_alone_does_not_tell_it(padded, photos, tmp_path):
    path = shutil.copy(padded.model_path, tmp_path / "lone.keras")
    assert load_predictor(path).resize == "stretch"
    data = load(photos / "photos", image_size=32, resize="pad")
    assert evaluate(path, data)["loss"] == pytest.approx(padded.metrics["loss"], abs=1e-4)


def test_files_are_explained_as_they_were_learned(padded, photos, pictures):
    data = load(photos / "photos", masks=photos / "masks", image_size=32, resize="pad")
    learned = data.evenly("test", len(pictures))
    files = FileExamples([photos / "photos" / "test"], load_predictor(padded.folder), photos / "masks" / "test")
    assert files.paths == pictures
    for number, (image, mask) in enumerate(zip(learned["image"], learned["mask"], strict=True)):
        found, outline = files.read(number)
        np.testing.assert_array_equal(found, image)
        np.testing.assert_array_equal(outline, mask)
        assert 0 < mask.mean() < 0.5


@pytest.mark.long
def test_other_data_are_explained_and_shown_as_they_were_learned(padded, photos):
    learned = load(photos / "photos", image_size=32, resize="pad").evenly("test", 8)["image"]
    options = parser().parse_args(["explain", str(padded.export_path), "--data", str(photos / "photos")])
    np.testing.assert_array_equal(_data(options).evenly("test", 8)["image"], learned)
    examples, skipped = data_examples(load_predictor(padded.export_path), photos / "photos")
    np.testing.assert_array_equal([example.image for example in examples], learned)
    assert skipped == []


def test_the_demo_shows_what_the_model_sees(padded, pictures):
    viewer = Viewer(padded.export_path)
    image = viewer.read(pictures[0])
    np.testing.assert_array_equal(image, load_predictor(padded.folder).read(pictures[0]))
    assert viewer(image).resize == "pad"

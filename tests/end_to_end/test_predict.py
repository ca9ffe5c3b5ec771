"""One predictor for a run, a `.keras` file and an export."""

import shutil

import numpy as np
import pytest
from PIL import Image

from keras_attention import load_predictor
from keras_attention.runs import Run

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3)).astype("uint8")


def test_all_forms_of_a_model_agree(finished):
    forms = [load_predictor(path) for path in (finished.folder, finished.model_path, finished.export_path)]
    expected = forms[0](IMAGES)
    assert set(expected) == {"probabilities", "logits", "attention_block3_pool", "attention_block4_pool"}
    for form in forms:
        assert form.class_names == tuple("0123456789")
        assert form.image_size == 32
        for name, values in form(IMAGES).items():
            np.testing.assert_allclose(values, expected[name], atol=1e-5)


def test_a_lone_keras_file_names_its_classes_by_number(finished, tmp_path):
    shutil.copy(finished.model_path, tmp_path / "lone.keras")
    assert load_predictor(tmp_path / "lone.keras").class_names == tuple("0123456789")


def test_images_are_read_and_scaled(finished, tmp_path):
    Image.fromarray(IMAGES[0]).resize((90, 50)).save(tmp_path / "image.png")
    assert load_predictor(finished.folder).read(tmp_path / "image.png").shape == (32, 32, 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "must be a saved model"),
        (lambda path: path.mkdir(), "must be a saved model"),
        (lambda path: path.write_text("hello"), "must be a saved model"),
        (lambda path: (path.mkdir(), (path / "saved_model.pb").write_text("x")), r"has no card\.json"),
    ],
    ids=["nothing", "empty folder", "text", "foreign export"],
)
def test_what_is_no_model_is_named(make, message, tmp_path):
    make(tmp_path / "thing")
    with pytest.raises(ValueError, match=message):
        load_predictor(tmp_path / "thing")


def test_a_broken_keras_file_is_named(tmp_path):
    (tmp_path / "broken.keras").write_bytes(b"not a zip file")
    with pytest.raises(ValueError, match=r"broken\.keras does not load"):
        load_predictor(tmp_path / "broken.keras")


def test_an_unfinished_run_says_so(tiny, tmp_path):
    Run(tmp_path / "run").begin(tiny())
    with pytest.raises(ValueError, match="is not finished"):
        load_predictor(tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "message"), [("missing.png", "must be an existing file"), ("text.png", "does not decode")]
)
def test_what_is_no_image_is_named(finished, tmp_path, name, message):
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(ValueError, match=message):
        load_predictor(finished.folder).read(tmp_path / name)

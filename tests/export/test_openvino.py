"""OpenVINO models: their names and precisions, what the card says of both, and how they are read."""

import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import seams
from cases import some_now

from keras_attention import export_model, load_predictor
from keras_attention.export import FORMATS
from keras_attention.models import attention_outputs

openvino = pytest.importorskip("openvino")
pytest.importorskip("tf2onnx")

NAMES = ("red", "green", "blue")
OUTPUTS = {"probabilities", "logits", "attention_block3_pool", "attention_block4_pool"}


@pytest.fixture(scope="module")
def exported(colour_model, coloured, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports") / "colours"
    images, labels = coloured(18, seed=1)
    card = export_model(colour_model, folder, NAMES, "openvino", images=images, labels=labels, resize="crop")
    return folder, card


@pytest.mark.parametrize("count", some_now([1, 3], "3"))
def test_it_gives_the_outputs_for_any_number_of_images(count, exported, colour_model, coloured):
    images = coloured(count)[0].astype("float32")
    hint = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(str(exported[0] / "model.xml"), "CPU", hint)
    found = compiled({"images": images})
    assert [given.get_any_name() for given in compiled.inputs] == ["images"]
    assert {output.get_any_name() for output in compiled.outputs} == OUTPUTS
    expected = attention_outputs(colour_model).predict(images, verbose=0)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-4, rtol=1e-4, err_msg=name)


def test_the_card_has_both_precisions(exported):
    folder, card = exported
    form = card["formats"]["openvino"]
    assert [file["path"] for file in form["files"]] == ["model.xml", "model.bin"]
    assert form["largest_difference"] <= 1e-4
    default = form["by_default"]
    assert default["precision"] in ("f32", "bf16", "f16")
    assert default["same_class"] == default["accuracy"] == 1.0
    assert (default["largest_difference"] > form["largest_difference"]) == (default["precision"] != "f32")
    assert min(maps["agreement"] for maps in default["maps"].values()) > 0.95
    text = (folder / "card.md").read_text("utf-8")
    assert "| OpenVINO in float32 | " in text
    assert f"| OpenVINO in {default['precision']}, its default here | " in text
    assert {"openvino", "onnx"} <= set(card["versions"])


def test_a_folder_and_a_single_file_are_read(exported, colour_model, coloured, tmp_path):
    images = coloured(4)[0]
    expected = colour_model.predict(images, verbose=0)
    lone = tmp_path / "lone.xml"
    shutil.copy(exported[0] / "model.xml", lone)
    shutil.copy(exported[0] / "model.bin", tmp_path / "lone.bin")
    for path in (exported[0], exported[0] / "model.xml", lone):
        predictor = load_predictor(path)
        assert (predictor.class_names, predictor.image_size, predictor.resize) == (NAMES, 32, "crop")
        assert set(predictor.grids) == OUTPUTS - {"probabilities", "logits"}
        found = predictor(images)
        np.testing.assert_allclose(found["logits"], expected, atol=0.05 * np.abs(expected).max())


def test_an_answer_is_not_overwritten_by_the_next(exported, coloured):
    predictor = load_predictor(exported[0])
    first = predictor(coloured(2, seed=1)[0])["logits"]
    before = first.copy()
    predictor(coloured(2, seed=2)[0])
    np.testing.assert_array_equal(first, before)


def test_the_snippet_of_the_card_runs(exported):
    folder, _ = exported
    (snippet,) = re.findall(r"```python\n(.*?)```", (folder / "card.md").read_text("utf-8"), re.DOTALL)
    done = subprocess.run([sys.executable, "-c", snippet], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] in NAMES


@pytest.mark.long
def test_half_precision_halves_the_weights(exported, colour_model, coloured, tmp_path):
    card = export_model(colour_model, tmp_path, NAMES, "openvino", quantize="float16", images=coloured(6)[0])
    sizes = [
        next(f["bytes"] for f in form["files"] if f["path"].endswith(".bin"))
        for form in (card["formats"]["openvino"], exported[1]["formats"]["openvino"])
    ]
    assert sizes[0] / sizes[1] == pytest.approx(0.5, abs=0.1)


@pytest.mark.long
def test_a_model_that_disagrees_in_its_default_precision_is_refused(colour_model, coloured, tmp_path, monkeypatch):
    verify = seams.verification_of_an_export()

    def only_exact(graph, runtime, examples, quantize):
        if runtime.precision != "f32":
            raise seams.error_of_a_verification()("The exported model predicts different classes.")
        return verify(graph, runtime, examples, quantize)

    if load_default(colour_model, coloured, tmp_path) == "f32":
        pytest.skip("float32 is the default precision of this processor")
    seams.verification_of_an_export(monkeypatch, only_exact)
    with pytest.raises(RuntimeError, match=r"^openvino is refused\. The exported model predicts different classes\."):
        export_model(colour_model, tmp_path / "out", NAMES, "openvino", images=coloured(6)[0])


def load_default(model, coloured, folder):
    card = export_model(model, folder / "first", NAMES, "openvino", images=coloured(6)[0])
    return card["formats"]["openvino"]["by_default"]["precision"]


def damage_weights(folder):
    (folder / "model.bin").write_bytes((folder / "model.bin").read_bytes()[:100])


def damage_text(folder):
    (folder / "model.xml").write_text("<net")


@pytest.mark.parametrize("damage", [damage_weights, damage_text])
def test_damaged_files_are_named(damage, exported, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(exported[0], folder)
    damage(folder)
    with pytest.raises(ValueError, match=r"model\.(xml|bin) (has|was changed)"):
        load_predictor(folder)
    (folder / "card.json").unlink()
    seams.assert_three_parts(lambda: load_predictor(folder / "model.xml"), "does not load.", "")


def test_a_model_of_others_is_refused(tmp_path):
    given = openvino.opset13.parameter([1, 3], np.float32, name="scores")
    model = openvino.Model([openvino.opset13.relu(given)], [given], "foreign")
    openvino.save_model(model, str(tmp_path / "foreign.xml"))
    seams.assert_three_parts(
        lambda: load_predictor(tmp_path / "foreign.xml"), "was not written by this package.", "metadata without"
    )


def test_openvino_is_one_of_the_formats():
    assert list(FORMATS) == ["savedmodel", "onnx", "litert", "openvino"]

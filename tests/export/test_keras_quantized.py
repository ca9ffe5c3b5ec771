"""A model that Keras has quantized is read, explained and exported, or refused in one line that names `--quantize`."""

import warnings

import keras
import numpy as np
import pytest
import seams
from cases import some_now

from keras_attention import attention_classifier, export_model, load_predictor
from keras_attention.maps import GradCam

NAMES = ("cat", "dog", "cow")


@pytest.fixture(scope="module")
def quantized(tmp_path_factory):
    """`quantized(mode)`: a classifier, saved and loaded, and its file."""

    def make(mode):
        x = images = keras.Input((16, 16, 3), name="images")
        for number in (1, 2):
            x = keras.layers.Conv2D(6, 3, 2, "same", use_bias=False, name=f"stage{number}")(x)
            x = keras.layers.BatchNormalization(name=f"normalized{number}")(x)
        model = attention_classifier(keras.Model(images, x), 3, "stage1", "stage2", "general", units=4)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of each layer that stays in float
            model.quantize(mode)
        path = tmp_path_factory.mktemp("quantized") / "model.keras"
        model.save(path)
        return keras.models.load_model(path), path

    return make


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (4, 16, 16, 3)).astype("float32")


@pytest.mark.long
def test_it_is_read_explained_and_exported(quantized, images, tmp_path):
    model, path = quantized("int8")
    expected = model.predict(images, verbose=0)
    np.testing.assert_array_equal(load_predictor(path)(images)["logits"], expected)
    assert GradCam(model, "stage2")(images).shape == (4, 4, 4)
    export_model(model, tmp_path / "exported", NAMES, images=images)
    np.testing.assert_allclose(load_predictor(tmp_path / "exported")(images)["logits"], expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "form"), some_now([("int8", "litert"), ("float8", "onnx")], "float8-onnx"))
def test_a_format_that_cannot_hold_it_names_the_flag(mode, form, quantized, tmp_path):
    pytest.importorskip("ai_edge_litert" if form == "litert" else "onnxruntime")
    expected = seams.assert_three_parts(
        lambda: export_model(quantized(mode)[0], tmp_path / "exported", NAMES, formats=(form,)),
        "cannot hold layers that `Model.quantize` has changed.",
        f"logits in {mode}",
    )[1]
    assert "`keras-attention export --quantize`" in expected
    assert not (tmp_path / "exported").exists()


def test_grad_cam_needs_a_gradient(quantized):
    expected = seams.assert_three_parts(
        lambda: GradCam(quantized("float8")[0]), "Grad-CAM needs a gradient, which layers in float8", "logits"
    )[1]
    assert "`keras-attention export --quantize`" in expected

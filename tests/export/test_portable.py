"""ONNX and LiteRT files: their names, their sizes, and errors of exports."""

import importlib.util
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import seams
from cases import some_now

from keras_attention.cards import is_card
from keras_attention.export import FORMATS, export_model
from keras_attention.layers import AdditiveScore, CosineScore, EntmaxAlignment, EuclideanScore, SoftmaxAlignment
from keras_attention.models import attention_classifier, attention_outputs

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
Interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter

NAMES = ("cat", "dog", "eel")
OUTPUTS = {"probabilities", "logits", "attention_block3_pool", "attention_block4_pool"}
PORTABLE = ("onnx", "litert")


@pytest.fixture(scope="module")
def model(tiny_model):
    """Wide enough that its weights are most of its files."""
    return tiny_model(width=0.5, units=16)


@pytest.fixture(scope="module")
def folder(model, images, tmp_path_factory):
    """The model in both formats."""
    folder = tmp_path_factory.mktemp("exports") / "plain"
    export_model(model, folder, NAMES, PORTABLE, images=images)
    return folder


@pytest.fixture(scope="module", params=some_now(["float16", "dynamic"], "dynamic"))
def quantized(request, model, images, tmp_path_factory):
    """The quantization of an export, and its folder."""
    folder = tmp_path_factory.mktemp("exports") / request.param
    export_model(model, folder, NAMES, PORTABLE, quantize=request.param, images=images)
    return request.param, folder


@pytest.fixture(scope="module")
def expected(model, images):
    logits_and_maps = attention_outputs(model).predict(images, verbose=0)
    exponents = np.exp(logits_and_maps["logits"].astype("float64"))
    return logits_and_maps | {"probabilities": exponents / exponents.sum(-1, keepdims=True)}


def run_onnx(path, images):
    session = onnxruntime.InferenceSession(str(path))
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"images": images.astype("float32")}), strict=True))


def run_litert(path, images):
    found = Interpreter(str(path)).get_signature_runner()(images=images.astype("float32"))
    return {name: np.array(values) for name, values in found.items()}


RUNS = {"onnx": run_onnx, "litert": run_litert}


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("name", PORTABLE)
def test_a_file_gives_the_outputs_for_any_number_of_images(name, count, folder, images, expected):
    found = RUNS[name](FORMATS[name].path(folder), images[:count])
    assert set(found) == OUTPUTS
    for key, values in found.items():
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, expected[key][:count], atol=1e-4, rtol=1e-4, err_msg=key)


@pytest.mark.parametrize("name", PORTABLE)
def test_quantized_files_are_near(name, quantized, images, expected):
    kind, folder = quantized
    found = RUNS[name](folder / f"model_{kind}{FORMATS[name].suffix}", images[:3])
    assert {values.dtype for values in found.values()} == {np.dtype("float32")}
    differences = [np.abs(values - expected[key][:3]).max() for key, values in found.items() if key != "logits"]
    assert 0 < max(differences) <= {"float16": 1e-2, "dynamic": 0.1}[kind]


@pytest.mark.parametrize("name", PORTABLE)
def test_quantized_files_are_smaller(name, quantized, folder):
    kind, quantized_folder = quantized
    size = (quantized_folder / f"model_{kind}{FORMATS[name].suffix}").stat().st_size
    share = size / FORMATS[name].path(folder).stat().st_size
    assert share == pytest.approx({"float16": 0.5, "dynamic": 0.25}[kind], abs=0.06)


def test_the_onnx_file_is_valid_and_describes_itself(folder, quantized):
    for path in (folder / "model.onnx", quantized[1] / f"model_{quantized[0]}.onnx"):
        model = onnx.load(str(path))
        onnx.checker.check_model(model, full_check=True)
        properties = {entry.key: entry.value for entry in model.metadata_props}
        assert json.loads(properties["class_names"]) == list(NAMES)
        assert properties["image_size"] == "32"
        assert [given.name for given in model.graph.input] == ["images"]
        sides = [dimension.dim_value for dimension in model.graph.input[0].type.tensor_type.shape.dim]
        assert sides == [0, 32, 32, 3]  # 0: any number
        assert [operator.version for operator in model.opset_import if operator.domain in ("", "ai.onnx")] == [17]


def test_the_litert_file_needs_no_other_operations(folder, quantized):
    for path in (folder / "model.tflite", quantized[1] / f"model_{quantized[0]}.tflite"):
        interpreter = Interpreter(str(path))
        (signature,) = interpreter.get_signature_list().values()
        assert signature["inputs"] == ["images"]
        assert set(signature["outputs"]) == OUTPUTS
        assert interpreter.get_input_details()[0]["shape_signature"].tolist() == [-1, 32, 32, 3]
        names = {operation["op_name"] for operation in interpreter._get_ops_details()}
        assert not any(name.startswith(("Flex", "CUSTOM")) for name in names)


def test_no_normalization_is_left_of_the_convolutions(folder):
    operators = {node.op_type for node in onnx.load(str(folder / "model.onnx")).graph.node}
    assert "Conv" in operators
    assert "BatchNormalization" not in operators


def test_a_line_for_each_format(tiny_model, tmp_path, capsys):
    export_model(tiny_model(attend=()), tmp_path / "out", NAMES, PORTABLE, quantize="float16", verbose=1)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["onnx float16", "litert float16"]
    assert all("largest difference" in line and "same class 100.0% of 4 images" in line for line in lines)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "model_float16.onnx",
        "model_float16.tflite",
        "card.json",
        "card.md",
    }


@pytest.mark.long
def test_a_map_for_each_class_leaves_too(tiny_model, images, tmp_path):
    model = tiny_model(query="classes", activation="sigmoid")
    export_model(model, tmp_path / "out", NAMES, PORTABLE, images=images)
    expected = attention_outputs(model).predict(images, verbose=0)
    for name in PORTABLE:
        found = RUNS[name](FORMATS[name].path(tmp_path / "out"), images)
        assert found["attention_block3_pool"].shape[:2] == (5, 3)
        for key, values in expected.items():
            np.testing.assert_allclose(found[key], values, atol=1e-4, rtol=1e-4, err_msg=key)


# Exports that fail: they leave nothing behind, and an earlier export stays.


@pytest.fixture
def older(tmp_path):
    """A small stand-in for an earlier export: a card and a file, which must stay."""
    out = tmp_path / "out"
    out.mkdir()
    form = {
        "files": [{"path": "model.onnx", "bytes": 3, "sha256": "0"}],
        "bytes": 3,
        "quantized": None,
    }
    card = {"class_names": ["old"], "image_size": 32, "attention": [], "formats": {"onnx": form}, "result": None}
    (out / "card.json").write_text(json.dumps(card | {"created": "2020-01-01T00:00:00"}))
    (out / "model.onnx").write_text("old")
    return out


@pytest.fixture
def refused(tmp_path, older, tiny_model):
    """`refused(error, formats, …)` exports to a new and to an existing folder, which must fail; returns the message."""
    before = {path.name: path.read_text() for path in older.iterdir()}

    def refuse(error, formats, **options):
        model = tiny_model(attend="block3_pool")
        for out in (tmp_path / "new", older):
            with pytest.raises(error) as raised:
                export_model(model, out, NAMES, formats, **options)
        assert {path.name: path.read_text() for path in older.iterdir()} == before
        assert [path.name for path in tmp_path.iterdir()] == ["out"]
        assert "\n" not in str(raised.value)
        return str(raised.value)

    return refuse


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.long
def test_a_file_that_disagrees_is_refused(name, refused, monkeypatch):
    seams.tolerance_of(monkeypatch, None, -1.0)
    message = refused(RuntimeError, name)
    assert message.startswith(
        f"{name} is refused. The exported model differs from the Keras model. Expected at most -1."
    )
    assert message.endswith("Nothing was written.")


@pytest.mark.long
def test_a_quantized_file_that_disagrees_is_refused(refused, monkeypatch):
    seams.tolerance_of(monkeypatch, "float16", 0.0)
    assert refused(RuntimeError, "onnx", quantize="float16").startswith("onnx float16 is refused.")


@pytest.mark.long
def test_a_quantized_file_that_predicts_others_is_refused(refused, monkeypatch):
    seams.least_share_of_the_same_class(monkeypatch, 1.1)
    assert "predicts different classes" in refused(RuntimeError, "litert", quantize="dynamic")


@pytest.mark.parametrize(
    ("formats", "options", "message"),
    [
        (
            "onx",
            {},
            "Unknown format 'onx' (did you mean 'onnx'?). Expected one of: savedmodel, onnx, litert, openvino.",
        ),
        ((), {}, "Unknown format ''. Expected one of: savedmodel, onnx, litert, openvino."),
        (("onnx", "h5"), {}, "Unknown format 'h5'."),
        (
            "savedmodel",
            {"quantize": "float16"},
            "A SavedModel stays in float32. Expected onnx, litert or openvino to quantize.",
        ),
        ("onnx", {"quantize": "half"}, "Unknown quantize 'half'. Expected one of: float16, dynamic, int8."),
    ],
)
def test_what_cannot_be_asked_for(formats, options, message, refused):
    assert refused(ValueError, formats, **options).startswith(message)


@pytest.mark.parametrize(("name", "package"), [("onnx", "tf2onnx"), ("litert", "ai_edge_litert")])
def test_a_missing_package_is_named_with_what_to_install(name, package, refused, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda asked, *rest: None if asked == package else find(asked, *rest)
    )
    message = refused(ValueError, ("savedmodel", name))
    wanted = f"pip install {package.replace('_', '-')}"
    assert message == f"{package} must be installed. Expected {wanted}. Received: no {package}."


LONG = "<unknown>:0: error: failed\n  to legalize\toperation " + "x" * 4000


class Fails:
    """A runtime that does not start."""

    def __init__(self, path):
        raise RuntimeError(LONG)


@pytest.mark.parametrize("part", ["write", "runtime"])
def test_a_model_that_a_format_cannot_hold_is_named_by_its_pair(part, refused, monkeypatch):
    def fail(graph, path, quantize=None):
        path.write_text("half of a file")
        raise RuntimeError(LONG)

    seams.format_that(monkeypatch, "litert", fail if part == "write" else lambda *_: None, Fails)
    message = refused(ValueError, "litert")
    start = "LiteRT cannot hold this model: <unknown>:0: error: failed to legalize operation xxx"
    assert message.startswith(start)
    assert message.endswith(". Expected another format. Received: additive+softmax on block3_pool.")
    assert len(message) < 500


@pytest.mark.long
def test_an_interrupted_export_leaves_nothing(refused, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    seams.verification_of_an_export(monkeypatch, interrupt)
    refused(KeyboardInterrupt, "savedmodel")


@pytest.mark.long
def test_a_link_stays_and_what_a_kill_left_goes(tiny_model, tmp_path):
    target, link, left = tmp_path / "target", tmp_path / "link", tmp_path / ".unfinished-12345678-target"
    left.mkdir()
    link.symlink_to(target)
    target.mkdir()
    card = export_model(tiny_model(), link, ["cat", "dog", "eel"])
    assert (link.is_symlink(), card["name"], left.exists()) == (True, "link", False)
    assert is_card(json.loads((target / "card.json").read_text()))


# Options for which tf2onnx lacks an operation, and their neighbours.
OPTIONS = {
    "heads of two kinds": {"alignment": "softmax/sigmoid", "num_heads": 2},
    "entmax near softmax": {"alignment": EntmaxAlignment(1.05)},
    "entmax of the guide": {"alignment": EntmaxAlignment(1.3)},
    "entmax of 1.8": {"alignment": EntmaxAlignment(1.8)},
    "entmax of 2": {"alignment": EntmaxAlignment(2.0)},
    "a learned entmax": {"alignment": EntmaxAlignment(1.5, learned=True)},
    "gelu": {"score": AdditiveScore(5, activation="gelu")},
    "celu": {"score": AdditiveScore(5, activation="celu")},
    "a sharp softmax": {"alignment": SoftmaxAlignment(0.3)},
    "a learned cosine": {"score": CosineScore(learned=True)},
    "squared distances": {"score": EuclideanScore(squared=True)},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.long
def test_every_option_leaves(name, tmp_path):
    keras.utils.set_random_seed(2)
    images = keras.Input((32, 32, 3))
    features = keras.layers.Conv2D(6, 3, strides=4, activation="gelu", name="conv")(images)
    backbone = keras.Model(images, keras.layers.MaxPooling2D(2, name="pool")(features))
    arguments = {"score": "additive", "units": 5} | OPTIONS[name]
    model = attention_classifier(backbone, 3, attend=("conv",), query="pool", **arguments)
    card = export_model(model, tmp_path / "one", ("a", "b", "c"), formats=("onnx", "litert"))
    assert max(form["largest_difference"] for form in card["formats"].values()) < 1e-5


# Layers before the first convolution, as people put them into a backbone.
INSIDE = {
    "a model of augmentation": lambda: keras.Sequential(
        [keras.layers.RandomFlip(), keras.layers.RandomRotation(0.1)],
    ),
    "a layer of augmentation": lambda: keras.layers.RandomContrast(0.2),
    "a model with normalization": lambda: keras.Sequential(
        [keras.layers.Conv2D(4, 3), keras.layers.BatchNormalization()],
    ),
    "statistics of images": lambda: keras.layers.Normalization(mean=[10.0, 20, 30], variance=[4.0, 9, 16]),
}


@pytest.mark.long
@pytest.mark.parametrize("kind", INSIDE)
def test_what_people_put_into_a_backbone_leaves(kind, tmp_path):
    images = keras.Input((32, 32, 3))
    features = keras.layers.Conv2D(6, 3, strides=4, name="conv")(INSIDE[kind]()(images))
    backbone = keras.Model(images, keras.layers.MaxPooling2D(2, name="pool")(features))
    model = attention_classifier(backbone, 3, attend=("conv",), query="pool", units=5)
    card = export_model(model, tmp_path / "one", ("a", "b", "c"), formats=tuple(FORMATS))
    assert max(form["largest_difference"] for form in card["formats"].values()) < 1e-4


def unlike_identity(model):
    """Gives normalizations and scales random weights, so that a wrong one would show."""
    rng = np.random.default_rng(0)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.8, 1.2, weight.shape) for weight in layer.get_weights()])
        elif type(layer).__name__ == "LayerScale":
            layer.gamma.assign(np.ones(layer.gamma.shape))  # nearly 0 when it is made


def network(name):
    """A functional model with a normalization, a way around it, and a convolution of groups."""
    images = keras.Input((32, 32, 3))
    around = keras.layers.Conv2D(6, 3, strides=4, padding="same", name="conv")(images)
    x = keras.layers.BatchNormalization(name="norm")(keras.layers.Conv2D(6, 3, padding="same", groups=3)(around))
    x = keras.layers.Add(name="sum")([x, around])
    return keras.Model(images, keras.layers.MaxPooling2D(2, name="pool")(x), name=name)


def nested(kind):
    """A backbone of models, and the layer in it to attend."""
    layers = keras.layers
    images = keras.Input((32, 32, 3))
    change = keras.Sequential([layers.RandomFlip(), layers.RandomRotation(0.1)])
    if kind == "tutorial":
        parts = [keras.Input((32, 32, 3)), change, layers.Rescaling(1 / 127.5, -1), network("network")]
        return keras.Sequential(parts), "sum"
    if kind == "towers":
        both = layers.Concatenate(name="both")([network("left")(images), network("right")(change(images))])
        return keras.Model(images, both), "left/sum"
    inner = keras.Model(images, network("network")(layers.Rescaling(1 / 127.5, -1)(images), training=False))
    outer = keras.Input((32, 32, 3))
    return keras.Model(outer, layers.Conv2D(4, 1, name="last")(inner(change(outer)))), "norm"


@pytest.mark.long
@pytest.mark.parametrize("kind", ["tutorial", "towers", "two levels"])
def test_maps_inside_models_leave_in_every_format(kind, tmp_path):
    backbone, attended = nested(kind)
    model = attention_classifier(backbone, 3, attend=attended, units=5)
    unlike_identity(model)
    card = export_model(model, tmp_path / "one", ("a", "b", "c"), formats=tuple(FORMATS))
    assert max(form["largest_difference"] for form in card["formats"].values()) < 2e-5
    assert [part["layer"] for part in card["attention"]] == [attended.replace("/", ".")]
    assert card["attention"][0]["grid"]["rows"]["count"] == 8


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layer", "groups"),
    some_now(
        [("Conv2D", 3), ("Conv2D", 6), ("Conv2D", 1), ("DepthwiseConv2D", None), ("SeparableConv2D", None)],
        "Conv2D-3",
    ),
)
@pytest.mark.long
def test_convolutions_of_groups_leave(layer, groups, tmp_path):
    """Keras compiles them with XLA, whose functions ONNX and LiteRT do not have."""
    options = {"groups": groups, "filters": 12} if groups else {"filters": 12} if layer == "SeparableConv2D" else {}
    images = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(6, 3, strides=4, padding="same", name="conv")(images)
    x = getattr(keras.layers, layer)(kernel_size=3, padding="same", dilation_rate=2, name="grouped", **options)(x)
    backbone = keras.Model(images, keras.layers.MaxPooling2D(2, name="pool")(keras.layers.BatchNormalization()(x)))
    model = attention_classifier(backbone, 3, attend="grouped", query="pool", units=5)
    unlike_identity(model)
    card = export_model(model, tmp_path / "one", ("a", "b", "c"), formats=tuple(FORMATS))
    assert max(form["largest_difference"] for form in card["formats"].values()) < 2e-5


WITHOUT_ONEDNN = """
import sys
import numpy as np, tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
print(model.serve(np.ones((2, 32, 32, 3), "float32"))["logits"].shape)
"""


@pytest.mark.long
def test_convolutions_of_groups_run_where_tensorflow_has_no_onednn(tmp_path):
    """As on processors without AVX-512, where TensorFlow refuses groups in a convolution joined with what follows."""
    images = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(6, 3, strides=4, padding="same", name="conv")(images)
    folded = keras.layers.BatchNormalization()(keras.layers.Conv2D(6, 3, padding="same", groups=3)(x))
    biased = keras.layers.Conv2D(6, 3, padding="same", groups=2, name="biased", activation="relu")(folded)
    # Two layers read the convolution, so that its normalization is not folded.
    split = keras.layers.Conv2D(6, 3, padding="same", groups=2, use_bias=False)(biased)
    x = keras.layers.Add(name="sum")([keras.layers.BatchNormalization()(split), split])
    model = attention_classifier(keras.Model(images, keras.layers.MaxPooling2D(2)(x)), 3, attend="sum", units=5)
    unlike_identity(model)
    export_model(model, tmp_path / "one", ("a", "b", "c"))
    command = [sys.executable, "-c", WITHOUT_ONEDNN, str(tmp_path / "one")]
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.stdout.split("\n")[-2:] == ["(2, 3)", ""], done.stderr


# Network of `keras.applications` → the side of the images, and options that make it narrow.
APPLICATIONS = {
    "ConvNeXtTiny": (64, {}),
    "DenseNet121": (64, {}),
    "EfficientNetB0": (64, {}),
    "EfficientNetV2B0": (64, {}),
    "InceptionV3": (96, {}),
    "MobileNetV2": (64, {"alpha": 0.35}),
    "MobileNetV3Small": (64, {"alpha": 0.75}),
    "NASNetMobile": (96, {}),
    "ResNet50": (64, {}),
    "ResNet50V2": (64, {}),
    "VGG16": (64, {}),
    "Xception": (96, {}),
}


@pytest.mark.long
@pytest.mark.parametrize("name", APPLICATIONS)
def test_networks_of_keras_applications_leave_in_every_format(name, tmp_path):
    side, options = APPLICATIONS[name]
    keras.utils.set_random_seed(1)
    network = getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(side, side, 3), **options)
    model = attention_classifier(network, 3, units=4)
    unlike_identity(model)
    images = np.random.default_rng(0).integers(0, 256, (4, side, side, 3))
    card = export_model(model, tmp_path / "one", ("a", "b", "c"), formats=tuple(FORMATS), images=images)
    assert max(form["largest_difference"] for form in card["formats"].values()) < 2e-5

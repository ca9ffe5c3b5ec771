"""Files in 8 bits throughout: what is rounded, on which images it is calibrated, and when it is refused."""

import json

import keras
import numpy as np
import pytest
import seams
from cases import some_now
from PIL import Image

from keras_attention import export_model, load_predictor
from keras_attention.cards import is_card
from keras_attention.cli import main
from keras_attention.config import TrainConfig
from keras_attention.export.graph import InferenceGraph
from keras_attention.export.int8 import INT8_WRITERS, PARTS
from keras_attention.runs import Run, load_data

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")
Interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter

NAMES = ("red", "green", "blue")
FORMS = tuple(INT8_WRITERS)
SUFFIXES = {"onnx": ".onnx", "litert": ".tflite", "openvino": ".xml"}


@pytest.fixture(autouse=True)
def _any_speed(monkeypatch):
    """So small a network gains nothing by 8 bits, which one test alone is about."""
    seams.least_speed_in_8_bits(monkeypatch, 0.0)


@pytest.fixture(scope="module")
def exported(colour_model, coloured, tmp_path_factory):
    """The classifier of colours in 8 bits in every format: the folder and the card."""
    folder = tmp_path_factory.mktemp("exports") / "colours"
    images, labels = coloured(30, seed=1)
    with pytest.MonkeyPatch.context() as patch:
        seams.least_speed_in_8_bits(patch, 0.0)
        given = {"images": images, "labels": labels, "calibration": coloured(12, seed=2)[0]}
        return folder, export_model(colour_model, folder, NAMES, FORMS, quantize="int8", **given)


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.long
def test_a_file_in_8_bits_answers_as_the_model_does(name, exported, colour_model, coloured):
    folder, card = exported
    images, labels = coloured(12, seed=3)
    predictor = load_predictor(folder / f"model_int8{SUFFIXES[name]}")
    found, expected = predictor(images), colour_model.predict(images, verbose=0)
    assert {values.dtype for values in found.values()} == {np.dtype("float32")}
    assert set(found) == {"probabilities", "logits", "attention_block3_pool", "attention_block4_pool"}
    np.testing.assert_array_equal(found["probabilities"].argmax(-1), labels)
    assert 0 < np.abs(found["logits"] - expected).max() < 0.2 * np.abs(expected).max()
    np.testing.assert_allclose(predictor(images[:1])["logits"], found["logits"][:1], atol=1e-2)
    form = card["formats"][name]
    assert (form["quantized"], form["accuracy"], form["keras_accuracy"]) == ("int8", 1.0, 1.0)
    assert form["int8"]["part"] in PARTS
    assert form["int8"]["calibration"] == {"images": 12, "split": None, "seed": None}
    assert form["int8"]["times_as_fast"] > 0
    assert form["int8"]["refused"] is None
    assert is_card(card)


@pytest.mark.long
def test_the_card_says_what_is_in_8_bits(exported):
    text, (_, card) = (exported[0] / "card.md").read_text("utf-8"), exported
    for title, name in (("ONNX", "onnx"), ("LiteRT", "litert"), ("OpenVINO", "openvino")):
        assert f"{title} computes in 8 bits: {card['formats'][name]['int8']['part']}." in text
    assert text.count("measured on\n12 images.") == 3
    assert "| ONNX (int8) | `model_int8.onnx` |" in text


@pytest.fixture(scope="module")
def parts(colour_model, coloured, tmp_path_factory):
    """`parts(name)`: the file of each of `PARTS`, in a format."""
    made = {}

    def make(name):
        if name not in made:
            folder = tmp_path_factory.mktemp("parts")
            writer = INT8_WRITERS[name](InferenceGraph(colour_model, NAMES), coloured(6)[0], folder)
            made[name] = {part: folder / f"{part.replace(' ', '_')}{SUFFIXES[name]}" for part in PARTS}
            for part, path in made[name].items():
                writer.write(path, part)
        return made[name]

    return make


def rounded_in_onnx(path, kind):
    """Whether the input of each operation of a kind, in the order of computation, is in 8 bits."""
    graph = onnx.load(str(path)).graph
    makers = {output: node.op_type for node in graph.node for output in node.output}
    return [makers.get(node.input[0]) == "DequantizeLinear" for node in graph.node if node.op_type == kind]


def rounded_in_litert(path, kind):
    interpreter = Interpreter(str(path))
    kinds = {tensor["index"]: tensor["dtype"] for tensor in interpreter.get_tensor_details()}
    operations = [each for each in interpreter._get_ops_details() if each["op_name"] == kind]
    return [kinds[each["inputs"][0]] == np.int8 for each in operations]


@pytest.mark.long
def test_litert_rounds_nothing_outside_the_part(parts):
    """Its converter would round the weights of a softmax to steps of 1/256, whatever the part."""
    interpreter = Interpreter(str(parts("litert")["convolutions"]))
    names = {tensor["index"]: tensor["name"] for tensor in interpreter.get_tensor_details()}
    operations = interpreter._get_ops_details()
    rounded = [names[each["inputs"][0]] for each in operations if each["op_name"] == "QUANTIZE"]
    assert [name.split("/")[0].rstrip("_1") for name in rounded] == ["preprocessing"]
    read_back = [names[each["inputs"][0]] for each in operations if each["op_name"] == "DEQUANTIZE"]
    assert {name.split("_pool")[0] for name in read_back} == {"block3", "block4", "block5"}


@pytest.mark.parametrize(
    ("name", "rounded", "convolution", "product"),
    [("onnx", rounded_in_onnx, "Conv", "MatMul"), ("litert", rounded_in_litert, "CONV_2D", "FULLY_CONNECTED")],
)
@pytest.mark.long
def test_a_part_of_the_network_can_stay_in_float(name, rounded, convolution, product, parts):
    files = parts(name)
    assert rounded(files["all"], convolution) == [True] * 5
    assert any(rounded(files["all"], product))
    assert rounded(files["convolutions"], convolution) == [True] * 5
    assert not any(rounded(files["convolutions"], product))
    assert rounded(files["convolutions but the first"], convolution) == [False] + [True] * 4
    assert not any(rounded(files["convolutions but the first"], product))


@pytest.mark.long
def test_weights_have_a_scale_for_each_channel(parts):
    model = onnx.load(str(parts("onnx")["convolutions"]))
    onnx.checker.check_model(model, full_check=True)
    weights = {each.name: each for each in model.graph.initializer}
    stored = {node.output[0]: node for node in model.graph.node if node.op_type == "DequantizeLinear"}
    read = [stored[node.input[1]] for node in model.graph.node if node.op_type == "Conv"]
    kernels = [(weights[node.input[0]], weights[node.input[1]]) for node in read]
    assert kernels
    assert {kernel.data_type for kernel, _ in kernels} == {onnx.TensorProto.INT8}
    assert all(list(scales.dims) == [kernel.dims[0]] for kernel, scales in kernels)


@pytest.mark.parametrize("name", some_now(FORMS, "onnx"))
def test_parts_are_tried_until_one_passes(name, colour_model, coloured, tmp_path, monkeypatch):
    verify, asked = seams.verification_of_an_export(), []

    def strict(*arguments):
        asked.append(arguments[4])
        if len(asked) < len(PARTS):
            raise seams.error_of_a_verification()("The exported model differs.")
        return verify(*arguments)

    seams.verification_of_an_export(monkeypatch, strict)
    images, labels = coloured(9)
    given = {"images": images, "labels": labels, "calibration": images}
    card = export_model(colour_model, tmp_path / "out", NAMES, name, quantize="int8", **given)
    told = card["formats"][name]["int8"]
    assert told["part"] == "convolutions but the first"
    assert list(told["not_passed"]) == ["all", "convolutions"]
    assert asked == [0.01, None, None]  # maps of attention in 8 bits must keep the order of small weights too
    assert "With more in 8 bits (all) it does not pass: " in (tmp_path / "out" / "card.md").read_text("utf-8")


# What is refused


@pytest.mark.parametrize("name", ["onnx", "litert"])
def test_a_network_without_convolutions_has_none_in_8_bits(name, coloured, tmp_path):
    inputs = keras.Input((32, 32, 3))
    pooled = keras.layers.AveragePooling2D(8)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(3, name="logits")(keras.layers.Flatten()(pooled)))
    writer = INT8_WRITERS[name](InferenceGraph(model, NAMES), coloured(3)[0], tmp_path)
    for part in PARTS[1:]:
        seams.assert_three_parts(
            lambda part=part: writer.write(tmp_path / "out", part), f"Nothing would be in 8 bits of the {part}.", "0"
        )


def export_on_grey(model, coloured, out, **options):
    """An export whose values have ranges that were measured on grey images, and are far too small."""
    images, labels = coloured(30, seed=1)
    grey = np.full((4, 32, 32, 3), 120, "uint8")
    given = {"images": images, "labels": labels, "calibration": grey}
    return export_model(model, out, NAMES, "onnx", quantize="int8", **given, **options)


@pytest.mark.long
def test_a_wrong_calibration_is_refused_unless_it_is_forced(colour_model, coloured, tmp_path):
    with pytest.raises(RuntimeError, match=r"^onnx int8 is refused\. The exported model .* Nothing was written\.$"):
        export_on_grey(colour_model, coloured, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    card = export_on_grey(colour_model, coloured, tmp_path / "out", force=True)
    refused = card["formats"]["onnx"]["int8"]["refused"]
    assert refused.startswith("The exported model ")
    assert card["formats"]["onnx"]["same_class"] < 0.95
    assert "**It was written although the comparison refuses it:**" in (tmp_path / "out" / "card.md").read_text("utf-8")


@pytest.mark.long
def test_lost_accuracy_is_told_in_three_parts(colour_model, coloured, tmp_path, monkeypatch):
    """Labels of a few images with which the rounded model agrees less than the model in float."""
    seams.least_share_of_the_same_class(monkeypatch, 0.0)
    seams.least_agreement_of_maps(monkeypatch, -1.0)
    seams.tolerance_of(monkeypatch, "int8", np.inf)
    wrong = r"The exported model loses accuracy\. Expected at most 0\.01, or `force`\. Received: 0\.\d+\."
    with pytest.raises(RuntimeError, match=wrong):
        export_on_grey(colour_model, coloured, tmp_path / "out")


@pytest.mark.parametrize(("lost", "passes"), [(2, True), (3, False)])
def test_one_image_in_a_hundred_may_be_lost(lost, passes):
    """Of 200 images two may be lost: a loss of exactly .01 is allowed, whatever the rounding of the difference."""
    deviation = seams.deviation_of_an_export()(0.0, 1.0, 200, {}, (187 - lost) / 200, 187 / 200)
    assert bool([*seams.problems_of_an_export()(deviation, "int8")]) != passes


@pytest.mark.long
def test_a_file_that_gains_little_is_warned_of(colour_model, coloured, tmp_path, monkeypatch):
    seams.least_speed_in_8_bits(monkeypatch, 1e6)
    images = coloured(9)[0]
    with pytest.warns(UserWarning, match=r"onnx int8 (is only|takes) .* its float32 file for one image"):
        export_model(colour_model, tmp_path, NAMES, "onnx", quantize="int8", images=images, calibration=images)


@pytest.mark.parametrize(
    ("options", "wrong", "received"),
    [
        ({"quantize": "int8"}, "int8 needs images to calibrate on.", "calibration=None"),
        (
            {"quantize": "int8", "calibration": np.zeros((3, 8, 8, 3))},
            "`calibration` must fit the model.",
            "(3, 8, 8, 3)",
        ),
        ({"quantize": "float16", "force": True}, "`force` has no effect without int8.", "quantize='float16'"),
        ({"labels": [0, 1]}, "`labels` must be of the images.", "2"),
    ],
)
def test_what_does_not_fit(options, wrong, received, colour_model, coloured, tmp_path):
    images = coloured(9)[0]
    seams.assert_three_parts(
        lambda: export_model(colour_model, tmp_path / "out", NAMES, "onnx", images=images, **options), wrong, received
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("form", "quantize", "wrong"),
    [
        ("savedmodel", "int8", "A SavedModel stays in float32. Expected onnx, litert or openvino to quantize."),
        (
            "openvino",
            "dynamic",
            "OpenVINO has no dynamic quantization. Expected float16 or int8, or onnx or litert for",
        ),
    ],
)
def test_what_a_format_does_not_have(form, quantize, wrong, colour_model, tmp_path):
    with pytest.raises(ValueError, match=wrong):
        export_model(colour_model, tmp_path / "out", NAMES, form, quantize=quantize)


def test_layers_that_keras_has_quantized_are_named(coloured, tmp_path):
    inputs = keras.Input((32, 32, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(3, name="logits")(pooled))
    model.get_layer("logits").quantize("int8")
    images = coloured(6)[0]
    given = {"images": images, "calibration": images}
    seams.assert_three_parts(
        lambda: export_model(model, tmp_path / "out", NAMES, "onnx", quantize="int8", **given),
        "int8 needs a network in float, but `Model.quantize` has changed layers.",
        "logits in int8",
    )


# A run: its training images calibrate, its validation images judge.


@pytest.fixture(scope="module")
def run(colour_model, coloured, tmp_path_factory):
    """A finished run of the classifier of colours, on a folder of images."""
    home = tmp_path_factory.mktemp("run")
    images, labels = coloured(90, seed=4)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        (home / "colours" / f"{label}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(home / "colours" / f"{label}" / f"{number}.png")
    made = Run(home / "run")
    made.begin(TrainConfig(data=str(home / "colours"), image_size=32, width=0.1, units=8))
    made.save_model(colour_model)
    counts = {split: load_data(made.config).split(split).count for split in ("train", "validation", "test")}
    made.finish({"count": counts["test"], "class_names": ["0", "1", "2"], "images": counts, "accuracy": 1.0})
    return made


@pytest.mark.long
def test_a_run_calibrates_on_its_training_images(run, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["export", str(run.folder), "--out", str(out), "--format", "onnx", "--quantize", "int8"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.startswith("onnx int8 ")
    assert " in 8 bits, " in printed.out
    card = json.loads((out / "card.json").read_text("utf-8"))
    assert card["formats"]["onnx"]["int8"]["calibration"] == {"images": 32, "split": "train", "seed": 0}
    assert card["compared_split"] == "validation"
    assert card["formats"]["onnx"]["compared_images"] == card["data"]["images"]["validation"]
    text = (out / "card.md").read_text("utf-8")
    assert "32 images of the train split, drawn with seed 0." in text
    assert "compared with the Keras model on images of the validation split" in text


@pytest.mark.long
def test_data_that_are_gone_are_asked_for(run, tmp_path, capsys, monkeypatch):
    home, moved = run.folder.parent, tmp_path / "elsewhere"
    (home / "colours").rename(moved)
    try:
        asked = ["export", str(run.folder), "--out", str(tmp_path / "out"), "--format", "onnx", "--quantize", "int8"]
        assert main(asked) == 2
        error = capsys.readouterr().err
        needed = "int8 needs images of the training to calibrate on, which cannot be read: There is no such folder"
        assert error.startswith(f"keras-attention: error: {needed}")
        assert "or --data with the place where they are. Received: " in error
        assert error.count("Expected") == error.count("Received") == 1
        assert error.endswith(", the data of the run.\n")
        assert error.count("\n") == 1
        assert not (tmp_path / "out").exists()
        assert main([*asked, "--data", str(moved)]) == 0
    finally:
        moved.rename(home / "colours")


def test_force_alone_is_refused(run, capsys):
    assert main(["export", str(run.folder), "--force"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("keras-attention: error: --force has no effect without int8. Expected --quantize int8")

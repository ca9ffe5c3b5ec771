"""Predictors from models of every format, and what happens to damaged, foreign or malicious files."""

import json
import pathlib
import pickle
import shutil
import zipfile

import keras
import numpy as np
import pytest
import seams
import tensorflow as tf

from keras_attention import load_predictor
from keras_attention.config import TrainConfig
from keras_attention.export import export_model
from keras_attention.models import VGG16BN, attention_classifier
from keras_attention.runs import Run

onnx = pytest.importorskip("onnx")
pytest.importorskip("tf2onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("ai_edge_litert")

NAMES = ("cat", "dog", "eel")
NUMBERS = ("0", "1", "2")
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3)).astype("uint8")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with the files of a finished one."""
    with pytest.MonkeyPatch.context() as patched:
        seams.shallow_backbone(patched)
        model = attention_classifier(VGG16BN((32, 32, 3), width=0.05), len(NAMES), units=4)
    logits = model.get_layer("logits")
    logits.set_weights([np.random.default_rng(1).normal(0, 0.02, weight.shape) for weight in logits.get_weights()])
    run = Run(tmp_path_factory.mktemp("runs") / "run")
    run.begin(TrainConfig())
    run.save_model(model)
    run.finish({"class_names": NAMES})
    return run


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    """The folder with the model of the run in every format."""
    folder = tmp_path_factory.mktemp("exports") / "all"
    model = keras.models.load_model(run.model_path, compile=False)
    export_model(model, folder, NAMES, ("savedmodel", "onnx", "litert"))
    return folder


@pytest.fixture(scope="module")
def expected(run):
    return load_predictor(run.folder)(IMAGES)


@pytest.fixture
def folder(exported, tmp_path):
    """A copy of the export, to be damaged."""
    return pathlib.Path(shutil.copytree(exported, tmp_path / "export"))


@pytest.fixture
def lone(exported, run, tmp_path):
    """`lone(name)`: a copy of one file with nothing beside it."""

    def copy(name):
        return pathlib.Path(shutil.copy((run.folder if name == "model.keras" else exported) / name, tmp_path / name))

    return copy


def only(folder, *formats):
    """Removes all other formats from an export: their files, and their entries in the card."""
    card = json.loads((folder / "card.json").read_text())
    for name in set(card["formats"]) - set(formats):
        for file in card["formats"].pop(name)["files"]:
            (folder / file["path"]).unlink()
    (folder / "card.json").write_text(json.dumps(card))
    return folder


def refusal(path):
    """The error message for a path that is refused."""
    with pytest.raises(ValueError, match=r"Expected .*\. Received: ") as raised:
        load_predictor(path)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 1000
    return str(raised.value)


def check(predictor, expected, names=NAMES):
    assert (predictor.class_names, predictor.image_size) == (names, 32)
    found = predictor(IMAGES)
    assert set(found) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-4, rtol=1e-4, err_msg=name)


# Every form.


def test_the_keras_model_gives_maps_that_differ(expected):
    assert set(expected) == {"probabilities", "logits", "attention_block3_pool", "attention_block4_pool"}
    np.testing.assert_allclose(expected["attention_block3_pool"].sum((1, 2)), 1, atol=1e-5)
    assert np.ptp(expected["probabilities"], axis=0).max() > 1e-3


@pytest.mark.parametrize(
    "formats", [("savedmodel", "onnx", "litert"), ("savedmodel",), ("onnx",), ("litert",)], ids=str
)
@pytest.mark.long
def test_a_folder_of_any_formats(formats, folder, expected):
    check(load_predictor(only(folder, *formats)), expected)


def test_the_savedmodel_is_preferred_then_onnx(folder):
    assert type(load_predictor(folder).outputs).__name__ == "SavedModelRuntime"
    assert type(load_predictor(only(folder, "onnx", "litert")).outputs).__name__ == "OnnxRuntime"


@pytest.mark.parametrize("name", ["model.onnx", "model.tflite"])
def test_a_file_with_its_card_beside_it(name, exported, expected):
    check(load_predictor(str(exported / name)), expected)


@pytest.mark.parametrize(
    ("name", "names"), [("model.onnx", NAMES), ("model.tflite", NUMBERS), ("model.keras", NUMBERS)]
)
def test_a_file_alone(name, names, lone, expected):
    check(load_predictor(lone(name)), expected, names)


def test_a_keras_file_in_its_run(run, expected):
    check(load_predictor(run.model_path), expected)


@pytest.mark.parametrize("name", ["model.onnx", "model.tflite"])
@pytest.mark.parametrize(
    "content", ['{"name": "queen of hearts"}', "[1]", "own"], ids=["queen", "list", "other export"]
)
def test_a_card_of_something_else_beside_it_is_passed_over(name, content, lone, exported, expected):
    path = lone(name)
    if content == "own":  # the card of an export without such a file
        card = json.loads((exported / "card.json").read_text())
        for form in card["formats"].values():
            form["files"] = [{"path": "other.onnx", "bytes": 1, "sha256": "0"}]
        content = json.dumps(card | {"class_names": ["x", "y", "z"]})
    (path.parent / "card.json").write_text(content)
    check(load_predictor(path), expected, NAMES if name == "model.onnx" else NUMBERS)


def test_a_file_without_a_word_on_squares_is_of_stretched_images(lone, expected):
    path = lone("model.onnx")
    model = onnx.load(path)
    properties = {each.key: each.value for each in model.metadata_props}
    assert properties.pop("resize") == "stretch"
    for resize, found in ((None, "stretch"), ("crop", "crop")):
        onnx.helper.set_model_props(model, properties | ({"resize": resize} if resize else {}))
        onnx.save(model, path)
        predictor = load_predictor(path)
        assert predictor.resize == found
        check(predictor, expected)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('{"resize": "crop"}', "crop"),
        pytest.param('{"epochs": 3}', "stretch", marks=pytest.mark.long),
        pytest.param("[1]", "stretch", marks=pytest.mark.long),
        (None, "stretch"),
    ],
)
def test_the_settings_beside_a_keras_file_say_how_images_become_squares(content, found, lone, expected):
    path = lone("model.keras")
    if content:
        (path.parent / "config.json").write_text(content)
    predictor = load_predictor(path)
    assert predictor.resize == found
    check(predictor, expected, NUMBERS)


def test_metrics_of_something_else_beside_a_keras_file_are_passed_over(lone, expected):
    path = lone("model.keras")
    (path.parent / "metrics.json").write_text('{"class_names": 3}')
    check(load_predictor(path), expected, NUMBERS)


# Damage.

FILES = ("saved_model.pb", "variables/variables.index", "model.onnx", "model.tflite")
FORMAT = {"model.onnx": "onnx", "model.tflite": "litert"}


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


DAMAGE = {
    "truncated": (truncate, "bytes instead of"),
    "one bit": (flip, "was changed after the export: its SHA-256 differs"),
    "missing": (pathlib.Path.unlink, "is missing"),
    "empty": (lambda path: path.write_bytes(b""), "has 0 bytes instead of"),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", [*FILES, "variables/variables.data-00000-of-00001"])
def test_a_damaged_file_of_an_export_is_named(name, damage, folder):
    spoil, message = DAMAGE[damage]
    only(folder, FORMAT.get(name, "savedmodel"))
    spoil(folder / name)
    said = refusal(folder)
    assert said.startswith(f"{folder / name} ")
    assert message in said


@pytest.mark.parametrize("name", FORMAT)
def test_a_damaged_file_with_its_card_beside_it_is_named(name, folder):
    flip(folder / name)
    assert refusal(folder / name).startswith(f"{folder / name} was changed after the export")


def test_only_the_format_that_is_read_must_be_whole(folder, expected):
    flip(folder / "saved_model.pb")
    check(load_predictor(folder / "model.onnx"), expected)


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"name": "queen of hearts"}'])
def test_a_file_that_is_not_a_card_is_named(content, folder):
    (folder / "card.json").write_text(content)
    assert str(folder / "card.json") in refusal(folder)


def test_a_damaged_card_beside_a_file_is_named(folder):
    truncate(folder / "card.json")
    assert refusal(folder / "model.onnx").startswith(f"{folder / 'card.json'} cannot be read.")


CHANGES = {
    "class_names": (["a", "b"], "The class names must fit the classes of"),
    "image_size": (33, "card.json does not fit its model. Expected an image_size of 32, as in the model"),
    "formats": ({"onnx": {}}, "must be the card of an export"),
}


@pytest.mark.parametrize("formats", ["savedmodel", "onnx", "litert"])
@pytest.mark.parametrize("key", CHANGES)
def test_a_card_that_does_not_fit_its_model_is_refused(key, formats, folder):
    value, message = CHANGES[key]
    card = json.loads((only(folder, formats) / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | {key: value}))
    assert message in refusal(folder)


@pytest.mark.parametrize("name", [*FORMAT, "model.keras"])
def test_a_truncated_file_without_a_card_is_named(name, lone):
    path = lone(name)
    whole = path.read_bytes()
    for share in (0, 4 / len(whole), 20 / len(whole), 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 1 - 1 / len(whole)):
        path.write_bytes(whole[: round(share * len(whole))])
        assert refusal(path).startswith(f"{path} does not load")


def test_one_byte_of_a_keras_file_is_noticed(lone):
    path = lone("model.keras")
    whole = path.read_bytes()
    for share in np.linspace(0.01, 0.97, 9):
        spoiled = bytearray(whole)
        spoiled[int(share * len(whole))] ^= 0xFF
        path.write_bytes(bytes(spoiled))
        assert refusal(path).startswith(f"{path} does not load")


@pytest.mark.parametrize("name", [*FORMAT, "model.keras"])
@pytest.mark.parametrize("content", [b"hello, I am a poem\n" * 400, b"\0" * 5000, b""], ids=["poem", "zeros", "empty"])
def test_text_under_another_name_is_refused(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    assert refusal(tmp_path / name).startswith(f"{tmp_path / name} does not load")


@pytest.mark.parametrize(
    ("name", "other"), [("model.onnx", "tflite"), ("model.tflite", "keras"), ("model.keras", "onnx")]
)
def test_one_form_under_the_name_of_another_is_refused(name, other, lone):
    path = lone(name)
    assert "does not load" in refusal(path.rename(path.with_suffix(f".{other}")))


def test_a_damaged_run_is_named(run, tmp_path):
    folder = pathlib.Path(shutil.copytree(run.folder, tmp_path / "run"))
    (folder / "metrics.json").write_text('{"class_names": ["a"]}')
    assert "The class names must fit the classes of" in refusal(folder)
    (folder / "metrics.json").write_text("{")
    assert refusal(folder).startswith(f"{folder / 'metrics.json'} cannot be read.")
    for content in ("[]", "{}", '{"class_names": 3}'):
        (folder / "metrics.json").write_text(content)
        assert refusal(folder).startswith(f"{folder / 'metrics.json'} has no class names.")
    (folder / "metrics.json").unlink()
    assert refusal(folder).startswith(f"{folder} is not finished.")
    shutil.copy(run.folder / "metrics.json", folder)
    truncate(folder / "model.keras")
    assert refusal(folder).startswith(f"{folder / 'model.keras'} does not load")
    (folder / "model.keras").unlink()
    assert refusal(folder).startswith(f"{folder / 'model.keras'} does not load")


@pytest.mark.parametrize("name", ["empty", "empty.keras", "empty.onnx"])
def test_an_empty_folder_is_refused(name, tmp_path):
    (tmp_path / name).mkdir()
    assert refusal(tmp_path / name).startswith(f"{tmp_path / name} must be a saved model. Expected a run folder, ")


@pytest.mark.parametrize("name", ["nowhere", "nowhere.keras", "nowhere.onnx", "notes.txt"])
def test_a_path_that_does_not_exist_or_has_another_suffix_is_refused(name, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    assert refusal(tmp_path / name).startswith(f"{tmp_path / name} must be a saved model.")


# Models of others.


def save_foreign(folder, *endpoints):
    """A SavedModel whose endpoints give the mean of the images as `scores`."""
    module = tf.Module()
    module.call = tf.function(lambda images: {"scores": tf.reduce_mean(tf.cast(images, tf.float32), (1, 2))})
    concrete = module.call.get_concrete_function(tf.TensorSpec((None, 32, 32, 3), tf.float32, name="images"))
    tf.saved_model.save(module, str(folder), dict.fromkeys(endpoints, concrete))
    return folder


def forge(folder, exported):
    """Writes a card into a folder, with the right hashes of its files."""
    from keras_attention.cards import sha256
    from keras_attention.export import FORMATS

    card = json.loads((exported / "card.json").read_text())
    files = [
        {"path": str(path), "bytes": (folder / path).stat().st_size, "sha256": sha256(folder / path)}
        for path in FORMATS["savedmodel"].files(folder)
    ]
    card["formats"] = {"savedmodel": card["formats"]["savedmodel"] | {"files": files}}
    (folder / "card.json").write_text(json.dumps(card))


def test_a_savedmodel_of_others_is_refused(exported, tmp_path):
    folder = save_foreign(tmp_path / "foreign", "serving_default")
    assert refusal(folder).startswith(f"{folder} has no card.json.")
    forge(folder, exported)
    assert refusal(folder).startswith(f"{folder} has no endpoint explain.")


def test_a_savedmodel_of_others_with_our_endpoints_is_refused(exported, tmp_path):
    folder = save_foreign(tmp_path / "foreign", "serve", "serve_bytes", "explain")
    forge(folder, exported)
    assert refusal(folder).startswith(f"{folder} was not written by this package, or is damaged.")


def test_a_file_that_is_not_a_savedmodel_is_refused_whatever_its_card_says(exported, tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"hello" * 100)
    forge(tmp_path, exported)
    assert refusal(tmp_path).startswith(f"{tmp_path} does not load.")


def foreign_onnx(path, inputs="images", output="scores", **properties):
    shape = ("n", 32, 32, 3)
    given, wanted = [onnx.helper.make_tensor_value_info(name, 1, shape) for name in (inputs, output)]
    node = onnx.helper.make_node("Identity", [inputs], [output])
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], "foreign", [given], [wanted]),
        opset_imports=[onnx.helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.helper.set_model_props(model, properties)
    onnx.save(model, str(path))
    return path


OURS = {"class_names": '["a", "b", "c"]', "image_size": "32"}
FOREIGN_ONNX = {
    "no metadata": ({}, "was not written by this package."),
    "names must be JSON": (OURS | {"class_names": "a, b"}, "was not written by this package."),
    "size must be a number": (OURS | {"image_size": "large"}, "was not written by this package."),
    "unknown squares": (OURS | {"resize": "fold"}, "was not written by this package."),
    "another input": (OURS | {"inputs": "x"}, "Received: inputs x."),
    "other outputs": (OURS, "was not written by this package, or is damaged."),
    "another size": (OURS | {"image_size": "64"}, "was not written by this package, or is damaged."),
    "a negative size": (OURS | {"image_size": "-3"}, "was not written by this package, or is damaged."),
    "outputs of another shape": (OURS | {"output": "probabilities"}, "was not written by this package, or is damaged."),
}


@pytest.mark.parametrize("case", FOREIGN_ONNX)
def test_an_onnx_file_of_others_is_refused(case, tmp_path):
    options, message = FOREIGN_ONNX[case]
    path = foreign_onnx(tmp_path / "foreign.onnx", **options)
    said = refusal(path)
    assert said.startswith(f"{path} was not written by this package")
    assert message in said


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("x", (1, 8, 8, 3), "inputs [['x']]"),
        ("images", (5,), "inputs [['images']] of shapes [[5]]"),
        ("images", (1, 8, 8, 3), "or is damaged"),
    ],
)
def test_a_litert_file_of_others_is_refused(name, shape, message, tmp_path):
    module = tf.Module()
    module.call = tf.function(lambda images: {"scores": images + 1})
    concrete = module.call.get_concrete_function(tf.TensorSpec(shape, tf.float32, name=name))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
    path = tmp_path / "foreign.tflite"
    path.write_bytes(converter.convert())
    said = refusal(path)
    assert said.startswith(f"{path} was not written by this package")
    assert message in said


# Code in files.


class OfOthers(keras.layers.Layer):
    """A layer that no one registered."""

    def call(self, inputs):
        return inputs


def keras_file(path, layer):
    inputs = keras.Input((32, 32, 3))
    outputs = keras.layers.Dense(3, name="logits")(keras.layers.Flatten()(layer(inputs)))
    keras.Model(inputs, outputs).save(path)
    return path


def test_a_lambda_is_refused_and_does_not_run(tmp_path):
    witness, text = tmp_path / "witness", str(tmp_path / "witness")
    spy = keras.layers.Lambda(lambda inputs: (open(text, "w").close(), inputs)[1])
    file = keras_file(tmp_path / "spy.keras", spy)
    witness.unlink(missing_ok=True)
    assert refusal(file).startswith(f"{file} does not load")
    assert not witness.exists()
    # Without the refusal it would have run, as it does if it is loaded as a trusted file.
    keras.models.load_model(file, safe_mode=False)
    assert witness.exists()


def rewrite(path, change):
    """Rewrites the archive of a `.keras` file: `change` takes and returns a dictionary name → bytes."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in change(members).items():
            archive.writestr(name, content)


def test_a_class_of_others_is_refused_and_its_module_is_not_imported(tmp_path, monkeypatch):
    witness = tmp_path / "witness"
    (tmp_path / "module_of_others.py").write_text(f"open({str(witness)!r}, 'w').close()\nclass OfOthers: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    path = keras_file(tmp_path / "others.keras", OfOthers())
    assert refusal(path).startswith(f"{path} does not load")
    own, other = json.dumps(OfOthers.__module__).encode(), b'"module_of_others"'
    rewrite(path, lambda members: {name: content.replace(own, other) for name, content in members.items()})
    with zipfile.ZipFile(path) as archive:
        assert other in archive.read("config.json")
    assert refusal(path).startswith(f"{path} does not load")
    assert not witness.exists()


class Payload:
    """An object that writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (pathlib.Path.touch, (self.path,))


def pickled_array(path):
    """A `.npy` whose one element is a pickle that writes a file."""
    header = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little")
    text = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    return header + text.ljust(117) + b"\n" + pickle.dumps(Payload(path))


def test_a_pickle_inside_is_not_read(lone, tmp_path):
    path, witness = lone("model.keras"), tmp_path / "witness"
    payload = pickled_array(witness)

    def change(members):
        del members["model.weights.h5"]
        arrays = tmp_path / "arrays.npz"
        with zipfile.ZipFile(arrays, "w") as archive:
            archive.writestr("layers/conv2d/vars.npy", payload)
            archive.writestr("__root__.npy", payload)
        return members | {"model.weights.npz": arrays.read_bytes(), "payload.pkl": pickle.dumps(Payload(witness))}

    rewrite(path, change)
    assert refusal(path).startswith(f"{path} does not load")
    assert not witness.exists()
    np.load(tmp_path / "arrays.npz", allow_pickle=True)["__root__"]  # here it is unpickled
    assert witness.exists()


def test_a_keras_model_that_does_not_classify_images_is_refused(tmp_path):
    inputs = keras.Input((5,))
    keras.Model(inputs, keras.layers.Dense(3)(inputs)).save(tmp_path / "table.keras")
    assert refusal(tmp_path / "table.keras").startswith(f"{tmp_path / 'table.keras'} does not load")

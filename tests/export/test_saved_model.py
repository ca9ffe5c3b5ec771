"""SavedModels: what their endpoints give, that they do not need this package, and that they are checked."""

import io
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import some_now
from PIL import Image

from keras_attention.data.images import decode_image
from keras_attention.export import export_model, job, verification
from keras_attention.export.saved_model import SavedModelRuntime
from keras_attention.maps import joint_map, resize_maps
from keras_attention.maps.placed import place
from keras_attention.models import attention_outputs, map_grids
from keras_attention.precision import in_float32

NAMES = ("cat", "dog", "eel")


def mobile():
    network = keras.applications.MobileNet((32, 32, 3), alpha=0.25, include_top=False, weights=None)
    cut = network.get_layer("conv_pw_3_relu").output
    return keras.Model(network.input, cut)


def mobile_model(make):
    return make(backbone=mobile(), attend="conv_pw_2_relu", query="conv_pw_3_relu")


# `tests/models/test_pairs.py` exports every pair as a layer; here some pairs are exported in a classifier.
MODELS = {
    "plain": lambda make: make(),
    "classes": lambda make: make("mixed_float16", query="classes", activation="sigmoid"),
    "heads": lambda make: make(
        "mixed_bfloat16",
        attend=("block4_pool", "block5_pool"),
        num_heads=2,
        score="general",
        alignment="softmax/sigmoid",
    ),
    "one map": lambda make: make(attend="block3_pool", score="cosine", alignment="reinforced", activation="softmax"),
    "no attention": lambda make: make(attend=()),
    "of keras.applications": mobile_model,
}


@pytest.fixture(scope="module")
def plain(tiny_model, tmp_path_factory):
    """A classifier exported once: the Keras model, the loaded SavedModel, and the folder."""
    return _exported("plain", tiny_model, tmp_path_factory)


def _exported(kind, tiny_model, tmp_path_factory):
    model, folder = MODELS[kind](tiny_model), tmp_path_factory.mktemp("exports") / "out"
    card = export_model(model, folder, NAMES)
    assert card["formats"]["savedmodel"]["largest_difference"] <= 1e-4
    return model, tf.saved_model.load(str(folder)), folder


@pytest.fixture(scope="module", params=some_now(MODELS, "plain"))
def exported(request, tiny_model, tmp_path_factory):
    if request.param == "plain":
        return request.getfixturevalue("plain")
    return _exported(request.param, tiny_model, tmp_path_factory)


def outputs_of(loaded, endpoint, **inputs):
    return {name: value.numpy() for name, value in loaded.signatures[endpoint](**inputs).items()}


def test_it_gives_what_the_keras_model_gives_in_float32(exported, images):
    model, loaded, _ = exported
    served = outputs_of(loaded, "serve", images=images)
    expected = attention_outputs(in_float32(model)).predict(images, verbose=0)
    assert set(served) == {"labels", "probabilities", *expected}
    for name, values in expected.items():
        np.testing.assert_allclose(served[name], values, atol=1e-4, rtol=1e-4, err_msg=name)
    assert {value.dtype for name, value in served.items() if name != "labels"} == {np.dtype("float32")}
    assert np.ptp(served["probabilities"], axis=0).max() > 1e-4  # it depends on the images


def test_probabilities_are_those_of_the_activation(exported, images):
    model, loaded, _ = exported
    served = outputs_of(loaded, "serve", images=images)
    logits = served["logits"].astype("float64")
    exponents = np.exp(logits - logits.max(-1, keepdims=True))
    activation = getattr(model.layers[-1], "activation", None)
    sigmoid = activation is keras.activations.sigmoid
    expected = 1 / (1 + np.exp(-logits)) if sigmoid else exponents / exponents.sum(-1, keepdims=True)
    np.testing.assert_allclose(served["probabilities"], expected, atol=1e-6)


def test_the_labels_name_each_probability(exported, images):
    for endpoint in ("serve", "explain"):
        labels = outputs_of(exported[1], endpoint, images=images)["labels"]
        assert labels.tolist() == [[b"cat", b"dog", b"eel"]] * len(images)


def test_explain_gives_the_maps_at_the_size_of_the_images(exported, images):
    model, loaded, _ = exported
    served = outputs_of(loaded, "serve", images=images)
    explained = outputs_of(loaded, "explain", images=images)
    best, rows = served["probabilities"].argmax(-1), np.arange(len(images))
    maps = {name: values for name, values in served.items() if name.startswith("attention_")}
    maps = {name: values[rows, best] if values.ndim == 4 else values for name, values in maps.items()}
    maps = place(maps, {f"attention_{name}": grid for name, grid in map_grids(model).items()})
    joint = {"attention_joint": joint_map(maps)} if len(maps) > 1 else {}
    assert {name for name in explained if name.startswith("attention_")} == set(maps | joint)
    for name, values in (maps | joint).items():
        assert explained[name].shape == (len(images), 32, 32)
        np.testing.assert_allclose(explained[name], resize_maps(values, 32), atol=1e-6, err_msg=name)
    for name in ("probabilities", "logits"):
        np.testing.assert_allclose(explained[name], served[name], atol=1e-5)


def encoded(picture, form):
    file = io.BytesIO()
    picture.save(file, form)
    return file.getvalue()


@pytest.fixture(scope="module")
def pictures():
    """A JPEG, a PNG, a GIF of two frames, a BMP, and a grey PNG, of five sizes."""
    rng = np.random.default_rng(1)
    sizes = {"JPEG": (50, 90), "PNG": (32, 32), "GIF": (17, 40), "BMP": (64, 31)}
    frames = [Image.fromarray(rng.integers(0, 256, (*size, 3)).astype("uint8")) for size in sizes.values()]
    files = [encoded(picture, form) for picture, form in zip(frames, sizes, strict=True)]
    file = io.BytesIO()
    frames[2].save(file, "GIF", save_all=True, append_images=[frames[2].transpose(Image.Transpose.ROTATE_180)])
    files[2] = file.getvalue()
    return [*files, encoded(Image.fromarray(rng.integers(0, 256, (41, 43)).astype("uint8")), "PNG")]


def test_files_are_decoded_and_scaled_as_in_training(exported, pictures):
    _, loaded, _ = exported
    read = np.stack([decode_image(picture, 32).numpy() for picture in pictures])
    found = outputs_of(loaded, "serve_bytes", image_bytes=tf.constant(pictures))
    expected = outputs_of(loaded, "serve", images=read)
    assert set(found) == set(expected)
    assert found["labels"].tolist() == expected.pop("labels").tolist()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-5, err_msg=name)


def test_uint8_float_and_arrays_give_the_same(plain, images):
    _, loaded, _ = plain
    expected = loaded.serve(tf.constant(images))["logits"].numpy()
    for given in (tf.constant(images, tf.float32), images.astype("float32")):
        np.testing.assert_array_equal(loaded.serve(given)["logits"], expected)
    for given in (images, images.astype("float64"), tf.constant(images, tf.float32)):
        for name in ("serve", "serving_default", "explain"):
            np.testing.assert_allclose(loaded.signatures[name](images=given)["logits"], expected, atol=1e-6)


@pytest.mark.parametrize("endpoint", ["serve", "explain"])
def test_any_number_of_images(plain, images, endpoint):
    _, loaded, _ = plain
    together = outputs_of(loaded, endpoint, images=images)
    for count in (1, 3):
        alone = outputs_of(loaded, endpoint, images=images[:count])
        for name, values in alone.items():
            assert values.shape == (count, *together[name].shape[1:])
            if name != "labels":
                np.testing.assert_allclose(values, together[name][:count], atol=1e-5)


def test_what_does_not_decode_is_an_error(plain):
    with pytest.raises(tf.errors.InvalidArgumentError):
        plain[1].signatures["serve_bytes"](image_bytes=tf.constant([b"hello"]))


def test_it_loads_without_this_package_and_without_keras_layers(plain):
    code = (
        "import sys, numpy as np, tensorflow as tf\n"
        f"model = tf.saved_model.load({str(plain[2])!r})\n"
        "outputs = model.signatures['serving_default'](images=np.zeros((2, 32, 32, 3), 'uint8'))\n"
        "assert 'keras_attention' not in sys.modules\n"
        "print(sorted(outputs), outputs['probabilities'].shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = ["attention_block3_pool", "attention_block4_pool", "labels", "logits", "probabilities"]
    assert f"{names} (2, 3)" in done.stdout


def test_the_file_holds_every_weight_once(plain):
    model, _, folder = plain
    written = sum(path.stat().st_size for path in (folder / "variables").iterdir())
    assert 4 * model.count_params() * 0.9 < written < 4 * model.count_params() * 1.5 + 20_000


class Spoiled(SavedModelRuntime):
    """A runtime that gives NaN in the last map only."""

    def __call__(self, images):
        outputs = super().__call__(images)
        name = "attention_block4_pool"
        return outputs | {name: np.full_like(outputs[name], np.nan)}


class Other(SavedModelRuntime):
    """A runtime that gives maps that fit only by broadcasting."""

    def __call__(self, images):
        outputs = super().__call__(images)
        return {name: values[..., :1] if values.ndim == 3 else values for name, values in outputs.items()}


@pytest.mark.parametrize(("runtime", "message"), [(Spoiled, "Received: nan"), (Other, "gives different outputs")])
@pytest.mark.long
def test_nan_and_other_shapes_are_told_from_agreement(plain, images, runtime, message):
    model, _, folder = plain
    graph = job.InferenceGraph(model, NAMES)
    with pytest.raises(verification.VerificationError, match=message):
        verification.verify(graph, runtime(folder), images)


CHANGED_MAPS = {
    "zeros": (np.zeros_like, "has other maps of block4_pool"),
    "moved by one position": (lambda maps: np.roll(maps, 1, -1), "(?:has other maps|orders the positions)"),
    "transposed": (lambda maps: maps.swapaxes(-1, -2), "(?:has other maps|orders the positions)"),
    "even": (lambda maps: np.broadcast_to(maps.mean((-1, -2), keepdims=True), maps.shape), "(?:has other|orders)"),
}


@pytest.mark.parametrize("change", some_now(CHANGED_MAPS, "moved by one position"))
@pytest.mark.long
def test_maps_that_show_something_else_are_refused_however_small_their_weights_are(plain, images, change):
    model, _, folder = plain
    changed, message = CHANGED_MAPS[change]
    name = "attention_block4_pool"

    class Changed(SavedModelRuntime):
        def __call__(self, images):
            outputs = super().__call__(images)
            return outputs | {name: changed(outputs[name])}

    graph = job.InferenceGraph(model, NAMES)
    verification.verify(graph, SavedModelRuntime(folder), images)
    with pytest.raises(verification.VerificationError, match=f"The exported model {message}"):
        verification.verify(graph, Changed(folder), images)


def test_another_endpoint_that_disagrees_is_noticed(plain, images, monkeypatch):
    model, _, folder = plain
    runtime = SavedModelRuntime(folder)
    original = runtime.call

    def call(endpoint, **inputs):
        outputs = original(endpoint, **inputs)
        return outputs | {"probabilities": outputs["probabilities"] + 0.01} if endpoint == "serve_bytes" else outputs

    monkeypatch.setattr(runtime, "call", call)
    with pytest.raises(verification.VerificationError, match=r"Received: 0\.01"):
        verification.verify(job.InferenceGraph(model, NAMES), runtime, images)


def test_a_value_just_beyond_a_limit_is_not_told_as_the_limit(plain, images):
    model, _, folder = plain

    class Changed(SavedModelRuntime):
        def __call__(self, images):
            outputs = super().__call__(images)
            return outputs | {"logits": outputs["logits"] + 1.003e-4 * max(1, np.abs(outputs["logits"]).max())}

    with pytest.raises(verification.VerificationError, match=r"at most 0\.0001\. Received: 0\.000100[1-6]") as raised:
        verification.verify(job.InferenceGraph(model, NAMES), Changed(folder), images[:1])
    assert not str(raised.value).endswith("Received: 0.0001.")


@pytest.mark.long
def test_an_export_replaces_an_older_one(tiny_model, tmp_path):
    for names in (["a", "b", "c"], ["x", "y", "z"]):
        export_model(tiny_model(attend=()), tmp_path / "out", names)
    assert json.loads((tmp_path / "out" / "card.json").read_text())["class_names"] == ["x", "y", "z"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_export_replaces_nothing_but_an_export(tiny_model, tmp_path):
    for name, text in (("thesis.txt", "years of work"), ("card.json", '{"name": "of a game"}')):
        (tmp_path / name).write_text(text)
        for target in (tmp_path, tmp_path / name):
            with pytest.raises(ValueError, match="holds something other than an export"):
                export_model(tiny_model(), target, NAMES)
        assert (tmp_path / name).read_text() == text


def test_class_names_must_fit(tiny_model, tmp_path):
    with pytest.raises(ValueError, match=r"must fit the logits\. Expected 3 names\. Received: 2"):
        export_model(tiny_model(), tmp_path / "out", ["a", "b"])
    assert list(tmp_path.iterdir()) == []


def test_images_must_fit(tiny_model, tmp_path):
    for wrong in (np.zeros((2, 31, 32, 3)), np.zeros((0, 32, 32, 3)), np.zeros((32, 32, 3))):
        with pytest.raises(ValueError, match=r"`images` must fit the model\."):
            export_model(tiny_model(), tmp_path / "out", NAMES, images=wrong)


@pytest.mark.parametrize("shape", [(None, None, 3), (32, 48, 3), (32, 32, 1)])
def test_the_model_must_take_square_rgb_images_of_one_size(shape, tmp_path):
    inputs = keras.Input(shape)
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(3, name="logits")(pooled))
    with pytest.raises(ValueError, match=r"Expected an input of shape \(None, S, S, 3\)\."):
        export_model(model, tmp_path / "out", NAMES)

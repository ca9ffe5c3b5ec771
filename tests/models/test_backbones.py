"""The registry of backbones: what it finds and refuses, and weights that are loaded by names of layers."""

import re

import keras
import numpy as np
import pytest

from keras_attention.models import BACKBONES, Backbone, attention_classifier, feature_layers
from keras_attention.models.backbones import Backbones, load_own_weights

SIDE, WIDTH = 32, 0.1


@pytest.fixture
def build(small_cnn):
    """Makes the second backbone with different weights and statistics each time."""

    def make(seed=0, width=WIDTH):
        backbone = BACKBONES.make(small_cnn, SIDE, width)
        rng = np.random.default_rng(seed)
        backbone.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in backbone.weights])
        return backbone

    return make


@pytest.mark.parametrize("name", BACKBONES)
def test_every_member_has_the_layers_that_it_names(name):
    member = BACKBONES[name]
    backbone = BACKBONES.make(name, 64, 0.05)
    found = feature_layers(backbone)
    assert {*member.attend, member.query} <= set(found)
    assert member.layers is None or set(member.layers) <= set(found)
    assert member.description.endswith(".")
    assert len({layer.name for layer in backbone._flatten_layers()}) == len(backbone._flatten_layers())
    images = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype("float32")
    output = keras.ops.convert_to_numpy(backbone(images))
    assert np.isfinite(output).all()
    assert output.std() > 0


def test_a_name_is_registered_once_and_attends_to_something():
    table = Backbones()
    table.register("mine", ("a",), "b")(lambda input_shape, width: None)
    assert table["mine"] == Backbone(table["mine"].build, ("a",), "b", None, load_own_weights)
    with pytest.raises(ValueError, match=r"^The backbone 'mine' is registered already\. Expected another name"):
        table.add("mine", BACKBONES["vgg16_bn"])
    with pytest.raises(
        ValueError, match=r"^The backbone 'other' needs attended layers\. Expected the names of layers\."
    ):
        table.register("other", (), "b")(None)
    with pytest.raises(
        TypeError, match=r"^The backbone must be a functional `keras.Model` with one input\. Expected a model"
    ):
        table.make("mine", SIDE, 1.0)
    with pytest.raises(
        ValueError, match=r"^Unknown backbone 'mein' \(did you mean 'mine'\?\)\. Expected one of: mine\."
    ):
        table.make("mein", SIDE, 1.0)


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
@pytest.mark.parametrize("whole", [False, True], ids=["backbone", "classifier"])
def test_own_weights_come_back_from_a_file(build, suffix, whole, tmp_path):
    source = build(1)
    attended = {"attend": ("stage2_relu",), "query": "stage4_relu", "units": 4}
    saved = attention_classifier(source, 3, **attended) if whole else source
    path = tmp_path / f"saved{suffix}"
    saved.save(path) if suffix == ".keras" else saved.save_weights(path)
    backbone = build(2)
    loaded = load_own_weights(backbone, path)
    assert (loaded.layout, loaded.has_batch_norm, loaded.missing) == ("keras", True, ())
    for found, expected in zip(backbone.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_weights_that_do_not_fit_change_nothing(build, tmp_path):
    backbone = build(1)
    before = backbone.get_weights()
    build(2, width=0.2).save_weights(tmp_path / "wide.weights.h5")
    broken = build(3)
    broken.get_layer("stage4_bn").gamma.assign(np.full(broken.get_layer("stage4_bn").gamma.shape, np.nan))
    broken.save_weights(tmp_path / "broken.weights.h5")
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save_weights(tmp_path / "other.weights.h5")
    messages = {
        "imagenet": "There are no ImageNet weights for the backbone 'small_cnn'. Expected the path of a .keras or",
        "wide.weights.h5": "The arrays of stage1_conv in .* must fit the backbone 'small_cnn'. Expected shapes",
        "broken.weights.h5": "The weights of stage4_bn in .* must be finite. Expected finite numbers. Received: ",
        "other.weights.h5": "The arrays of stage1_conv in .* must fit the backbone 'small_cnn'. Expected shapes",
        "none.weights.h5": "The file of weights .* does not exist. Expected an existing file.",
    }
    for name, message in messages.items():
        with pytest.raises(ValueError, match=f"^{message}"):
            load_own_weights(backbone, name if name == "imagenet" else tmp_path / name)
    for found, expected in zip(backbone.get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_two_layers_of_one_name_cannot_be_told_apart(tmp_path):
    images = keras.Input((SIDE, SIDE, 3))
    inner = keras.Sequential([keras.Input((SIDE, SIDE, 3)), keras.layers.Conv2D(3, 1, name="same")], name="inner")
    model = keras.Model(images, keras.layers.Conv2D(3, 1, name="same")(inner(images)))
    model.save_weights(tmp_path / "twice.weights.h5")
    message = "Layers of the backbone must have different names. Expected each name once. Received: same."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        load_own_weights(model, tmp_path / "twice.weights.h5")

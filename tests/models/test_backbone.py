"""Any backbone: which of its layers can be attended, attention over them, and freezing."""

import keras
import numpy as np
import pytest
import seams
from cases import some_now
from keras import layers, ops

from keras_attention.models import (
    VGG16BN,
    FeatureLayer,
    attention_classifier,
    attention_outputs,
    feature_layers,
    freeze,
    over_features,
    unfreeze,
)

applications = keras.applications

# (network, attended layers, query layer); strides and channels of all three differ.
BACKBONES = {
    "resnet50": (applications.ResNet50, ("conv2_block3_out", "conv4_block6_out"), "conv5_block3_out"),
    "efficientnetv2b0": (applications.EfficientNetV2B0, ("block2b_add", "block5e_add"), "top_activation"),
    "mobilenetv2": (applications.MobileNetV2, ("block_5_add", "block_12_add"), "out_relu"),
    "convnexttiny": (
        applications.ConvNeXtTiny,
        ("convnext_tiny_stage_1_block_2_identity", "convnext_tiny_stage_2_block_8_identity"),
        "convnext_tiny_stage_3_block_2_identity",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", some_now(BACKBONES, "resnet50"))
@pytest.mark.long
def test_keras_applications(name, rng):
    make, attend, query = BACKBONES[name]
    backbone = make(weights=None, include_top=False, input_shape=(64, 64, 3))
    found = feature_layers(backbone)
    strides = [found[layer].stride for layer in (*attend, query)]
    assert strides == sorted(set(strides))
    assert strides[-1] == 32
    model = attention_classifier(backbone, 3, attend=attend, query=query, score="scaled_dot", units=5)
    images = rng.uniform(0, 255, (2, 64, 64, 3)).astype("float32")
    outputs = attention_outputs(model).predict_on_batch(images)
    for layer, stride in zip(attend, strides, strict=False):
        attention_map = ops.convert_to_numpy(outputs[f"attention_{layer}"])
        assert attention_map.shape == (2, 64 // stride, 64 // stride)
        np.testing.assert_allclose(attention_map.sum((1, 2)), 1, rtol=1e-5)
    np.testing.assert_allclose(outputs["logits"], model.predict_on_batch(images), rtol=1e-4, atol=1e-6)


def test_kerashub(rng):
    hub = pytest.importorskip("keras_hub", reason="KerasHub is not installed")
    backbone = hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 64, 64],
        stackwise_num_blocks=[1, 1, 1],
        stackwise_num_strides=[1, 2, 2],
        block_type="basic_block",
        image_shape=(64, 64, 3),
    )
    names = list({feature.stride: name for name, feature in feature_layers(backbone).items()}.values())
    model = attention_classifier(backbone, 3, attend=names[-2:-1], query=names[-1], units=5)
    assert model(rng.uniform(0, 1, (2, 64, 64, 3))).shape == (2, 3)


def test_feature_layers_of_vgg():
    found = feature_layers(VGG16BN((64, 96, 3), width=0.05))
    pools = {name: feature for name, feature in found.items() if name.endswith("pool")}
    assert pools == {
        "block1_pool": FeatureLayer((32, 48, 3), 2),
        "block2_pool": FeatureLayer((16, 24, 6), 4),
        "block3_pool": FeatureLayer((8, 12, 13), 8),
        "block4_pool": FeatureLayer((4, 6, 26), 16),
        "block5_pool": FeatureLayer((2, 3, 26), 32),
    }
    assert "images" not in found
    assert list(found)[-1] == "block5_pool"


def test_a_map_of_one_position_cannot_be_attended_but_may_ask(rng):
    backbone = VGG16BN((32, 32, 3), width=0.05)
    assert "block5_pool" not in feature_layers(backbone)
    assert attention_classifier(backbone, 3, units=5)(rng.uniform(0, 255, (2, 32, 32, 3))).shape == (2, 3)


def test_images_of_any_size_have_strides_too():
    found = feature_layers(VGG16BN((None, None, 3), width=0.05))
    assert found["block4_pool"] == FeatureLayer((None, None, 26), 16)


def test_a_query_that_is_finer_than_the_features(rng):
    model = attention_classifier(VGG16BN((64, 64, 3), width=0.05), 3, ("block4_pool",), "block2_pool", units=5)
    assert model(rng.uniform(0, 255, (2, 64, 64, 3))).shape == (2, 3)


def small():
    images = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, strides=2, name="stem")(images)
    x = layers.Conv2D(5, 3, name="middle")(x)
    x = layers.Conv2D(6, 3, strides=2, name="late")(x)
    return keras.Model(images, x, name="small")


def test_a_layer_that_does_not_exist():
    with pytest.raises(
        ValueError, match=r"Unknown layer 'midle' \(did you mean 'middle'\?\). Expected one of: middle, late"
    ):
        attention_classifier(small(), 3, attend="midle", query="late")
    with pytest.raises(ValueError, match="did you mean 'block3_pool'"):
        attention_classifier(VGG16BN((32, 32, 3), width=0.05), 3, attend="block3_pol")


def test_a_backbone_without_a_map():
    images = keras.Input((8, 8, 3))
    flat = keras.Model(images, layers.Dense(4)(layers.Flatten()(images)), name="flat")
    with pytest.raises(
        ValueError, match=r"^The backbone must have a feature map. Expected layers that give .* Received: flat"
    ):
        attention_classifier(flat, 3, attend="dense", query="dense")
    with pytest.raises(ValueError, match="The backbone must have a feature map"):
        feature_layers(flat)


def test_a_backbone_over_something_else():
    words = keras.Input((8,))
    with pytest.raises(ValueError, match="The backbone must take images"):
        feature_layers(keras.Model(words, layers.Dense(4)(words)))


class Subclassed(keras.Model):
    def call(self, inputs):
        return inputs


@pytest.mark.parametrize("backbone", [Subclassed(), keras.Sequential([layers.Dense(2)]), "vgg16", None], ids=type)
def test_what_is_no_functional_model(backbone):
    with pytest.raises(
        TypeError, match=r"^The backbone must be a functional `keras.Model` with one input. Expected a model"
    ):
        attention_classifier(backbone, 3)


@pytest.mark.parametrize("function", [freeze, unfreeze, feature_layers])
@pytest.mark.parametrize("model", [5, keras.Sequential([layers.Dense(3)])], ids=type)
def test_every_function_says_so(function, model):
    with pytest.raises(
        TypeError, match=r"^The backbone must be a functional `keras.Model` with one input. Expected a model"
    ):
        function(model)


def test_the_query_is_named_where_it_is_wrong():
    with pytest.raises(ValueError, match=r"Received: query='block5_pool'\.$"):
        attention_classifier(small(), 3, attend="middle", query="block5_pool")


def test_a_sequential_model_is_a_backbone(rng):
    backbone = keras.Sequential(
        [keras.Input((16, 16, 3)), layers.Conv2D(4, 3, name="a"), layers.Conv2D(5, 3, name="b")]
    )
    assert attention_classifier(backbone, 3, "a", "b", units=5)(rng.uniform(0, 1, (2, 16, 16, 3))).shape == (2, 3)


def names_of(variables):
    return [variable.path.split("/")[0] for variable in variables]


def test_freezing_a_whole_backbone():
    backbone = VGG16BN((32, 32, 3), width=0.05)
    model = attention_classifier(backbone, 3, units=5)
    assert freeze(backbone) is backbone
    assert set(names_of(model.trainable_variables)) == {"attention_block3_pool", "attention_block4_pool", "logits"}


def test_freezing_up_to_a_block():
    backbone = VGG16BN((32, 32, 3), width=0.05)
    freeze(freeze(backbone), "block3_pool")
    trained = {name[: len("block4")] for name in names_of(backbone.trainable_variables)}
    assert trained == {"block4", "block5"}
    count = len(backbone.weights)
    assert unfreeze(backbone) is backbone
    assert len(backbone.trainable_weights) == count - 2 - 2 * 13  # without preprocessing and moving statistics
    with pytest.raises(ValueError, match="did you mean 'block3_pool'"):
        freeze(backbone, "block3_pol")


def test_frozen_batch_normalization_computes_as_in_inference(rng):
    backbone = VGG16BN((32, 32, 3), width=0.05)
    images = rng.uniform(0, 255, (3, 32, 32, 3)).astype("float32")
    training = ops.convert_to_numpy(backbone(images, training=True))  # changes the statistics too
    inference = ops.convert_to_numpy(backbone(images))
    assert (training != inference).any()
    freeze(backbone)
    np.testing.assert_allclose(ops.convert_to_numpy(backbone(images, training=True)), inference, rtol=1e-6)


def test_a_head_over_features_is_the_same_model(rng, monkeypatch):
    seams.shallow_backbone(monkeypatch)
    backbone = VGG16BN((64, 64, 3), width=0.05)
    names = ("block3_pool", "block4_pool", "block5_pool")
    model = attention_classifier(backbone, 3, units=5, alignment="reinforced")
    head = over_features(model, names)
    images = rng.uniform(0, 255, (4, 64, 64, 3)).astype("float32")
    features = tuple(keras.Model(backbone.input, [backbone.get_layer(name).output for name in names])(images))
    assert type(head) is type(model)
    np.testing.assert_array_equal(ops.convert_to_numpy(head(features)), ops.convert_to_numpy(model(images)))
    head.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = ops.convert_to_numpy(model(images))
    head.fit(features, np.array([0, 1, 2, 0]), verbose=0)
    assert (ops.convert_to_numpy(model(images)) != before).any()
    np.testing.assert_array_equal(ops.convert_to_numpy(head(features)), ops.convert_to_numpy(model(images)))


def partly_frozen():
    """A backbone whose builder froze a batch normalization, another one in a model inside it, and a convolution."""
    inner = [layers.Conv2D(4, 3, name="inner_conv"), layers.BatchNormalization(name="inner_norm")]
    inner = keras.Sequential(inner, name="inner")
    images = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, name="first")(images)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Conv2D(4, 3, name="second")(inner(x))
    model = keras.Model(images, layers.Conv2D(4, 3, name="third")(x))
    for layer in (inner.get_layer("inner_norm"), model.get_layer("norm"), model.get_layer("second")):
        layer.trainable = False
    return model


def trained(model):
    return [variable.path for variable in model.trainable_variables]


@pytest.mark.parametrize(("up_to", "left"), [(None, ()), ("norm", ("inner", "third")), ("second", ("third",))])
def test_what_a_builder_froze_stays_frozen(up_to, left):
    model = partly_frozen()
    before = trained(model)
    assert len(before) == 6  # kernel and bias of the first, the inner and the third convolution
    freeze(model, up_to)
    assert trained(model) == [path for path in before if any(name in path for name in left)]
    freeze(model, "first")
    assert trained(model) == [path for path in before if not path.startswith("first")]
    assert trained(unfreeze(model)) == before


def test_a_backbone_that_is_frozen_as_a_whole_stays_so():
    model = partly_frozen()
    model.trainable = False
    assert trained(unfreeze(freeze(model))) == []

"""Models inside a backbone: what is listed can be attended, trained, explained and saved, as in a flat backbone."""

import re

import keras
import numpy as np
import pytest
from cases import some_now
from keras import layers, ops

from keras_attention.maps import grad_cam
from keras_attention.models import attention_classifier, default_layers, feature_layers, freeze, over_features, unfreeze
from keras_attention.models.nested import cut_at, has_graph, matching

SHAPE = (16, 16, 3)


def convolutions(x):
    """Layers with a way around the second convolution, so that a cut has several tensors."""
    x = first = layers.Conv2D(4, 3, strides=2, padding="same", activation="tanh", name="first")(x)
    x = layers.BatchNormalization(name="norm")(layers.Conv2D(4, 3, padding="same", name="second")(x))
    x = layers.Add(name="sum")([x, first])
    return layers.Conv2D(5, 3, strides=2, padding="same", activation="tanh", name="third")(x)


def network(name="network", shape=SHAPE):
    """A functional model, as those of `keras.applications` are."""
    images = keras.Input(shape)
    return keras.Model(images, convolutions(images), name=name)


def functional():
    images = keras.Input(SHAPE)
    return keras.Model(images, network()(layers.Rescaling(1 / 127.5, -1, name="scaled")(images), training=False))


def flat():
    images = keras.Input(SHAPE)
    return keras.Model(images, convolutions(layers.Rescaling(1 / 127.5, -1, name="scaled")(images)))


def tutorial():
    augmentation = keras.Sequential(
        [layers.RandomFlip(name="flip"), layers.RandomRotation(0.1, name="turn")], name="change"
    )
    return keras.Sequential(
        [keras.Input(SHAPE), augmentation, layers.Rescaling(1 / 127.5, -1, name="scaled"), network()]
    )


def deep():
    images = keras.Input(SHAPE)
    return keras.Model(images, layers.Conv2D(3, 1, name="last")(keras.Model(*_around(), name="around")(images)))


def _around():
    images = keras.Input(SHAPE)
    block = keras.Sequential([layers.Conv2D(3, 3, padding="same", name="conv"), layers.ReLU(name="relu")], name="block")
    return images, network()(block(images))


def towers():
    images = keras.Input(SHAPE)
    return keras.Model(images, layers.Concatenate(name="both")([network("left")(images), network("right")(images)]))


MODELS = {"functional": functional, "tutorial": tutorial, "deep": deep, "towers": towers}
NETWORK = ["first", "second", "norm", "sum", "third"]
LISTED = {
    "functional": ["scaled", *NETWORK, "network"],
    "tutorial": ["flip", "turn", "change", "scaled", *NETWORK, "network"],
    "deep": ["conv", "relu", "block", *NETWORK, "network", "around", "last"],
    "towers": [f"{side}/{name}" if name else side for side in ("left", "right") for name in (*NETWORK, "")] + ["both"],
}


@pytest.fixture
def images(rng):
    return rng.uniform(0, 255, (2, *SHAPE)).astype("float32")


def arrays(model, images):
    return ops.convert_to_numpy(model(images, training=False))


@pytest.mark.parametrize("kind", MODELS)
def test_what_is_listed(kind):
    assert list(feature_layers(MODELS[kind]())) == LISTED[kind]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "name"),
    some_now(
        [(kind, name) for kind in MODELS for name in LISTED[kind]],
        "functional-network",
    ),
)
def test_what_is_listed_is_accepted(kind, name, images, tmp_path):
    """It attends, trains one step, gives Grad-CAM, and comes back from a file with equal outputs."""
    keras.utils.set_random_seed(3)
    backbone = MODELS[kind]()
    shape = feature_layers(backbone)[name].shape
    model = attention_classifier(backbone, 3, attend=name, units=4)
    attention = model.get_layer(f"attention_{name.replace('/', '.')}")
    assert attention.output[1].shape == (None, *shape[:2])
    before = arrays(model, images)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=True)
    model.train_on_batch(images, np.array([0, 1]))
    after = arrays(model, images)
    assert np.abs(after - before).max() > 1e-5
    assert grad_cam(model, images, name, 0).shape == (2, *shape[:2])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(arrays(loaded, images), after, rtol=1e-6)
    np.testing.assert_allclose(grad_cam(loaded, images, name, 0), grad_cam(model, images, name, 0), rtol=1e-5)


@pytest.mark.parametrize("name", some_now(["scaled", *NETWORK], "scaled", "sum"))
def test_it_is_the_same_function_as_of_a_flat_backbone(name, images):
    nested, plain = functional(), flat()
    plain.set_weights(nested.get_weights())
    models = [attention_classifier(each, 3, attend=name, query="third", units=4) for each in (nested, plain)]
    models[1].set_weights(models[0].get_weights())
    np.testing.assert_allclose(arrays(models[0], images), arrays(models[1], images), rtol=1e-5)
    nested_map, flat_map = (grad_cam(model, images, name, 1) for model in models)
    np.testing.assert_allclose(nested_map, flat_map, rtol=1e-4, atol=1e-9)
    assert nested_map.max() > 0
    places = [grad_cam(model, images, name, 1, "image") for model in models]
    np.testing.assert_allclose(*places, rtol=1e-4, atol=1e-9)


def test_several_layers_of_one_model_inside(images):
    model = attention_classifier(functional(), 3, attend=("first", "sum"), query="network", units=4)
    assert [layer.name for layer in model.layers if has_graph(layer)] == ["network"]
    shapes = [tuple(model.get_layer(f"attention_{name}").output[1].shape) for name in ("first", "sum")]
    assert shapes == [(None, 8, 8), (None, 8, 8)]
    again = attention_classifier(model, 3, attend="second", query="network", units=4, name="again")
    assert again(images).shape == (2, 3)


def test_names_and_paths():
    backbone = deep()
    for name in ("conv", "block/conv", "around/block/conv"):
        model = attention_classifier(backbone, 3, attend=name, query="last", units=4)
        assert model.get_layer(f"attention_{name.replace('/', '.')}").output[1].shape == (None, 16, 16)


def refused(message, backbone, name):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        attention_classifier(backbone, 3, attend=name)


def called_twice():
    images, twice = keras.Input(SHAPE), network("twice", (None, None, 3))
    joined = layers.Add(name="add")([twice(images), twice(layers.Rescaling(0.5, name="half")(images))])
    return keras.Model(images, layers.Conv2D(2, 1, name="end")(joined))


class Opaque(keras.Model):
    def __init__(self):
        super().__init__(name="opaque")
        self.inside = layers.Conv2D(2, 3, name="inside")

    def call(self, inputs):
        return self.inside(inputs)


class WithACallOfItsOwn(keras.Model):
    """A functional model whose class does something else than its graph."""

    def __init__(self):
        images = keras.Input(SHAPE)
        super().__init__(images, layers.Conv2D(3, 3, padding="same", name="inside")(images), name="opaque")

    def call(self, inputs, training=None, mask=None):
        return 2 * super().call(inputs)


def test_what_has_several_maps_is_not_listed():
    backbone = called_twice()
    assert list(feature_layers(backbone)) == ["half", "add", "end"]
    for name in ("twice", "third"):
        refused(f"Layer {name!r} must give one feature map, and be called once. Expected one of: ", backbone, name)


@pytest.mark.parametrize("make", [Opaque, WithACallOfItsOwn])
def test_a_class_of_ones_own_is_one_layer(make):
    images = keras.Input(SHAPE)
    backbone = keras.Model(images, layers.Conv2D(2, 1, name="end")(make()(images)))
    assert list(feature_layers(backbone)) == ["opaque", "end"]
    refused("Unknown layer 'inside'", backbone, "inside")


def test_what_a_name_may_mean_is_listed():
    refused(
        "Several layers are called 'second'. Expected one of: left/second, right/second. Received: attend='second'.",
        towers(),
        "second",
    )
    refused("Unknown layer 'left/secnd'. Expected one of: right/sum, both. Received: ", towers(), "left/secnd")
    images = keras.Input(SHAPE)
    own = layers.Conv2D(7, 1, name="first")(network()(images))
    (place,) = matching(keras.Model(images, own), "first")
    assert (place.path, place.name, place.output.shape[-1]) == (("first",), "first", 7)


@pytest.mark.parametrize(
    ("kind", "up_to", "trained"),
    [
        ("functional", "norm", {"third"}),
        ("functional", "scaled", {"first", "second", "norm", "third"}),
        ("functional", "network", set()),
        ("deep", "first", {"second", "norm", "third", "last"}),
        pytest.param("deep", "block", {"first", "second", "norm", "third", "last"}, marks=pytest.mark.long),
        ("towers", "left/second", {"norm", "third", "first", "second"}),
    ],
)
def test_freezing_up_to_a_layer_inside(kind, up_to, trained):
    backbone = MODELS[kind]()
    before = [variable.path for variable in backbone.trainable_variables]
    model = attention_classifier(backbone, 3, units=4)
    freeze(backbone, up_to)
    assert {variable.path.split("/")[-2] for variable in backbone.trainable_variables} == trained
    heads = ("attention_", "logits")
    in_model = {variable.path.split("/")[-2] for variable in model.trainable_variables if "/" in variable.path}
    assert trained <= in_model
    assert not (set(NETWORK) - trained) & in_model, heads
    assert [variable.path for variable in unfreeze(backbone).trainable_variables] == before


def test_a_head_over_maps_inside_is_the_same_model(images):
    backbone = functional()
    model = attention_classifier(backbone, 3, attend="sum", query="third", units=4)
    head = over_features(model, ("sum", "third"))
    found = dict(zip(("sum", "third"), _maps(backbone, ("sum", "third"), images), strict=True))
    np.testing.assert_allclose(ops.convert_to_numpy(head(tuple(found.values()))), arrays(model, images), rtol=1e-6)


def _maps(backbone, names, images):
    inner = backbone.get_layer("network")
    scaled = backbone.get_layer("scaled")(images)
    return keras.Model(inner.input, [inner.get_layer(name).output for name in names])(scaled, training=False)


def test_a_layer_that_another_model_called_first_gives_the_map_of_this_one(images):
    """`layer.output` is of the first call, which here belongs to another model."""
    shared = layers.Conv2D(4, 3, strides=2, name="shared")
    shared(keras.Input((8, 8, 3)))
    inputs = keras.Input(SHAPE)
    backbone = keras.Model(inputs, layers.Conv2D(4, 3, name="end")(shared(inputs)))
    assert feature_layers(backbone)["shared"].shape == (7, 7, 4)
    model = attention_classifier(backbone, 3, attend="shared", query="end", units=4)
    assert model(images).shape == (2, 3)
    assert grad_cam(model, images, "shared").shape == (2, 7, 7)


def test_a_cut_of_a_model_with_a_layer_that_is_called_twice(images):
    """One activation for all convolutions, and a way around one of them."""

    def model(activation):
        inputs = keras.Input(SHAPE)
        x = around = activation()(layers.Conv2D(4, 3, padding="same", name="first")(inputs))
        x = activation()(layers.Conv2D(4, 3, padding="same", name="second")(x))
        x = activation()(layers.Add(name="sum")([x, around]))
        return keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))

    relu = layers.ReLU(name="relu")
    shared, separate = model(lambda: relu), model(layers.ReLU)
    separate.set_weights(shared.get_weights())
    for name in ("first", "second", "sum"):
        np.testing.assert_allclose(grad_cam(shared, images, name, 1), grad_cam(separate, images, name, 1), rtol=1e-5)
    assert "relu" not in feature_layers(shared)


@pytest.mark.parametrize("kind", some_now(MODELS, "tutorial", "deep"))
def test_a_cut_keeps_the_function(kind, images):
    backbone = MODELS[kind]()
    for name in LISTED[kind]:
        (place,) = matching(backbone, name)
        np.testing.assert_allclose(arrays(cut_at(backbone, place.path)[0], images), arrays(backbone, images), rtol=1e-5)


def test_the_defaults_of_any_backbone():
    assert default_layers(functional()) == (("scaled", "sum"), "network")
    assert default_layers(keras.Sequential([keras.Input(SHAPE), layers.Conv2D(3, 1, name="only")])) == (
        ("only",),
        "only",
    )


def test_the_defaults_are_where_branches_join():
    """As in Inception: two branches of the same stride, the second of which goes on to the next stride alone."""
    images = keras.Input((64, 64, 3))
    x = layers.Conv2D(4, 3, strides=4, padding="same", name="stem")(images)
    for number in (1, 2):
        joined = layers.Concatenate(name=f"joined{number}")(
            [layers.Conv2D(3, 1)(x), layers.Conv2D(3, 3, padding="same")(x)]
        )
        branch = layers.Conv2D(4, 3, strides=2, padding="same")(layers.ZeroPadding2D(0)(layers.Conv2D(4, 1)(joined)))
        x = layers.Concatenate(name=f"reduced{number}")([layers.MaxPooling2D(2)(joined), branch])
    squeezed = layers.Reshape((1, 1, 10))(layers.GlobalAveragePooling2D()(x))
    backbone = keras.Model(images, layers.Multiply(name="end")([x, squeezed]))
    assert default_layers(backbone) == (("joined1", "joined2"), "end")
    inside = keras.Sequential([keras.Input((64, 64, 3)), layers.Rescaling(1 / 255), backbone])
    assert default_layers(inside)[0] == ("joined1", "joined2")


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "side", "expected"),
    [
        ("VGG16", 64, (("block3_pool", "block4_pool"), "block5_pool")),
        ("ResNet50", 64, (("conv3_block4_out", "conv4_block6_out"), "conv5_block3_out")),
        ("DenseNet121", 64, (("pool3_conv", "pool4_conv"), "relu")),
        ("MobileNetV2", 64, (("block_6_expand_relu", "block_13_expand_relu"), "out_relu")),
        ("EfficientNetB0", 64, (("block4a_expand_activation", "block6a_expand_activation"), "top_activation")),
        ("InceptionV3", 139, (("mixed2", "mixed7"), "mixed10")),
    ],
)
def test_the_defaults_of_networks_of_keras_applications(name, side, expected):
    network = getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(side, side, 3))
    assert default_layers(network) == expected

"""Grad-CAM: computed by hand in float64, equal to CAM if theory says so, and the same however a model is written."""

import re

import keras
import numpy as np
import pytest
from cases import some_now
from keras import layers

from keras_attention.maps import grad_cam, resize_maps
from keras_attention.maps.classifier import Classifier
from keras_attention.models import attention_classifier

SIDE, FILTERS, CLASSES, IMAGES = 6, 4, 3, 5


@pytest.fixture
def images(rng):
    return rng.normal(size=(IMAGES, SIDE, SIDE, 3)).astype("float32")


def tiny(activation=None, filters=FILTERS):
    """A convolution, a dense layer over all of its positions, and logits."""
    inputs = keras.Input((SIDE, SIDE, 3))
    x = layers.Conv2D(filters, 3, activation="relu", name="conv")(inputs)
    x = layers.Dense(7, activation="tanh", name="hidden")(layers.Flatten()(x))
    return keras.Model(inputs, layers.Dense(CLASSES, activation, name="logits")(x))


def by_hand(model, images, classes):
    """ReLU(Σ_c α_c A_c), every derivative written out, in float64."""
    weights = [np.asarray(weight, "float64") for weight in model.get_weights()]
    kernel, bias, hidden_kernel, hidden_bias, logits_kernel, _ = weights
    size, filters = SIDE - 2, kernel.shape[-1]
    before = np.zeros((len(images), size, size, filters))
    for row in range(3):
        for column in range(3):
            patch = images[:, row : row + size, column : column + size].astype("float64")
            before += patch @ kernel[row, column]
    features = np.maximum(before + bias, 0)
    hidden = np.tanh(features.reshape(len(images), -1) @ hidden_kernel + hidden_bias)
    # y_k = Σ_j w_jk tanh(h_j), so that ∂y_k/∂A = W_h ((1 − tanh²) ∘ w_k).
    slope = ((1 - hidden**2) * logits_kernel[:, classes].T) @ hidden_kernel.T
    alpha = slope.reshape(features.shape).mean((1, 2))
    return np.maximum(np.einsum("bhwc,bc->bhw", features, alpha), 0)


@pytest.mark.portable
def test_a_network_worked_by_hand(images):
    model, classes = tiny(), np.arange(IMAGES) % CLASSES
    expected = by_hand(model, images, classes)
    found = grad_cam(model, images, "conv", classes)
    assert (found.shape, found.dtype) == ((IMAGES, 4, 4), np.float32)
    assert (expected > 0).any(axis=(1, 2)).sum() >= 3
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)


def test_one_class_for_all_and_the_most_probable_one(images):
    model = tiny()
    best = model.predict(images, verbose=0).argmax(-1)
    np.testing.assert_allclose(grad_cam(model, images, "conv"), by_hand(model, images, best), rtol=1e-4, atol=1e-7)
    np.testing.assert_array_equal(
        grad_cam(model, images, "conv", 2), grad_cam(model, images, "conv", np.full(IMAGES, 2))
    )
    np.testing.assert_allclose(
        grad_cam(model, images, "conv", 1, batch_size=2), grad_cam(model, images, "conv", 1), rtol=1e-5, atol=1e-8
    )


@pytest.mark.portable
def test_it_is_cam_under_global_average_pooling(images):
    inputs = keras.Input((SIDE, SIDE, 3))
    features = layers.Conv2D(FILTERS, 3, activation="relu", name="conv")(inputs)
    head = layers.Dense(CLASSES, name="logits")
    model = keras.Model(inputs, head(layers.GlobalAveragePooling2D()(features)))
    maps = keras.ops.convert_to_numpy(keras.Model(inputs, features)(images)).astype("float64")
    for number in range(CLASSES):
        cam = maps @ np.asarray(keras.ops.convert_to_numpy(head.kernel), "float64")[:, number]
        found = grad_cam(model, images, "conv", number) * maps.shape[1] * maps.shape[2]
        np.testing.assert_allclose(found, np.maximum(cam, 0), atol=1e-5)
        assert cam.max() > 0.01


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize(
    "way",
    some_now(
        ["dense", "layer", "operation", "shared layer", "inside", "a layer inside"],
        "dense",
        "operation",
        "a layer inside",
    ),
)
def test_probabilities_are_looked_behind(activation, way, images):
    model = tiny()
    model.get_layer("logits").set_weights([weight * 40 for weight in model.get_layer("logits").get_weights()])
    expected = grad_cam(model, images, "conv", 1)
    if way == "operation":
        sure = keras.Model(model.input, getattr(keras.ops, activation)(model.output))
    elif way == "shared layer":
        shared = layers.Activation(activation)
        shared(keras.Input((CLASSES,)))
        sure = keras.Model(model.input, shared(model.output))
    elif way == "inside":
        sure = tiny(activation)
        sure.set_weights(model.get_weights())
        inputs = keras.Input((SIDE, SIDE, 3))
        sure = keras.Model(inputs, sure(inputs))
    elif way == "a layer inside":
        last = keras.Sequential([layers.Activation(activation)])
        sure = keras.Model(model.input, last(model.output))
    elif way == "layer":
        sure = keras.Model(model.input, layers.Activation(activation)(model.output))
    else:
        sure = tiny(activation)
        sure.set_weights(model.get_weights())
    np.testing.assert_allclose(grad_cam(sure, images, "conv", 1), expected, rtol=1e-5, atol=1e-7)
    assert expected.max() > 0.01
    probabilities = sure.predict(images, verbose=0)
    np.testing.assert_allclose(Classifier(sure).probabilities(images), probabilities, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_a_single_output_has_two_classes(activation, images):
    """The map of class 0 is that of the negative logit, and an image predicted negative gets it."""
    two, one = tiny(), tiny()
    kernel, bias = two.get_layer("logits").get_weights()
    difference = (kernel[:, 1:2] - kernel[:, :1], bias[1:2] - bias[:1])
    hidden = one.get_layer("hidden").output
    single = keras.Model(one.input, layers.Dense(1, activation, name="single")(hidden))
    for name in ("conv", "hidden"):
        single.get_layer(name).set_weights(two.get_layer(name).get_weights())
    single.get_layer("single").set_weights(difference)
    logit = keras.Model(two.input, layers.Dense(2)(two.get_layer("hidden").output))
    half = np.concatenate([-difference[0], difference[0]], axis=1)
    logit.layers[-1].set_weights([half, np.concatenate([-difference[1], difference[1]])])
    for number in (0, 1):
        np.testing.assert_allclose(
            grad_cam(single, images, "conv", number), grad_cam(logit, images, "conv", number), rtol=1e-4, atol=1e-7
        )
    classes = logit.predict(images, verbose=0).argmax(-1)
    np.testing.assert_array_equal(grad_cam(single, images, "conv"), grad_cam(single, images, "conv", classes))
    assert grad_cam(single, images, "conv", 0).max() > 0


def test_half_precision_is_computed_in_float32(images):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = tiny()
    classes = np.zeros(IMAGES, int)
    found = grad_cam(model, images, "conv", 0)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, by_hand(model, images, classes), rtol=1e-4, atol=1e-7)


def attending(**arguments):
    inputs = x = keras.Input((SIDE, SIDE, 3))
    for number in (1, 2, 3):
        x = layers.Conv2D(FILTERS, 3, padding="same", activation="relu", name=f"conv{number}")(x)
    pooled = layers.MaxPooling2D(2, name="pool")(x)
    backbone = keras.Model(inputs, pooled)
    return attention_classifier(backbone, CLASSES, attend=("conv1", "conv2"), query="pool", units=3, **arguments)


@pytest.mark.slow  # on JAX, which compiles each cut of the network
@pytest.mark.parametrize("layer", some_now(["conv1", "conv3", "pool"], "conv1"))
def test_all_ways_from_the_layer_to_the_logits_count(layer, images):
    """Compares with finite differences: shifting a channel changes everything that depends on it."""
    model = attending()
    model.get_layer("logits").set_weights([10 * weight for weight in model.get_layer("logits").get_weights()])
    found = np.concatenate([grad_cam(model, images[:1], layer, number) for number in range(CLASSES)])
    features = keras.ops.convert_to_numpy(keras.Model(model.input, model.get_layer(layer).output)(images[:1]))[0]
    slopes, step = np.zeros((FILTERS, CLASSES)), 5e-4
    for channel in range(FILTERS):
        low, high = (_logits_with(model, images[:1], layer, channel, shift)[0] for shift in (-step, step))
        slopes[channel] = (high - low) / (2 * step) / features[..., 0].size
    expected = np.maximum(np.moveaxis(features @ slopes, -1, 0), 0)
    np.testing.assert_allclose(found, expected, rtol=0.05, atol=0.03 * expected.max())
    assert expected.max() > 0


def _logits_with(model, images, layer, channel, shift):
    """The logits after a shift of one channel of a layer at every position."""

    def call(operation, *arguments, **options):
        result = operation(*arguments, **options)
        return result + shift * np.eye(FILTERS, dtype="float32")[channel] if operation.name == layer else result

    shifted = keras.models.clone_model(model, call_function=call)
    shifted.set_weights(model.get_weights())
    return keras.ops.convert_to_numpy(shifted(images))


def test_at_the_resolution_of_the_images(images):
    model = tiny()
    small = grad_cam(model, images, "conv", 0)
    np.testing.assert_array_equal(grad_cam(model, images, "conv", 0, "image"), resize_maps(small, SIDE))


def test_the_layer_before_the_last_pooling_is_the_default(images):
    model = attending()
    np.testing.assert_array_equal(grad_cam(model, images, class_index=0), grad_cam(model, images, "conv3", 0))


def test_nothing_that_speaks_for_a_class_is_a_map_of_zeros(images):
    model = tiny()
    model.get_layer("conv").set_weights([0 * weight for weight in model.get_layer("conv").get_weights()])
    assert grad_cam(model, images, "conv").tolist() == np.zeros((IMAGES, 4, 4)).tolist()


def test_a_model_is_left_as_it_was(images):
    model = attending()
    before, names = model.predict(images, verbose=0), [layer.name for layer in model.layers]
    grad_cam(model, images, "conv2")
    grad_cam(model, images, "conv2")
    np.testing.assert_array_equal(model.predict(images, verbose=0), before)
    assert [layer.name for layer in model.layers] == names
    assert model.get_layer("conv2").output.shape == (None, SIDE, SIDE, FILTERS)


def refused(message, *arguments, error=ValueError, **options):
    with pytest.raises(error, match=f"^{re.escape(message)}"):
        grad_cam(*arguments, **options)


def test_what_is_refused(images):
    model = tiny()
    refused("Unknown layer 'conf' (did you mean 'conv'?). Expected one of: conv.", model, images, "conf")
    refused(
        "Layer 'hidden' must give a feature map. Expected one of: conv. Received: output shape=",
        model,
        images,
        "hidden",
    )
    refused(
        "`class_index` must be a class of the model. Expected a whole number from 0 to 2,", model, images, "conv", 3
    )
    refused("The images must fit the model. Expected numbers (B, 6, 6, 3)", model, images[0], "conv")
    refused("Unknown resolution 'full'.", model, images, "conv", resolution="full")
    segmenting = keras.Model(model.input, model.get_layer("conv").output, name="segmenting")
    refused(
        "The model must be a classifier. Expected one output (B, classes), or several, one of them named 'logits'",
        segmenting,
        images,
        "conv",
    )
    several = keras.Model(model.input, {"a": model.output, "b": model.output})
    refused("The model must be a classifier.", several, images, "conv")
    sequential = keras.Sequential([layers.Dense(3)])
    refused("The model must be a functional `keras.Model` with one input.", sequential, images, "conv", error=TypeError)
    aside = keras.Model(model.input, {"logits": model.output, "aside": layers.Conv2D(2, 3, name="aside")(model.input)})
    refused("The output must depend on the layer. Expected a layer between", aside, images, "aside")
    refused("The images must be finite.", model, images * np.nan, "conv")


def test_a_sequential_model_and_a_layer_in_place_of_its_name(images):
    model = tiny("softmax")
    fresh = [layer.from_config(layer.get_config()) for layer in model.layers[1:]]
    sequential = keras.Sequential([keras.Input((SIDE, SIDE, 3)), *fresh])
    sequential.set_weights(model.get_weights())
    expected = grad_cam(model, images, "conv", 0)
    np.testing.assert_allclose(grad_cam(sequential, images, model.get_layer("conv"), 0), expected, rtol=1e-6)

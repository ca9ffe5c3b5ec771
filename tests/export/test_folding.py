"""Batch normalization folded into the layer before it: the outputs stay the same, and only allowed cases are folded."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_attention.export.folding import fold_batch_normalization
from keras_attention.models import VGG16BN, attention_classifier, attention_outputs

SHAPE = (8, 8, 4)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).normal(size=(3, *SHAPE)).astype("float32")


def unlike_identity(model, seed=1):
    """Gives every normalization random statistics and weights, so that a test would notice a missing one."""
    generator = np.random.default_rng(seed)
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([generator.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
    return model


def normalizations(model):
    return sum(isinstance(layer, layers.BatchNormalization) for layer in model._flatten_layers(include_self=False))


def chain(*parts, shape=SHAPE):
    inputs = tensor = keras.Input(shape)
    for part in parts:
        tensor = part(tensor)
    return unlike_identity(keras.Model(inputs, tensor))


def normalization(**options):
    return layers.BatchNormalization(epsilon=0.01, **options)


FOLDED = {
    "convolution": lambda: [layers.Conv2D(5, 3, padding="same", use_bias=False), normalization()],
    "convolution with a bias": lambda: [layers.Conv2D(5, 3, bias_initializer="normal"), normalization()],
    "strides and dilation": lambda: [layers.Conv2D(5, 3, strides=2, padding="same"), normalization(axis=3)],
    "groups": lambda: [layers.Conv2D(6, 3, groups=2, use_bias=False), normalization()],
    "depthwise": lambda: [layers.DepthwiseConv2D(3, depth_multiplier=2), normalization()],
    "dense": lambda: [layers.Flatten(), layers.Dense(5), normalization()],
    "neither scale nor centre": lambda: [layers.Conv2D(5, 1), normalization(scale=False, center=False)],
    "two in a row": lambda: [
        layers.Conv2D(5, 3, use_bias=False),
        normalization(),
        layers.ReLU(),
        layers.Conv2D(4, 3),
        normalization(),
    ],
}
KEPT = {
    "an activation between": lambda: [layers.Conv2D(5, 3, activation="relu"), normalization()],
    "a layer between": lambda: [layers.Conv2D(5, 3), layers.ReLU(), normalization()],
    "before the convolution": lambda: [normalization(), layers.Conv2D(5, 3, padding="same")],
    "another axis": lambda: [layers.Conv2D(5, 3), normalization(axis=1)],
    "a transposed kernel": lambda: [layers.Conv2DTranspose(5, 3), normalization()],
    "a normalization of groups": lambda: [layers.Conv2D(4, 3), layers.GroupNormalization(2)],
}


@pytest.mark.parametrize("case", FOLDED)
def test_it_folds_into_a_linear_layer(case, images):
    model = chain(*FOLDED[case]())
    folded = fold_batch_normalization(model)
    assert normalizations(model) > 0
    assert normalizations(folded) == 0
    np.testing.assert_allclose(folded(images), model(images), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("case", KEPT)
def test_it_stays_where_folding_would_change_the_function(case, images):
    model = chain(*KEPT[case]())
    folded = fold_batch_normalization(model)
    assert normalizations(folded) == normalizations(model)
    np.testing.assert_array_equal(folded(images), model(images))


def test_a_convolution_that_others_read_is_left_alone(images):
    inputs = keras.Input(SHAPE)
    convolved = layers.Conv2D(4, 3, padding="same")(inputs)
    both = layers.Add()([layers.ReLU()(convolved), normalization()(convolved)])
    read_twice, seen = keras.Model(inputs, both), keras.Model(inputs, [convolved, normalization()(convolved)])
    for model in map(unlike_identity, (read_twice, seen)):
        folded = fold_batch_normalization(model)
        assert normalizations(folded) == 1
        for found, expected in zip(keras.tree.flatten(folded(images)), keras.tree.flatten(model(images)), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_a_shared_layer_stays_shared_and_is_left_alone(images):
    inputs, shared = keras.Input(SHAPE), layers.Conv2D(4, 3, padding="same")
    model = unlike_identity(keras.Model(inputs, normalization()(shared(shared(inputs)))))
    folded = fold_batch_normalization(model)
    assert (normalizations(folded), len(folded.weights)) == (1, len(model.weights))
    np.testing.assert_array_equal(folded(images), model(images))


def test_a_model_inside_a_model_is_folded_too(images):
    inner = chain(*FOLDED["convolution"](), layers.ReLU())
    model = unlike_identity(chain(inner, *FOLDED["depthwise"]()))
    folded = fold_batch_normalization(model)
    assert (normalizations(model), normalizations(folded)) == (2, 0)
    np.testing.assert_allclose(folded(images), model(images), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"num_heads": 2}, {"alignment": "reinforced"}], ids=str)
def test_a_classifier_keeps_its_outputs_by_name_and_its_own_weights(options):
    model = unlike_identity(attention_classifier(VGG16BN((32, 32, 3), width=0.0625), 3, units=4, **options))
    outputs, images = attention_outputs(model), np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3))
    before, expected = model.get_weights(), outputs(images)
    folded = fold_batch_normalization(outputs)
    assert normalizations(model) > normalizations(folded) == 0
    found = folded(images)
    assert list(found) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-5)
    for kept, weight in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(kept, weight)


@pytest.mark.long
def test_a_network_of_keras_applications_folds():
    network = keras.applications.MobileNetV2(weights=None, input_shape=(32, 32, 3), classes=3, alpha=0.35)
    model, images = unlike_identity(network), np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3))
    folded = fold_batch_normalization(model)
    assert (normalizations(model), normalizations(folded)) == (52, 0)
    np.testing.assert_allclose(folded(images), model(images), rtol=1e-4, atol=1e-5)

"""Logits and probabilities of any classifier: no second softmax, however the first is written."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_attention.models.outputs import LOGITS, PROBABILITIES, attention_outputs, with_probabilities

CLASSES = 4


def classifier(way):
    images = keras.Input((3, 3, 2))
    x = layers.Flatten()(images)
    if way == "dense":
        return keras.Model(images, layers.Dense(CLASSES, "softmax", name="predictions")(x))
    x = layers.Dense(CLASSES, name="scores")(x)
    ends = {
        "nothing": lambda logits: logits,
        "operation": keras.ops.softmax,
        "function": keras.activations.softmax,
        "softmax layer": layers.Softmax(),
        "activation layer": layers.Activation("softmax"),
    }
    return keras.Model(images, ends[way](x))


@pytest.mark.portable
@pytest.mark.parametrize("way", ["nothing", "operation", "function", "softmax layer", "activation layer", "dense"])
def test_probabilities_are_squashed_once(way, rng):
    model, images = classifier(way), rng.normal(size=(5, 3, 3, 2)).astype("float32")
    outputs = with_probabilities(attention_outputs(model)(images))
    probabilities, logits = (keras.ops.convert_to_numpy(outputs[name]) for name in (PROBABILITIES, LOGITS))
    expected = keras.ops.convert_to_numpy(model(images))
    if way == "nothing":
        expected = keras.ops.convert_to_numpy(keras.ops.softmax(expected))
    np.testing.assert_allclose(probabilities, expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(keras.ops.softmax(logits)), expected, rtol=1e-5, atol=1e-6)


def test_a_probability_of_zero_has_a_finite_logit():
    model = classifier("dense")
    model.layers[-1].set_weights([weight * 0 - np.arange(CLASSES) * 200.0 for weight in model.layers[-1].get_weights()])
    outputs = attention_outputs(model)(np.ones((1, 3, 3, 2), "float32"))
    assert np.isfinite(keras.ops.convert_to_numpy(outputs[LOGITS])).all()

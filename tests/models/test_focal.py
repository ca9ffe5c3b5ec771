"""The focal loss: its formula, and its gradient where Keras's own has none."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.models import FocalCrossentropy

LABELS = np.eye(3, dtype="float32")[[0, 2, 1, 1]]


@pytest.mark.portable
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_it_is_that_of_keras_within_its_margin(gamma, smoothing, rng, gradients):
    logits = (3 * rng.normal(size=(4, 3))).astype("float32")
    ours = FocalCrossentropy(gamma, smoothing)
    theirs = keras.losses.CategoricalFocalCrossentropy(1.0, gamma, from_logits=True, label_smoothing=smoothing)
    assert float(ours(LABELS, logits)) == pytest.approx(float(theirs(LABELS, logits)), rel=1e-5)
    (slope,), (other,) = (gradients(lambda values, of=of: of(LABELS, values), logits) for of in (ours, theirs))
    np.testing.assert_allclose(slope, other, rtol=1e-4, atol=1e-6)


@pytest.mark.portable
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_a_hard_image_has_a_gradient_at_any_margin(gamma, gradients):
    logits = np.array([[-60.0, 0.0, 0.0]], "float32")
    (slope,) = gradients(lambda values: FocalCrossentropy(gamma)(LABELS[:1], values), logits)
    np.testing.assert_allclose(slope, [[-1, 0.5, 0.5]], atol=1e-5)
    assert float(FocalCrossentropy(gamma)(LABELS[:1], logits)) == pytest.approx(60 + np.log(2), rel=1e-5)


@pytest.mark.portable
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_an_easy_image_has_a_finite_gradient(gamma, gradients):
    (slope,) = gradients(
        lambda values: FocalCrossentropy(gamma)(LABELS[:1], values), np.array([[90.0, 0.0, -90.0]], "float32")
    )
    np.testing.assert_allclose(slope, 0, atol=1e-6)


def test_it_is_computed_in_float32():
    half = ops.cast(np.array([[-60.0, 0.0, 0.0]]), "float16")
    assert float(FocalCrossentropy(2.0)(LABELS[:1], half)) == pytest.approx(60 + np.log(2), rel=1e-4)


def test_it_survives_its_configuration():
    loss = FocalCrossentropy(1.5, 0.2, name="mine")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert (again.gamma, again.label_smoothing, again.name) == (1.5, 0.2, "mine")


@pytest.mark.parametrize("arguments", [{"gamma": -1}, {"label_smoothing": 1.5}], ids=str)
def test_numbers_out_of_range(arguments):
    with pytest.raises(ValueError, match="is out of range"):
        FocalCrossentropy(**arguments)

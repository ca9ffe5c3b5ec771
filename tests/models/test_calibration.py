"""Calibration changes the statistics of batch normalization, but not the outputs of the model."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.models import VGG16BN, attention_classifier, calibrate_batch_norm

pytestmark = pytest.mark.usefixtures("shallow_backbone")

COUNT = 13


@pytest.fixture
def images(rng):
    return rng.uniform(0, 255, (COUNT, 32, 32, 3)).astype("float32")


@pytest.fixture
def model(rng):
    """A network whose batch normalization statistics are far from those of its images."""
    model = VGG16BN((32, 32, 3), width=0.05)
    for layer in norms(model):
        size = layer.gamma.shape
        layer.set_weights([rng.uniform(0.5, 2, size), rng.normal(size=size), rng.normal(size=size), np.full(size, 3.0)])
    return model


def norms(model):
    return [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]


def inputs_of(model, layer, images):
    """The input of the layer, in float64."""
    return ops.convert_to_numpy(keras.Model(model.input, layer.input)(images)).astype("float64")


def test_inference_stays_the_same(model, images):
    before = ops.convert_to_numpy(model(images))
    assert calibrate_batch_norm(model, images, batch_size=4) == COUNT
    after = ops.convert_to_numpy(model(images))
    np.testing.assert_allclose(after, before, atol=1e-5 * np.abs(before).max())


@pytest.mark.portable
def test_the_statistics_are_those_of_the_images(model, images):
    calibrate_batch_norm(model, images, batch_size=4)
    for layer in norms(model):
        seen = inputs_of(model, layer, images)
        _, _, mean, variance = layer.get_weights()
        np.testing.assert_allclose(mean, seen.mean((0, 1, 2)), rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(variance, seen.var((0, 1, 2)), rtol=1e-3, atol=1e-5)


def test_an_identity_becomes_the_identity_of_the_paper(images):
    """With weights trained without batch normalization: γ = √(σ² + ε), β = μ."""
    model = VGG16BN((32, 32, 3), width=0.05)
    for layer in norms(model):
        gamma, beta, mean, variance = layer.get_weights()
        layer.set_weights([gamma * np.sqrt(1 + layer.epsilon), beta, mean, variance])
    calibrate_batch_norm(model, images)
    for layer in norms(model):
        gamma, beta, mean, variance = layer.get_weights()
        np.testing.assert_allclose(gamma, np.sqrt(variance + layer.epsilon), rtol=1e-5)
        np.testing.assert_allclose(beta, mean, rtol=1e-5, atol=1e-7)


def test_training_starts_from_the_same_function(model, images):
    """Normalised by the statistics of the same images, training computes the same as inference."""
    calibrate_batch_norm(model, images)
    inference, training = (ops.convert_to_numpy(model(images, training=mode)) for mode in (False, True))
    np.testing.assert_allclose(training, inference, atol=1e-3 * np.abs(inference).max())


def test_batches_of_any_kind_give_the_same(model, images):
    start, found = model.get_weights(), []
    pairs = [(images[:5], np.zeros(5)), (images[5:6], np.zeros(1)), (images[6:], np.zeros(7))]
    for given in (images, [ops.convert_to_tensor(images[:6]), images[6:]], iter(pairs)):
        model.set_weights(start)
        assert calibrate_batch_norm(model, given) == COUNT
        found.append(model.get_weights())
    for other in found[1:]:
        for one, same in zip(found[0], other, strict=True):
            np.testing.assert_allclose(one, same, rtol=2e-4, atol=1e-4)


def test_a_classifier_is_calibrated_as_a_whole(model, images):
    classifier = attention_classifier(model, 3, units=5)
    before = ops.convert_to_numpy(classifier(images))
    calibrate_batch_norm(classifier, images)
    np.testing.assert_allclose(ops.convert_to_numpy(classifier(images)), before, rtol=1e-3, atol=1e-5)


def test_half_precision_is_measured_in_float32(images):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = VGG16BN((32, 32, 3), width=0.05)
    calibrate_batch_norm(model, images)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    assert norms(model)[0].moving_mean.dtype == "float32"


def test_what_cannot_be_calibrated(model, images):
    with pytest.raises(ValueError, match=r"^Calibration needs images. Expected at least one image. Received: "):
        calibrate_batch_norm(model, images[:0])
    inputs = keras.Input((4, 4, 3))
    for layer in (keras.layers.ReLU(), keras.layers.BatchNormalization(scale=False)):
        other = keras.Model(inputs, layer(inputs), name="other")
        with pytest.raises(ValueError, match=r"^The model must have batch normalization. Expected layers of it"):
            calibrate_batch_norm(other, images)
    before = model.get_weights()
    with pytest.raises(ValueError, match="The features must be finite"):
        calibrate_batch_norm(model, images * np.nan)
    np.testing.assert_array_equal(model.get_weights()[-1], before[-1])


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((8, 16, 32, 3)), np.zeros((32, 32, 3)), np.zeros((8, 32, 32, 1)), [1, 2], np.array([{}], object)],
    ids=lambda given: str(getattr(given, "shape", given)),
)
def test_images_of_another_shape(model, wrong):
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"^The images must fit the model. Expected batches of shape \(None"):
        calibrate_batch_norm(model, wrong)
    np.testing.assert_array_equal(model.get_weights()[-1], before[-1])


@pytest.mark.parametrize("wrong", [None, "images", 5], ids=repr)
def test_what_is_no_images(model, wrong):
    with pytest.raises(TypeError, match=r"^`images` must be an array or an iterable of image batches. Expected "):
        calibrate_batch_norm(model, wrong)


@pytest.mark.parametrize("wrong", [None, "vgg", keras.layers.Dense(3)], ids=type)
def test_what_is_no_model(wrong, images):
    with pytest.raises(
        TypeError, match=r"^The model must be a functional `keras.Model` with one input. Expected a model"
    ):
        calibrate_batch_norm(wrong, images)

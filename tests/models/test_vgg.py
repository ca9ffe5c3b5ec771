"""VGG16-BN: the layers of keras.applications with batch normalization between them."""

import re

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_attention.layers import AdditiveScore
from keras_attention.models import VGG16BN, attention_classifier
from keras_attention.models.layout import IMAGENET_MEAN, IMAGENET_STD, LAYER_NAMES

TINY = 0.05
FILTERS = [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def of_kind(model, kind):
    return [layer for layer in model.layers if isinstance(layer, kind)]


@pytest.fixture(scope="module")
def tiny():
    return VGG16BN((32, 32, 3), width=TINY)


@pytest.fixture
def images(rng):
    return rng.uniform(0, 255, size=(2, 32, 32, 3)).astype("float32")


def test_convolutions_and_poolings_are_those_of_keras_applications(tiny):
    theirs = keras.applications.VGG16(weights=None, include_top=False, input_shape=(32, 32, 3))
    named = (layers.Conv2D, layers.MaxPooling2D)
    assert [layer.name for layer in of_kind(tiny, named)] == [layer.name for layer in of_kind(theirs, named)]
    assert [layer.filters for layer in of_kind(theirs, layers.Conv2D)] == FILTERS
    for ours, other in zip(of_kind(tiny, layers.Conv2D), of_kind(theirs, layers.Conv2D), strict=True):
        assert (ours.kernel_size, ours.padding, ours.strides) == (other.kernel_size, other.padding, other.strides)
        assert not ours.use_bias


def test_each_convolution_is_followed_by_batch_normalization_and_relu(tiny):
    names = [layer.name for layer in tiny.layers]
    for convolution in of_kind(tiny, layers.Conv2D):
        place = names.index(convolution.name)
        assert names[place + 1] == convolution.name.replace("conv", "bn")
        assert names[place + 2] == convolution.name.replace("conv", "relu")
    normalizations = of_kind(tiny, layers.BatchNormalization)
    assert len(normalizations) == len(of_kind(tiny, layers.ReLU)) == 13
    assert {(layer.epsilon, layer.momentum) for layer in normalizations} == {(1e-5, 0.9)}


def test_the_named_layers_are_those_that_give_a_map(tiny):
    assert [layer.name for layer in of_kind(tiny, (layers.ReLU, layers.MaxPooling2D))] == list(LAYER_NAMES)


@pytest.mark.parametrize("width", [TINY, 0.125, 0.001])
def test_width_multiplies_the_filters_and_keeps_one(width):
    model = VGG16BN((32, 32, 3), width=width)
    assert [layer.filters for layer in of_kind(model, layers.Conv2D)] == [max(1, round(width * f)) for f in FILTERS]


@pytest.mark.parametrize(
    ("input_shape", "output_shape"),
    [((32, 32, 3), (None, 1, 1, 26)), ((67, 97, 3), (None, 2, 3, 26)), ((None, None, 3), (None, None, None, 26))],
    ids=str,
)
def test_five_poolings_halve_each_side(input_shape, output_shape):
    model = VGG16BN(input_shape, width=TINY)
    assert model.input_shape == (None, *input_shape)
    assert model.output_shape == output_shape


@pytest.mark.portable
def test_the_output_is_finite_and_follows_the_image(tiny, images):
    features = numpy(tiny(images))
    assert np.isfinite(features).all()
    assert (features[0] != features[1]).any()


def test_preprocessing_inside_is_that_of_imagenet_outside(tiny, images):
    bare = VGG16BN((32, 32, 3), width=TINY, include_preprocessing=False)
    bare.set_weights(tiny.get_weights()[2:])  # without those of the preprocessing
    normalised = (images / 255 - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)
    np.testing.assert_allclose(numpy(bare(normalised)), numpy(tiny(images)), rtol=1e-4, atol=1e-5)
    assert len(bare.layers) == len(tiny.layers) - 1


def test_preprocessing_in_numbers(tiny):
    # torchvision's means and deviations: black is −mean/std, white (1 − mean)/std.
    pixels = np.stack([np.zeros((32, 32, 3)), np.full((32, 32, 3), 255)]).astype("float32")
    found = numpy(tiny.get_layer("preprocessing")(pixels))[:, 0, 0]
    np.testing.assert_allclose(found, [[-2.1179, -2.0357, -1.8044], [2.2489, 2.4286, 2.64]], atol=5e-5)


def test_preprocessing_leaves_the_image_alone_and_stays_in_float32(images):
    keras.config.set_dtype_policy("mixed_bfloat16")
    before, layer = images.copy(), VGG16BN((32, 32, 3), width=TINY).get_layer("preprocessing")
    assert keras.backend.standardize_dtype(layer(images).dtype) == "float32"
    np.testing.assert_array_equal(images, before)


def test_reload_gives_the_same_features(tiny, images, reload):
    np.testing.assert_array_equal(numpy(reload(tiny)(images)), numpy(tiny(images)))


def test_weights_come_from_a_file(tiny, images, tmp_path):
    path = tmp_path / "tiny.weights.h5"
    tiny.save_weights(path)
    np.testing.assert_array_equal(numpy(VGG16BN((32, 32, 3), path, TINY)(images)), numpy(tiny(images)))


@pytest.mark.parametrize(
    "input_shape", [(31, 32, 3), (32, 31, 3), (32, 32, 1), (32, 32, None), (32, 32), (2, 32, 32, 3)], ids=str
)
def test_images_that_do_not_fit(input_shape):
    expected = (
        "The images must fit VGG16, whose five poolings halve each side. Expected an input shape (height, width, 3) "
        f"with sides of at least 32. Received: input_shape={input_shape}."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        VGG16BN(input_shape)


@pytest.mark.parametrize("width", [0, -1.0, "1", None], ids=repr)
def test_a_width_out_of_range(width):
    expected = f"`width` is out of range. Expected a number above 0. Received: width={width!r}."
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        VGG16BN((32, 32, 3), width=width)


def test_with_attention_it_has_the_parameters_of_yan_et_al():
    score = AdditiveScore(256, activation="relu", use_bias=False, use_output_bias=True, kernel_initializer="he_normal")
    model = attention_classifier(VGG16BN((32, 32, 3)), 2, score=score, alignment="sigmoid", normalize="none")
    # Keras's VGG16 also has biases of the convolutions, 4,224 numbers that batch normalization would cancel.
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == 15_184_964 - 4_224

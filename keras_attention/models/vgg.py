"""VGG16 with batch normalization, built from the table in `layout`."""

import warnings

import keras
from keras import layers

from keras_attention.arguments import invalid, require_number
from keras_attention.layers import ChannelNormalization
from keras_attention.models import layout
from keras_attention.models.weights import load_pretrained


def VGG16BN(
    input_shape=(224, 224, 3), weights=None, width=1.0, include_preprocessing=True, name="vgg16_bn", strict=True
):
    """The convolutional part of VGG16, each convolution followed by batch normalization and ReLU.

    Layers are named as in `keras.applications`: `block1_conv1`, `block1_bn1`, `block1_relu1`, …, `block5_pool`. The
    convolutions have no bias, which would have no effect before batch normalization (epsilon 1e-5, momentum .9).

    Args:
        input_shape: `(height, width, 3)`, each side at least 32, which five poolings reduce to 1.
        weights: `None` for random weights; `"imagenet"` for Keras's VGG16, downloaded once; or the path of
            a file with `vgg16_bn` or `vgg16` of torchvision or timm, Keras's VGG16, or a model of this package.
            `load_pretrained` lists the formats, and returns what the file held. For weights without batch
            normalization, call `calibrate_batch_norm` before training.
        width: factor on the number of filters, above 0. It must be that of the pretrained weights, which is 1
            unless this package saved them.
        include_preprocessing: whether the model takes raw RGB images from 0 to 255, and normalises them as its weights
            need it. If `False`, images must be normalised already, for random weights by `IMAGENET_MEAN` and
            `IMAGENET_STD`.
        name: name of the model.
        strict: whether each layer must be in the file; otherwise a warning names the missing layers.

    Returns:
        A functional `keras.Model`, `(B, height, width, 3)` → `(B, height // 32, width // 32, 512 · width)`.

    Raises:
        ValueError: an image too small for five poolings, a width not above 0, or weights that cannot be loaded.

    Example:

    >>> from keras_attention.models import VGG16BN
    >>> VGG16BN((64, 64, 3), width=0.25).output_shape
    (None, 2, 2, 128)

    Reference:
        Simonyan, Zisserman, *Very Deep Convolutional Networks for Large-Scale Image Recognition*, ICLR 2015, table 1,
        column D; Ioffe, Szegedy, *Batch Normalization*, ICML 2015.
    """
    _check_input_shape(input_shape)
    require_number("width", width, above=0)
    inputs = keras.Input(input_shape, name="images")
    # In float32 under any policy, so that pixels are normalised before they are rounded to half precision.
    normalized = ChannelNormalization(*layout.TORCH_PREPROCESSING, dtype="float32", name="preprocessing")
    x = normalized(inputs) if include_preprocessing else inputs
    for block, (convolutions, filters) in enumerate(layout.BLOCKS, start=1):
        for number in range(1, convolutions + 1):
            x = _convolution(x, max(1, round(width * filters)), block, number)
        x = layers.MaxPooling2D(2, data_format="channels_last", name=f"block{block}_pool")(x)
    model = keras.Model(inputs, x, name=name)
    if weights is not None:
        _load(model, weights, strict)
    return model


def _load(model, weights, strict):
    missing = load_pretrained(model, weights, strict).missing
    if missing:
        warnings.warn(f"{weights} lacks weights of {', '.join(missing)}; they stay random.", stacklevel=3)


def _convolution(x, filters, block, number):
    x = layers.Conv2D(
        filters,
        3,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        data_format="channels_last",
        name=f"block{block}_conv{number}",
    )(x)
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"block{block}_bn{number}")(x)
    return layers.ReLU(name=f"block{block}_relu{number}")(x)


def _check_input_shape(input_shape):
    sides_fit = len(input_shape) == 3 and all(side is None or side >= layout.SMALLEST_IMAGE for side in input_shape[:2])
    if not sides_fit or input_shape[2] != 3:
        raise invalid(
            "The images must fit VGG16, whose five poolings halve each side.",
            f"an input shape (height, width, 3) with sides of at least {layout.SMALLEST_IMAGE}",
            f"input_shape={tuple(input_shape)}",
        )

"""Where the positions of feature maps lie: compared with where the gradients of each position lie in the image."""

import dataclasses
import functools

import keras
import numpy as np
import pytest
from keras import layers

from keras_attention.models import VGG16BN, Axis, Grid, attention_classifier, feature_layers, layer_grids, map_grids

# With even weights the middle of a window is its centre of gravity.
Convolution = functools.partial(layers.Conv2D, 1, kernel_initializer="ones")
NETWORKS = {
    "poolings that leave a border out": lambda: [layers.AveragePooling2D(2) for _ in range(3)],
    "poolings with padding": lambda: [
        layers.AveragePooling2D(2, padding="same"),
        layers.AveragePooling2D(3, 2, "same"),
    ],
    "strides without padding": lambda: [Convolution(3, 2), Convolution(5, 3)],
    "strides with padding": lambda: [
        Convolution(3, 2, "same"),
        layers.DepthwiseConv2D(4, 2, "same", depthwise_initializer="ones"),
    ],
    "padding before strides": lambda: [
        layers.ZeroPadding2D(3),
        Convolution(7, 2),
        layers.ZeroPadding2D(1),
        Convolution(3, 2),
    ],
    "padding of one end": lambda: [layers.ZeroPadding2D(((0, 1), (0, 1))), Convolution(3, 2)],
    "dilation": lambda: [Convolution(3, dilation_rate=3), Convolution(3, 2)],
    "a crop": lambda: [layers.Cropping2D(((5, 2), (5, 2))), Convolution(3, 2)],
    "a larger image": lambda: [layers.UpSampling2D(2), Convolution(4, 4)],
    "a transposed convolution": lambda: [
        Convolution(3, 4),
        layers.Conv2DTranspose(1, 4, 2, "same", kernel_initializer="ones"),
    ],
    "a resized image": lambda: [layers.Resizing(20, 20, antialias=True), Convolution(3, 2)],
    "a resized part of the image": lambda: [layers.CenterCrop(24, 24), layers.Resizing(12, 12, antialias=True)],
}


def network(side, parts):
    image = keras.Input((side, side, 3))
    return keras.Model(image, keras.Sequential(parts)(image))


def centre_of_gradients(model, row):
    """The middle of the rows of the image on which the rows `row` and `row` + 1 of the output depend."""
    import tensorflow as tf

    images = tf.zeros((1, *model.input_shape[1:]))
    with tf.GradientTape() as tape:
        tape.watch(images)
        value = tf.reduce_sum(model(images, training=False)[:, row : row + 2])
    slopes = np.asarray(tape.gradient(value, images)).sum(axis=(0, 2, 3))
    return (slopes * (np.arange(len(slopes)) + 0.5)).sum() / slopes.sum()


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="takes gradients with TensorFlow")
@pytest.mark.parametrize("side", [33, 38])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_position_lies_where_its_gradients_lie(name, side):
    model = network(side, NETWORKS[name]())
    grid = list(layer_grids(model).values())[-1]
    row = grid.rows.count // 2 - 1
    assert grid.shape == tuple(model.output.shape[1:3])
    assert centre_of_gradients(model, row) == pytest.approx(grid.rows.start + grid.rows.step * (row + 0.5), abs=0.02)


@pytest.mark.parametrize(("side", "count"), [(75, 4), (110, 6), (127, 7), (128, 8)])
def test_the_positions_of_poolings_start_at_the_edge_and_keep_their_stride(side, count):
    grids = layer_grids(VGG16BN((side, side, 3), width=0.05))
    assert grids["block4_pool"] == Grid(Axis(8.0, 16.0, count, side), Axis(8.0, 16.0, count, side))


@pytest.mark.parametrize("side", range(32, 65))
@pytest.mark.long
def test_every_size_has_maps_whose_grids_fit(side):
    model = attention_classifier(VGG16BN((side, side, 3), width=0.05), 2, units=4)
    shapes = {name: tuple(layer.output[1].shape[1:]) for name, layer in _attention(model).items()}
    assert {name: grid.shape for name, grid in map_grids(model).items()} == shapes


def _attention(model):
    return {name: model.get_layer(f"attention_{name}") for name in ("block3_pool", "block4_pool")}


def test_tokens_that_become_a_map_again_keep_their_grid():
    image = keras.Input((21, 21, 3))
    patches = layers.Conv2D(4, 4, 4)(image)
    tokens = layers.Dense(4)(layers.Reshape((-1, 4))(patches))
    model = keras.Model(image, layers.Reshape((5, 5, 4), name="map")(tokens))
    assert layer_grids(model)["map"].rows == Axis(2.0, 4.0, 5, 21)


def test_a_gate_of_one_position_does_not_move_a_map():
    image = keras.Input((21, 21, 3))
    features = layers.Conv2D(4, 2, 2)(image)
    gate = layers.Dense(4)(layers.GlobalAveragePooling2D(keepdims=True)(features))
    grids = layer_grids(keras.Model(image, layers.Multiply(name="gated")([gate, features])))
    assert grids["gated"].rows == Axis(1.0, 2.0, 10, 21)


def test_paths_that_meet_have_the_mean_of_their_centres():
    image = keras.Input((32, 32, 3))
    paths = [layers.Conv2D(4, size, 2, "same")(image) for size in (1, 3)]
    grids = layer_grids(keras.Model(image, layers.Add(name="sum")(paths)))
    assert grids["sum"].rows == Axis(1.0, 2.0, 16, 32)  # one path has 0.5, the other 1.5


def test_a_layer_of_unknown_kind_scales_its_whole_input():
    class Halved(layers.Layer):
        def call(self, features):
            return features[:, ::2, ::2]

    image = keras.Input((33, 33, 3))
    grids = layer_grids(keras.Model(image, Halved(name="halved")(layers.MaxPooling2D(2)(image))))
    assert grids["halved"].rows == Axis(2.0, 4.0, 8, 33)  # of the 32 pixels that the pooling covers


@pytest.mark.parametrize("size", [(75, 96), (64, 64)])
def test_a_model_of_any_size_has_the_grids_of_a_size(size):
    def build(height, width):
        image = keras.Input((height, width, 3))
        features = layers.Conv2D(4, 3, 2, "same", name="conv")(image)
        return keras.Model(
            image, layers.MaxPooling2D(2, name="pool")(layers.ReLU()(layers.BatchNormalization()(features)))
        )

    found, expected = (list(layer_grids(build(*sides), size).values()) for sides in ((None, None), size))
    assert found == expected
    assert feature_layers(build(None, None))["pool"].stride == 4


def test_the_layers_of_a_model_inside_a_model_have_grids():
    inner = keras.Sequential([keras.Input((None, None, 3)), layers.MaxPooling2D(2, name="pool")], name="inner")
    image = keras.Input((21, 21, 3))
    grids = layer_grids(keras.Model(image, layers.Conv2D(4, 1, name="conv")(inner(image))))
    assert grids["conv"].rows == Axis(1.0, 2.0, 10, 21)


def test_the_stride_of_a_layer_is_that_of_its_positions():
    features = feature_layers(VGG16BN((75, 75, 3), width=0.05))
    assert [features[f"block{number}_pool"].stride for number in range(1, 6)] == [2, 4, 8, 16, 32]


def test_a_grid_survives_its_configuration():
    grid = Grid(Axis(8.0, 16.0, 4, 75), Axis.even(4, 80))
    assert Grid.from_config(dataclasses.asdict(grid)) == grid

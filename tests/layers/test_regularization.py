"""Regularizers of maps: their values on handmade maps, their gradients, and their effect in training."""

import re

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.layers import (
    MAP_REGULARIZERS,
    MapDisagreement,
    MapEntropy,
    MapRegularizer,
    MapSpread,
    SpatialAttention,
)

HEIGHT, WIDTH = 4, 6
POSITIONS = HEIGHT * WIDTH

every_regularizer = pytest.mark.parametrize("name", list(MAP_REGULARIZERS))


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def one_position(row=1, column=2):
    values = np.zeros((HEIGHT, WIDTH), "float32")
    values[row, column] = 0.7
    return values


CHECKERBOARD = (np.indices((HEIGHT, WIDTH)).sum(axis=0) % 2).astype("float32")
NEIGHBOURS = (HEIGHT - 1) * WIDTH + HEIGHT * (WIDTH - 1)
CONSTANT, ZEROS = np.full((HEIGHT, WIDTH), 0.3, "float32"), np.zeros((HEIGHT, WIDTH), "float32")

# Map → its value for each regularizer.
FIGURES = {
    "constant": (CONSTANT, {"entropy": 1, "total_variation": 0, "spread": 1}),
    "one position": (one_position(), {"entropy": 0, "total_variation": 4, "spread": 1 / POSITIONS}),
    "corner": (one_position(0, 0), {"entropy": 0, "total_variation": 2, "spread": 1 / POSITIONS}),
    "checkerboard": (
        CHECKERBOARD,
        {
            "entropy": np.log(POSITIONS / 2) / np.log(POSITIONS),
            "total_variation": NEIGHBOURS * 2 / POSITIONS,
            "spread": 0.5,
        },
    ),
    "zeros": (ZEROS, {"entropy": 0, "total_variation": 0, "spread": 0}),
    "single": (np.full((1, 1), 0.4, "float32"), {"entropy": 0, "total_variation": 0, "spread": 1}),
}


@pytest.mark.portable
@pytest.mark.parametrize("kind", list(FIGURES))
@every_regularizer
def test_the_figure_of_a_map_made_by_hand(name, kind):
    values, figures = FIGURES[kind]
    assert set(figures) == set(MAP_REGULARIZERS)
    for rate in (1.0, -0.5):
        found = MAP_REGULARIZERS[name](rate)(values[None])
        assert keras.backend.standardize_dtype(found.dtype) == "float32"
        assert float(found) == pytest.approx(rate * figures[name], abs=1e-6)


@every_regularizer
def test_it_is_the_mean_over_all_maps(name, rng):
    maps = rng.uniform(size=(2, 3, HEIGHT, WIDTH)).astype("float32")
    single = [float(MAP_REGULARIZERS[name](1.0)(one)) for one in maps.reshape(6, HEIGHT, WIDTH)]
    assert float(MAP_REGULARIZERS[name](1.0)(maps)) == pytest.approx(np.mean(single), rel=1e-5)
    assert float(MAP_REGULARIZERS[name](1.0)(7 * maps)) == pytest.approx(np.mean(single), rel=1e-5)


@pytest.mark.portable
@every_regularizer
def test_gradients_are_finite_and_that_of_zeros_too(name, gradients, rng):
    maps = np.stack([ZEROS, CONSTANT, one_position(), rng.uniform(size=ZEROS.shape).astype("float32")])
    (gradient,) = gradients(MAP_REGULARIZERS[name](1.0), maps)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient[3]).max() > 0


@every_regularizer
def test_a_few_steps_lower_it(name, gradients, rng):
    scores = keras.Variable(rng.normal(size=(1, HEIGHT * WIDTH)).astype("float32"))
    regularizer = MAP_REGULARIZERS[name](1.0)

    def loss(values):
        return regularizer(ops.reshape(ops.softmax(values), (1, HEIGHT, WIDTH)))

    before = float(loss(scores.value))
    optimizer = keras.optimizers.Adam(0.1)
    for _ in range(5):
        optimizer.apply([ops.convert_to_tensor(gradients(loss, numpy(scores))[0])], [scores])
    assert float(loss(scores.value)) < 0.95 * before


@every_regularizer
def test_it_comes_back_from_its_config(name):
    regularizer = MAP_REGULARIZERS[name](-0.25)
    again = keras.regularizers.deserialize(keras.regularizers.serialize(regularizer))
    assert (type(again), again.rate) == (type(regularizer), -0.25)
    assert isinstance(MAP_REGULARIZERS[name](), MapRegularizer)


# On a layer


def attended(**arguments):
    layer = SpatialAttention("dot", "softmax", **arguments)
    query, features = np.ones((2, 3, 4), "float32"), np.random.default_rng(3).normal(size=(2, HEIGHT, WIDTH, 4))
    return layer, layer(query, features, return_attention_scores=True)[1]


@pytest.mark.parametrize(
    "given",
    [
        "entropy",
        MapEntropy,
        MapEntropy(0.3),
        keras.saving.serialize_keras_object(MapEntropy(0.3)),
        [MapSpread(-0.1), "total_variation", keras.regularizers.L2(0.1)],
    ],
    ids=["name", "class", "instance", "config", "list"],
)
def test_the_map_is_regularized_in_each_call(given):
    layer, attention_map = attended(map_regularizer=given)
    assert len(layer.losses) == (len(given) if isinstance(given, list) else 1)
    for loss, regularizer in zip(layer.losses, layer.map_regularizers, strict=True):
        assert float(loss) == pytest.approx(float(regularizer(attention_map)), rel=1e-5)
    again = SpatialAttention.from_config(layer.get_config())
    assert [one.get_config() for one in again.map_regularizers] == [one.get_config() for one in layer.map_regularizers]


def test_without_a_regularizer_there_is_no_loss():
    assert attended()[0].losses == []
    assert attended(map_regularizer=[])[0].losses == []


@pytest.mark.parametrize(
    ("make", "message", "error"),
    [
        (
            lambda: MapEntropy(float("nan")),
            "`rate` is out of range. Expected a number. Received: rate=nan.",
            ValueError,
        ),
        (
            lambda: SpatialAttention(map_regularizer="entropie"),
            "Unknown map regularizer 'entropie' (did you mean 'entropy'?). Expected one of: "
            f"{', '.join(MAP_REGULARIZERS)}. Received: map regularizer='entropie'.",
            ValueError,
        ),
        (
            lambda: MapDisagreement()(np.ones((1, 2)), [CONSTANT[None]]),
            "A disagreement needs at least two maps of the same image. Expected two or more maps (..., height, width) "
            "with the same leading axes. Received: maps of shape [(1, 4, 6)].",
            ValueError,
        ),
        (
            lambda: SpatialAttention(map_regularizer=3),
            "Cannot interpret the map regularizer. Expected a name (",
            TypeError,
        ),
    ],
)
def test_errors_have_three_parts(make, message, error):
    with pytest.raises(error, match=f"^{re.escape(message)}"):
        make()


# Disagreement


def disagreement(*maps):
    layer, context = MapDisagreement(1.0), np.arange(3, dtype="float32")[None]
    given = layer(context, [one[None] for one in maps])
    np.testing.assert_array_equal(numpy(given), context)
    (loss,) = layer.losses
    return float(loss)


def test_maps_that_agree_and_maps_that_lie_apart():
    assert disagreement(CHECKERBOARD, 3 * CHECKERBOARD) == pytest.approx(0, abs=1e-6)
    assert disagreement(CHECKERBOARD, 1 - CHECKERBOARD) == pytest.approx(1)
    assert disagreement(CHECKERBOARD, CONSTANT) == pytest.approx(0.5)
    # Three pairs: the first two maps agree, and the third overlaps neither of them.
    assert disagreement(one_position(), one_position(), one_position(0, 0)) == pytest.approx(2 / 3)
    assert disagreement(ZEROS, ZEROS) == pytest.approx(1)


def test_maps_are_compared_on_the_coarser_grid():
    coarse = np.array([[0, 1, 0], [0, 0, 0]], "float32")  # a position is 2×2 of the finer map
    fine = np.zeros((HEIGHT, WIDTH), "float32")
    fine[:2, 2:4] = [[0.1, 0.2], [0.3, 0.4]]
    assert disagreement(coarse, fine) == disagreement(fine, coarse) == pytest.approx(0, abs=1e-6)
    fine[3, 0] = 1.0  # half of the weight at another position
    assert disagreement(coarse, fine) == pytest.approx(0.5)
    # Three columns into two: half of the middle column is in each. Each map is the coarser one along one axis.
    middle = np.array([[0, 1, 0]], "float32")
    assert disagreement(middle, np.full((1, 2), 0.5, "float32")) == pytest.approx(0, abs=1e-6)
    assert disagreement(np.ones((5, 1), "float32"), np.ones((1, 7), "float32")) == pytest.approx(0, abs=1e-6)


@pytest.mark.portable
def test_agreement_of_several_heads_has_a_finite_gradient(gradients, rng):
    layer, context = MapDisagreement(0.5), np.ones((2, 3), "float32")

    def loss(first, second):
        layer(context, [first, second])
        return sum(layer.losses)

    shapes = (2, 3, 7, 5), (2, 3, 4, 6)
    found = gradients(loss, *(rng.uniform(size=shape).astype("float32") for shape in shapes))
    assert all(np.isfinite(gradient).all() and np.abs(gradient).max() > 0 for gradient in found)
    again = MapDisagreement.from_config(layer.get_config())
    assert again.rate == 0.5

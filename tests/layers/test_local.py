"""Local alignments: windows and Gaussians on lines and maps, at borders and corners."""

import keras
import numpy as np
import pytest
from keras import ops
from seams import assert_three_parts

from keras_attention.layers import Attention, LocalMonotonicAlignment, LocalPredictiveAlignment, SpatialAttention


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def softmax(scores):
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)


# For each window, the keys that each query sees, by hand: five positions, with one query at each.
LINES = [
    (1, ["x....", ".x...", "..x..", "...x.", "....x"]),
    (2, ["xx...", ".xx..", "..xx.", "...xx", "....x"]),
    (3, ["xx...", "xxx..", ".xxx.", "..xxx", "...xx"]),
    (4, ["xxx..", "xxxx.", ".xxxx", "..xxx", "...xx"]),
    (9, ["xxxxx"] * 5),
]
# One query in the middle of six positions, between the third and the fourth.
MIDDLES = [(1, "...x.."), (2, "..xx.."), (3, "..xxx."), (4, ".xxxx."), (7, "xxxxxx")]
# A map of three rows and four columns, with a query at a corner, at an edge, and inside.
MAPS = [
    (3, (0, 0), ["xx..", "xx..", "...."]),
    (3, (2, 3), ["....", "..xx", "..xx"]),
    (3, (0, 1), ["xxx.", "xxx.", "...."]),
    (3, (1, 2), [".xxx", ".xxx", ".xxx"]),
    (2, (1, 1), ["....", ".xx.", ".xx."]),
    (2, (2, 3), ["....", "....", "...x"]),
    ((1, 3), (1, 2), ["....", ".xxx", "...."]),
    (1, (2, 0), ["....", "....", "x..."]),
]


def seen(rows):
    return np.array([[letter == "x" for letter in row] for row in rows])


@pytest.mark.parametrize(("window", "rows"), LINES, ids=[str(row[0]) for row in LINES])
def test_windows_on_a_line(window, rows, rng):
    scores = rng.normal(size=(2, 5, 5)).astype("float32")
    weights = numpy(LocalMonotonicAlignment(window)(scores))
    np.testing.assert_array_equal(weights > 0, np.broadcast_to(seen(rows), weights.shape))
    expected = softmax(np.where(seen(rows), scores.astype("float64"), -np.inf))
    np.testing.assert_allclose(weights, expected, rtol=1e-6)


@pytest.mark.parametrize(("window", "row"), MIDDLES, ids=[str(row[0]) for row in MIDDLES])
def test_a_single_query_stands_in_the_middle(window, row):
    weights = numpy(LocalMonotonicAlignment(window)(np.zeros((1, 6), "float32")))
    np.testing.assert_array_equal(weights > 0, seen([row]))


@pytest.mark.portable
@pytest.mark.parametrize(("window", "place", "rows"), MAPS)
def test_windows_on_a_map(window, place, rows, rng):
    scores = rng.normal(size=(2, 12, 12)).astype("float32")
    weights = numpy(LocalMonotonicAlignment(window)(scores, grid=(3, 4)))[:, place[0] * 4 + place[1]]
    np.testing.assert_array_equal(weights > 0, np.broadcast_to(seen(rows).ravel(), weights.shape))
    np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("height", "width", "window", "rows"),
    [
        (3, 5, 3, [".xxx.", ".xxx.", ".xxx."]),
        (4, 4, 2, ["....", ".xx.", ".xx.", "...."]),
        (4, 4, 3, ["....", ".xxx", ".xxx", ".xxx"]),
        (2, 3, 1, ["...", ".x."]),
        (1, 1, 7, ["x"]),
    ],
)
def test_one_question_for_a_map_looks_at_its_middle(height, width, window, rows, rng):
    layer = SpatialAttention("dot", LocalMonotonicAlignment(window))
    query, features = rng.normal(size=(2, 5)), rng.normal(size=(2, height, width, 5))
    _, attention_map = layer(query, features, return_attention_scores=True)
    np.testing.assert_array_equal(numpy(attention_map) > 0, np.broadcast_to(seen(rows), attention_map.shape))


def test_fewer_queries_are_spread_over_the_keys():
    # Two queries for six keys are at the positions 1 and 4.
    weights = numpy(LocalMonotonicAlignment(1)(np.zeros((2, 6), "float32")))
    np.testing.assert_array_equal(weights > 0, seen([".x....", "....x."]))


def test_the_visible_keys_stand_side_by_side():
    mask = np.array([1, 0, 0, 1, 1], "bool")
    weights = numpy(LocalMonotonicAlignment(3)(np.zeros((5, 5), "float32"), mask=mask))
    # The first and the fourth key are neighbours; the queries between them stand between them.
    expected = [[1, 0, 0, 1, 0], [1, 0, 0, 1, 1], [1, 0, 0, 1, 1], [1, 0, 0, 1, 1], [0, 0, 0, 1, 1]]
    np.testing.assert_array_equal(weights > 0, np.array(expected, "bool"))


def test_a_mask_of_numbers_that_are_meant_to_be_added():
    with pytest.raises(TypeError, match=r"`mask` must be boolean or integer\. Expected booleans or integers"):
        LocalMonotonicAlignment(3)(np.zeros((5, 5), "float32"), mask=np.zeros(5, "float32"))


def predictive(axes=1, window=3.0, dimension=5, seed=3, **arguments):
    layer = LocalPredictiveAlignment(window=window, units=7, axes=axes, **arguments)
    layer.build((None, None), (None, dimension))
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.weights])
    return layer


def gaussian(layer, query, grid, window):
    hidden, place = (numpy(weight).astype("float64") for weight in layer.weights)
    centre = np.array(grid) / (1 + np.exp(-np.tanh(query @ hidden) @ place))
    keys = np.stack(np.meshgrid(*map(np.arange, grid), indexing="ij"), axis=-1).reshape(-1, len(grid))
    squares = ((keys - centre[..., None, :]) ** 2).sum(axis=-1)
    return np.exp(-squares / (2 * (window / 2) ** 2))


@pytest.mark.portable
@pytest.mark.parametrize("grid", [(11,), (3, 5), (1, 1), (1,)], ids=str)
def test_the_gaussian_stands_where_the_query_predicts(grid, rng):
    layer = predictive(len(grid))
    scores = rng.normal(size=(2, 3, int(np.prod(grid)))).astype("float32")
    query = rng.normal(size=(2, 3, 5)).astype("float32")
    weights = numpy(layer(scores, grid=grid, query=query))
    expected = softmax(scores.astype("float64")) * gaussian(layer, query, grid, 3.0)
    np.testing.assert_allclose(weights, expected, rtol=2e-5, atol=1e-9)
    # The predicted positions span the grid, and depend on the query.
    places = numpy(layer.places(ops.convert_to_tensor(query), grid))
    assert (places >= 0).all()
    assert (places <= np.array(grid)).all()
    assert len(np.unique(places)) == places.size


def test_without_a_grid_the_keys_stand_in_a_line(rng):
    layer, scores, query = predictive(), rng.normal(size=(2, 3, 11)), rng.normal(size=(2, 3, 5))
    np.testing.assert_array_equal(numpy(layer(scores, query=query)), numpy(layer(scores, grid=(11,), query=query)))


def test_a_masked_key_gets_nothing_and_a_row_of_them_is_zero(rng):
    layer, scores, query = predictive(), rng.normal(size=(2, 3, 11)), rng.normal(size=(2, 3, 5))
    mask = rng.random((2, 3, 11)) < 0.5
    mask[0, 1] = False
    weights = numpy(layer(scores, mask=mask, query=query))
    np.testing.assert_array_equal(weights > 0, mask)


def test_attention_passes_query_and_grid(rng):
    query, key, value = (rng.normal(size=(2, count, 5)).astype("float32") for count in (12, 12, 12))
    for make in (lambda: LocalMonotonicAlignment(3), lambda: predictive(2)):
        layer, alone = Attention("dot", make()), make()
        context, weights = layer(query, value, key, return_attention_scores=True, grid=(3, 4))
        expected = numpy(alone(layer.score(query, key), grid=(3, 4), query=query))
        np.testing.assert_allclose(numpy(weights), expected, rtol=1e-5, atol=1e-8)
        # As in the paper, the context is a sum, although the weights do not sum to 1.
        np.testing.assert_allclose(numpy(context), expected @ value, rtol=1e-4, atol=1e-5)


def test_a_query_map_predicts_by_its_average(rng):
    query, features = rng.normal(size=(2, 3, 3, 5)), rng.normal(size=(2, 7, 6, 5))
    layer = SpatialAttention("dot", predictive(2))
    _, attention_map = layer(query, features, return_attention_scores=True)
    scores = ops.reshape(layer._scores(ops.cast(query, "float32"), ops.cast(features, "float32")), (2, 1, 42))
    average = query.mean(axis=(1, 2))[:, None].astype("float32")
    expected = numpy(layer.alignment(scores, grid=(7, 6), query=average)).reshape(2, 7, 6)
    np.testing.assert_allclose(numpy(attention_map), expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ["monotonic", "predictive"])
def test_extreme_scores_in_half_precision(name, dtype, rng, gradients):
    policy = f"mixed_{dtype}"
    layer = LocalMonotonicAlignment(3, dtype=policy) if name == "monotonic" else predictive(dtype=policy)
    query = rng.normal(size=(3, 5)).astype("float32")
    scores = np.array([[1e4, -1e4, -np.inf], [-np.inf] * 3, [0.0, -np.inf, 0.0]], "float32")
    weights = numpy(layer(ops.cast(scores, dtype), query=query))
    assert np.isfinite(weights).all()
    assert (weights[np.isinf(scores)] == 0).all()
    (gradient,) = gradients(lambda scores: ops.sum(ops.square(layer(scores, query=query))), scores)
    assert np.isfinite(gradient).all()


@pytest.mark.portable
@pytest.mark.parametrize("axes", [1, 2])
def test_reload(axes, rng, reload):
    grid = (12,) if axes == 1 else (3, 4)
    query = keras.Input((12, 5))
    for alignment in (LocalMonotonicAlignment(window=(3, 2)[:axes]), LocalPredictiveAlignment(2.5, 7, axes)):
        model = keras.Model(query, Attention("dot", alignment)(query, query, grid=grid))
        inputs = rng.normal(size=(2, 12, 5))
        np.testing.assert_array_equal(numpy(reload(model)(inputs)), numpy(model(inputs)))


SCORES = np.zeros((2, 3, 6), "float32")
QUERY = np.zeros((2, 3, 5), "float32")
ERRORS = [
    ("window", lambda: LocalMonotonicAlignment(0), "`window` is out of range.", "window=0."),
    ("windows", lambda: LocalMonotonicAlignment((3, 0)), "`window` is out of range.", "window=0."),
    ("half a key", lambda: LocalMonotonicAlignment(2.5), "`window` is out of range.", "window=2.5."),
    (
        "axes",
        lambda: LocalMonotonicAlignment((3, 3))(SCORES),
        "`window` must fit the axes of the grid.",
        "window=(3, 3).",
    ),
    (
        "grid",
        lambda: LocalMonotonicAlignment()(SCORES, grid=(2, 2)),
        "`grid` must have a position for every key.",
        "grid=(2, 2).",
    ),
    (
        "places",
        lambda: LocalMonotonicAlignment()(SCORES, grid=(2, 3)),
        "The number of queries must fit the grid.",
        "3 queries on",
    ),
    ("D", lambda: LocalPredictiveAlignment(0.5), "`window` is out of range.", "window=0.5."),
    ("units", lambda: LocalPredictiveAlignment(units=0), "`units` is out of range.", "units=0."),
    ("three axes", lambda: LocalPredictiveAlignment(axes=3), "`axes` is out of range.", "axes=3."),
    ("no query", lambda: LocalPredictiveAlignment()(SCORES), "needs a query to predict from.", "query shape=None."),
    (
        "other axes",
        lambda: LocalPredictiveAlignment(axes=2)(SCORES, query=QUERY),
        "`axes` of `local_predictive` must be the number of axes of the grid.",
        "axes=2.",
    ),
]


@pytest.mark.parametrize(("make", "wrong", "received"), [row[1:] for row in ERRORS], ids=[row[0] for row in ERRORS])
def test_errors_have_three_parts(make, wrong, received):
    assert_three_parts(make, wrong, f"Received: {received}")

"""Tables in tiles: the same numbers as when computed at once, and never a tensor of all pairs; what XLA compiles."""

import keras
import numpy as np
import pytest
import seams
from cases import some_now
from keras import ops

from keras_attention.layers import AdditiveScore, Attention, ConcatScore, Score
from keras_attention.layers.score import tiling

BATCH, QUERIES, KEYS, DIMENSION, UNITS = 2, 11, 7, 5, 13


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


class Distance(Score):
    """A custom score that defines `pair` only."""

    def pair(self, query, key):
        return -ops.sum(ops.square(query - key), axis=-1)


MEMBERS = {
    "additive": lambda: AdditiveScore(UNITS, use_output_bias=True),
    "relu": lambda: AdditiveScore(UNITS, activation="relu"),
    "concat": lambda: ConcatScore(UNITS, activation="gelu"),
    "features": lambda: AdditiveScore(UNITS, features=3),
    "activation with weights": lambda: AdditiveScore(UNITS, activation=keras.layers.PReLU(alpha_initializer="ones")),
    "another": Distance,
}
every_member = pytest.mark.parametrize("make", list(MEMBERS.values()), ids=list(MEMBERS))


@pytest.fixture
def small_tiles(monkeypatch):
    """Tiles of at most two queries, so that the last tile of eleven queries is not full."""
    seams.size_of_a_tile(monkeypatch, 2 * BATCH * KEYS * UNITS)
    seams.size_worth_compiling(monkeypatch, 1)
    seams.sizes_of_compiled_tiles(monkeypatch, dict.fromkeys(("CPU", "GPU"), 2 * KEYS * UNITS))


def inputs(rng, *leading):
    query = rng.normal(size=(*leading, QUERIES, DIMENSION)).astype("float32")
    return query, rng.normal(size=(*leading, KEYS, DIMENSION)).astype("float32")


def built(make):
    keras.utils.set_random_seed(3)
    layer = make()
    layer.build((None, QUERIES, DIMENSION), (None, KEYS, DIMENSION))
    if isinstance(getattr(layer, "activation", None), keras.layers.Layer):
        layer.activation.build((None, 1, KEYS, UNITS))
    return layer


@every_member
@pytest.mark.parametrize("leading", [(), (BATCH,), (BATCH, 3)], ids=str)
def test_tiles_give_the_table(make, leading, rng, small_tiles):
    if "PReLU" in str(getattr(built(make), "activation", "")) and leading != (BATCH,):
        pytest.skip("a PReLU of this shape has weights for one number of axes")
    layer, (query, key) = built(make), inputs(rng, *leading)
    query, key = layer.project_query(query), layer.project_key(key)
    found = numpy(tiling.table_in_tiles(layer, query, key))
    np.testing.assert_allclose(found, numpy(layer.pair_table(query, key)), rtol=1e-5, atol=1e-6)


@pytest.mark.portable
@every_member
def test_tiles_give_the_gradients(make, rng, gradients, small_tiles):
    layer, arrays = built(make), inputs(rng, BATCH)
    factors = rng.normal(size=(BATCH, QUERIES, KEYS) + ((3,) if layer.features else ())).astype("float32")
    weights = [numpy(weight) for weight in layer.trainable_variables]

    def gradient(table):
        def value(query, key, *weights):
            with keras.StatelessScope(list(zip(layer.trainable_variables, weights, strict=True))):
                return ops.sum(
                    ops.convert_to_tensor(factors) * table(layer.project_query(query), layer.project_key(key))
                )

        return gradients(value, *arrays, *weights)

    tiled = gradient(lambda query, key: tiling.table_in_tiles(layer, query, key))
    for found, expected in zip(tiled, gradient(layer.pair_table), strict=True):
        assert (expected != 0).any()
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("eagerly", some_now([False, True], "True"))
def test_a_model_of_any_length_trains_in_tiles(eagerly, rng, small_tiles):
    ends = []
    for tiled in (True, False):
        keras.utils.set_random_seed(3)
        query, key = (
            keras.Input((None if tiled else QUERIES, DIMENSION)),
            keras.Input((None if tiled else KEYS, DIMENSION)),
        )
        model = keras.Model([query, key], Attention(AdditiveScore(UNITS))(query, key))
        if not tiled:
            tiling.TILE_SIZE = 10**9
        model.compile(keras.optimizers.SGD(0.5), "mse", run_eagerly=eagerly)
        arrays = inputs(rng := np.random.default_rng(3), BATCH)
        model.fit(list(arrays), rng.normal(size=(BATCH, QUERIES, DIMENSION)), epochs=2, batch_size=BATCH, verbose=0)
        ends.append(model.get_weights())
    for with_tiles, without in zip(*ends, strict=True):
        np.testing.assert_allclose(with_tiles, without, rtol=1e-4, atol=1e-6)


def test_what_fits_at_once_is_not_tiled():
    assert tiling.fits_at_once((2, 49, 256), (2, 49, 256))
    assert tiling.fits_at_once((2, 1, 256), (2, 10**6, 256))
    assert not tiling.fits_at_once((2, 784, 256), (2, 784, 256))
    assert not tiling.fits_at_once((None, None, 256), (None, 7, 256))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="reads the graph of TensorFlow")
def test_no_tensor_of_all_pairs_is_in_the_graph_of_a_step(small_tiles):
    import tensorflow as tf

    layer = Attention(AdditiveScore(UNITS))
    layer.build((1, 101, DIMENSION), (1, 103, DIMENSION))

    @tf.function
    def step(query, value):
        with tf.GradientTape() as tape:
            tape.watch([query, value])
            result = tf.reduce_sum(tf.square(layer(query, value)))
        return tape.gradient(result, [query, value, *[weight.value for weight in layer.weights]])

    graph = step.get_concrete_function(tf.zeros((1, 101, DIMENSION)), tf.zeros((1, 103, DIMENSION))).graph
    sizes = [
        output.shape.num_elements() or 0
        for each in (graph, *(function.graph for function in graph._functions.values() if hasattr(function, "graph")))
        for operation in each.get_operations()
        for output in operation.outputs
        if output.shape.rank is not None
    ]
    assert max(sizes) < 2 * 101 * 103  # no more than a table of scores


on_tensorflow = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow compiles a part")
ANY_BATCH = [(None, QUERIES, DIMENSION), (None, KEYS, DIMENSION)]


def gradients_of(layer, training, order=1):
    """Query and key → the gradients of a number made of the scores, by query, key and weights."""
    import tensorflow as tf

    def step(query, key):
        with tf.GradientTape() as tape:
            tape.watch([query, key])
            if order == 1:
                value = tf.reduce_sum(tf.sin(layer(query, key, training=training)))
            else:
                value = sum(tf.reduce_sum(tf.square(each)) for each in gradients_of(layer, training)(query, key))
        return tape.gradient(value, [query, key, *(weight.value for weight in layer.trainable_variables)])

    return step


# Case → the member, whether it is told that it is trained, and whether all is compiled.
GRAPHS = {name: (name, True, None) for name in MEMBERS} | {
    "without training": ("additive", None, None),
    "all compiled": ("additive", True, True),
    "all compiled, without training": ("additive", None, True),
}


@on_tensorflow
@pytest.mark.parametrize("case", some_now(GRAPHS, "additive"))
def test_a_graph_gives_the_gradients_of_the_whole_table(case, rng, monkeypatch, small_tiles):
    import tensorflow as tf

    member, training, whole = GRAPHS[case]
    layer = built(MEMBERS[member])
    specs = [tf.TensorSpec(shape) for shape in ANY_BATCH]
    traced = tf.function(gradients_of(layer, training), input_signature=None if whole else specs, jit_compile=whole)
    for batch in (BATCH, 1):
        arrays = [tf.constant(array) for array in inputs(rng, batch)]
        found = traced(*arrays)
        with monkeypatch.context() as patched:
            seams.size_of_a_tile(patched, 10**9)
            expected = gradients_of(layer, training)(*arrays)
        assert len(found) == 2 + len(layer.trainable_variables)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@on_tensorflow
@pytest.mark.parametrize("training", [True, None])
@pytest.mark.long
def test_a_graph_gives_gradients_of_gradients(training, rng, monkeypatch, small_tiles):
    import tensorflow as tf

    layer, arrays = built(MEMBERS["additive"]), [tf.constant(array) for array in inputs(rng, BATCH)]
    found = tf.function(gradients_of(layer, training, order=2))(*arrays)
    seams.size_of_a_tile(monkeypatch, 10**9)
    expected = gradients_of(layer, training, order=2)(*arrays)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


@on_tensorflow
def test_a_graph_broadcasts_the_keys(rng, small_tiles):
    import tensorflow as tf

    layer, (query, key) = built(MEMBERS["additive"]), inputs(rng, BATCH)
    found = tf.function(gradients_of(layer, True))(tf.constant(query), tf.constant(key[:1]))
    for one, other in zip(found, gradients_of(layer, True)(tf.constant(query), tf.constant(key[:1])), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def functions_of_xla(traced):
    """How many functions XLA compiles in the graph of a traced function."""
    definitions = traced.graph.as_graph_def().library.function
    return sum("_XlaMustCompile" in each.attr and each.attr["_XlaMustCompile"].b for each in definitions)


@pytest.mark.long
@on_tensorflow
def test_only_what_is_trained_is_compiled(small_tiles, monkeypatch):
    import tensorflow as tf

    layer, specs = built(MEMBERS["additive"]), [tf.TensorSpec(shape) for shape in ANY_BATCH]

    def compiled_in(function, specs=specs):
        return functions_of_xla(tf.function(function).get_concrete_function(*specs))

    assert compiled_in(lambda query, key: layer(query, key, training=True)) == 1
    assert compiled_in(gradients_of(layer, True)) == 2
    assert compiled_in(gradients_of(layer, None)) == 1
    assert compiled_in(lambda query, key: layer(query, key)) == 0  # models are exported in one of these two ways
    assert compiled_in(lambda query, key: layer(query, key, training=False)) == 0
    of_any_length = [tf.TensorSpec((None, None, DIMENSION)) for _ in specs]
    assert compiled_in(gradients_of(layer, True), of_any_length) == 0
    seams.size_worth_compiling(monkeypatch, QUERIES * KEYS * UNITS + 1)
    assert compiled_in(gradients_of(layer, True)) == 0


@on_tensorflow
def test_no_more_queries_are_computed_than_there_are(rng, monkeypatch):
    """Where sizes become known only in a call, a tile must not be larger than the table."""
    import tensorflow as tf

    sizes = []

    class Counted(Distance):
        def pair(self, query, key):
            sizes.append(tf.shape(query)[-3])
            return super().pair(query, key)

    tiling.table_in_tiles(Counted(), *(tf.constant(array) for array in inputs(rng, BATCH)))
    assert set(map(int, sizes)) == {QUERIES}

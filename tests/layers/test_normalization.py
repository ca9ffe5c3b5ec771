"""Normalized queries and keys: what the score gets, for each kind, and that the scale of the features goes."""

import keras
import numpy as np
import pytest
from cases import some_now
from keras import ops
from seams import assert_three_parts

from keras_attention import TrainConfig
from keras_attention.layers import SCORES, SpatialAttention, UniformScore
from keras_attention.layers.normalization import NORMALIZATIONS

BATCH, HEIGHT, WIDTH, CHANNELS, DIMENSION, UNITS = 3, 4, 5, 12, 7, 6
KINDS = [kind for kind in NORMALIZATIONS if kind != "none"]
SHAPES = {"vector": (DIMENSION,), "map": (2, 3, DIMENSION), "several": (4, DIMENSION)}  # of the query


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.fixture
def features(rng):
    return (3 + 2 * rng.normal(size=(BATCH, HEIGHT, WIDTH, CHANNELS))).astype("float32")


@pytest.fixture
def query(rng):
    return rng.normal(size=(BATCH, DIMENSION)).astype("float32")


def map_of(layer, query, features, **options):
    return numpy(layer(query, features, return_attention_scores=True, **options)[1])


def standardized(values, axes):
    return (values - values.mean(axes, keepdims=True)) / np.sqrt(values.var(axes, keepdims=True) + 1e-6)


def softmax(scores):
    exponents = np.exp(scores - scores.max((1, 2), keepdims=True))
    return exponents / exponents.sum((1, 2), keepdims=True)


@pytest.mark.portable
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_compared_has_unit_variance(kind, query, features):
    """`scaled_dot` of the projections, each standardized over its dimensions or over the batch and the positions."""
    layer = SpatialAttention("scaled_dot", units=UNITS, normalize=kind)
    found = map_of(layer, query, features, training=True)
    queries, keys = query @ numpy(layer.query_projection.kernel), features @ numpy(layer.key_projection.kernel)
    if kind == "layer":
        queries, keys = standardized(queries, -1), standardized(keys, -1)
    else:
        queries, keys = standardized(queries, 0), standardized(keys, (0, 1, 2))
    expected = softmax(np.einsum("bd,bhwd->bhw", queries, keys) / np.sqrt(UNITS))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_score_with_units_gets_normalized_inputs(kind, query, features):
    """`additive` projects by itself, so that what is given to it is normalized."""
    layer, plain = (SpatialAttention("additive", units=UNITS, normalize=each) for each in (kind, "none"))
    layer.build(query.shape, features.shape)
    plain.build(query.shape, features.shape)
    plain.score.set_weights(layer.score.get_weights())
    axes = ((-1, -1), (0, (0, 1, 2)))[kind == "batch"]
    given = [standardized(each.astype("float64"), axis) for each, axis in zip((query, features), axes, strict=True)]
    expected = map_of(plain, *(each.astype("float32") for each in given))
    np.testing.assert_allclose(map_of(layer, query, features, training=True), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.portable
@pytest.mark.parametrize("score", list(SCORES))
def test_the_scale_of_the_features_goes(score, query, features):
    layer = SpatialAttention(score, units=UNITS, normalize="layer")
    expected = map_of(layer, query, features)
    np.testing.assert_allclose(map_of(layer, 100 * query, 1000 * features), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.long
def test_statistics_of_batches_are_kept_for_later(query, features):
    layer = SpatialAttention("scaled_dot", units=UNITS, normalize="batch")
    for _ in range(200):
        trained = map_of(layer, query, features, training=True)
    np.testing.assert_allclose(map_of(layer, query, features), trained, rtol=1e-3, atol=1e-5)
    alone = map_of(layer, query[:1], features[:1])
    np.testing.assert_allclose(alone, trained[:1], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_each_head_is_normalized_alone(kind, query, features):
    layer = SpatialAttention("scaled_dot", units=UNITS, num_heads=2, normalize=kind)
    both = map_of(layer, query, features, training=True)
    for head in (0, 1):
        single = SpatialAttention("scaled_dot", units=UNITS, normalize=kind)
        single.build(query.shape, features.shape)
        for name in ("query_projection", "key_projection"):
            kernel = getattr(layer, name).get_weights()[0]
            getattr(single, name).set_weights([np.split(kernel, 2, axis=-1)[head]])
        np.testing.assert_allclose(map_of(single, query, features, training=True), both[:, head], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", some_now(KINDS, "batch"))
@pytest.mark.parametrize("form", some_now(SHAPES, "map"))
@pytest.mark.parametrize("score", some_now(["dot", "concat"], "dot"))
def test_it_learns_and_comes_back(kind, form, score, features, rng, reload):
    """Every weight moves in a step, the learned factors too; a saved model gives the same."""
    shape = SHAPES[form]
    inputs = keras.Input(shape), keras.Input(features.shape[1:])
    context, maps = SpatialAttention(score, units=UNITS, num_heads=2, normalize=kind)(
        *inputs, return_attention_scores=True
    )
    model = keras.Model(inputs, [context, maps])
    given = [rng.normal(size=(BATCH, *shape)).astype("float32"), features]
    before = [numpy(weight) for weight in model.trainable_weights]
    assert sum("normalization" in weight.path for weight in model.trainable_weights) == (4 if score == "dot" else 2)
    model.compile(keras.optimizers.SGD(1.0), ["mse", None])
    model.fit(given, [rng.normal(size=context.shape[1:]) + np.zeros((BATCH, *context.shape[1:]))], verbose=0)
    moved = [np.any(numpy(weight) != old) for weight, old in zip(model.trainable_weights, before, strict=True)]
    assert all(moved)
    for one, other in zip(model.predict(given, verbose=0), reload(model).predict(given, verbose=0), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision(policy, query, features):
    exact = SpatialAttention("scaled_dot", units=UNITS, normalize="layer")
    expected = map_of(exact, query, features)
    layer = SpatialAttention("scaled_dot", units=UNITS, normalize="layer", dtype=policy)
    layer.build(query.shape, features.shape)
    layer.set_weights(exact.get_weights())
    np.testing.assert_allclose(map_of(layer, query, features), expected, atol=2**-5)


def test_files_without_the_key_are_not_normalized(query, features):
    config = SpatialAttention("dot", units=UNITS).get_config()
    assert config.pop("normalize") == "layer"
    assert SpatialAttention.from_config(config).normalize == "none"


def test_what_does_not_go():
    wrong = "`UniformScore` compares nothing to normalize."
    assert_three_parts(lambda: SpatialAttention(UniformScore(), normalize="layer"), wrong, "normalize='layer'")
    with pytest.raises(ValueError, match=r"^Unknown normalize 'layers' \(did you mean 'layer'\?\)\. Expected one of: "):
        SpatialAttention(normalize="layers")


def test_the_setting_has_the_same_choices():
    for kind in NORMALIZATIONS:
        assert TrainConfig(normalize=kind).normalize == kind
    with pytest.raises(ValueError, match=f"Expected one of: {', '.join(NORMALIZATIONS)}"):
        TrainConfig(normalize="group")

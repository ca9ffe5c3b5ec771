"""Poolings and gates: each against its formula in NumPy, and what all of them have in common."""

import keras
import numpy as np
import pytest
from keras import ops
from seams import assert_three_parts

from keras_attention.layers import (
    GATES,
    POOLINGS,
    ConvolutionalBlockAttention,
    EfficientChannelAttention,
    EfficientProbing,
    GatedAttentionPooling,
    GeneralizedMeanPooling,
    SimPool,
    SqueezeExcitation,
)

BATCH, HEIGHT, WIDTH, CHANNELS, QUERIES, UNITS = 2, 4, 5, 12, 3, 7
OPTIONS = {"abmil": {"units": UNITS}, "ep": {"queries": QUERIES}, "se": {"reduction": 4}, "cbam": {"reduction": 4}}
MEMBERS = {**POOLINGS, **GATES}


def make(name, **options):
    return MEMBERS[name](**OPTIONS.get(name, {}), **options)


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.fixture
def features(rng):
    return rng.normal(size=(BATCH, HEIGHT, WIDTH, CHANNELS)).astype("float32")


def built(name, features, **options):
    """The layer with random weights: as they start, some would hide an error."""
    layer = make(name, **options)
    layer.build(features.shape)
    rng = np.random.default_rng(5)
    layer.set_weights([rng.normal(size=w.shape) if w.shape else np.array(1.7) for w in layer.weights])
    return layer


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def softmax(values):
    exponents = np.exp(values - values.max())
    return exponents / exponents.sum()


# The formulas for the features of one image, in float64. A pooling takes (n, C), and gives a vector and a map (Q, n).


def gem(x, power):
    return np.mean(np.maximum(x, 1e-6) ** power, axis=0) ** (1 / power), None


def simpool(x, scale, offset, query_kernel, key_kernel):
    normal = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-6) * scale + offset
    weights = softmax((normal @ key_kernel) @ (x.mean(0) @ query_kernel) / np.sqrt(CHANNELS))
    return np.sqrt(weights @ (normal - normal.min() + 1e-6) ** 2), weights


def abmil(x, value, gate, score):
    weights = softmax((np.tanh(x @ value) * sigmoid(x @ gate)) @ score[:, 0])
    return weights @ x, weights


def ep(x, query, value):
    maps = np.array([softmax(x @ each / np.sqrt(CHANNELS)) for each in query])
    parts = np.split(x @ value, QUERIES, axis=1)
    return np.concatenate([each @ part for each, part in zip(maps, parts, strict=True)]), maps


def se(x, squeeze, squeeze_bias, excite, excite_bias):
    return x * sigmoid(np.maximum(x.mean((0, 1)) @ squeeze + squeeze_bias, 0) @ excite + excite_bias)


def cbam(x, squeeze, squeeze_bias, excite, excite_bias, place):
    def hidden(vector):
        return np.maximum(vector @ squeeze + squeeze_bias, 0) @ excite + excite_bias

    x = x * sigmoid(hidden(x.mean((0, 1))) + hidden(x.max((0, 1))))
    padded = np.pad(np.stack([x.mean(-1), x.max(-1)], axis=-1), ((3, 3), (3, 3), (0, 0)))
    gate = np.array(
        [[np.sum(padded[i : i + 7, j : j + 7] * place[..., 0]) for j in range(WIDTH)] for i in range(HEIGHT)]
    )
    return x * sigmoid(gate)[..., None]


def eca(x, kernel):
    size = len(kernel)
    padded = np.pad(x.mean((0, 1)), size // 2)
    return x * sigmoid(np.array([padded[c : c + size] @ kernel[:, 0, 0] for c in range(CHANNELS)]))


FORMULAS = {"gem": gem, "simpool": simpool, "abmil": abmil, "ep": ep, "se": se, "cbam": cbam, "eca": eca}
every_member = pytest.mark.parametrize("name", MEMBERS)


def test_the_table_is_complete():
    assert list(FORMULAS) == list(MEMBERS)


@pytest.mark.portable
@pytest.mark.parametrize("name", POOLINGS)
def test_a_pooling_is_its_formula(name, features):
    layer = built(name, features)
    weights = [numpy(weight).astype("float64") for weight in layer.weights]
    flat = features.astype("float64").reshape(BATCH, HEIGHT * WIDTH, CHANNELS)
    expected = [FORMULAS[name](image, *weights) for image in flat]
    if not layer.has_map:
        np.testing.assert_allclose(numpy(layer(features)), [each for each, _ in expected], rtol=2e-5, atol=1e-6)
        return
    pooled, maps = layer(features, return_attention_scores=True)
    np.testing.assert_allclose(numpy(pooled), [each for each, _ in expected], rtol=2e-5, atol=1e-6)
    shape = (BATCH, QUERIES, HEIGHT, WIDTH) if name == "ep" else (BATCH, HEIGHT, WIDTH)
    np.testing.assert_allclose(numpy(maps), np.reshape([each for _, each in expected], shape), rtol=2e-5, atol=1e-6)
    np.testing.assert_array_equal(numpy(layer(features)), numpy(pooled))


@pytest.mark.portable
@pytest.mark.parametrize("name", GATES)
def test_a_gate_is_its_formula(name, features):
    layer = built(name, features)
    weights = [numpy(weight).astype("float64") for weight in layer.weights]
    expected = [FORMULAS[name](image, *weights) for image in features.astype("float64")]
    np.testing.assert_allclose(numpy(layer(features)), expected, rtol=2e-5, atol=1e-6)


@every_member
def test_weights_and_features_get_a_gradient(name, features, gradients):
    layer = built(name, features)
    layer.set_weights([0.1 * np.abs(weight) for weight in layer.get_weights()])  # so that no unit of a ReLU is off

    def loss(features, *weights):
        found, _ = layer.stateless_call(list(weights), layer.non_trainable_variables, features)
        return ops.sum(ops.square(found))

    found = gradients(loss, np.abs(features), *(numpy(weight) for weight in layer.trainable_weights))
    assert len(found) == 1 + len(layer.weights)
    for gradient in found:
        assert np.isfinite(gradient).all()
        assert np.abs(gradient).max() > 0


@every_member
def test_it_comes_back_from_a_file(name, features, reload):
    images = keras.Input(features.shape[1:])
    model = keras.Model(images, built(name, features)(images))
    np.testing.assert_array_equal(numpy(reload(model)(features)), numpy(model(features)))


@every_member
@pytest.mark.parametrize(("policy", "digit"), [("mixed_float16", 2**-7), ("mixed_bfloat16", 2**-4)])
def test_half_precision(name, policy, digit, features):
    expected = numpy(built(name, features)(features))
    found = built(name, features, dtype=policy)(features)
    assert keras.backend.standardize_dtype(found.dtype) == policy.removeprefix("mixed_")
    found = numpy(ops.cast(found, "float32"))
    np.testing.assert_allclose(found, expected, atol=2 * digit * max(1, np.abs(expected).max()))


@every_member
def test_maps_of_any_size(name, features):
    layer = built(name, features)
    images = keras.Input((None, None, CHANNELS))
    model = keras.Model(images, layer(images))
    for part in (features, features[:, :2, :3]):
        np.testing.assert_allclose(numpy(model(part)), numpy(layer(part)), rtol=1e-5, atol=1e-6)


def test_the_power_is_the_average_and_the_maximum(features):
    positive = np.abs(features)
    average = GeneralizedMeanPooling(power=1.0)(positive)
    np.testing.assert_allclose(numpy(average), positive.mean((1, 2)), rtol=1e-5)
    largest = GeneralizedMeanPooling(power=2000.0)(100 * positive)
    np.testing.assert_allclose(numpy(largest), 100 * positive.max((1, 2)), rtol=2e-3)


@pytest.mark.parametrize(("channels", "size"), [(8, 3), (16, 3), (64, 3), (128, 5), (256, 5), (512, 5), (2048, 7)])
def test_the_neighbours_follow_from_the_channels(channels, size):
    layer = EfficientChannelAttention()
    layer.build((None, 3, 3, channels))
    assert layer.weights[0].shape == (size, 1, 1)


def test_the_gate_of_positions_is_given(features):
    gated, gate = ConvolutionalBlockAttention()(features, return_attention_scores=True)
    assert (gated.shape, gate.shape) == (features.shape, features.shape[:3])
    assert 0 < numpy(gate).min() <= numpy(gate).max() < 1


def image(*shape):
    return np.ones(shape, "float32")


ERRORS = [
    (lambda: GeneralizedMeanPooling(power=0), "`power` is out of range.", "power=0"),
    (lambda: SimPool(gamma=-1), "`gamma` is out of range.", "gamma=-1"),
    (lambda: GatedAttentionPooling(units=0), "`units` is out of range.", "units=0"),
    (lambda: EfficientProbing(queries=0), "`queries` is out of range.", "queries=0"),
    (lambda: EfficientProbing(queries=5).build((1, 2, 2, 12)), "`queries` must divide the channels.", "queries=5"),
    (lambda: SqueezeExcitation(reduction=0), "`reduction` is out of range.", "reduction=0"),
    (lambda: ConvolutionalBlockAttention(kernel_size=0), "`kernel_size` is out of range.", "kernel_size=0"),
    (lambda: EfficientChannelAttention(kernel_size=0), "`kernel_size` is out of range.", "kernel_size=0"),
    (lambda: SqueezeExcitation()(image(2, 3, 4)), "The features must be a feature map.", "(2, 3, 4)"),
    (
        lambda: GeneralizedMeanPooling()(image(1, 2, 2, 3), return_attention_scores=True),
        "`gem` has no map.",
        "return_attention_scores=True",
    ),
]


@pytest.mark.parametrize(("make", "wrong", "received"), ERRORS)
def test_errors_have_three_parts(make, wrong, received):
    assert_three_parts(make, wrong, received)

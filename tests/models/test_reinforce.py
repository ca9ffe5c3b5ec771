"""Sampled attention under ordinary `compile` and `fit`."""

import keras
import numpy as np
import pytest
from cases import some_now
from keras import ops

from keras_attention.layers import (
    Attention,
    GeneralScore,
    HardAlignment,
    LearnedQueries,
    ReinforcedAlignment,
    SpatialAttention,
)
from keras_attention.models import VGG16BN, ReinforceModel, attention_classifier

pytestmark = pytest.mark.usefixtures("shallow_backbone")

POSITIONS, EXAMPLES = 5, 256


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def problem(rng):
    """The query is the code of a position; the label is the sign of the value at that position only."""
    place = rng.integers(0, POSITIONS, EXAMPLES)
    query = np.eye(POSITIONS, dtype="float32")[place][:, None]
    key = np.broadcast_to(np.eye(POSITIONS, dtype="float32"), (EXAMPLES, POSITIONS, POSITIONS))
    value = rng.choice([-1.0, 1.0], size=(EXAMPLES, POSITIONS, 1)).astype("float32")
    labels = (value[np.arange(EXAMPLES), place, 0] > 0).astype("int32")
    return [query, value, key], labels, place


def model_with(alignment, score="general"):
    query, value = keras.Input((1, POSITIONS)), keras.Input((POSITIONS, 1))
    key = keras.Input((POSITIONS, POSITIONS))
    attention = Attention(score, alignment, name="attention")
    context, weights = attention(query, value, key, return_attention_scores=True)
    logits = keras.layers.Dense(2)(keras.layers.Flatten()(context))
    model = ReinforceModel([query, value, key], logits)
    return model, keras.Model([query, value, key], weights)


LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@pytest.mark.portable
@pytest.mark.parametrize(
    "alignment",
    [
        HardAlignment("reinforce", seed=1),
        HardAlignment("straight_through", seed=1),
        ReinforcedAlignment(keep_cost=0.3, seed=1),
    ],
    ids=["hard by reinforce", "straight through", "reinforced"],
)
@pytest.mark.long
def test_fit_finds_where_the_answer_is(alignment, rng):
    inputs, labels, place = problem(rng)
    model, maps = model_with(alignment)
    model.compile(keras.optimizers.Adam(0.03), LOSS, metrics=["accuracy"])
    model.optimizer.build(model.trainable_variables)  # or TensorFlow traces the first step twice
    model.fit(inputs, labels, batch_size=64, epochs=60, verbose=0)
    assert model.evaluate(inputs, labels, verbose=0)[1] == 1.0
    looked_at = numpy(maps(inputs))[:, 0]
    assert (looked_at.argmax(axis=-1) == place).all()


def test_the_loss_that_is_shown_is_that_of_the_task(rng):
    inputs, labels, _ = problem(rng)
    model, _ = model_with(HardAlignment("reinforce", seed=1, entropy_bonus=10.0))
    model.compile(keras.optimizers.SGD(0.0), LOSS)
    # Whatever is sampled, the logits are those for a value of 1 or −1.
    shown = model.fit(inputs, labels, batch_size=EXAMPLES, epochs=1, verbose=0).history["loss"][0]
    assert 0 < shown < 5
    assert shown == pytest.approx(model.evaluate(inputs, labels, verbose=0), rel=0.5)


def test_the_baseline_follows_the_reward(rng):
    inputs, labels, _ = problem(rng)
    model, _ = model_with(HardAlignment("reinforce", seed=1, baseline_decay=0.0))
    model.compile(keras.optimizers.SGD(0.0), LOSS)
    shown = model.fit(inputs, labels, batch_size=EXAMPLES, epochs=1, verbose=0).history["loss"][0]
    baseline = model.get_layer("attention").alignment.baseline
    assert float(numpy(baseline)) == pytest.approx(-shown, rel=1e-5)


def kernel_after_a_step(rng, **arguments):
    keras.utils.set_random_seed(3)
    inputs, labels, _ = problem(rng)
    model, _ = model_with(HardAlignment("reinforce", seed=1, entropy_bonus=0.0))
    model.compile(keras.optimizers.SGD(1.0), LOSS)
    before = numpy(model.get_layer("attention").score.kernel)
    model.fit(inputs, labels, batch_size=EXAMPLES, epochs=1, verbose=0, shuffle=False, **arguments)
    return numpy(model.get_layer("attention").score.kernel) - before


def test_weights_of_examples_weigh_their_rewards():
    even, none, double = (
        kernel_after_a_step(np.random.default_rng(5), sample_weight=np.full(EXAMPLES, weight)) for weight in (1, 0, 2)
    )
    assert (even != 0).any()
    assert (none == 0).all()
    np.testing.assert_allclose(double, 2 * even, rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(kernel_after_a_step(np.random.default_rng(5)), even, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("form", ["list", "dict"])
@pytest.mark.long
def test_several_outputs_with_weights_of_their_own(form, rng):
    (query, value, key), labels, _ = problem(rng)
    context = Attention("general", HardAlignment("reinforce", seed=1), name="attention")
    inputs = [keras.Input(array.shape[1:]) for array in (query, value, key)]
    glimpse = keras.layers.Flatten()(context(*inputs))
    parts = [keras.layers.Dense(2, name="class")(glimpse), keras.layers.Dense(1, name="number")(glimpse)]
    outputs, losses = parts, [LOSS, "mse"]
    targets, weights = [labels, labels[:, None]], [np.ones(EXAMPLES), np.zeros(EXAMPLES)]
    if form == "dict":
        names = ("class", "number")
        outputs, losses, targets, weights = (
            dict(zip(names, part, strict=True)) for part in (outputs, losses, targets, weights)
        )
    model = ReinforceModel(inputs, outputs)
    model.compile(keras.optimizers.SGD(0.1), losses)
    history = model.fit([query, value, key], targets, sample_weight=weights, batch_size=64, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    # The second output has weight 0, so the reward comes from the first.
    baseline = float(numpy(model.get_layer("attention").alignment.baseline))
    assert -2 * max(history["loss"]) < baseline < 0


def test_a_call_between_steps_leaves_nothing_behind(rng):
    inputs, labels, _ = problem(rng)
    model, _ = model_with(HardAlignment("reinforce", seed=1))
    model.compile("sgd", LOSS)
    model([array[:7] for array in inputs], training=True)
    model.fit(inputs, labels, batch_size=64, epochs=1, verbose=0)
    first = model.predict(inputs, verbose=0)
    np.testing.assert_array_equal(model.predict(inputs, verbose=0), first)


def test_without_a_loss_there_is_no_reward(rng):
    inputs, labels, _ = problem(rng)
    model, _ = model_with(HardAlignment("reinforce", seed=1), GeneralScore(kernel_regularizer="l2"))
    model.compile("sgd")
    with pytest.raises(ValueError, match=r"Attention that samples needs a loss as its reward\. Expected `compile"):
        model.fit(inputs, labels, verbose=0)


def test_a_file_keeps_the_kind_of_the_model(reload, rng):
    inputs, labels, _ = problem(rng)
    model, _ = model_with(HardAlignment("reinforce", seed=1))
    model.compile("sgd", LOSS)
    loaded = reload(model)
    assert type(loaded) is ReinforceModel
    assert [alignment.is_rewarded for alignment in loaded.sampled] == [True]
    np.testing.assert_array_equal(numpy(loaded(inputs)), numpy(model(inputs)))
    loaded.fit(inputs, labels, batch_size=64, epochs=1, verbose=0)


@pytest.mark.parametrize(
    ("alignment", "kind"),
    [
        ("softmax", keras.Model),
        ("hard", keras.Model),
        (HardAlignment("reinforce"), ReinforceModel),
        ("reinforced", ReinforceModel),
    ],
    ids=["softmax", "hard", "hard by reinforce", "reinforced"],
)
def test_a_classifier_is_rewarded_where_it_samples_for_a_reward(alignment, kind):
    model = attention_classifier(VGG16BN((32, 32, 3), width=0.02), 3, alignment=alignment, units=4)
    assert isinstance(model, kind)
    assert isinstance(model, ReinforceModel) is (kind is ReinforceModel)
    if kind is ReinforceModel:
        layers = [layer for layer in model.layers if isinstance(layer, SpatialAttention)]
        assert [layer.alignment.is_rewarded for layer in layers] == [True, True]


@pytest.mark.parametrize("kind", some_now(["map", "vector", "questions"], "map", "questions"))
def test_reinforce_teaches_the_attention_and_not_the_network_under_it(kind, rng):
    """Only the gradient of REINFORCE passes the stopped context: it trains the score and learned queries."""
    images = keras.Input((4, 4, 3))
    features = keras.layers.Conv2D(6, 1, name="under")(images)
    query = {"map": features, "vector": keras.layers.GlobalAveragePooling2D()(features), "questions": None}[kind]
    query = LearnedQueries(2, name="asked")(features) if query is None else query
    context = SpatialAttention("general", HardAlignment("reinforce", seed=1), units=5, name="attention")(
        query, features
    )
    untaught = 0.0 * ops.mean(features, axis=(1, 2))  # so that the gradient is 0 and not missing
    stopped = keras.layers.Lambda(ops.stop_gradient, output_shape=lambda shape: shape)(keras.layers.Flatten()(context))
    model = ReinforceModel(images, keras.layers.Dense(2)(ops.concatenate([stopped, untaught], axis=-1)))
    model.compile(keras.optimizers.SGD(1.0), LOSS)
    before = {layer.name: layer.get_weights() for layer in model.layers if layer.trainable_variables}
    model.fit(rng.normal(size=(8, 4, 4, 3)).astype("float32"), rng.integers(0, 2, 8), batch_size=8, verbose=0)
    moved = {
        name: any((old != new).any() for old, new in zip(weights, model.get_layer(name).get_weights(), strict=True))
        for name, weights in before.items()
    }
    assert not moved["under"]
    assert moved["attention"]
    assert moved.get("asked", True)

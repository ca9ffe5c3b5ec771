"""The classifier with a query for each class, its activation, its regularized maps, and training by its outputs."""

import re

import keras
import numpy as np
import pytest
from cases import some_now
from keras import layers, ops

from keras_attention.layers import SCORES, LearnedQueries, MapDisagreement, MapEntropy
from keras_attention.models import ReinforceModel, attention_classifier, attention_outputs, over_features

CLASSES, UNITS, IMAGES = 5, 3, 6
ON_TENSORFLOW = keras.backend.backend() == "tensorflow"


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def network():
    """Three convolutions, whose maps have 12×10, 6×5 and 3×3 positions."""
    inputs = x = keras.Input((12, 10, 3))
    for number, filters in enumerate((4, 6, 8), start=1):
        stride = 1 if number == 1 else 2
        x = layers.Conv2D(filters, 3, stride, padding="same", activation="relu", name=f"conv{number}")(x)
    return keras.Model(inputs, x)


def classifier(attend=("conv2", "conv3"), query="classes", units=UNITS, **arguments):
    return attention_classifier(network(), CLASSES, attend, query, units=units, **arguments)


@pytest.fixture
def images(rng):
    return rng.normal(size=(IMAGES, 12, 10, 3)).astype("float32")


@pytest.fixture
def labels(rng):
    return (rng.uniform(size=(IMAGES, CLASSES)) > 0.5).astype("float32")


@pytest.mark.portable
def test_each_class_has_a_map_and_a_logit_of_its_own(images):
    model = classifier()
    maps = {f"attention_{name}": (None, CLASSES, *size) for name, size in (("conv2", (6, 5)), ("conv3", (3, 3)))}
    outputs = attention_outputs(model)
    assert {name: tensor.shape for name, tensor in outputs.output.items()} == {"logits": (None, CLASSES), **maps}
    queries = {layer.name: tuple(layer.queries.shape) for layer in model.layers if isinstance(layer, LearnedQueries)}
    assert queries == {"queries_conv2": (CLASSES, 6), "queries_conv3": (CLASSES, 8)}
    # logit_k = w_k · [context_k of F₁ | context_k of F₂] + b_k, with the contexts that belong to the maps.
    model.get_layer("logits").bias.assign(np.arange(CLASSES))
    features = keras.Model(model.input, [model.get_layer(name).output for name in ("conv2", "conv3")])(images)
    found = {name: numpy(tensor) for name, tensor in outputs(images).items()}
    pairs = zip(maps, features, strict=True)
    contexts = [np.einsum("bkhw,bhwc->bkc", found[name], numpy(map_)) for name, map_ in pairs]
    kernel = numpy(model.get_layer("logits").kernel)
    assert kernel.shape == (CLASSES, 6 + 8)
    expected = np.einsum("bkc,kc->bk", np.concatenate(contexts, axis=-1), kernel) + np.arange(CLASSES)
    np.testing.assert_allclose(found["logits"], expected, rtol=1e-4, atol=1e-5)


def test_another_query_of_a_class_changes_that_class_alone(images):
    model = classifier(("conv2",), num_heads=2)
    outputs = attention_outputs(model)
    before = {name: numpy(tensor) for name, tensor in outputs(images).items()}
    queries = model.get_layer("queries_conv2").queries
    # In another direction: what is added to all dimensions alike, a normalized query does not show.
    queries.assign(numpy(queries) + 3 * np.outer(np.arange(CLASSES) == 1, np.arange(queries.shape[-1]) % 2))
    after = {name: numpy(tensor) for name, tensor in outputs(images).items()}
    assert before["attention_conv2"].shape == (IMAGES, CLASSES, 6, 5)
    for name, values in before.items():
        moved = [bool(np.abs(values[:, number] - after[name][:, number]).max() > 1e-7) for number in range(CLASSES)]
        assert moved == [False, True, False, False, False]


@pytest.mark.parametrize("score", list(SCORES) if ON_TENSORFLOW else ["dot"])
def test_every_score_takes_the_queries_without_units(score):
    assert classifier(("conv3",), score=score, units=None).output_shape == (None, CLASSES)


@pytest.mark.parametrize("query", ["classes", "conv3"])
@pytest.mark.parametrize("activation", some_now(["softmax", "sigmoid"], "sigmoid"))
def test_probabilities_follow_the_logits(activation, query, images, reload):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = reload(classifier(("conv2",), query, activation=activation))
    assert model.layers[-1].name == "probabilities"
    found = attention_outputs(model)(images)
    assert list(found) == ["logits", "attention_conv2", "probabilities"]
    assert {keras.backend.standardize_dtype(tensor.dtype) for tensor in found.values()} == {"float32"}
    expected = {"softmax": ops.softmax, "sigmoid": ops.sigmoid}[activation](found["logits"])
    np.testing.assert_allclose(numpy(found["probabilities"]), numpy(expected), rtol=1e-5)
    np.testing.assert_array_equal(numpy(model(images)), numpy(found["probabilities"]))


def test_regularized_maps_add_to_the_loss_after_a_reload_too(images, reload):
    model = reload(classifier(map_regularizer=["entropy", "spread"], disagreement=0.5))
    assert model.get_layer("agreement").rate == 0.5
    model(images)
    assert len(model.losses) == 5
    features = keras.Model(model.input, [model.get_layer(name).output for name in ("conv2", "conv3")])(images)
    before, part = [float(loss) for loss in model.losses], over_features(model, ("conv2", "conv3"))
    part(features)
    np.testing.assert_allclose([float(loss) for loss in part.losses], before, rtol=1e-5)


@pytest.mark.skipif(not ON_TENSORFLOW, reason="compiles for seconds elsewhere")
@pytest.mark.long
def test_fit_lowers_the_entropy_that_it_is_told_to_lower(images, labels):
    model = classifier(("conv2",), map_regularizer=MapEntropy(10.0), activation="sigmoid")
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy")
    losses = model.fit(images, labels, epochs=6, verbose=0).history["loss"]
    assert losses[-1] < losses[0] - 1


@pytest.mark.skipif(not ON_TENSORFLOW, reason="compiles for seconds elsewhere")
def test_a_rewarded_model_trains_through_its_named_outputs(images, labels):
    model = classifier(("conv2",), alignment="reinforced", map_regularizer="entropy", activation="sigmoid")
    outputs = attention_outputs(model)
    assert (type(outputs), type(attention_outputs(classifier()))) == (ReinforceModel, type(classifier()))
    outputs.compile("adam", {"probabilities": "binary_crossentropy"}, run_eagerly=True)
    alignment = model.get_layer("attention_conv2").alignment
    before = [numpy(weight) for weight in alignment.trainable_weights]
    outputs.fit(images, {"probabilities": labels}, verbose=0)
    after = [numpy(weight) for weight in alignment.trainable_weights]
    assert all(np.any(old != new) for old, new in zip(before, after, strict=True))
    assert not alignment.has_sample


ERRORS = [
    (
        {"pool_query": True},
        '`pool_query=True` needs a query map to average. Expected `pool_query=False` with `query="classes"`. '
        'Received: query="classes", pool_query=True.',
    ),
    (
        {"attend": ()},
        "Queries of the classes need an attended layer. Expected at least one layer in `attend` with "
        '`query="classes"`. Received: query="classes", attend=().',
    ),
    (
        {"score": None},
        'Queries of the classes need a score. Expected a score with `query="classes"`. '
        'Received: query="classes", score=None.',
    ),
    (
        {"activation": "relu"},
        "Unknown activation 'relu'. Expected one of: softmax, sigmoid. Received: activation='relu'.",
    ),
    (
        {"attend": "conv2", "disagreement": 0.1},
        "`disagreement` needs at least two maps. Expected a score and at least two attended layers, or "
        "`disagreement=0`. "
        "Received: 1 maps, disagreement=0.1.",
    ),
    (
        {"query": "conv3", "score": None, "disagreement": 0.1},
        "`disagreement` needs at least two maps. Expected a score and at least two attended layers, or "
        "`disagreement=0`. "
        "Received: 0 maps, disagreement=0.1.",
    ),
    (
        {"disagreement": float("inf")},
        "`disagreement` is out of range. Expected a number. Received: disagreement=inf.",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), ERRORS, ids=[str(row[0]) for row in ERRORS])
def test_errors_have_three_parts(arguments, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        classifier(**arguments)


def test_without_agreement_there_is_no_layer_for_it():
    assert not any(isinstance(layer, MapDisagreement) for layer in classifier().layers)

"""Every score with every alignment: each pair learns, and is the same after saving and loading."""

import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from cases import some_now
from keras import ops

from keras_attention.layers import ALIGNMENTS, SCORES, HardAlignment, SpatialAttention
from keras_attention.models import ReinforceModel

EXAMPLES, HEIGHT, WIDTH, CHANNELS, QUERY_DIMENSION, CLASSES = 24, 3, 4, 5, 7, 3

# Every alignment, and the other estimator of the hard one.
KINDS = {**{name: name for name in ALIGNMENTS}, "hard by reinforce": HardAlignment("reinforce")}
every_kind = pytest.mark.parametrize("kind", list(KINDS))


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def all_scores_with(kind):
    """One model with a branch for each score: (query, features) → logits and map of each branch."""
    query, features = keras.Input((QUERY_DIMENSION,)), keras.Input((HEIGHT, WIDTH, CHANNELS))
    outputs, alignment = {}, KINDS[kind]
    for score in SCORES:
        given = keras.saving.serialize_keras_object(alignment) if alignment not in ALIGNMENTS else alignment
        layer = SpatialAttention(score, given, units=4, seed=3, name=score)
        context, attention_map = layer(query, features, return_attention_scores=True)
        outputs[f"logits_{score}"] = keras.layers.Dense(CLASSES, name=f"logits_{score}")(context)
        outputs[f"map_{score}"] = attention_map
    return query, features, outputs


def inputs_and_labels(rng):
    query = rng.normal(size=(EXAMPLES, QUERY_DIMENSION)).astype("float32")
    labels = rng.integers(0, CLASSES, EXAMPLES)
    # Every position shows the class, some more clearly, so that there is something to learn wherever attention starts.
    noise = rng.normal(size=(EXAMPLES, HEIGHT, WIDTH, CHANNELS))
    features = 0.5 * noise + 2 * np.eye(CHANNELS)[labels][:, None, None]
    return [query, features.astype("float32")], labels


def outputs_of(model, inputs):
    """Compiled on backends on which a loop would compile in every single call."""
    return model(inputs) if keras.backend.backend() == "tensorflow" else model.predict(inputs, verbose=0)


@every_kind
@pytest.mark.long
def test_every_pair_learns_and_leaves(kind, rng, tmp_path):
    """Three steps lower the loss and change every weight; a saved model keeps what was learned."""
    query, features, outputs = all_scores_with(kind)
    logits = {name: tensor for name, tensor in outputs.items() if name.startswith("logits")}
    model = ReinforceModel([query, features], logits)
    losses = {name: keras.losses.SparseCategoricalCrossentropy(from_logits=True) for name in logits}
    # Compiling nine branches takes longer than their three steps; `test_reinforce.py` and the next test compile.
    model.compile(keras.optimizers.Adam(0.02), losses, run_eagerly=keras.backend.backend() == "tensorflow")
    inputs, labels = inputs_and_labels(rng)
    targets = dict.fromkeys(logits, labels)
    before, weights = model.evaluate(inputs, targets, verbose=0, return_dict=True), model.get_weights()
    model.fit(inputs, targets, batch_size=EXAMPLES, epochs=3, verbose=0)
    after = model.evaluate(inputs, targets, verbose=0, return_dict=True)
    assert [name for name in before if after[name] >= before[name]] == []
    moved = zip(model.weights, weights, model.get_weights(), strict=True)
    assert [variable.path for variable, old, new in moved if np.array_equal(old, new)] == []
    with_maps = keras.Model([query, features], outputs)
    expected = outputs_of(with_maps, inputs)
    with_maps.save(tmp_path / "pairs.keras")
    loaded = outputs_of(keras.models.load_model(tmp_path / "pairs.keras"), inputs)
    for name, values in expected.items():
        np.testing.assert_array_equal(numpy(loaded[name]), numpy(values))


@pytest.mark.parametrize("alignment", some_now(["sparsemax", "entmax", "local_predictive"], "entmax"))
def test_compiled_steps_are_those_taken_eagerly(alignment, rng):
    inputs, labels = inputs_and_labels(rng)
    ends = []
    for eagerly in (False, True):
        keras.utils.set_random_seed(5)
        query, features = keras.Input((QUERY_DIMENSION,)), keras.Input((HEIGHT, WIDTH, CHANNELS))
        context = SpatialAttention("additive", alignment, units=4)(query, features)
        model = keras.Model([query, features], keras.layers.Dense(CLASSES)(context))
        model.compile(
            keras.optimizers.SGD(0.5), keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=eagerly
        )
        model.fit(inputs, labels, batch_size=EXAMPLES, epochs=3, verbose=0)
        ends.append(model.get_weights())
    for compiled, eager in zip(*ends, strict=True):
        np.testing.assert_allclose(compiled, eager, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", some_now(KINDS, "softmax", "sparsemax", "local_predictive", "hard by reinforce"))
def test_gradients_are_finite(kind, rng, gradients):
    query, features, outputs = all_scores_with(kind)
    model = keras.Model([query, features], {name: tensor for name, tensor in outputs.items() if "logits" in name})
    inputs, _ = inputs_and_labels(rng)
    for gradient in gradients(
        lambda *inputs: sum(ops.sum(ops.square(x)) for x in model(list(inputs)).values()), *inputs
    ):
        assert np.isfinite(gradient).all()
        assert (np.abs(gradient) > 0).any() or kind.startswith("hard")


FORWARD = """
import numpy as np
from keras_attention.layers import ALIGNMENTS, SCORES, Attention, SpatialAttention
generator = np.random.default_rng(0)
query, features = generator.normal(size=(2, 7)).astype("float32"), generator.normal(size=(2, 3, 4, 5)).astype("float32")
for score in SCORES:
    for alignment in ALIGNMENTS:
        layer = SpatialAttention(score, alignment, units=4)
        context, attention_map = layer(query, features, return_attention_scores=True)
        assert tuple(context.shape) == (2, 5) and tuple(attention_map.shape) == (2, 3, 4), (score, alignment)
        assert bool((context == context).all()), (score, alignment)
        Attention(score, alignment)(features[:, 0], features[:, 1])
print("done")
"""


@pytest.mark.long
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_every_pair_runs_forward_on_another_backend(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    environment = {**os.environ, "KERAS_BACKEND": backend}
    done = subprocess.run([sys.executable, "-c", FORWARD], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["done"], done.stderr

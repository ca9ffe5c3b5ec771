"""What a training leaves in memory: nothing, however it ends."""

import gc
import subprocess
import sys
import weakref

import keras
import keras_tuner
import numpy as np
import pytest
import seams

from keras_attention import TrainConfig, train
from keras_attention.memory import released
from keras_attention.tuning.hypermodel import AttentionHyperModel
from keras_attention.tuning.trials import COMPLETED, TrialRunner

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow keeps graphs")

PLAIN = {"score": "none", "attend": "block5_pool"}


@pytest.fixture
def config():
    return TrainConfig(data_options={"count": 60}, image_size=32, width=0.05, epochs=1, batch_size=16, score=None)


@pytest.fixture(autouse=True)
def _only_a_short_training(monkeypatch):
    seams.shallow_backbone(monkeypatch)
    seams.only_training(monkeypatch)


def traced():
    """A function whose gradient is a custom one, called once, and a weak reference to its graph."""
    import tensorflow as tf

    function = tf.function(tf.nn.silu)
    graph = function.get_concrete_function(tf.TensorSpec([1])).graph
    return function, weakref.ref(graph)


def graphs_of_training():
    """The graphs of training steps that are still in memory."""
    gc.collect()
    return [each for each in gc.get_objects() if getattr(type(each), "__name__", "") == "FuncGraph" and _trains(each)]


def _trains(graph):
    return any("gradient_tape" in operation.name for operation in graph.get_operations())


def test_a_graph_goes_with_its_function():
    with released():
        function, graph = traced()
        assert graph() is not None
        del function
    assert graph() is None


def test_tensorflow_alone_keeps_it():
    """If this fails, TensorFlow has been mended (its issue 97697), and `released` has to collect garbage only."""
    _, graph = traced()
    gc.collect()
    assert graph() is not None


def test_what_was_traced_before_keeps_its_gradient():
    import tensorflow as tf

    function, _ = traced()
    with released():
        traced()
    point = tf.constant([0.0])
    with tf.GradientTape() as tape:
        tape.watch(point)
        value = function(point)
    np.testing.assert_allclose(tape.gradient(value, point), [0.5], atol=1e-6)


def test_a_model_from_inside_is_of_use_outside():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.ops.silu(inputs)))
    data = np.eye(3, dtype="float32"), np.ones((3, 1), "float32")
    with released():
        model.compile("sgd", "mse")
        model.fit(*data, verbose=0)
        before = model.predict(data[0], verbose=0)
    np.testing.assert_array_equal(model.predict(data[0], verbose=0), before)
    assert model.fit(*data, verbose=0).history["loss"][0] > 0
    model.compile("sgd", "mse")
    assert model.fit(*data, verbose=0).history["loss"][0] > 0


@pytest.mark.long
def test_a_training_leaves_no_graph(config, tmp_path):
    before = len(graphs_of_training())
    train(config, tmp_path / "run", verbose=0, export=False)
    assert len(graphs_of_training()) == before


@pytest.mark.long
def test_a_training_that_is_interrupted_leaves_no_graph(config, tmp_path, monkeypatch):
    before = len(graphs_of_training())
    seams.interrupt_in_epoch(monkeypatch, 0)
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "run", verbose=0, export=False)
    assert len(graphs_of_training()) == before


@pytest.mark.long
def test_a_trial_leaves_no_graph(config, tmp_path):
    before = len(graphs_of_training())
    trial = keras_tuner.engine.trial.Trial(keras_tuner.HyperParameters(), "00")
    assert TrialRunner(AttentionHyperModel(config, fix=PLAIN), tmp_path)(trial).status == COMPLETED
    assert len(graphs_of_training()) == before


@pytest.mark.long
def test_a_model_of_a_custom_tuner_leaves_no_graph(config):
    before = len(graphs_of_training())
    hypermodel, hp = AttentionHyperModel(config, fix=PLAIN), keras_tuner.HyperParameters()
    model = hypermodel.build(hp)
    hypermodel.fit(hp, model, verbose=0)
    assert len(graphs_of_training()) > before  # the model is in use
    del model
    assert len(graphs_of_training()) == before


PROGRAM = """
import sys
from keras_attention import TrainConfig, compare
from keras_attention.comparison.cost import peak_memory

config = TrainConfig(data_options={"count": 60}, image_size=32, width=0.05, units=16, epochs=1)
for seeds in (2, 5):
    compare(config, seeds=seeds, run=sys.argv[1], costs=False, resume=seeds > 2, verbose=False)
    print(peak_memory())
"""


@pytest.mark.long
def test_twenty_runs_fit_into_the_memory_of_eight(tmp_path):
    command = [sys.executable, "-c", seams.SHALLOW_PROGRAM + PROGRAM, str(tmp_path / "comparison")]
    eight, twenty = map(int, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert twenty < 1.2e9
    assert twenty - eight < 30e6

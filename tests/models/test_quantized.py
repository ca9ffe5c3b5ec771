"""`Model.quantize` of Keras: projections and heads are quantized and saved, and other layers stay in float."""

import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest

from keras_attention.layers import SCORES, Attention, LearnedQueries, SpatialAttention
from keras_attention.models import attention_classifier, attention_outputs
from keras_attention.precision import quantized_layers

DIMENSION, UNITS, CLASSES = 6, 4, 3
FORMS = {"plain": {}, "units": {"units": UNITS}, "heads": {"units": UNITS, "num_heads": 2}, "classes": {"units": UNITS}}
# How far outputs that are around 1 may be from the float ones.
MODES = {"int8": 0.05, "int4": 0.5, "float8": 0.3}
# A score with weights of its own and one without; all of them take two minutes.
FEW = ("general", "scaled_dot")
every_mode = pytest.mark.parametrize(
    ("mode", "scores"),
    [
        pytest.param("int8", FEW, marks=pytest.mark.long, id="int8-few"),
        *(pytest.param(mode, tuple(SCORES), marks=pytest.mark.long, id=mode) for mode in MODES),
    ],
)

LOAD = """
import sys
import keras, numpy as np
import keras_attention
inputs = dict(np.load(sys.argv[2]))
model = keras.models.load_model(sys.argv[1])
outputs = model(inputs) if keras.backend.backend() == "tensorflow" else model.predict(inputs, verbose=0)
np.savez(sys.argv[3], **{name: np.asarray(values) for name, values in outputs.items()})
"""


def outputs_of(model, inputs):
    """Compiled on backends on which a loop would compile in every single call."""
    return model(inputs) if keras.backend.backend() == "tensorflow" else model.predict(inputs, verbose=0)


def quantize(model, mode="int8", **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of each layer that stays in float
        model.quantize(mode, **options)


@pytest.fixture
def inputs(rng):
    shapes = {"query": (5, DIMENSION), "features": (5, 3, 4, DIMENSION)}
    return {name: rng.normal(size=shape).astype("float32") for name, shape in shapes.items()}


def branches(scores):
    """A model with a branch for each of some scores in every form, and one for self-attention with heads."""
    query, features = keras.Input((DIMENSION,), name="query"), keras.Input((3, 4, DIMENSION), name="features")
    queries = LearnedQueries(CLASSES, name="queries")(features)
    outputs = {}
    for score in scores:
        for form, options in FORMS.items():
            layer = SpatialAttention(score, name=f"{score}_{form}", **options)
            given = queries if form == "classes" else query
            context, outputs[layer.name] = layer(given, features, return_attention_scores=True)
            outputs[f"logits_{layer.name}"] = keras.layers.Dense(CLASSES, name=f"logits_{layer.name}")(context)
    positions = keras.layers.Reshape((12, DIMENSION), name="positions")(features)
    outputs["self_attention"] = Attention("scaled_dot", num_heads=2, name="self_attention")(positions, positions)
    return keras.Model({"query": query, "features": features}, outputs)


@every_mode
def test_every_score_in_every_form_loads_in_another_process(mode, scores, inputs, tmp_path):
    everything = branches(scores)
    before = {name: np.asarray(values) for name, values in outputs_of(everything, inputs).items()}
    quantize(everything, mode)
    quantized = {name: np.asarray(values) for name, values in outputs_of(everything, inputs).items()}
    for name, values in before.items():
        np.testing.assert_allclose(quantized[name], values, atol=MODES[mode], err_msg=name)
    assert any((quantized[name] != before[name]).any() for name in before)
    # Two projections for each score that has no `units` of its own, in each form but the first.
    projecting = [score for score in scores if not hasattr(SCORES.get(score), "units") and score != "uniform"]
    layers = [layer for layer in everything._flatten_layers() if getattr(layer, "quantization_mode", None) == mode]
    assert len(layers) == len(scores) * len(FORMS) + 2 * (len(FORMS) - 1) * len(projecting)
    everything.save(tmp_path / "quantized.keras")
    np.savez(tmp_path / "inputs.npz", **inputs)
    files = [str(tmp_path / name) for name in ("quantized.keras", "inputs.npz", "outputs.npz")]
    done = subprocess.run([sys.executable, "-c", LOAD, *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name, values in np.load(files[-1]).items():
        np.testing.assert_allclose(values, quantized[name], rtol=1e-6, atol=1e-6, err_msg=name)


@pytest.fixture
def classifier():
    """Makes a small classifier with queries of the classes, or another query."""

    def make(query="classes", **options):
        x = images = keras.Input((16, 16, 3), name="images")
        for number in (1, 2):
            x = keras.layers.Conv2D(DIMENSION, 3, 2, "same", activation="relu", name=f"stage{number}")(x)
        backbone = keras.Model(images, x)
        options = {"score": "general", "attend": "stage1", "units": UNITS} | options
        return attention_classifier(backbone, CLASSES, query=query, **options)

    return make


@pytest.fixture
def images(rng):
    return rng.uniform(0, 1, (3, 16, 16, 3)).astype("float32")


def test_the_logits_of_class_queries_stay_in_float(classifier, images, reload):
    model = attention_outputs(classifier())
    before = model.predict(images, verbose=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.quantize("int8")
    (told,) = (str(one.message) for one in caught if "logits" in str(one.message))
    assert told.startswith("logits stays in float: ")
    assert "`keras-attention export --quantize`" in told
    assert quantized_layers(model) == dict.fromkeys(("query_projection", "key_projection"), "int8")
    quantized, loaded = (each.predict(images, verbose=0) for each in (model, reload(model)))
    for name, values in before.items():
        np.testing.assert_allclose(quantized[name], values, atol=1e-2)
        np.testing.assert_array_equal(loaded[name], quantized[name])


def test_only_what_a_filter_names_is_quantized(classifier, images, reload):
    model = classifier("stage2")
    quantize(model, filters="query_projection")
    loaded = reload(model)
    assert quantized_layers(model) == quantized_layers(loaded) == {"query_projection": "int8"}
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), model.predict(images, verbose=0))


def test_a_loaded_model_has_no_layer_twice(classifier, reload):
    model = classifier("stage2")
    quantize(model)
    kinds = [type(layer) for layer in model._flatten_layers()]
    assert [type(layer) for layer in reload(model)._flatten_layers()] == kinds


def test_what_keras_refuses_changes_nothing(classifier, images):
    model = classifier("stage2")
    before = model.predict(images, verbose=0)
    quantize(model)
    quantized = model.predict(images, verbose=0)
    with pytest.raises(ValueError, match="already quantized"):
        quantize(model)
    np.testing.assert_array_equal(model.predict(images, verbose=0), quantized)
    np.testing.assert_allclose(quantized, before, atol=1e-2)

"""The checks that Keras makes of its own layers, `run_layer_test`, made of every layer of the package.

They cover configs, the numbers of weights after `build`, a symbolic and an eager call, a compiled training step, and
mixed precision: the dtypes of outputs and weights.
"""

import dataclasses

import keras
import numpy as np
import pytest
from cases import some_now
from keras.src.testing import TestCase

from keras_attention.layers import ALIGNMENTS, GATES, POOLINGS, SCORES, MapDisagreement
from keras_attention.registry import PACKAGE

# Sizes that differ, so that an exchanged axis fails; scores without weights need one dimension.
QUERY, KEYS, TABLE, IMAGE_MAP = (2, 3, 4), (2, 5, 4), (2, 3, 5), (2, 5, 7, 4)


class DisagreementOfTuple(MapDisagreement):
    """Takes context and maps as one tuple, the only form in which Keras's checks can give several maps."""

    def build(self, input_shape):
        super().build(input_shape[0], input_shape[1:])

    def call(self, inputs):
        return super().call(inputs[0], inputs[1:])

    def compute_output_spec(self, inputs):
        return super().compute_output_spec(inputs[0], inputs[1:])

    def compute_output_shape(self, input_shape):
        return input_shape[0]


@dataclasses.dataclass(frozen=True)
class Case:
    """A layer's arguments, the shapes of its inputs, by name if there are several, and the shape of its output."""

    arguments: dict
    inputs: tuple | dict | None
    output: tuple | None
    losses: int = 0
    cls: type | None = None


PAIR = {"query_shape": QUERY, "key_shape": KEYS}
CASES = {
    **{SCORES[name].__name__: Case({}, PAIR, TABLE) for name in SCORES},
    **{ALIGNMENTS[name].__name__: Case({}, TABLE, TABLE) for name in ALIGNMENTS},
    **{POOLINGS[name].__name__: Case({}, IMAGE_MAP, (2, 4)) for name in POOLINGS},
    **{GATES[name].__name__: Case({}, IMAGE_MAP, IMAGE_MAP) for name in GATES},
    "PerHead": Case({"parts": ["softmax", "sigmoid"], "axis": -2}, (2, 4, 3), (2, 4, 3)),
    "UniformScore": Case({}, PAIR, TABLE),
    "LocalPredictiveAlignment": Case({}, {"scores_shape": TABLE, "query_shape": QUERY}, TABLE),
    "Attention": Case({"score": "additive"}, {"query_shape": QUERY, "value_shape": KEYS}, QUERY),
    "SpatialAttention": Case({"score": "additive"}, {"query_shape": (2, 4), "features_shape": IMAGE_MAP}, (2, 4)),
    "LearnedQueries": Case({"count": 3}, KEYS, QUERY),
    "ChannelNormalization": Case({"mean": [1, 2, 3, 4], "std": [1, 2, 3, 4]}, IMAGE_MAP, IMAGE_MAP),
    "MapDisagreement": Case({"rate": 0.1}, (KEYS, (2, 3, 5), (2, 3, 4)), KEYS, losses=1, cls=DisagreementOfTuple),
    "FloatEinsumDense": Case({"equation": "abc,cd->abd", "output_shape": (5, 7)}, KEYS, (2, 5, 7)),
    "Heads": Case({"num_heads": 2}, None, None),  # a part of `Attention`, which is not called by itself
}

# One of each kind: scores with and without weights, alignments, a pooling, a gate, and what takes several inputs.
NOW = (
    *("AdditiveScore", "ScaledDotScore", "EuclideanScore", "SoftmaxAlignment", "ReinforcedAlignment", "SimPool"),
    *("ConvolutionalBlockAttention", "LocalPredictiveAlignment", "Attention", "SpatialAttention", "MapDisagreement"),
)


def registered():
    """The layers of the package by class name, without those that tests register."""
    return {
        cls.__name__: cls
        for cls in keras.saving.get_custom_objects().values()
        if issubclass(cls, keras.layers.Layer) and cls.__module__.startswith(f"{PACKAGE}.layers.")
    }


def test_every_layer_is_checked():
    assert set(registered()) == set(CASES)


@pytest.mark.portable
# Keras's training step takes a generator, and trains layers without weights.
@pytest.mark.filterwarnings(
    "ignore:.shuffle=True. was passed",
    "ignore:The model does not have any trainable weights",
)
@pytest.mark.parametrize("name", some_now(CASES, *NOW))
def test_layer(name):
    case = CASES[name]
    cls = case.cls or registered()[name]
    TestCase().run_layer_test(
        cls,
        case.arguments,
        input_shape=case.inputs,
        expected_output_shape=case.output,
        expected_num_losses=case.losses if case.output else None,
        # Keras trains layers of one input only. Samples learn from rewards: tests/models/test_reinforce.py.
        run_training_check=not isinstance(case.inputs, dict) and name != "ReinforcedAlignment",
        custom_objects={cls.__name__: cls},
    )
    if isinstance(case.inputs, dict):
        check_training(cls(**case.arguments), case.inputs)


def check_training(layer, shapes):
    """One compiled step, as the checks make it of a layer with a single input."""
    shapes = {name.removesuffix("_shape"): shape for name, shape in shapes.items()}
    inputs = {name: keras.Input(shape[1:], name=name) for name, shape in shapes.items()}
    model = keras.Model(inputs, layer(**inputs))
    model.compile("sgd", "mse")
    rng = np.random.default_rng(0)
    values = {name: rng.normal(size=shape).astype("float32") for name, shape in shapes.items()}
    history = model.fit(values, np.ones((2, *model.output_shape[1:]), "float32"), verbose=0)
    assert np.isfinite(history.history["loss"]).all()

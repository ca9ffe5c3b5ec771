"""Optimizers of two rates: each variable moves as under an optimizer of its own."""

import keras
import numpy as np
import pytest

from keras_attention import TrainConfig
from keras_attention.training.optimizers import TwoRateAdamW, TwoRateSGD, make_optimizer

RATE, FACTOR, DECAY = 0.1, 0.25, 0.5
KINDS = {
    "adamw": (TwoRateAdamW, keras.optimizers.AdamW, {}),
    "sgd": (TwoRateSGD, keras.optimizers.SGD, {"momentum": 0.9, "nesterov": True}),
}


@pytest.fixture
def model():
    dense = keras.layers.Dense
    return keras.Sequential([keras.Input((3,)), dense(4, name="slow"), dense(2, name="fast")])


@pytest.mark.parametrize("name", KINDS)
def test_each_part_moves_as_under_its_own_rate(name, model, rng):
    ours, theirs, options = KINDS[name]
    slow, variables = model.get_layer("slow").variables, model.variables
    initial = [rng.normal(size=variable.shape).astype("float32") for variable in variables]
    gradients = [[rng.normal(size=array.shape).astype("float32") for array in initial] for _ in range(3)]
    model.set_weights(initial)
    paths = [variable.path for variable in slow]
    optimizer = ours(RATE, slow_paths=paths, slow_factor=FACTOR, weight_decay=DECAY, **options)
    optimizer.exclude_from_weight_decay(var_list=slow, var_names=["bias"])
    moved = steps(optimizer, variables, gradients)
    for numbers, rate in (((0, 1), RATE * FACTOR), ((2, 3), RATE)):
        alone = [keras.Variable(initial[number], name=variables[number].name) for number in numbers]
        plain = theirs(rate, weight_decay=DECAY, **options)
        plain.exclude_from_weight_decay(var_names=["bias"])
        expected = steps(plain, alone, [[part[number] for number in numbers] for part in gradients])
        for number, array in zip(numbers, expected, strict=True):
            np.testing.assert_allclose(moved[number], array, rtol=1e-5, atol=1e-6)


def steps(optimizer, variables, gradients):
    for parts in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(part) for part in parts], variables)
    return [np.array(variable) for variable in variables]


def test_the_configuration_decides(model):
    config = TrainConfig(optimizer="sgd", weights="a.npz", backbone_rate=0.1, clip_norm=2.0, learning_rate=0.5)
    optimizer = make_optimizer(config, 10, model)
    assert isinstance(optimizer, TwoRateSGD)
    assert optimizer.slow_paths == {variable.path for variable in model.variables}
    assert (optimizer.slow_factor, optimizer.global_clipnorm, optimizer.momentum) == (0.1, 2.0, 0.9)
    assert make_optimizer(TrainConfig(), 10, model).slow_paths == frozenset()


def test_it_survives_its_configuration():
    optimizer = TwoRateAdamW(0.1, slow_paths=["a/kernel"], slow_factor=0.5, weight_decay=0.2)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    assert again.get_config() == optimizer.get_config()
    assert (again.slow_paths, again.slow_factor) == ({"a/kernel"}, 0.5)


def test_a_long_gradient_is_scaled_down():
    variable = keras.Variable(np.zeros(2), name="kernel")
    optimizer = make_optimizer(TrainConfig(optimizer="sgd", clip_norm=1.0, schedule="constant", warmup_epochs=0), 1)
    optimizer.apply([keras.ops.convert_to_tensor([30.0, 40.0])], [variable])
    # Nesterov's first step is 1 + momentum times the rate.
    np.testing.assert_allclose(np.array(variable), -3e-4 * 1.9 * np.array([0.6, 0.8]), rtol=1e-5)

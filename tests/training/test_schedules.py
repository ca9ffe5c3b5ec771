"""Learning rates at steps of a run, worked by hand, and after a trip through a file."""

import math

import keras
import numpy as np
import pytest

from keras_attention import TrainConfig
from keras_attention.training.schedules import StepDecay, learning_rate

STEPS, RATE = 20, 0.4  # steps an epoch; the highest rate


def rates(schedule, steps):
    return [float(keras.ops.convert_to_numpy(schedule(step))) for step in steps]


# Settings; step → rate. Ten epochs of 20 steps are 200.
BY_HAND = {
    "cosine": (
        {"schedule": "cosine", "warmup_epochs": 0},
        {0: 0.4, 50: 0.2 * (1 + math.sqrt(0.5)), 100: 0.2, 150: 0.2 * (1 - math.sqrt(0.5)), 200: 0, 300: 0},
    ),
    "cosine after a rise": (
        {"schedule": "cosine", "warmup_epochs": 2},
        {0: 0, 10: 0.1, 20: 0.2, 39: 0.39, 40: 0.4, 120: 0.2, 80: 0.2 * (1 + math.sqrt(0.5)), 200: 0, 201: 0},
    ),
    "constant": ({"schedule": "constant", "warmup_epochs": 0}, {0: 0.4, 1: 0.4, 199: 0.4, 1000: 0.4}),
    "constant after a rise": (
        {"schedule": "constant", "warmup_epochs": 0.5},
        {0: 0.04, 1: 0.08, 8: 0.36, 9: 0.4, 10: 0.4, 199: 0.4},
    ),
    "a rise longer than half of the run": (
        {"schedule": "constant", "warmup_epochs": 30},
        {0: 0.004, 49: 0.2, 99: 0.4, 100: 0.4, 199: 0.4},
    ),
    "cosine after half of the run": (
        {"schedule": "cosine", "warmup_epochs": 30},
        {0: 0, 50: 0.2, 100: 0.4, 150: 0.2, 200: 0},
    ),
    "steps": (
        {"schedule": "step", "warmup_epochs": 0, "step_epochs": 3, "step_factor": 0.5},
        {0: 0.4, 59: 0.4, 60: 0.2, 119: 0.2, 120: 0.1, 180: 0.05, 199: 0.05},
    ),
    "steps after a rise": (
        {"schedule": "step", "warmup_epochs": 1, "step_epochs": 3, "step_factor": 0.1},
        {0: 0.02, 9: 0.2, 19: 0.4, 20: 0.4, 59: 0.4, 60: 0.04, 120: 0.004},
    ),
    "a part of an epoch, rounded": ({"schedule": "constant", "warmup_epochs": 0.17}, {0: 0.4 / 3, 1: 0.8 / 3, 2: 0.4}),
}


@pytest.mark.parametrize("case", BY_HAND)
def test_by_hand(case):
    settings, expected = BY_HAND[case]
    schedule = learning_rate(TrainConfig(epochs=10, learning_rate=RATE, **settings), STEPS)
    assert rates(schedule, expected) == pytest.approx(list(expected.values()), rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("case", BY_HAND)
def test_after_a_trip_through_json(case):
    settings, expected = BY_HAND[case]
    schedule = learning_rate(TrainConfig(epochs=10, learning_rate=RATE, **settings), STEPS)
    again = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(schedule))
    assert type(again) is type(schedule)
    assert again.get_config() == schedule.get_config()
    assert rates(again, expected) == rates(schedule, expected)


def test_a_step_decay_has_all_its_arguments_in_its_config():
    schedule = StepDecay(0.3, every=7, factor=0.25, warmup_steps=3)
    assert schedule.get_config() == {"rate": 0.3, "every": 7, "factor": 0.25, "warmup_steps": 3}
    again = StepDecay.from_config(schedule.get_config())
    assert rates(again, range(30)) == rates(schedule, range(30))
    assert rates(schedule, [0, 1, 2, 6, 7, 14]) == pytest.approx([0.1, 0.2, 0.3, 0.3, 0.075, 0.01875])


def test_an_optimizer_follows_it_and_is_saved_with_it(reload):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(StepDecay(0.5, every=2, factor=0.1, warmup_steps=2)), "mse")
    found = []
    for _ in range(5):
        found.append(float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)))
        model.train_on_batch(np.ones((2, 3)), np.ones((2, 1)))
    assert found == pytest.approx([0.25, 0.5, 0.05, 0.05, 0.005], rel=1e-5)
    loaded = reload(model).optimizer
    assert int(loaded.iterations) == 5
    assert float(keras.ops.convert_to_numpy(loaded.learning_rate)) == pytest.approx(0.005, rel=1e-5)


@pytest.mark.parametrize("schedule", ["cosine", "step", "constant"])
def test_a_run_of_one_step(schedule):
    rate = learning_rate(TrainConfig(epochs=1, schedule=schedule, learning_rate=RATE), 1)
    assert rates(rate, [0]) == pytest.approx([RATE])


@pytest.mark.parametrize("schedule", ["cosine", "step", "constant"])
@pytest.mark.parametrize("warmup", [0, 0.5, 3, 100])
def test_it_rises_then_never_rises_again(schedule, warmup):
    config = TrainConfig(epochs=7, schedule=schedule, warmup_epochs=warmup, learning_rate=RATE, step_epochs=4)
    found = np.array(rates(learning_rate(config, 11), range(7 * 11 + 1)))
    top = int(found.argmax())
    assert found.max() == pytest.approx(RATE)
    assert (np.diff(found[: top + 1]) > 0).all()
    assert (np.diff(found[top:]) <= 1e-9).all()
    assert top <= round(min(warmup, 3.5) * 11)
    assert (found >= 0).all()

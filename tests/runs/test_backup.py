"""Backups of a run: what they hold, which of them is the best, and damaged ones."""

import keras
import numpy as np
import pytest

from keras_attention import Run


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    return run


def network(seed):
    """A compiled network with a normalization, whose statistics are not trained, and a layer that draws numbers."""
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((3,)), keras.layers.Dense(4), keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)]
    made = keras.Sequential([*layers, keras.layers.Dense(2)])
    made.compile(keras.optimizers.AdamW(0.1), "mse")
    return made


def train(model, rng, steps=3):
    for _ in range(steps):
        model.train_on_batch(rng.normal(size=(8, 3)), rng.normal(size=(8, 2)))


def state(variables):
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def test_a_backup_is_the_whole_state(run, rng):
    made, other = network(1), network(2)
    train(made, rng)
    run.back_up(made, 3, 1.5)
    run.load_backup(other)
    for kept, loaded in ((made.weights, other.weights), (made.optimizer.variables, other.optimizer.variables)):
        for one, same in zip(state(kept), state(loaded), strict=True):
            np.testing.assert_array_equal(one, same)
    assert int(other.optimizer.iterations) == 3


def test_the_newest_backup_stays_and_the_best_is_kept_apart(run, rng):
    made = network(1)
    for epoch in (1, 2, 3):
        train(made, rng)
        run.back_up(made, epoch, 1.5, is_best=epoch == 2)
        if epoch == 2:
            best = state(made.weights)
    assert sorted(path.name for path in (run.folder / "backup").iterdir()) == [
        "best.npz",
        "epoch-000003.npz",
        "seconds.json",
    ]
    steps = int(made.optimizer.iterations)
    run.load_best(made)
    for one, same in zip(best, state(made.weights), strict=True):
        np.testing.assert_array_equal(one, same)
    assert int(made.optimizer.iterations) == steps


def test_the_best_of_an_earlier_version_is_read_until_there_is_a_better_one(run, rng):
    made, other = network(1), network(2)
    train(made, rng)
    (run.folder / "backup").mkdir()
    made.save_weights(run.folder / "backup" / "best.weights.h5")
    train(other, rng)
    run.load_best(other)
    for one, same in zip(state(made.weights), state(other.weights), strict=True):
        np.testing.assert_array_equal(one, same)
    train(made, rng)
    run.back_up(made, 2, 1.5, is_best=True)
    run.load_best(other)
    for one, same in zip(state(made.weights), state(other.weights), strict=True):
        np.testing.assert_array_equal(one, same)


def test_a_damaged_backup_is_named(run, rng):
    made = network(1)
    train(made, rng)
    run.back_up(made, 1, 1.5)
    path = run.folder / "backup" / "epoch-000001.npz"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"epoch-000001\.npz cannot be read\. Expected a complete file"):
        run.load_backup(made)

"""What a network costs: counted by hand where it can be, and measured in turn."""

import keras
import numpy as np
import pytest
import seams

from keras_attention import TrainConfig
from keras_attention.comparison import cost

needs_tensorflow = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="costs are of TensorFlow")
pytestmark = needs_tensorflow


def test_operations_of_a_network_by_hand():
    image = keras.Input((8, 6, 3))
    maps = keras.layers.Conv2D(5, 3, padding="same", use_bias=False)(image)
    logits = keras.layers.Dense(7, use_bias=False)(keras.layers.Flatten()(maps))
    expected = 2 * 8 * 6 * 5 * (3 * 3 * 3) + 2 * (8 * 6 * 5) * 7
    assert cost.count_flops(keras.Model(image, logits)) == expected


def test_a_peak_is_seen_after_it_is_over():
    base = cost.reset_peak_memory()
    block = np.ones(25_000_000)
    del block
    assert cost.peak_memory() - base == pytest.approx(200e6, rel=0.1)
    base = cost.reset_peak_memory()
    assert cost.peak_memory() - base < 20e6


def test_functions_take_turns(monkeypatch):
    seams.seconds_of_measuring_a_cost(monkeypatch, 0.0)
    order = []
    medians = cost.medians_in_turn(lambda: order.append("a"), lambda: order.append("b"))
    assert "".join(order) == "ab" * (1 + cost.REPEATS[0])
    assert len(medians) == 2
    assert all(seconds > 0 for seconds in medians)


@pytest.mark.slow
@pytest.mark.parametrize("frozen", [pytest.param(False, marks=pytest.mark.long), True])
def test_a_variant_beside_the_plain_network(frozen, monkeypatch):
    seams.shallow_backbone(monkeypatch)
    seams.seconds_of_measuring_a_cost(monkeypatch, 0.1)
    settings = {"weights": "unread.npz", "freeze": "all", "width": 0.05} if frozen else {"width": 0.05}
    config = TrainConfig(units=7, batch_size=4, supervise_attention=0.1 if frozen else None, **settings)
    found = cost.measure_cost(config, TrainConfig(attend=(), batch_size=4, **settings), 32, ("a", "b", "c"))
    model = found["parameters"]
    assert 0 < found["trained_parameters"] < model
    # Without the backbone, few are left to train.
    assert (found["trained_parameters"] < model / 2) == frozen
    assert found["flops"] > 1e5
    assert min(value for name, value in found.items() if name.endswith("seconds")) > 0
    # In a process that did other things before, memory is taken from what they left.
    assert isinstance(found["step_megabytes"], float)

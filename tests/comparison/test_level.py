"""The verdict on simulated comparisons whose truth is known: it holds its level, and finds what it should."""

import importlib.util
import pathlib

import numpy as np
import pytest

from keras_attention.comparison.looks import level_of_look
from keras_attention.metrics import METRICS, image_deviations
from keras_attention.metrics.answers import Answers

ROOT = pathlib.Path(__file__).parent.parent.parent
_spec = importlib.util.spec_from_file_location("verdict_simulation", ROOT / "benchmarks" / "verdict_simulation.py")
simulation = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(simulation)

# The world of the benchmark, and, where it lies beside the repository, the one that was written before it.
OTHER = ROOT.parent / "shared" / "verdict" / "simulate.py"
WORLDS = {"own": simulation.figures_and_deviations}
if OTHER.is_file():
    WORLDS["other"] = simulation.other_world(OTHER)
FEW, MANY = 100, 1000
THREE = simulation.POWER["3 comparisons, 3 seeds, 8 points"]
world = pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)


def at_most(share, simulations):
    """A share in per cent, and three standard errors of what is simulated."""
    return share + 300 * np.sqrt(share / 100 * (1 - share / 100) / simulations)


def at_least(share, simulations):
    return 100 - at_most(100 - share, simulations)


@pytest.mark.parametrize("metric", ["accuracy", "roc_auc"])
def test_the_world_measures_as_the_package_does(metric, rng):
    labels, scores = np.repeat([0, 1], [17, 9]), rng.normal(size=(2, 3, 26))
    figures, influence = (simulation.area if metric == "roc_auc" else simulation.accuracy)(scores, labels)
    for place in np.ndindex(2, 3):
        logits = np.stack([-scores[place] / 2, scores[place] / 2], axis=1)
        assert METRICS[metric].of(Answers(logits, labels)) == pytest.approx(figures[place], abs=1e-6)
        expected = image_deviations(logits, labels)[metric] * np.sqrt(26 * 25)
        np.testing.assert_allclose(influence[place], expected, atol=1e-6)


@world
def test_a_few_comparisons_hold_the_level_and_find_a_difference(world):
    found = simulation.outcomes(THREE, FEW, world=world)
    assert at_least(94, 3 * FEW) <= found["coverage"] <= at_most(97, 3 * FEW)
    assert found["family_error"] <= at_most(5, FEW)
    assert found["found"] >= at_least(80, FEW)


@pytest.mark.long
def test_looking_again_and_again_finds_nothing_false():
    share, _ = simulation.looked_at(2 * FEW, (2, 3, 5, 8, 12, 16, 20))
    assert share <= at_most(5, 2 * FEW)


@pytest.mark.long
@world
@pytest.mark.parametrize(("name", "least"), list(zip(simulation.POWER, (70, 25, 80), strict=False)))
def test_what_is_found(name, least, world):
    """With the whole level, as a single look has that was planned."""
    design = simulation.POWER[name]
    level = level_of_look(0.05, design.seeds, most_seeds=design.seeds)
    found = simulation.outcomes(design, MANY, level, world=world)
    assert found["found"] >= least
    assert found["family_error"] <= at_most(5, MANY)
    assert found["pooled"] <= at_most(5, MANY)


@pytest.mark.long
@world
def test_54_runs_in_two_stages_find_one_of_two(world):
    found = simulation.two_stages(MANY, world=world)
    assert found["two stages"] >= 45
    assert found["two stages"] > found["one stage"]
    assert found["false in two stages"] <= at_most(5, MANY)


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in simulation.level_designs() if not name.startswith("very unequal")])
def test_intervals_and_families_hold_their_level(name):
    _holds_its_level(name, WORLDS["own"])


@pytest.mark.long
@pytest.mark.skipif("other" not in WORLDS, reason="no other world lies beside the repository")
@pytest.mark.parametrize("name", [name for name in simulation.level_designs() if name.startswith("unequal, 3")])
def test_they_hold_it_in_another_world(name):
    _holds_its_level(name, WORLDS["other"])


def _holds_its_level(name, world):
    found = simulation.outcomes(simulation.level_designs()[name], MANY, world=world)
    # The differences of a comparison depend on each other: the error is that of about a fifth as many.
    assert at_least(94, 3 * MANY) <= found["coverage"] <= at_most(97, 3 * MANY)
    assert found["noisy"] >= at_least(92, MANY)
    assert found["family_error"] <= at_most(5, MANY)
    assert found["pooled"] <= at_most(5, MANY)


@pytest.mark.long
@pytest.mark.parametrize("looks", [(2, 3, 5, 8, 12, 16, 20), tuple(range(2, 21))], ids=["seven", "each"])
@pytest.mark.parametrize("image_error", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("variants", [2, 5])
def test_no_number_of_looks_finds_more_than_the_level(looks, image_error, variants):
    share, _ = simulation.looked_at(MANY, looks, image_error=image_error, variants=variants)
    assert share <= at_most(5, MANY)


@pytest.mark.long
def test_until_settled_takes_few_seeds():
    """A fixed design takes ten seeds to find a difference of one standard deviation with a probability of 80 %."""
    share, seeds = simulation.looked_at(MANY, tuple(range(4, 21)), effect=1.0, most_seeds=20)
    assert seeds <= 14
    assert share >= 85
    false, _ = simulation.looked_at(MANY, tuple(range(4, 21)), most_seeds=20)
    assert false <= at_most(5, MANY)


@pytest.mark.long
@world
@pytest.mark.parametrize("variants", [2, 4])
def test_differences_as_large_as_the_margin_are_not_called_the_same(variants, world):
    assert simulation.wrongly_the_same(MANY, variants=variants, world=world) <= at_most(5, MANY)

"""The rules of the verdict, and the looks that a folder remembers."""

import pytest

from keras_attention.comparison.contrasts import Estimate
from keras_attention.comparison.verdicts import (
    EQUIVALENT,
    HELPS,
    HURTS,
    NO_EVIDENCE,
    NO_INTERVAL,
    NOT_SETTLED,
    Rule,
    verdict,
)
from keras_attention.files import write_json


def estimate(mean, seed_error=0.02, image_error=0.02):
    return Estimate(mean, 5, 200, seed_error, 8.0, image_error)


@pytest.mark.parametrize(
    ("mean", "p_corrected", "p_within", "more_is_better", "expected"),
    [
        (0.2, 0.01, None, True, HELPS),
        (-0.2, 0.01, None, True, HURTS),
        (0.2, 0.01, None, False, HURTS),
        (-0.2, 0.01, None, False, HELPS),
        (0.2, 0.05, None, True, NO_EVIDENCE),
        (0.2, 0.01, 0.9, True, HELPS),
        (0.0, 0.9, 0.01, True, EQUIVALENT),
        (0.01, 0.01, 0.01, True, EQUIVALENT),  # there is a difference, and it does not matter
        (0.01, 0.5, 0.5, True, NOT_SETTLED),
    ],
)
def test_the_rules_of_the_verdict(mean, p_corrected, p_within, more_is_better, expected):
    assert verdict(estimate(mean), p_corrected, p_within, more_is_better=more_is_better) == expected


def test_the_level_of_a_later_look_is_lower():
    assert verdict(estimate(0.2), 0.02) == HELPS
    assert verdict(estimate(0.2), 0.02, level=Rule(looks={3: 0.04}).level_with(5)) == NO_EVIDENCE
    assert verdict(estimate(0.2), 1e-9, level=0.0) == NO_EVIDENCE


def test_nothing_seen_and_one_seed():
    assert verdict(estimate(0.0, 0.0, 0.0), 1.0) == NO_EVIDENCE
    assert verdict(Estimate(0.3, 1, 10, None, 0.0, 0.1), None) == NO_INTERVAL


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"margin": 0}, "margin"),
        ({"margin": -0.01}, "margin"),
        ({"margin": float("nan")}, "margin"),
        ({"held_out_ratio": -1}, "held_out_ratio"),
        ({"most_seeds": 0}, "most_seeds"),
        ({"level": 1.0}, "level"),
    ],
)
def test_rules_that_make_no_sense(arguments, name):
    with pytest.raises(ValueError, match=f"`{name}` is out of range"):
        Rule(**arguments)


def summary(seeds, level, **more):
    return {"seeds": list(range(seeds)), "level": level, "variants": [], "metric": "accuracy"} | more


def test_a_folder_remembers_its_looks(plan, begun):
    comparison = begun(plan(seeds=3))
    assert (comparison.looks, comparison.has_older_verdict) == ({}, False)
    comparison.finish(summary(3, 0.04))
    assert (comparison.looks, comparison.has_older_verdict) == ({3: 0.04}, False)
    comparison.finish(summary(3, 0.04))
    comparison.finish(summary(5, 0.008))
    assert comparison.looks == {3: 0.04, 5: 0.008}


def test_a_folder_keeps_the_first_verdict_that_settled_a_difference(plan, begun):
    comparison = begun(plan(seeds=3))
    for seeds, verdicts in ((3, ("no evidence", "helps")), (4, ("helps", "hurts"))):
        differences = {
            reference: {"accuracy": {"verdict": verdict}}
            for reference, verdict in zip(("plain", "multiscale"), verdicts, strict=True)
        }
        comparison.remember_look(summary(seeds, 0.01, variants=[{"name": "dot", "differences": differences}]))
    assert comparison.decisions == {
        "dot": {"multiscale": {"verdict": "helps", "seeds": 3}, "plain": {"verdict": "helps", "seeds": 4}}
    }


def test_a_folder_of_an_older_version_was_looked_at_once(plan, begun):
    comparison = begun(plan(seeds=3))
    write_json(comparison.folder / "summary.json", {"seeds": [0, 1, 2]})
    assert (comparison.looks, comparison.has_older_verdict) == ({3: pytest.approx(0.04)}, True)
    comparison.finish(summary(3, 0.04, older_rule=True))
    assert comparison.has_older_verdict

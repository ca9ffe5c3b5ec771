"""What would settle an open difference: seeds and images by the design, minutes by the runs."""

import dataclasses

import numpy as np
import pytest

from keras_attention.comparison.chances import chance_of_margin
from keras_attention.comparison.contrasts import Estimate
from keras_attention.comparison.design import needed, scaled
from keras_attention.comparison.settling import add_minutes, enough
from keras_attention.comparison.verdicts import Rule


def difference(needed, seeds=3):
    return {"needed": needed, "seeds": seeds, "mean": 0.02, "verdict": "no evidence"}


def variants():
    seconds = {"plain": [10, 20], "multiscale": [30.0], "uniform": [1000.0], "a": [60, 120], "b": []}
    return [
        {
            "name": name,
            "attends": name in ("a", "b"),
            "control": name not in ("a", "b"),
            "runs": [{"seconds": each} for each in of],
            "differences": {"plain": {"accuracy": difference([9, 300])}} if name != "plain" else {},
        }
        for name, of in seconds.items()
    ]


@pytest.mark.parametrize(("anew", "seeds"), [(False, 6), (True, 9)])
def test_minutes_are_those_of_the_variant_and_both_references(anew, seeds):
    found, pooled = variants(), {"plain": {"accuracy": difference([9, 300]), "loss": difference(None)}}
    add_minutes(found, pooled, anew)
    minutes = {each["name"]: each["differences"]["plain"]["accuracy"]["minutes"] for each in found[1:]}
    assert minutes["a"] == pytest.approx(seeds * (15 + 30 + 90) / 60)
    assert minutes["b"] == minutes["multiscale"] == pytest.approx(seeds * (15 + 30) / 60)
    assert pooled["plain"]["accuracy"]["minutes"] == pytest.approx(seeds * (15 + 30 + 90) / 60)
    assert pooled["plain"]["loss"]["minutes"] is None


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({}, "about 9 seeds (6 more, 12 minutes of training)"),
        ({"minutes": None}, "about 9 seeds (6 more)"),
        ({"needed": [9, 600]}, "about 9 seeds (6 more, 12 minutes of training) and 600 test images"),
        ({"needed": [3, 600]}, "600 test images, with as many seeds as there are"),
        ({"anew": True, "minutes": 600}, "about 9 seeds (in a new comparison, 10 hours of training)"),
        ({"needed": None}, "more than 100 seeds and 100 times the test images"),
    ],
)
def test_what_would_be_enough_as_text(more, text):
    assert enough(difference([9, 300]) | {"minutes": 12.2, "anew": False} | more, 300) == text


@pytest.mark.parametrize("mean", [0.0, 0.004])
def test_with_a_margin_the_same_is_a_way_to_settle(mean, rng):
    """With as many seeds, a true difference of that size is shown to be within the margin in 8 of 10 comparisons."""
    now = Estimate(mean, 3, 1000, seed_error=0.012, seed_df=10.0, image_error=0.002, df_per_seed=4.0)
    seeds, images = needed(now, margin=0.015)
    assert images == 1000
    assert seeds < 35
    alone = needed(now)
    assert alone is None or alone[0] > seeds
    design = scaled(now, seeds)
    spread = design.seed_error * np.sqrt(rng.chisquare(design.seed_df, 2000) / design.seed_df)
    means = mean + np.hypot(design.seed_error, design.image_error) * rng.normal(size=2000)
    shown = [
        chance_of_margin(dataclasses.replace(design, mean=one, seed_error=error), 0.015) < 0.05
        for one, error in zip(means, spread, strict=True)
    ]
    assert 0.76 <= np.mean(shown) <= 0.86


def test_a_later_verdict_has_the_level_that_is_left():
    assert Rule().level_later(3) == pytest.approx(0.008)
    assert Rule(looks={3: 0.04}).level_later(5) == pytest.approx(0.0016)
    assert Rule(most_seeds=4).level_later(2) == pytest.approx(0.05 * 0.75)
    assert Rule(most_seeds=4, looks={2: 0.0125}).level_later(4) == 0

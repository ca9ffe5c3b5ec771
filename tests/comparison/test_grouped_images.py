"""Test images in groups: five copies of each image, told to be groups, are judged as the images alone are."""

import numpy as np
import pytest

from keras_attention.comparison.analysis import summarize
from keras_attention.comparison.folder import Comparison
from keras_attention.comparison.words import in_short

STRENGTHS = {"plain": 0.3, "multiscale": 0.6, "additive+softmax": 2.5}
COPIES = 5


def copied(run):
    """Five copies of each test image of a finished run, in groups."""
    arrays, metrics = run.arrays(), run.metrics
    groups = np.repeat(np.arange(len(arrays["labels"])), COPIES)
    run.save_arrays(**{name: np.repeat(values, COPIES, axis=0) for name, values in arrays.items()}, groups=groups)
    run.finish(metrics | {"count": len(groups), "group_count": metrics["count"]})


@pytest.fixture
def summaries(plan, begun, finish, rng, labels):
    """The summary of runs on images, and that of the same runs on five copies of each."""
    given = plan()
    comparison = begun(given)
    for seed in given.seed_numbers:
        noise = rng.normal(size=(len(labels), 3))
        for name, strength in STRENGTHS.items():
            finish(comparison.run(name, seed), strength, noise=noise)
    alone = summarize(comparison, given)
    for seed in given.seed_numbers:
        for name in STRENGTHS:
            copied(Comparison(comparison.folder).run(name, seed))
    return alone, summarize(Comparison(comparison.folder), given)


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_they_are_judged_as_their_groups(summaries, metric):
    alone, grouped = ({each["name"]: each["differences"] for each in summary["variants"]} for summary in summaries)
    for name, references in alone.items():
        for reference, found in references.items():
            for figure in ("mean", "low", "high", "p", "image_error", "detectable"):
                assert grouped[name][reference][metric][figure] == pytest.approx(found[metric][figure], rel=1e-6), (
                    figure
                )


def test_what_would_settle_counts_images(summaries):
    """Not groups: five times as many images are needed, as each group has five."""
    needed = [
        each["needed"]
        for summary in summaries
        for variant in summary["variants"]
        for found in variant["differences"].values()
        for each in [found["accuracy"]]
    ]
    for alone, grouped in zip(needed[: len(needed) // 2], needed[len(needed) // 2 :], strict=True):
        assert grouped == (alone and [alone[0], COPIES * alone[1]])
    assert any(needed)


def test_both_numbers_are_told(summaries):
    alone, grouped = summaries
    assert (alone["images"], alone["groups"]) == (90, None)
    assert (grouped["images"], grouped["groups"]) == (450, 90)
    said = " ".join(each["answer"] for each in in_short(grouped))
    assert "450 test images of 90 groups" in said

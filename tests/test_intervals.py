"""Intervals of a model's figures: over images, and over groups of images that vary together."""

import numpy as np
import pytest
from scipy import stats

from keras_attention.metrics import METRICS, Metric, classification_metrics, image_deviations, image_intervals
from keras_attention.metrics.influence import of_groups

ROUNDS, SHIFT = 200, 0.8
TRUE = {"accuracy": stats.norm.cdf(SHIFT), "roc_auc": stats.norm.cdf(SHIFT * np.sqrt(2))}


def answers(rng, groups=60, each=5, alike=0.8):
    """Logits and labels of images in groups: a class for each group, and scores that share most of their variation."""
    labels = np.repeat(rng.integers(0, 2, groups), each)
    common, own = np.repeat(rng.normal(size=groups), each), rng.normal(size=groups * each)
    scores = SHIFT * (2 * labels - 1) + np.sqrt(alike) * common + np.sqrt(1 - alike) * own
    return np.stack([-scores, scores], axis=1), labels, np.repeat(np.arange(groups), each)


def intervals(logits, labels, groups=None):
    return image_intervals(classification_metrics(logits, labels, ["a", "b"]), logits, labels, groups)


def coverage(alike, by_groups):
    """Metric → how often its interval holds the true value."""
    rng, held = np.random.default_rng(7), dict.fromkeys(TRUE, 0)
    for _ in range(ROUNDS):
        logits, labels, groups = answers(rng, alike=alike)
        found = intervals(logits, labels, groups if by_groups else None)
        for name, true in TRUE.items():
            held[name] += found[name][0] <= true <= found[name][1]
    return {name: count / ROUNDS for name, count in held.items()}


@pytest.mark.long
def test_over_images_they_hold_the_truth_where_images_vary_alone():
    assert all(0.91 <= share <= 0.99 for share in coverage(alike=0.0, by_groups=False).values())


@pytest.mark.long
def test_over_groups_they_hold_it_where_images_vary_together():
    assert all(0.90 <= share <= 0.99 for share in coverage(alike=0.8, by_groups=True).values())
    assert all(share < 0.8 for share in coverage(alike=0.8, by_groups=False).values())


def test_as_many_groups_as_images_change_nothing():
    logits, labels, _ = answers(np.random.default_rng(0), groups=40, each=1)
    alone, grouped = (image_deviations(logits, labels, groups) for groups in (None, np.arange(40)))
    for name in METRICS:
        np.testing.assert_allclose(grouped[name], alone[name], atol=1e-15)


def test_images_that_are_there_five_times_count_once():
    logits, labels, _ = answers(np.random.default_rng(0), groups=40, each=1)
    once = image_deviations(logits, labels)
    five = image_deviations(np.repeat(logits, 5, 0), np.repeat(labels, 5), np.repeat(np.arange(40), 5))
    for name in ("accuracy", "loss"):
        np.testing.assert_allclose(five[name], once[name], rtol=1e-9)


def test_a_metric_without_influence_values_is_resampled_in_groups():
    metric = Metric(name="mean_label", title="", of=lambda answers: float(answers.labels.mean()))
    groups = np.repeat(np.arange(30), 4)
    labels = np.repeat(np.arange(30) % 2, 4)
    from keras_attention.metrics.answers import Answers

    found = metric.deviations(Answers(np.zeros((120, 2)), labels), groups)
    assert np.linalg.norm(found) == pytest.approx(np.sqrt(0.25 / 30), rel=0.15)


def test_wilson_is_that_of_scipy():
    logits, labels, _ = answers(np.random.default_rng(1), groups=80, each=1)
    right = int((logits.argmax(-1) == labels).sum())
    expected = stats.binomtest(right, 80).proportion_ci(method="wilson")
    assert intervals(logits, labels)["accuracy"] == pytest.approx([expected.low, expected.high])


def test_what_is_not_defined_has_no_interval():
    logits = np.array([[2.0, 0.0], [1.0, 0.0]])
    found = intervals(logits, np.array([0, 0]))
    assert found["roc_auc"] is None
    assert found["accuracy"][1] == pytest.approx(1)
    assert set(intervals(logits[:1], np.array([0])).values()) == {None}
    assert set(intervals(logits, np.array([0, 1]), np.array([0, 0])).values()) == {None}


def test_one_group_has_no_deviation():
    np.testing.assert_array_equal(of_groups(np.array([0.1, 0.2]), np.array([3, 3])), [0.0])

"""Influence values: against the jackknife, against the bootstrap, and in the time that many classes leave."""

import time

import numpy as np
import pytest
from cases import some_now
from scipy import stats

from keras_attention.metrics import METRICS, classification_metrics, image_deviations
from keras_attention.metrics.answers import Answers
from keras_attention.metrics.influence import INFLUENCE, mean
from keras_attention.metrics.resampling import RESAMPLES, draw_weights, resampled
from keras_attention.metrics.table import Metric


@pytest.fixture
def answers(rng):
    """Logits with ties, of classes of different sizes, one of which has no images."""
    labels = np.repeat([0, 1, 2], [20, 30, 25])
    logits = rng.normal(size=(len(labels), 4)).round(1)
    logits[np.arange(len(labels)), labels] += 0.9
    logits[:6] = logits[6:12]
    return Answers(logits, labels)


def jackknife(of, answers):
    """n − 1 times what the figure loses without each image."""
    images = len(answers.labels)
    whole = of(answers)
    return np.array([(images - 1) * (whole - of(answers.drawn(np.arange(images) != left))) for left in range(images)])


@pytest.mark.parametrize("name", METRICS)
def test_they_are_those_of_the_jackknife(name, answers):
    found, expected = INFLUENCE[name](answers), jackknife(METRICS[name].of, answers)
    assert found.sum() == pytest.approx(0, abs=1e-9)
    assert np.corrcoef(found, expected)[0, 1] > 0.995
    assert np.linalg.norm(found) == pytest.approx(np.linalg.norm(expected), rel=0.1)


@pytest.mark.parametrize("name", some_now(METRICS, "macro_f1"))
def test_their_error_is_that_of_the_bootstrap(name, answers):
    values = resampled(METRICS[name].of, answers, draw_weights(len(answers.labels), 300, seed=4))
    assert np.linalg.norm(METRICS[name].deviations(answers)) == pytest.approx(values.std(ddof=1), rel=0.15)


@pytest.mark.parametrize("name", METRICS)
def test_they_are_derivatives(name, answers):
    """Of a figure of weighted images; scikit-learn takes weights, which the bootstrap only draws as whole numbers."""
    times = np.full(len(answers.labels), 60)
    more = times + (np.arange(len(times)) == 7)
    change = METRICS[name].of(answers.drawn(more)) - METRICS[name].of(answers.drawn(times))
    sides = np.bincount(answers.labels)[answers.labels[7]]
    unbiased = np.sqrt(sides / (sides - 1)) if name == "roc_auc" else 1
    assert change * 60 * len(times) * unbiased == pytest.approx(INFLUENCE[name](answers)[7], rel=0.05, abs=1e-3)


def test_the_covariance_of_areas_is_that_of_delong(rng):
    """Worked out from the pairs of a positive and a negative image; equal scores count half."""
    labels = np.repeat([0, 1], [17, 11])
    scores = (rng.normal(size=(2, 28)) + labels).round(1)
    one, two = (image_deviations(np.stack([-each, each], 1), labels)["roc_auc"] for each in scores)
    right = (np.sign(scores[:, labels == 1, None] - scores[:, None, labels == 0]) + 1) / 2
    by_positive, by_negative = np.cov(right.mean(2)), np.cov(right.mean(1))
    expected = by_positive / 11 + by_negative / 17
    assert [one @ one, one @ two, two @ two] == pytest.approx([expected[0, 0], expected[0, 1], expected[1, 1]])


def test_an_image_more_of_another_run_says_how_both_vary(answers, rng):
    """The covariance of two runs on the same images, by products and by drawing images for both."""
    other = Answers(answers.logits + rng.normal(0, 0.3, answers.logits.shape), answers.labels)
    weights = draw_weights(len(answers.labels), 400, seed=2)
    drawn = [METRICS["macro_f1"].of(each.drawn(times)) for each in (answers, other) for times in weights]
    expected = np.cov(np.reshape(drawn, (2, -1)))[0, 1]
    found = METRICS["macro_f1"].deviations(answers) @ METRICS["macro_f1"].deviations(other)
    assert found == pytest.approx(expected, rel=0.2)


@pytest.mark.long
def test_a_metric_without_influence_values_is_resampled(answers):
    """As a metric is that follows the recipe of CONTRIBUTING, with nothing but `of`."""
    metric = Metric(name="balanced_accuracy", title="", of=lambda each: float(each.by_class[1][:3].mean()))
    found = metric.deviations(answers)
    assert found.shape == (RESAMPLES[1],)
    recall = [stats.sem(answers.predicted[answers.labels == number] == number) for number in range(3)]
    assert np.linalg.norm(found) == pytest.approx(np.linalg.norm(recall) / 3, rel=0.1)
    assert metric.deviations(answers) @ found == pytest.approx(found @ found)  # the same draws for every run
    nothing = Metric(name="nothing", title="", of=lambda _: None).deviations(answers)
    assert not nothing.any()


def test_what_is_not_defined_has_no_influence():
    found = image_deviations(np.eye(3)[[1, 1, 2]], np.array([1, 1, 1]))
    assert not found["roc_auc"].any()
    assert not found["average_precision"].any()
    assert found["accuracy"].any()
    np.testing.assert_allclose(mean(np.array([1.0, np.nan, 4.0])), [-2.25, 0, 2.25])
    assert not mean(np.full(3, np.nan)).any()


def test_a_single_image_has_no_influence():
    assert all(not each.any() for each in image_deviations(np.array([[1.0, 0.0]]), np.array([0])).values())


def test_many_classes_and_images_take_seconds(rng):
    labels = np.arange(10_000) % 200
    logits = rng.normal(size=(10_000, 200)) + np.eye(200)[labels]
    began = time.process_time()
    image_deviations(logits, labels)
    assert time.process_time() - began < 5


def test_weights_are_a_bootstrap():
    weights = draw_weights(50, 300)
    assert weights.shape == (300, 50)
    assert (weights.sum(1) == 50).all()
    assert weights.mean(0) == pytest.approx(np.ones(50), abs=0.3)
    assert weights.var() == pytest.approx(1 - 1 / 50, rel=0.05)
    assert (draw_weights(50, 300) == weights).all()
    assert not (draw_weights(50, 300, seed=1) == weights).all()


@pytest.mark.parametrize(("images", "resamples"), [(10, RESAMPLES[1]), (10_000, 300), (50_000, RESAMPLES[0])])
def test_many_images_get_fewer_resamples(images, resamples):
    assert draw_weights(images).shape == (resamples, images)


def test_each_resample_is_the_figure_of_the_images_drawn(answers):
    weights = draw_weights(len(answers.labels), 5, seed=3)
    found = resampled(METRICS["macro_f1"].of, answers, weights)
    for value, counts in zip(found, weights.astype(int), strict=True):
        rows = np.repeat(np.arange(len(counts)), counts)
        assert value == classification_metrics(answers.logits[rows], answers.labels[rows], "abcd")["macro_f1"]

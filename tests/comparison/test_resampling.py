"""Many resamples at once give what scikit-learn gives for each of them."""

import numpy as np
import pytest

from keras_attention.metrics import METRICS, classification_metrics, resampled_metrics
from keras_attention.metrics.resampling import RESAMPLES, draw_weights, mean


@pytest.fixture
def answers(rng):
    """Logits with ties, and labels of which one class is rare."""
    labels = np.concatenate([np.zeros(20, int), np.ones(30, int), np.full(3, 2)])
    logits = rng.normal(size=(len(labels), 3)).round(1)
    logits[np.arange(len(labels)), labels] += 0.7
    logits[:6] = logits[6:12]
    return logits, labels


def test_each_resample_is_what_scikit_learn_gives(answers):
    logits, labels = answers
    weights = draw_weights(len(labels), 40, seed=3)
    found = resampled_metrics(logits, labels, weights)
    assert list(found) == list(METRICS)
    for row, counts in enumerate(weights.astype(int)):
        drawn = np.repeat(np.arange(len(labels)), counts)
        expected = classification_metrics(logits[drawn], labels[drawn], ["a", "b", "c"])
        for name in METRICS:
            assert found[name][row] == pytest.approx(expected[name], abs=1e-12), name


def test_the_whole_split_is_one_of_them(answers):
    logits, labels = answers
    found = resampled_metrics(logits, labels, np.ones((1, len(labels))))
    expected = classification_metrics(logits, labels, ["a", "b", "c"])
    assert {name: values[0] for name, values in found.items()} == pytest.approx({k: expected[k] for k in METRICS})


def test_a_resample_of_one_class_defines_no_area(answers):
    logits, labels = answers
    found = resampled_metrics(logits, labels, (labels == 1)[None].astype(float))
    assert np.isnan(found["roc_auc"][0])
    assert np.isnan(found["average_precision"][0])
    assert np.isfinite(found["accuracy"][0])


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


def test_means_leave_out_what_is_not_defined():
    values, weights = np.array([1.0, np.nan, 4.0]), np.array([[1.0, 5, 1], [0, 3, 2], [0, 3, 0]])
    assert mean(values, weights)[:2] == pytest.approx([2.5, 4.0])
    assert np.isnan(mean(values, weights)[2])

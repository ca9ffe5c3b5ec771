"""Figures of a classifier: computed by hand, compared with scikit-learn, and defined whenever they can be."""

import json
import math

import keras
import numpy as np
import pytest
from scipy.special import softmax
from sklearn import metrics

from keras_attention.data import load
from keras_attention.evaluation import predict_split
from keras_attention.metrics import METRICS, MONITORS, classification_metrics, image_deviations
from keras_attention.metrics.answers import Answers

NAMES = ("ant", "bee", "cat")
TOP = (*METRICS, "count", "per_class", "confusion")

# Metric → the same by scikit-learn, from probabilities and labels of which every class has some.
REFERENCES = {
    "accuracy": lambda probabilities, labels: metrics.accuracy_score(labels, probabilities.argmax(-1)),
    "macro_f1": lambda probabilities, labels: metrics.f1_score(labels, probabilities.argmax(-1), average="macro"),
    "roc_auc": lambda probabilities, labels: metrics.roc_auc_score(labels, probabilities, multi_class="ovr"),
    "average_precision": lambda probabilities, labels: metrics.average_precision_score(
        np.eye(3)[labels], probabilities
    ),
    "loss": lambda probabilities, labels: metrics.log_loss(labels, probabilities),
}


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_that_of_its_reference(name, rng):
    labels = np.concatenate([np.arange(90) % 3, np.full(7, 2)])
    logits = rng.normal(size=(97, 3)) + 0.7 * np.eye(3)[labels]
    value = classification_metrics(logits, labels, NAMES)[name]
    assert value == pytest.approx(REFERENCES[name](softmax(logits, -1), labels))
    assert METRICS[name].least <= value <= METRICS[name].most
    # It varies with the images, by its influence values or by resamples, whichever it has.
    assert 0 < np.linalg.norm(METRICS[name].deviations(Answers(logits, labels))) < np.sqrt(1 / 97) * 2


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_has_the_direction_that_it_says(name, rng):
    labels = np.arange(60) % 3
    worse = rng.normal(size=(60, 3))
    better = classification_metrics(worse + 5 * np.eye(3)[labels], labels, NAMES)[name]
    assert METRICS[name].sign * (better - classification_metrics(worse, labels, NAMES)[name]) > 0


def test_by_hand():
    # Probabilities such as (¼, ¾): the logits are their logarithms, up to a constant.
    logits = np.log([[0.75, 0.25], [0.25, 0.75], [0.6, 0.4], [0.1, 0.9], [0.2, 0.8]]) + 7
    found = classification_metrics(logits, [0, 0, 1, 1, 1], ("ant", "bee"))
    assert tuple(found) == TOP
    assert found["accuracy"] == 3 / 5
    assert found["confusion"] == [[1, 1], [1, 2]]
    assert found["count"] == 5
    assert found["loss"] == pytest.approx(-np.log([0.75, 0.25, 0.4, 0.9, 0.8]).mean())
    ant, bee = found["per_class"]["ant"], found["per_class"]["bee"]
    assert (ant["precision"], ant["recall"], ant["f1"], ant["count"]) == (1 / 2, 1 / 2, pytest.approx(1 / 2), 2)
    assert (bee["precision"], bee["recall"], bee["count"]) == (2 / 3, 2 / 3, 3)
    assert bee["f1"] == pytest.approx(2 / 3)
    assert found["macro_f1"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    # Of the six pairs of a bee and an ant, .9 and .8 are above both ants, .4 above one: 5/6. The same for ants.
    assert bee["roc_auc"] == pytest.approx(5 / 6)
    assert found["roc_auc"] == pytest.approx(5 / 6)
    # Bees come 1st, 2nd and 4th: (1/1 + 2/2 + 3/4)/3. Ants come 1st and 3rd: (1/1 + 2/3)/2.
    assert bee["average_precision"] == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert ant["average_precision"] == pytest.approx((1 + 2 / 3) / 2)
    assert found["average_precision"] == pytest.approx(((1 + 1 + 3 / 4) / 3 + (1 + 2 / 3) / 2) / 2)


def test_against_scikit_learn(rng):
    logits, labels = rng.normal(size=(97, 3)), rng.integers(0, 3, 97)
    logits[np.arange(97), labels] += 0.7
    found = classification_metrics(logits, labels, NAMES)
    probabilities, predicted = softmax(logits, -1), logits.argmax(-1)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(labels, predicted))
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(labels, predicted, average="macro"))
    assert found["roc_auc"] == pytest.approx(metrics.roc_auc_score(labels, probabilities, multi_class="ovr"))
    one_hot = np.eye(3)[labels]
    assert found["average_precision"] == pytest.approx(metrics.average_precision_score(one_hot, probabilities))
    assert found["loss"] == pytest.approx(metrics.log_loss(labels, probabilities))
    assert found["confusion"] == metrics.confusion_matrix(labels, predicted).tolist()
    report = metrics.classification_report(labels, predicted, target_names=NAMES, output_dict=True)
    for number, name in enumerate(NAMES):
        entry = found["per_class"][name]
        assert entry["precision"] == pytest.approx(report[name]["precision"])
        assert entry["recall"] == pytest.approx(report[name]["recall"])
        assert entry["f1"] == pytest.approx(report[name]["f1-score"])
        assert entry["count"] == report[name]["support"]
        assert entry["roc_auc"] == pytest.approx(metrics.roc_auc_score(one_hot[:, number], probabilities[:, number]))


def test_ties_count_half():
    found = classification_metrics(np.zeros((6, 2)), [0, 0, 1, 1, 1, 1], ("ant", "bee"))
    assert found["roc_auc"] == 0.5
    assert found["per_class"]["bee"]["average_precision"] == pytest.approx(4 / 6)
    assert found["loss"] == pytest.approx(math.log(2))


def test_a_class_without_images_has_no_figures_of_its_own():
    logits = np.array([[3.0, 0, 0], [0, 3, 0], [0, 0, 3], [3, 1, 0]])
    found = classification_metrics(logits, [0, 1, 1, 0], NAMES)
    cat = found["per_class"]["cat"]
    assert (cat["roc_auc"], cat["average_precision"], cat["count"]) == (None, None, 0)
    assert (cat["precision"], cat["recall"], cat["f1"]) == (0, 0, 0)
    of_others = [found["per_class"][name]["roc_auc"] for name in ("ant", "bee")]
    assert found["roc_auc"] == pytest.approx(np.mean(of_others))
    assert found["confusion"] == [[2, 0, 0], [0, 1, 1], [0, 0, 0]]


def test_one_class_alone_has_no_curve():
    found = classification_metrics(np.eye(3)[[1, 1, 2]], [1, 1, 1], NAMES)
    assert (found["roc_auc"], found["average_precision"]) == (None, None)
    assert [entry["roc_auc"] for entry in found["per_class"].values()] == [None] * 3
    assert found["accuracy"] == 2 / 3
    assert found["macro_f1"] == pytest.approx(0.8)  # of the one class that has images


@pytest.mark.parametrize("labels", [[0, 1, 2, 0], [1, 1, 1, 1], [0, 0, 1, 1]])
def test_it_is_plain_json(labels, rng):
    found = classification_metrics(rng.normal(size=(4, 3)).astype("float32"), np.array(labels), NAMES)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert all(type(found[name]) in (float, type(None)) for name in METRICS)
    assert type(found["count"]) is int


def test_large_logits_overflow_nothing():
    found = classification_metrics(np.array([[1e4, -1e4, 0], [-1e4, 1e4, 0]], "float32"), [0, 0], NAMES)
    assert found["loss"] == pytest.approx(1e4)
    assert found["accuracy"] == 0.5


def test_every_monitor_is_a_figure(rng):
    found = classification_metrics(rng.normal(size=(9, 3)), np.arange(9) % 3, NAMES)
    for name in MONITORS:
        assert isinstance(found[name.removeprefix("val_")], float)
    assert [name for name, metric in MONITORS.items() if not metric.more_is_better] == ["val_loss"]


@pytest.mark.parametrize("batch_size", [4, 128])
@pytest.mark.parametrize("with_masks", [False, True])
def test_what_a_model_gives_for_a_split(with_masks, batch_size, rng):
    images, labels = rng.integers(0, 256, (11, 5, 5, 3)).astype("uint8"), np.arange(11) % 3
    split = (images, labels, np.ones((11, 5, 5))) if with_masks else (images, labels)
    data = load({"train": split, "validation": split, "test": split})
    inputs = keras.Input((5, 5, 3))
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(inputs))
    outputs, found = predict_split(model, data, "test", batch_size)
    np.testing.assert_array_equal(found, labels)
    np.testing.assert_allclose(outputs, images.mean((1, 2)), rtol=1e-5)
    both = keras.Model(inputs, {"mean": model.output, "image": inputs})
    outputs, _ = predict_split(both, data, "test", batch_size)
    np.testing.assert_array_equal(outputs["image"], images)


@pytest.mark.parametrize("margin", [1.0, 40.0, 900.0])
def test_curves_rank_answers_whose_probabilities_are_rounded_to_one(margin):
    """Beyond a margin of about 37, p is 1 in double precision, and beyond 745 its complement is 0."""
    labels = np.array([0, 0, 1, 1])
    logits = np.stack([margin + np.array([4.0, 3.0, 2.0, 1.0]), np.zeros(4)], axis=1)
    found = classification_metrics(logits, labels, ["a", "b"])
    assert (found["roc_auc"], found["average_precision"]) == (1.0, 1.0)
    deviations = image_deviations(logits, labels)  # a figure that cannot get better varies with no image
    assert (np.abs(deviations["roc_auc"]).max(), np.abs(deviations["average_precision"]).max()) == (0.0, 0.0)


def test_log_odds_are_those_of_the_probabilities(rng):
    answers = Answers(rng.normal(size=(50, 4)) * 3, rng.integers(0, 4, 50))
    shares = answers.probabilities
    np.testing.assert_allclose(answers.log_odds, np.log(shares / (1 - shares)), rtol=1e-9, atol=1e-9)


def test_a_class_without_images_is_in_no_mean(rng):
    """The same figures as without the class, if it is never predicted."""
    logits, labels = rng.normal(size=(40, 3)), rng.integers(0, 3, 40)
    more = np.concatenate([logits, np.full((40, 1), -50.0)], axis=1)
    found = [classification_metrics(each, labels, range(each.shape[1])) for each in (logits, more)]
    for name in ("macro_f1", "roc_auc", "average_precision"):
        assert found[1][name] == pytest.approx(found[0][name])
        deviations = [image_deviations(each, labels)[name] for each in (logits, more)]
        np.testing.assert_allclose(deviations[1], deviations[0], atol=1e-12)

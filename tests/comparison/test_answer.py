"""The answer in one sentence follows from the verdicts by stated rules, whatever the metric."""

import itertools
import re

import pytest

from keras_attention.comparison.answer import amount, answer, gain
from keras_attention.comparison.verdicts import EQUIVALENT, HELPS, HURTS, NO_EVIDENCE, NO_INTERVAL, NOT_SETTLED
from keras_attention.metrics import METRICS

MEANS = {HELPS: 0.04, HURTS: -0.05}


def difference(verdict, mean=None, detectable=0.06):
    return {"verdict": verdict, "mean": MEANS.get(verdict, 0.001) if mean is None else mean, "detectable": detectable}


def summary(together=(NO_EVIDENCE, NO_EVIDENCE), metric="accuracy", margin=None, **verdicts):
    """Variants by name, with verdicts or differences to plain and multiscale; `together` is that of all."""
    variants = [
        {"name": "plain", "attends": False, "control": True, "differences": {}},
        {"name": "uniform", "attends": True, "control": True, "differences": {"plain": {metric: difference(HELPS)}}},
    ]
    for name, both in verdicts.items():
        found = [each if isinstance(each, dict) else each and difference(each) for each in both]
        differences = {
            reference: {metric: each}
            for reference, each in zip(("plain", "multiscale"), found, strict=True)
            if each is not None
        }
        variants.append({"name": name, "attends": True, "control": False, "differences": differences})
    pooled = {
        reference: {metric: difference(each)} for reference, each in zip(("plain", "multiscale"), together, strict=True)
    }
    return {"metric": metric, "margin": margin, "variants": variants, "pooled": pooled}


OPEN = (NO_EVIDENCE, NO_EVIDENCE)
CASES = {
    "it is the attention": (
        {"a": (HELPS, HELPS), "b": OPEN},
        "With attention (a) the network is right on about 4 more images of 100, and it is the attention itself, not "
        "the added layers.",
    ),
    "several, and one hurts": (
        {"a": (HELPS, HELPS), "b": (difference(HELPS, 0.07), HELPS), "c": (HURTS, NO_EVIDENCE)},
        "With attention (a and b) the network is right on about 4 to 7 more images of 100, and it is the attention "
        "itself, not the added layers; c hurts.",
    ),
    "perhaps the layers": (
        {"a": (HELPS, NO_EVIDENCE), "b": (NO_EVIDENCE, HELPS)},
        "With attention (a) the network is right on about 4 more images of 100, but these runs cannot tell whether "
        "that is the attention itself or the added layers.",
    ),
    "all together show that it is not the layers": (
        {"a": (HELPS, NO_EVIDENCE), "b": OPEN, "together": (HELPS, HELPS)},
        "With attention (a) the network is right on about 4 more images of 100, and all variants together show that it "
        "is the attention itself, not the added layers.",
    ),
    "the layers do as well": ({"a": (HELPS, EQUIVALENT)}, "of 100, but the added layers without attention do as well."),
    "the layers do better": ({"a": (HELPS, HURTS)}, "of 100, but the added layers without attention do even better."),
    "only together": (
        {"a": OPEN, "b": OPEN, "together": (HELPS, NO_EVIDENCE)},
        "With attention the network is right on about 4 more images of 100 on average over 2 variants, but these runs "
        "cannot tell which variants do it, nor whether it is the attention or the added layers.",
    ),
    "only together, and not the layers": (
        {"a": OPEN, "b": OPEN, "together": (HELPS, HELPS)},
        "on average over 2 variants, and it is the attention itself, not the added layers, but these runs cannot tell "
        "which variants do it.",
    ),
    "one variant is not pooled": ({"a": OPEN, "together": (HELPS, HELPS)}, "These runs cannot tell whether attention"),
    "all hurt": (
        {"a": (HURTS, NO_EVIDENCE), "b": (HURTS, HURTS)},
        "Attention hurts: with it the network is right on about 5 fewer images of 100.",
    ),
    "all together hurt": (
        {"a": OPEN, "b": OPEN, "together": (HURTS, NO_EVIDENCE)},
        "Attention hurts: with it the network is right on about 5 fewer images of 100 on average over 2 variants.",
    ),
    "one hurts": (
        {"a": (HURTS, NO_EVIDENCE), "b": OPEN},
        "a hurts: with it the network is right on about 5 fewer images of 100; whether other attention helps these "
        "runs cannot tell.",
    ),
    "better than the layers": (
        {"a": (NO_EVIDENCE, HELPS), "b": OPEN},
        "Attention improves the network with the added layers (a: the network is right on about 4 more images of 100), "
        "but these runs cannot tell whether that beats the plain network.",
    ),
    "the same": (
        {"a": (EQUIVALENT, EQUIVALENT), "b": (EQUIVALENT, NOT_SETTLED), "margin": 0.02},
        "Attention makes no difference that matters: it is less than 2 images of 100, the margin.",
    ),
    "the same together": (
        {
            "a": (EQUIVALENT, OPEN[0]),
            "b": (NOT_SETTLED, OPEN[0]),
            "margin": 0.05,
            "together": (EQUIVALENT, NOT_SETTLED),
        },
        "On average over 2 variants attention makes no difference that matters, less than 5 images of 100; for each by "
        "itself these runs cannot tell.",
    ),
    "open": (
        {"a": OPEN, "b": (difference(NO_EVIDENCE, detectable=0.08), NO_EVIDENCE)},
        "These runs cannot tell whether attention helps: a difference below about 8 images of 100 would have stayed "
        "hidden.",
    ),
    "open, and nothing could be found": (
        {"a": (difference(NO_EVIDENCE, detectable=None), NO_EVIDENCE)},
        "These runs cannot tell whether attention helps: even the largest difference would have stayed hidden.",
    ),
    "one seed": ({"a": (NO_INTERVAL, NO_INTERVAL)}, "One seed cannot tell whether attention helps, as chance alone"),
    "nothing ran": ({"a": (None, None)}, "Too few runs are finished for a verdict."),
    "nothing attends": ({}, "No variant attends to anything, so there is no attention to judge."),
}


@pytest.mark.parametrize("case", CASES)
def test_the_answer(case):
    verdicts, expected = CASES[case]
    assert expected in answer(summary(**verdicts))


@pytest.mark.parametrize("metric", METRICS)
def test_every_outcome_has_one_sentence_without_statistics(metric):
    every = (HELPS, HURTS, EQUIVALENT, NO_EVIDENCE, NOT_SETTLED, NO_INTERVAL, None)
    for one, other, together in itertools.product(every, every, (HELPS, HURTS, NO_EVIDENCE, EQUIVALENT)):
        for margin in (None, 0.01):
            found = summary((together, together), metric, margin, a=(one, other), b=(one, one))
            text = answer(found)
            assert text.endswith(".")
            assert not re.search(r"\bp\b|interval|significan|[\[\]]|None|nan", text), text


def test_uniform_weights_are_no_attention():
    assert answer(summary()) == "No variant attends to anything, so there is no attention to judge."


@pytest.mark.parametrize(
    ("metric", "differences", "clause"),
    [
        ("accuracy", [0.04], "the network is right on about 4 more images of 100"),
        ("accuracy", [-0.004], "the network is right on about 4 fewer images of 1,000"),
        ("accuracy", [0.0004], "the network is right on about 4 more images of 10,000"),
        ("accuracy", [0.031, 0.0333], "the network is right on about 3 more images of 100"),
        ("roc_auc", [0.04, 0.05], "the ROC-AUC of the network is about 0.040 to 0.050 higher"),
        ("loss", [-0.04], "the cross-entropy of the network is about 0.040 nats lower"),
    ],
)
def test_differences_in_the_unit_of_the_metric(metric, differences, clause):
    assert gain(METRICS[metric], *differences) == clause
    assert amount(METRICS[metric], *differences) in clause.replace(" more", "").replace(" fewer", "")

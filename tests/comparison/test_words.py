"""The verdict in words follows from the figures, by the stated rules."""

import pytest

from keras_attention.comparison.words import RULES, conclusions


def difference(verdict, mean=0.02, needed=(7, 300)):
    return {
        "mean": mean,
        "low": mean - 0.01,
        "high": mean + 0.01,
        "p_holm": 0.031,
        "verdict": verdict,
        "detectable": 0.05,
        "needed": needed,
    }


def summary(**verdicts):
    """Variants with attention, by name, with their verdicts against plain and multiscale."""
    variants = [
        {
            "name": name,
            "attends": True,
            "differences": {
                reference: {"accuracy": one if isinstance(one, dict) else difference(one)}
                for reference, one in zip(("plain", "multiscale"), both, strict=True)
            },
        }
        for name, both in verdicts.items()
    ]
    return {"variants": variants, "metric": "accuracy", "seeds": [0, 1, 2], "images": 300}


NONE = "no evidence"


@pytest.mark.parametrize(
    ("verdicts", "answer"),
    [
        (
            {"a": ("helps", "helps"), "b": (NONE, NONE)},
            "Attention helps, and it is the attention: against both controls",
        ),
        (
            {"a": ("helps", NONE), "b": (NONE, "helps")},
            "Networks with attention beat the plain one (a), but there is",
        ),
        ({"a": (NONE, "helps"), "b": (NONE, NONE)}, "Attention improves the multi-scale head (a), but there is no"),
        ({"a": ("hurts", NONE), "b": ("hurts", "hurts")}, "Attention hurts: every variant with it is worse than the"),
        ({"a": ("hurts", NONE), "b": (NONE, NONE)}, "No evidence that attention helps, and a hurt"),
        ({"a": (NONE, NONE)}, "No evidence that attention helps or hurts"),
    ],
)
def test_the_answer(verdicts, answer):
    first = conclusions(summary(**verdicts))[0]
    assert first.startswith(answer)
    assert first.endswith("with 3 seeds and 300 test images.")


def test_the_sentences_behind_it():
    _, plain, multiscale, design, other = conclusions(
        summary(a=("helps", NONE), b=(difference(NONE, -0.03, (9, 600)), difference(NONE, 0.001, None)))
    )
    assert plain == (
        "Against the plain network: 1 of 2 variants with attention help, 0 hurt, for 1 there is no evidence. Of those, "
        "1 has an interval without 0, which is not evidence after the correction for so many comparisons: more seeds, "
        "or fewer variants, would tell. The largest difference is that of b: −0.030 [−0.040, −0.020], p = 0.031 after "
        "correction."
    )
    assert multiscale.startswith("Against the multi-scale head without attention: 0 of 2 variants with attention help")
    assert design == (
        "Against the plain network this design could have found a difference of 0.050 in accuracy (for b). To settle "
        "the difference seen, −0.030, about 9 seeds and 600 test images would be enough."
    )
    assert "about 7 seeds would be enough" in other


def test_a_design_that_could_have_found_nothing():
    hopeless = difference(NONE, 0.01) | {"detectable": None}
    assert "could have found no difference at all (for a)." in conclusions(summary(a=(hopeless, "helps")))[-1]


def test_differences_too_small_for_any_design():
    sentences = conclusions(summary(a=(difference(NONE, 0.0001, None), difference("helps"))))
    assert sentences[-1].endswith("would need more than 100 seeds and 100 times the images.")
    assert "without 0" not in sentences[1]


def test_nothing_to_judge():
    assert conclusions(summary()) == ["No variant attends to anything, so there is no attention to judge."]
    empty = summary(a=("helps", "helps"))
    empty["variants"][0]["differences"] = {"plain": {}, "multiscale": {}}
    assert conclusions(empty) == ["Too few runs are finished for a verdict."]


def test_the_rules_state_their_numbers():
    for number in ("95%", "0.05", "80%"):
        assert number in RULES

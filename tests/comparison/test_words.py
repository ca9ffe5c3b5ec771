"""The verdict in words follows from the figures, by the stated rules."""

from keras_attention.comparison.words import conclusions, in_short, rules


def difference(verdict, mean=0.02, needed=(7, 300)):
    return {
        "mean": mean,
        "seeds": 3,
        "minutes": 12.2,
        "anew": False,
        "low": mean - 0.01,
        "high": mean + 0.01,
        "p": 0.011,
        "p_corrected": 0.031,
        "limit_of_images": 0.005,
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
            "runs": [{"seconds": 10.0}] * 3,
            "differences": {
                reference: {"accuracy": one if isinstance(one, dict) else difference(one)}
                for reference, one in zip(("plain", "multiscale"), both, strict=True)
            },
        }
        for name, both in verdicts.items()
    ]
    pooled = {"plain": {"accuracy": difference("helps")}, "multiscale": {"accuracy": difference(NONE, 0.004)}}
    about = {"metric": "accuracy", "seeds": [0, 1, 2], "images": 300, "level": 0.04, "looks": [], "margin": None}
    return {"variants": variants, "pooled": pooled} | about


NONE = "no evidence"


def test_the_sentences_behind_it():
    _, rests, helps, not_known, plain, multiscale, design, other = conclusions(
        summary(a=("helps", NONE), b=(difference(NONE, -0.03, (9, 600)), difference(NONE, 0.001, None)))
    )
    assert rests == "This rests on 2 networks, 3 seeds and 300 test images."
    assert helps == (
        "Both variants with attention together are better than the plain network: +0.020 [+0.010, +0.030], p = 0.011."
    )
    assert not_known.startswith(
        "Both variants with attention together do not differ, as far as these runs show, from the multi-scale head"
    )
    assert plain == (
        "Against the plain network: 1 of 2 variants with attention help, 0 hurt, for 1 there is no evidence. Of those, "
        "1 has an interval without 0, which is not evidence after the correction for so many comparisons and looks: "
        "more seeds, or fewer variants, would tell. The largest difference is that of b: −0.030 [−0.040, −0.020], "
        "p = 0.031 after correction."
    )
    assert multiscale.startswith("Against the multi-scale head without attention: 0 of 2 variants with attention help")
    assert design == (
        "Against the plain network this design could have found a difference of 0.050 in accuracy (for b). To settle "
        "the difference seen, −0.030, about 9 seeds (6 more, 12 minutes of training) and 600 test images would be "
        "enough."
    )
    assert "about 7 seeds (4 more, 12 minutes of training) would be enough" in other


def test_a_design_that_could_have_found_nothing():
    hopeless = difference(NONE, 0.01) | {"detectable": None}
    assert "could have found no difference at all (for a)." in conclusions(summary(a=(hopeless, "helps")))[-1]


def test_differences_too_small_for_any_design():
    sentences = conclusions(summary(a=(difference(NONE, 0.0001, None), difference("helps"))))
    assert sentences[-1].endswith("would need more than 100 seeds and 100 times the images.")
    assert "More seeds alone cannot settle the difference seen, as the test images set the limit." in sentences[-1]
    assert "without 0" not in sentences[2]


def test_nothing_to_judge():
    assert conclusions(summary()) == ["No variant attends to anything, so there is no attention to judge."]
    empty = summary(a=("helps", "helps"))
    empty["variants"][0]["differences"] = {"plain": {}, "multiscale": {}}
    assert conclusions(empty) == ["Too few runs are finished for a verdict."]


def test_the_same_within_the_margin():
    within = "the same within the margin"
    found = conclusions(summary(a=(within, within), b=("not settled", "helps")) | {"margin": 0.01})
    assert found[4].startswith(
        "Against the plain network: 0 of 2 variants with attention help, 0 hurt, 1 is the same within the margin, "
        "for 1 it is not settled."
    )


def test_the_rules_state_their_numbers():
    for number in ("95%", "below 0.04", "80%", "part of the 5% is kept"):
        assert number in rules(summary())
    looked = rules(summary() | {"looks": [1, 2, 3], "margin": 0.01, "older_rule": True})
    assert "There was a verdict with 1 and 2 seeds before; each spends a share of the 5%" in looked
    assert "the same within the margin if two one-sided tests, corrected by Holm, show less than 0.010." in looked
    assert "The rule has changed since this comparison was first judged" in looked
    assert "The rule has changed" not in rules(summary())


def test_short_answers_need_no_statistics():
    found = in_short(summary(a=("helps", NONE), b=(difference(NONE, -0.03, (9, 600)), difference(NONE, 0.001, None))))
    answers = {each["question"]: each["answer"] for each in found}
    assert answers["Does attention help at all here?"] == (
        "Yes: with both variants together the network is right on about 2 more images of 100 than the plain network. "
        "Against the multi-scale head without attention these runs cannot tell: so far attention is ahead by 4 images "
        "of 1,000."
    )
    assert answers["What would settle what is open?"] == (
        "About 9 seeds (6 more, 12 minutes of training) and 600 test images for b against the plain network; about 7 "
        "seeds (4 more, 12 minutes of training) for a against the multi-scale head without attention."
    )
    assert answers["What does this rest on?"] == "2 networks, 3 seeds and 300 test images."


def test_runs_that_failed_unevenly_are_told():
    failures = [{"variant": "b", "seed": 1, "error": "x"}, {"variant": "b", "seed": 2, "error": "x"}]
    found = summary(a=(NONE, NONE), b=(NONE, NONE)) | {"failures": failures}
    found["variants"][1]["runs"] = [{"seconds": 1.0}]
    assert "Runs failed, so that b has 1 of 3: each difference is over the seeds that both networks have" in (
        " ".join(conclusions(found))
    )

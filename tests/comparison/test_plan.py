"""Plans: what fits together, and what may be added when a comparison is continued."""

import dataclasses

import pytest

from keras_attention.comparison.plan import Plan
from keras_attention.comparison.repeat import command

NAMES = ("additive+softmax", "dot+softmax", "cosine+softmax")


@pytest.fixture
def with_fields(plan):
    """`with_fields(**fields)`: the plan of three variants and three seeds, with other fields."""
    return lambda **fields: dataclasses.replace(plan(NAMES, 3), **fields)


@pytest.mark.parametrize(
    "fields",
    [{"margin": 0.01}, {"max_seeds": 8}, {"choose": 2}, {"choose": 2, "margin": 0.02, "costs": False}],
    ids="-".join,
)
def test_a_plan_survives_its_data(fields, with_fields):
    given = with_fields(**fields)
    assert Plan.from_dict(given.to_dict()) == given


def test_an_older_plan_has_fixed_seeds_and_no_margin(with_fields):
    older = {name: with_fields().to_dict()[name] for name in ("config", "variants", "seeds")}
    assert Plan.from_dict(older) == with_fields()


def test_the_seed_of_a_choice_is_not_one_of_the_verdict(with_fields):
    assert with_fields().seed_numbers == (0, 1, 2)
    assert with_fields(choose=2).seed_numbers == (1, 2, 3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"margin": 0}, "`margin` is out of range. Expected a number above 0 and below 1.0. Received: margin=0."),
        ({"margin": 2}, "`margin` is out of range. Expected a number above 0 and below 1.0. Received: margin=2."),
        (
            {"margin": -0.01},
            "`margin` is out of range. Expected a number above 0 and below 1.0. Received: margin=-0.01.",
        ),
        ({"margin": float("nan")}, "`margin` is out of range."),
        ({"max_seeds": 2}, "needs two seeds to begin with, and at most `max_seeds`. Expected seeds from 2 to 2."),
        ({"max_seeds": 8, "seeds": 1}, "Received: `seeds=1` and `max_seeds=8`."),
        ({"choose": 0}, "`choose` is out of range. Expected an integer at least 1. Received: choose=0."),
        (
            {"choose": 3},
            "`choose` must be less than the number of variants that are not controls. Expected less than 3.",
        ),
        ({"choose": 1, "seeds": 1}, "A confirmation needs at least two seeds. Expected confirm=2 or more."),
        (
            {"choose": 1, "max_seeds": 8},
            "`choose` has a fixed number of seeds. Expected `choose` or `until`, not both.",
        ),
    ],
)
def test_what_does_not_fit_is_refused(fields, message, with_fields):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        with_fields(**fields)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("begun", "more", "message"),
    [
        ({"max_seeds": 8}, {"max_seeds": 6}, "`max_seeds` is less than that of the comparison. Expected at least 8."),
        ({"max_seeds": 8}, {}, "`max_seeds` is less than that of the comparison."),
        ({"margin": 0.01}, {"margin": 0.05}, "`margin` differs from that of the comparison. Expected margin=0.01."),
        ({"margin": 0.01}, {}, "`margin` differs from that of the comparison."),
        ({}, {"choose": 1}, "`choose` differs from that of the comparison. Expected choose=None. Received: choose=1."),
        ({"choose": 1}, {"choose": 2}, "`choose` differs from that of the comparison. Expected choose=1."),
    ],
)
def test_a_question_does_not_change_after_its_first_answer(begun, more, message, with_fields):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        with_fields(**begun).extended(with_fields(**more))
    assert message in str(caught.value)


def test_seeds_a_margin_and_a_limit_may_be_added(with_fields):
    more = with_fields(seeds=5, margin=0.01, max_seeds=9)
    assert with_fields().extended(more) == more


def test_variants_cannot_join_a_choice(plan, with_fields):
    more = dataclasses.replace(plan((*NAMES, "general+softmax"), 3), choose=1)
    with pytest.raises(
        ValueError, match=r"^Variants cannot join a choice that was made\. .* variants='general\+softmax'\.$"
    ):
        with_fields(choose=1).extended(more)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "--seeds 3 --run here"),
        ({"margin": 0.01}, "--seeds 3 --margin 0.01 --run here"),
        ({"max_seeds": 8}, "--until settled --seeds 3 --max-seeds 8 --run here"),
        ({"choose": 2}, "--choose 2 --confirm 3 --run here"),
    ],
)
def test_the_command_says_how_the_seeds_are_spent(fields, words, with_fields):
    assert words in command(with_fields(**fields), "here")


def test_each_seed_has_a_split_of_its_own(with_fields):
    given = with_fields(seeds=5, resplit=True)
    configs = [given.config_of(given.variants[2], seed) for seed in given.seed_numbers]
    assert [(config.seed, config.split_seed, config.fold) for config in configs] == [
        (seed, seed, None) for seed in range(5)
    ]
    folded = with_fields(seeds=4, folds=3)
    configs = [folded.config_of(folded.variants[0], seed) for seed in folded.seed_numbers]
    assert [(config.split_seed, config.fold) for config in configs] == [(0, "1/3"), (0, "2/3"), (0, "3/3"), (1, "1/3")]
    config = with_fields().config_of(given.variants[0], 2)
    assert (config.seed, config.split_seed, config.fold, config.attend) == (2, 0, None, ())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"folds": 1}, "`folds` is out of range. Expected an integer at least 2. Received: folds=1."),
        ({"folds": 3, "resplit": True}, "`folds` draws the splits already. Expected `folds` or `resplit`, not both."),
    ],
)
def test_splits_that_do_not_fit_are_refused(fields, message, with_fields):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        with_fields(**fields)
    assert message in str(caught.value)

"""The shares of the level: they add up to it, however often somebody looks."""

import pytest

from keras_attention.comparison.looks import level_of_look


def total(looks, **plan):
    return sum(level_of_look(0.05, seeds, looks[:place], **plan) for place, seeds in enumerate(looks))


@pytest.mark.parametrize("looks", [(3,), (2, 3, 5, 8, 12, 16, 20), tuple(range(1, 101))])
def test_the_shares_add_up_to_the_level_at_most(looks):
    assert 0.04 <= total(looks) <= 0.05
    assert total(looks, most_seeds=looks[-1]) == pytest.approx(0.05)
    assert total(looks, most_seeds=2 * looks[-1]) == pytest.approx(0.05 / 4)


def test_a_look_without_more_seeds_is_the_last_look_once_more():
    assert level_of_look(0.05, 5, (3, 5)) == level_of_look(0.05, 5, (3,)) == level_of_look(0.05, 5, (3, 5, 8))


def test_a_single_look_that_was_planned_has_the_whole_level():
    assert level_of_look(0.05, 5, most_seeds=5) == 0.05
    assert level_of_look(0.05, 5) == pytest.approx(0.04)


def test_beyond_the_plan_nothing_is_left():
    assert level_of_look(0.05, 25, (10, 20), most_seeds=20) == 0
    assert level_of_look(0.05, 25, (10,), most_seeds=20) == pytest.approx(0.05 * 0.75)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.05, 0), "`seeds` is out of range"),
        ((0.05, 3, (), 0), "`most_seeds` is out of range"),
        ((0.05, 3, (1.5,), 20), "`earlier` must hold numbers of seeds"),
    ],
)
def test_what_is_no_number_of_seeds(arguments, message):
    with pytest.raises(ValueError, match=message):
        level_of_look(*arguments)

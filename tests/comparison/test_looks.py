"""The shares of the level: they add up to it, however often somebody looks."""

import pytest

from keras_attention.comparison.looks import level_of_look, levels_of_looks


def total(looks, **plan):
    return sum(levels_of_looks(0.05, looks, **plan).values())


@pytest.mark.parametrize("looks", [(3,), (2, 3, 5, 8, 12, 16, 20), tuple(range(1, 101))], ids=["one", "seven", "many"])
def test_the_shares_add_up_to_the_level_at_most(looks):
    assert 0.04 <= total(looks) <= 0.05
    assert total(looks, most_seeds=looks[-1]) == pytest.approx(0.05)
    assert total(looks, most_seeds=2 * looks[-1]) == pytest.approx(0.05 / 4)


def test_a_look_without_more_seeds_is_the_same_look_once_more():
    assert level_of_look(0.05, 5, {3: 0.04, 5: 0.008}) == 0.008
    assert level_of_look(0.05, 3, {3: 0.04, 5: 0.008}) == 0.04


def test_a_single_look_that_was_planned_has_the_whole_level():
    assert level_of_look(0.05, 5, most_seeds=5) == 0.05
    assert level_of_look(0.05, 5) == pytest.approx(0.04)


def test_beyond_the_plan_nothing_is_left():
    assert level_of_look(0.05, 25, levels_of_looks(0.05, (10, 20), most_seeds=20), most_seeds=20) == 0
    assert level_of_look(0.05, 25, {10: 0.0125}, most_seeds=20) == pytest.approx(0.05 * 0.75)


def test_a_plan_that_is_made_after_a_look_has_what_the_look_left():
    looks = levels_of_looks(0.05, (3,))
    for seeds in range(4, 21):
        looks[seeds] = level_of_look(0.05, seeds, looks, most_seeds=20)
    assert looks[3] == pytest.approx(0.04)
    assert sum(looks.values()) == pytest.approx(0.05)
    assert min(looks.values()) == 0  # the plan asks for more than is left


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0.05, 0), "`seeds` is out of range"), ((0.05, 3, {}, 0), "`most_seeds` is out of range")],
    ids=["seeds", "most"],
)
def test_what_is_no_number_of_seeds(arguments, message):
    with pytest.raises(ValueError, match=message):
        level_of_look(*arguments)

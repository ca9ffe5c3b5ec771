"""Which runs come next, by the figures of those before."""

import dataclasses

import pytest

from keras_attention.comparison.rounds import (
    IMAGES_LIMIT,
    MOST_SEEDS,
    OPEN,
    SETTLED,
    TIME_IS_UP,
    TimeLimit,
    ended,
    ranking,
    rounds,
)

NAMES = ("additive+softmax", "dot+softmax", "cosine+softmax")
CONTROLS = ("plain", "multiscale")


class Clock:
    """A clock that goes on by a minute for each seed that has run."""

    def __init__(self):
        self.minutes = 0

    def __call__(self):
        return 60 * self.minutes


def carried_out(plan, comparison=None, judge=None, limit=None, clock=None):
    """The rounds, as `(runs, seeds of the plan)`."""
    found = []
    for each in rounds(plan, comparison, judge, limit or TimeLimit()):
        found.append((each.runs, each.plan and each.plan.seed_numbers))
        if clock:
            clock.minutes += len({seed for _, seed in each.runs})
    return found


def grid(names, seeds):
    return tuple((name, seed) for seed in seeds for name in names)


def judged(*states):
    """A judge whose answers are those states of the variants, one after the other; the last answer stays."""
    left = list(states)
    return lambda plan: dict(zip(NAMES, left.pop(0) if len(left) > 1 else left[0], strict=True))


def test_all_at_once(plan):
    assert carried_out(plan(NAMES, 2)) == [(grid((*CONTROLS, *NAMES), (0, 1)), (0, 1))]


def test_seeds_go_to_what_is_open_and_to_the_references(plan):
    settled = dataclasses.replace(plan(NAMES, 2), max_seeds=9)
    judge = judged((OPEN, SETTLED, OPEN), (OPEN, SETTLED, IMAGES_LIMIT), (SETTLED, SETTLED, IMAGES_LIMIT))
    assert carried_out(settled, judge=judge) == [
        (grid((*CONTROLS, *NAMES), (0, 1)), (0, 1)),
        (grid((*CONTROLS, NAMES[0], NAMES[2]), (2,)), (0, 1, 2)),
        (grid((*CONTROLS, NAMES[0]), (3,)), (0, 1, 2, 3)),
    ]


def test_seeds_end_with_the_most_that_are_allowed(plan):
    found = carried_out(dataclasses.replace(plan(NAMES, 2), max_seeds=4), judge=judged((OPEN,) * 3))
    assert [seeds for _, seeds in found] == [(0, 1), (0, 1, 2), (0, 1, 2, 3)]


@pytest.mark.parametrize(("minutes", "seeds"), [(2, 2), (3, 3), (4.5, 4), (None, 6)])
def test_no_round_begins_that_would_end_too_late(minutes, seeds, plan):
    clock = Clock()
    settled = dataclasses.replace(plan(NAMES, 2), max_seeds=6)
    found = carried_out(settled, judge=judged((OPEN,) * 3), limit=TimeLimit(minutes, clock), clock=clock)
    assert len(found[-1][1]) == seeds


def test_why_the_seeds_ended(plan):
    settled = dataclasses.replace(plan(NAMES, 2), max_seeds=4)
    at_end = dataclasses.replace(settled, seeds=4)
    assert ended({"a": SETTLED, "b": SETTLED}, settled) == SETTLED
    assert ended({"a": SETTLED, "b": IMAGES_LIMIT}, settled) == IMAGES_LIMIT
    assert ended({"a": OPEN, "b": IMAGES_LIMIT}, at_end) == MOST_SEEDS
    assert ended({"a": OPEN, "b": SETTLED}, settled) == TIME_IS_UP


@pytest.fixture
def chosen_from(plan, comparison, finish, monkeypatch):
    """`chosen_from(figures, monitor)`: a plan with a choice of one, whose first runs have those validation figures."""

    def make(figures, monitor="val_accuracy"):
        given = dataclasses.replace(plan(NAMES, 2, monitor=monitor), choose=1)
        for variant in given.variants:
            value = figures.get(variant.name, 0.99)  # controls are not chosen, however good they are
            if value is not None:
                finish(comparison.run(variant.name, 0), 1.0, validation={monitor: value})
        return given

    return make


@pytest.mark.parametrize(
    ("monitor", "figures", "best"),
    [("val_accuracy", (0.7, 0.9, 0.8), 1), ("val_loss", (0.7, 0.9, 0.8), 0), ("val_accuracy", (0.7, None, 0.8), 2)],
)
def test_the_best_by_validation_is_confirmed_with_fresh_seeds(monitor, figures, best, chosen_from, comparison):
    given = chosen_from(dict(zip(NAMES, figures, strict=True)), monitor)
    first, second = carried_out(given, comparison)
    assert first == (grid((*CONTROLS, *NAMES), (0,)), None)
    assert second == (grid((*CONTROLS, NAMES[best]), (1, 2)), (1, 2))
    assert ranking(given, comparison)[0] == (NAMES[best], figures[best])

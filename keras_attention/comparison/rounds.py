"""Which runs come next: all at once, a choice and its confirmation, or seeds until the verdict is settled."""

import dataclasses
import math
import time

from keras_attention.comparison.verdicts import DECIDED
from keras_attention.metrics import METRICS
from keras_attention.text import counted, listed
from keras_attention.variants import REFERENCES

# The state of a variant, by which it gets more seeds or not; and why the seeds ended.
SETTLED, OPEN, IMAGES_LIMIT = "settled", "open", "the test images set the limit"
MOST_SEEDS, TIME_IS_UP = "all seeds are used", "the time is up"


@dataclasses.dataclass(frozen=True)
class Round:
    """Runs that belong together.

    Args:
        runs: the name of the variant and the seed of each.
        plan: the `Plan` of the verdict that these runs allow; `None` if they allow none yet.
        about: what the round is for; empty if it is the only one.
    """

    runs: tuple
    plan: object = None
    about: str = ""


class TimeLimit:
    """Says whether another round would end in time, if it takes as long as the one before.

    Args:
        minutes: how long all rounds may take; no limit if `None`.
        clock: a function that returns the time in seconds.
    """

    def __init__(self, minutes=None, clock=time.monotonic):
        self.seconds, self.clock = math.inf if minutes is None else 60 * minutes, clock
        self.began = self.before = clock()

    def allows_another(self, rounds=1):
        """Whether a round like the last one would end in time; `rounds` is how many have just ended."""
        now = self.clock()
        one, self.before = (now - self.before) / rounds, now
        return now - self.began + one <= self.seconds


def rounds(plan, comparison, judge, limit):
    """Yields the `Round`s of a comparison, one after the other; each is made when the runs before it are finished.

    Args:
        plan: the `Plan`.
        comparison: the `Comparison`, from which the finished runs are read.
        judge: a function from the plan of a round to `{variant: state}` for each variant with attention, where the
            state is `SETTLED`, `OPEN`, or `IMAGES_LIMIT` if more seeds cannot settle it.
        limit: the `TimeLimit`.
    """
    if plan.choose is not None:
        yield from _choice(plan, comparison)
    elif plan.max_seeds is not None:
        yield from _until_settled(plan, judge, limit)
    else:
        yield Round(_grid(plan.variants, plan.seed_numbers), plan)


def states(summary):
    """The state of each variant with attention: whether it needs more seeds, by its differences to the references.

    More seeds cannot settle a difference if even two standard errors of the seeds beyond the one seen, it is below what
    any number of seeds would find on these test images, and if the margin is below that too.
    """
    return {
        variant["name"]: _state(
            [each[summary["metric"]] for each in variant["differences"].values() if summary["metric"] in each],
            summary["margin"],
        )
        for variant in summary["variants"]
        if variant["attends"]
    }


def _state(differences, margin):
    left = [each for each in differences if each["verdict"] not in DECIDED]
    if not left:
        return SETTLED if differences else OPEN
    return IMAGES_LIMIT if all(_limited(each, margin or 0.0) for each in left) else OPEN


def _limited(difference, margin):
    limit = difference["limit_of_images"]
    if limit is None or difference["seed_error"] is None:
        return False
    return max(abs(difference["mean"]) + 2 * difference["seed_error"], margin) < limit


def ended(states, plan):
    """Why no more seeds follow, for a plan that adds them until the verdict is settled."""
    left = [state for state in states.values() if state != SETTLED]
    if OPEN not in left:
        return IMAGES_LIMIT if left else SETTLED
    return MOST_SEEDS if plan.seeds >= plan.max_seeds else TIME_IS_UP


def ranking(plan, comparison):
    """The variants that may be chosen, with the validation figure of the first seed, the best first.

    Returns:
        A list of `(name, figure)`; a run that failed has the figure `None`, and comes last.
    """
    sign, figures = METRICS[plan.metric].sign, []
    for variant in plan.variants:
        run = comparison.run(variant.name, plan.config.seed)
        if not variant.is_control:
            figure = run.metrics["validation"].get(plan.config.monitor) if run.finished else None
            figures.append((variant.name, figure))
    return sorted(figures, key=lambda item: (item[1] is None, -sign * (item[1] or 0)))


def confirmed_plan(plan, comparison):
    """The plan of the confirmation: the controls, and the best variants by validation."""
    best = [name for name, figure in ranking(plan, comparison)[: plan.choose] if figure is not None]
    kept = tuple(variant for variant in plan.variants if variant.is_control or variant.name in best)
    # The seed of the choice does not count: the chosen variants were lucky with it.
    return dataclasses.replace(
        plan, config=plan.config.with_settings(seed=plan.seed_numbers[0]), variants=kept, choose=None
    )


def _grid(variants, seeds):
    # All variants of one seed before the next seed, so that a comparison that is cut short has complete pairs.
    return tuple((variant.name, seed) for seed in seeds for variant in variants)


def _choice(plan, comparison):
    """One seed each, then fresh seeds for the best of them and for the controls."""
    first = f"choice of the best {plan.choose} by {plan.config.monitor}: one seed each"
    yield Round(_grid(plan.variants, [plan.config.seed]), None, first)
    chosen = confirmed_plan(plan, comparison)
    names = [variant.name for variant in chosen.variants if not variant.is_control]
    second = f"confirmation by {counted(plan.seeds, 'fresh seed')}: {listed(names)}, and the controls"
    yield Round(_grid(chosen.variants, chosen.seed_numbers), chosen, second)


def _until_settled(plan, judge, limit):
    """The first seeds of all variants, then one at a time for the references and for the variants that are open."""
    current, variants = plan, plan.variants
    yield Round(_grid(variants, plan.seed_numbers), plan, f"the first {counted(plan.seeds, 'seed')}")
    while current.seeds < plan.max_seeds and limit.allows_another(plan.seeds if current is plan else 1):
        states = judge(current)
        if ended(states, plan) in (SETTLED, IMAGES_LIMIT):
            return
        names = [name for name, state in states.items() if state == OPEN]
        current = dataclasses.replace(current, seeds=current.seeds + 1)
        runs = _grid([each for each in variants if each.name in (*REFERENCES, *names)], current.seed_numbers[-1:])
        yield Round(runs, current, f"seed {current.seed_numbers[-1]}, as these are open: {listed(names)}")

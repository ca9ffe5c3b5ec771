"""What a comparison prints while it runs."""

import time

from keras_attention.comparison.rates import rates_around
from keras_attention.metrics import METRICS
from keras_attention.text import counted, listed, time_left


def announce(comparison, plan, dataset, jobs=1, resume=False):
    """The first lines of a comparison: the data, the variants, the number of runs and the folder."""
    at_once = f", {jobs} at a time" if jobs > 1 else ""
    lines = [dataset.described]
    lines.append(f"compare {', '.join(variant.name for variant in plan.variants)}")
    lines.append(f"        {_how_many(comparison, plan, resume)}{at_once}, in {plan.config.precision}")
    if plan.tune > 1:
        rates = listed([f"{rate:g}" for rate in rates_around(plan.config.learning_rate, plan.tune)], plan.tune)
        lines.append(f"tune    each run takes the best of the learning rates {rates} by {plan.config.monitor}")
    if plan.margin is not None:
        lines.append(f"margin  {plan.margin}: a difference in {METRICS[plan.metric].title} up to that does not count")
    lines.append(f"folder  {comparison.folder}")
    return "\n".join(lines)


def _how_many(comparison, plan, resume):
    """How many runs there will be, or how that depends on their figures."""
    many, seeds = counted(len(plan.variants), "variant"), counted(plan.seeds, "seed")
    if plan.choose is not None:
        return f"{many} × 1 seed, then {plan.choose} of them and the controls × {plan.seeds} fresh seeds"
    runs = [comparison.run(variant.name, seed) for variant in plan.variants for seed in plan.seed_numbers]
    finished = sum(run.finished for run in runs) if resume else 0
    before = f", {finished} of them finished before" if finished else ""
    more = "" if plan.max_seeds is None else f", then up to {plan.max_seeds} seeds until the verdict is settled"
    return f"{many} × {seeds} = {counted(len(runs), 'run')}{before}{more}"


def follow(results, groups, in_turn, comparison, metric, tell):
    """Yields the outcomes, and prints a line for each, with the time left as estimated from the time so far.

    Args:
        results: an iterator over the `Outcome`s of a group, in any order of the groups.
        groups: the groups of `Task`s; the runs of a group are trained together.
        in_turn: whether one group is done after the other; a line then says when one begins.
        comparison: the `Comparison`.
        metric: the metric to print.
        tell: a function that prints.
    """
    began, done, total = time.monotonic(), 0, sum(map(len, groups))
    for group in groups:
        alone = in_turn and len(group) == 1
        if in_turn and not alone:
            tell(f"{len(group)} runs with seed {group[0].config.seed}, trained together", flush=True)
        if alone:
            tell(f"[{done + 1}/{total}] {_name(group[0])}: ", end="", flush=True)
        outcomes = next(results)
        for outcome in outcomes:
            done += 1
            left = time_left((time.monotonic() - began) / done * (total - done)) if outcome is outcomes[-1] else ""
            title = "" if alone else f"[{done}/{total}] {_name(outcome.task)}: "
            tell(f"{title}{_result(comparison, metric, outcome)}{left}", flush=True)
            yield outcome


def _name(task):
    return f"{task.variant}, seed {task.config.seed}"


def _result(comparison, metric, outcome):
    if outcome.error:
        return f"failed twice: {outcome.error}"
    value = comparison.run(outcome.task.variant, outcome.task.config.seed).metrics[metric]
    figure = "undefined" if value is None else f"{value:.3f}"
    return f"{metric} {figure}, {outcome.seconds:.0f} s"

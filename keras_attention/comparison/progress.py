"""What a person sees while a comparison runs."""

import time

from keras_attention.text import time_left


def announce(comparison, plan, dataset):
    """The data, the variants, and how many runs there are to do."""
    runs = [comparison.run(variant.name, seed) for variant in plan.variants for seed in plan.seed_numbers]
    finished = sum(run.finished for run in runs)
    lines = [dataset.described]
    lines.append(f"compare {', '.join(variant.name for variant in plan.variants)}")
    before = f", {finished} of them finished before" if finished else ""
    seeds = "1 seed" if plan.seeds == 1 else f"{plan.seeds} seeds"
    lines.append(f"        {len(plan.variants)} variants × {seeds} = {len(runs)} runs{before}")
    lines.append(f"folder  {comparison.folder}")
    return "\n".join(lines)


def follow(outcomes, tasks, one_by_one, comparison, metric, tell):
    """Passes the outcomes on, with a line for each, and the time that is left by the time that they took."""
    outcomes, began = iter(outcomes), time.monotonic()
    for done in range(1, len(tasks) + 1):
        # One by one, the line says what is under way before it ends.
        named = f"{_name(tasks[done - 1])}: " if one_by_one else ""
        tell(f"[{done}/{len(tasks)}] {named}", end="", flush=True)
        outcome = next(outcomes)
        left = (time.monotonic() - began) / done * (len(tasks) - done)
        named = "" if one_by_one else f"{_name(outcome.task)}: "
        tell(f"{named}{_result(comparison, metric, outcome)}{time_left(left)}", flush=True)
        yield outcome


def _name(task):
    return f"{task.variant}, seed {task.config.seed}"


def _result(comparison, metric, outcome):
    if outcome.error:
        return f"failed twice: {outcome.error}"
    value = comparison.run(outcome.task.variant, outcome.task.config.seed).metrics[metric]
    figure = "undefined" if value is None else f"{value:.3f}"
    return f"{metric} {figure}, {outcome.seconds:.0f} s"

"""The summary of a comparison's runs: read from their folders, paired by seed, joined over the test images."""

import numpy as np

from keras_attention.arguments import invalid
from keras_attention.comparison.statistics import LEVEL, estimate, holm, verdict
from keras_attention.comparison.variants import REFERENCES
from keras_attention.comparison.words import RULES, conclusions
from keras_attention.metrics import METRICS, resampled_metrics
from keras_attention.metrics.resampling import draw_weights, mean
from keras_attention.models.outputs import LOGITS
from keras_attention.runs.data import read_split


def summarize(comparison, plan, errors=()):
    """Summarizes the finished runs of a comparison, as plain data.

    Args:
        comparison: the `Comparison`.
        plan: the `Plan` of the comparison.
        errors: `{(variant, seed): message}` for the runs that failed.

    Returns:
        A dictionary: `metric`, the figure that decides, and `more_is_better`; `verdict`, a list of sentences;
        `variants`, a list with the `runs`, the `metrics`, the `differences` to each reference, the `maps` and the
        `cost` of each variant; `failures`; `images`, the number of test images; `class_names`.
    """
    errors = dict(errors)
    runs = {
        variant.name: {seed: run for seed in plan.seed_numbers if (run := comparison.run(variant.name, seed)).finished}
        for variant in plan.variants
    }
    _require_same_images(runs)
    weights = _weights(runs)
    figures = {name: {seed: _figures(run, weights) for seed, run in each.items()} for name, each in runs.items()}
    variants = [
        _of_variant(comparison, plan, variant, runs[variant.name], figures, weights) for variant in plan.variants
    ]
    _correct(variants)
    _compare_costs(variants)
    summary = {
        "metric": plan.metric,
        "more_is_better": METRICS[plan.metric].more_is_better,
        "seeds": list(plan.seed_numbers),
        "variants": variants,
        "failures": [{"variant": name, "seed": seed, "error": error} for (name, seed), error in errors.items()],
        **_about_data(runs),
    }
    return summary | {"verdict": conclusions(summary), "rules": RULES}


def _require_same_images(runs):
    """Raises `ValueError` unless all runs were measured on the same test images: others cannot be paired."""
    first = None
    for run in (run for each in runs.values() for run in each.values()):
        split = read_split(run.folder)
        found = run.arrays()["labels"].tolist(), split and list(split.files["test"].items())
        first = first or (run, found)
        if found != first[1]:
            raise invalid(
                f"{run.folder} was measured on other test images than {first[0].folder}.",
                "runs on the same images, in the same order",
                f"{len(found[0]):,} images",
            )


def _weights(runs):
    first = next((run for each in runs.values() for run in each.values()), None)
    return None if first is None else draw_weights(len(first.arrays()["labels"]))


def _about_data(runs):
    first = next((run for each in runs.values() for run in each.values()), None)
    if first is None:
        return {"images": 0, "class_names": []}
    metrics = first.metrics
    return {"images": metrics["count"], "class_names": metrics["class_names"], "splits": metrics["images"]}


def _figures(run, weights):
    """The figures of a run, and their values under each resample: `{name: (value, (resamples,))}`."""
    arrays, metrics = run.arrays(), run.metrics
    resampled = resampled_metrics(arrays[LOGITS], arrays["labels"], weights)
    known = [name for name in METRICS if metrics.get(name) is not None]
    figures = {name: (metrics[name], resampled[name]) for name in known}
    for key in arrays:
        if key.startswith("measure/"):
            gain = arrays[key] - arrays["chance"]
            figures[key] = (np.nanmean(arrays[key]), mean(arrays[key], weights))
            figures[key.replace("measure/", "gain/")] = (np.nanmean(gain), mean(gain, weights))
    return figures


def _of_variant(comparison, plan, variant, runs, figures, weights):
    config, own = variant.config(plan.config), figures[variant.name]
    images = 0 if weights is None else weights.shape[1]
    references = [name for name in REFERENCES if name != variant.name]
    return {
        "name": variant.name,
        "attends": config.attends,
        "runs": [_of_run(run, seed, plan.config.monitor) for seed, run in runs.items()],
        "metrics": _means(own, images),
        "differences": {name: _differences(own, figures.get(name, {}), images) for name in references},
        "maps": _maps(own, images),
        "cost": comparison.cost(variant.name),
        "curves": {str(seed): _curve(run, plan.config.monitor) for seed, run in runs.items()},
    }


def _of_run(run, seed, monitor):
    metrics = run.metrics
    names = (*METRICS, "epochs", "best_epoch", "seconds", "parameters")
    validation = {"validation": metrics["validation"].get(monitor)}
    return {"seed": seed, "folder": str(run.folder), **{name: metrics.get(name) for name in names}, **validation}


def _curve(run, monitor):
    """The monitor after each epoch; `None` if it is not defined on the validation split."""
    return [None if np.isnan(row[monitor]) else row[monitor] for row in run.history()]


def _has(figures, name):
    return bool(figures) and all(name in each for each in figures.values())


def _estimate(own, name, images, other=None):
    """The `Estimate` of a figure over the seeds, or of its difference to another variant over their common seeds."""
    seeds = [seed for seed in own if other is None or seed in other]
    values = [own[seed][name][0] - (other[seed][name][0] if other else 0) for seed in seeds]
    resampled = [own[seed][name][1] - (other[seed][name][1] if other else 0) for seed in seeds]
    return estimate(values, resampled, images)


def _as_data(found, least, most):
    """An estimate as plain data, its interval cut to the range of the figure."""
    low, high = found.interval() or (None, None)
    bounds = {} if low is None else {"low": max(low, least), "high": min(high, most)}
    return {"mean": found.mean, "low": None, "high": None, "seeds": found.seeds} | bounds


def _means(own, images):
    return {
        name: _as_data(_estimate(own, name, images), METRICS[name].least, METRICS[name].most)
        for name in METRICS
        if _has(own, name)
    }


def _differences(own, other, images):
    """Metric → the paired difference to a reference; `_correct` adds what needs all variants."""
    common = set(own) & set(other)
    own, other = ({seed: each[seed] for seed in each if seed in common} for each in (own, other))
    return {name: _estimate(own, name, images, other) for name in METRICS if _has(own, name) and _has(other, name)}


def _correct(variants):
    """Replaces each difference by plain data, with Holm's correction over the variants compared to a reference."""
    for reference in REFERENCES:
        for metric in METRICS:
            family = [each["differences"] for each in variants if metric in each["differences"].get(reference, {})]
            found = [differences[reference][metric] for differences in family]
            corrected = holm([difference.p_value for difference in found])
            level = LEVEL / max(1, len(found))
            for differences, difference, p_holm in zip(family, found, corrected, strict=True):
                most = METRICS[metric].most - METRICS[metric].least  # the largest possible difference
                detectable = difference.detectable(level)
                differences[reference][metric] = {
                    **_as_data(difference, -most, most),
                    "p": difference.p_value,
                    "p_holm": p_holm,
                    "seed_error": difference.seed_error,
                    "image_error": difference.image_error,
                    "detectable": None if detectable is None or detectable > most else detectable,
                    "needed": list(difference.needed(level) or ()) or None,
                    "verdict": verdict(difference, p_holm, METRICS[metric].more_is_better),
                }


def _compare_costs(variants):
    """Makes the costs, which are measured in a separate process for each variant, comparable.

    A time is its ratio to the time of the plain network in the same process, multiplied by the plain network's median
    over all processes.
    """
    costs = [variant["cost"] for variant in variants if variant["cost"]]
    plain = {
        name: float(np.median([cost[f"reference_{name}_seconds"] for cost in costs])) if costs else None
        for name in ("step", "image")
    }
    for variant in variants:
        if cost := variant["cost"]:
            ratios = {name: cost[f"{name}_seconds"] / cost[f"reference_{name}_seconds"] for name in plain}
            variant["cost"] = {
                "parameters": cost["parameters"],
                "trained_parameters": cost["trained_parameters"],
                "gigaflops": None if cost["flops"] is None else cost["flops"] / 1e9,
                "step_megabytes": cost["step_megabytes"],
                **{f"{name}_ratio": ratio for name, ratio in ratios.items()},
                **{f"{name}_milliseconds": 1000 * plain[name] * ratio for name, ratio in ratios.items()},
            }


def _maps(own, images):
    """`{measure: {attended layer: …}}`: the figure with its interval, its chance, and its gain over chance."""
    maps = {}
    for key in next(iter(own.values()), {}):
        if key.startswith("measure/") and _has(own, key):
            _, measure, layer = key.split("/")
            gain = _as_data(_estimate(own, f"gain/{measure}/{layer}", images), -1.0, 1.0)
            figure = _as_data(_estimate(own, key, images), 0.0, 1.0)
            maps.setdefault(measure, {})[layer] = figure | {"chance": figure["mean"] - gain["mean"], "gain": gain}
    return maps

"""The summary of a comparison's runs: read from their folders, paired by seed, joined over the test images."""

import numpy as np

from keras_attention.comparison.contrasts import JointModel
from keras_attention.comparison.images import held_out_ratio, share_images
from keras_attention.comparison.judging import Judged, as_data
from keras_attention.comparison.rates import failed_rates, rate_of
from keras_attention.comparison.settling import add_minutes
from keras_attention.comparison.verdicts import Rule
from keras_attention.comparison.words import conclusions, in_short, rules, what_would_settle
from keras_attention.metrics import METRICS, image_deviations
from keras_attention.metrics.influence import mean, of_groups
from keras_attention.models.outputs import LOGITS
from keras_attention.variants import REFERENCES


def summarize(comparison, plan, errors=(), rule=None):
    """Summarizes the finished runs of a comparison, as plain data.

    Args:
        comparison: the `Comparison`.
        plan: the `Plan` of the comparison.
        errors: `{(variant, seed): message}` for the runs that failed.
        rule: the `Rule` of the verdict; that of the plan and the looks of the folder if `None`.

    Returns:
        A dictionary: `metric`, the figure that decides, and `more_is_better`; `verdict`, a list of sentences; `rules`;
        `in_short`, questions with their answers; `to_settle`, what would settle what is open; `level` of this look, the
        seeds of the `looks` before it, the `level_left` for later ones, and `margin`; `tune`, the number of learning
        rates of which each run took the best; `pooled`, all variants with
        attention together against each reference; `power` of the design; `variants`, a list with the `runs`, the
        `metrics`, the `differences` to each reference, the `chances`, the `spread`, the `maps` and the `cost` of each
        variant; `failures`; `images` and `groups`, the number of test images and of their groups, if they have any;
        `class_names`.
    """
    errors = dict(errors)
    runs = {
        variant.name: {seed: run for seed in plan.seed_numbers if (run := comparison.run(variant.name, seed)).finished}
        for variant in plan.variants
    }
    rule = rule or _rule(comparison, plan, runs)
    about_data = _about_data(runs)
    figures = {name: {seed: _figures(run) for seed, run in each.items()} for name, each in runs.items()}
    independent = about_data["groups"] or about_data["images"]
    judged = _judged(plan, figures, about_data["images"], rule, independent)
    variants = [
        _of_variant(comparison, plan, variant, runs[variant.name], figures[variant.name], judged)
        for variant in plan.variants
    ]
    pooled = _by_reference({name: each.pooled() for name, each in judged.items()})
    _compare_costs(variants)
    add_minutes(variants, pooled, anew=not rule.level_later(len(plan.seed_numbers)))
    _let_decisions_stand(variants, comparison.decisions, plan)
    level = rule.level_with(len(plan.seed_numbers))
    summary = {
        "metric": plan.metric,
        "more_is_better": METRICS[plan.metric].more_is_better,
        "seeds": list(plan.seed_numbers),
        "level": level,
        "level_left": max(0.0, rule.level - sum((rule.looks | {len(plan.seed_numbers): level}).values())),
        "looks": sorted(rule.looks),
        "margin": rule.margin,
        "tune": plan.tune,
        "same_images": rule.same_images,
        "held_out_ratio": rule.held_out_ratio,
        "older_rule": comparison.has_older_verdict,
        "pooled": pooled,
        "power": judged[plan.metric].power() if plan.metric in judged else {},
        "variants": variants,
        "failures": [{"variant": name, "seed": seed, "error": error} for (name, seed), error in errors.items()],
        **about_data,
    }
    summary["to_settle"] = what_would_settle(summary)
    return summary | {"verdict": conclusions(summary), "in_short": in_short(summary), "rules": rules(summary)}


def _rule(comparison, plan, runs):
    """The rule that the plan, the earlier verdicts and the splits of the runs make."""
    same = share_images(runs, plan.draws_splits)
    ratio = held_out_ratio(runs, same) if plan.draws_splits else 0.0
    return Rule(plan.margin, comparison.looks, plan.max_seeds, same, ratio)


def _about_data(runs):
    first = next((run for each in runs.values() for run in each.values()), None)
    if first is None:
        return {"images": 0, "groups": None, "class_names": []}
    metrics = first.metrics
    return {
        "images": metrics["count"],
        "groups": metrics.get("group_count"),
        "class_names": metrics["class_names"],
        "splits": metrics["images"],
    }


def _figures(run):
    """The figures of a run, and how they vary with the images: `{name: (value, deviations)}`."""
    arrays, metrics = run.arrays(), run.metrics
    groups = arrays.get("groups")
    deviations = image_deviations(arrays[LOGITS], arrays["labels"], groups)
    figures = {name: (metrics[name], deviations[name]) for name in METRICS if metrics.get(name) is not None}
    for key in arrays:
        if key.startswith("measure/"):
            gain = arrays[key] - arrays["chance"]
            figures[key] = np.nanmean(arrays[key]), _deviations_of_mean(arrays[key], groups)
            figures[key.replace("measure/", "gain/")] = np.nanmean(gain), _deviations_of_mean(gain, groups)
    return figures


def _deviations_of_mean(values, groups):
    own = mean(values) / np.sqrt(len(values) * max(len(values) - 1, 1))
    return own if groups is None else of_groups(own, groups)


def _judged(plan, figures, images, rule, independent):
    """Name of a metric → the `Judged` of all variants, for the metrics that a run has."""
    attending = [
        variant.name for variant in plan.variants if variant.config(plan.config).weighs and not variant.is_control
    ]
    judged = {}
    for name, metric in METRICS.items():
        runs = {
            variant: {seed: found[name] for seed, found in each.items() if name in found}
            for variant, each in figures.items()
        }
        if any(runs.values()):
            decides = name == plan.metric
            judged[name] = Judged(runs, attending, metric, images, rule, len(plan.seed_numbers), decides, independent)
    return judged


def _by_reference(found):
    """Metric → reference → data, as reference → metric → data."""
    return {
        reference: {metric: each[reference] for metric, each in found.items() if reference in each}
        for reference in dict.fromkeys(reference for each in found.values() for reference in each)
    }


def _of_variant(comparison, plan, variant, runs, own, judged):
    name, config = variant.name, variant.config(plan.config)

    def of_metrics(kind):
        found = {metric: getattr(each, kind)(name) for metric, each in judged.items()}
        return {metric: value for metric, value in found.items() if value is not None}

    references = [reference for reference in REFERENCES if reference != name]
    return {
        "name": name,
        "attends": config.weighs,
        "control": variant.is_control,
        "runs": [_of_run(run, seed, plan.config.monitor, config.learning_rate) for seed, run in runs.items()],
        "metrics": of_metrics("mean"),
        "differences": {reference: {} for reference in references} | _by_reference(of_metrics("differences")),
        "chances": of_metrics("chances"),
        "spread": of_metrics("spread"),
        "maps": _maps(own, judged[plan.metric].model.images if plan.metric in judged else 0),
        "map_entropy": _map_entropy(runs.values()),
        "cost": comparison.cost(name),
        "curves": {str(seed): _curve(run, plan.config.monitor) for seed, run in runs.items()},
    }


def _let_decisions_stand(variants, decisions, plan):
    """Keeps the verdicts after which a variant got no more seeds: what comes later was not to change them."""
    for variant in variants if plan.max_seeds is not None else ():
        for reference, decision in decisions.get(variant["name"], {}).items():
            difference = variant["differences"].get(reference, {}).get(plan.metric)
            if difference is not None and decision["seeds"] < plan.seeds:
                difference |= {"verdict": decision["verdict"], "decided_with": decision["seeds"], "settled": True}


def _of_run(run, seed, monitor, rate):
    metrics = run.metrics
    names = (*METRICS, "epochs", "best_epoch", "seconds", "parameters")
    validation = {"validation": metrics["validation"].get(monitor)}
    rate = {"learning_rate": rate_of(run) or rate, "failed_rates": failed_rates(run)}
    return {
        "seed": seed,
        "folder": str(run.folder),
        **rate,
        **{name: metrics.get(name) for name in names},
        **validation,
    }


def _curve(run, monitor):
    """The monitor after each epoch; `None` if it is not defined on the validation split."""
    return [None if np.isnan(row[monitor]) else row[monitor] for row in run.history()]


def _has(figures, name):
    return bool(figures) and all(name in each for each in figures.values())


def _estimate(own, name, images):
    """The `Estimate` of the mean of a figure of one variant over its seeds."""
    values, deviations = zip(*(each[name] for each in own.values()), strict=True)
    return JointModel(np.array([values]), np.array([deviations]), images).mean(0)


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


def _map_entropy(runs):
    """`{attended layer: {"before": …, "after": …}}`, means over the runs that noted it."""
    courses = [run.metrics.get("map_entropy", {}) for run in runs]
    layers = dict.fromkeys(layer for course in courses for layer in course)
    return {
        layer: {
            when: float(np.mean([course[layer][when] for course in courses if layer in course]))
            for when in ("before", "after")
        }
        for layer in layers
    }


def _maps(own, images):
    """`{measure: {attended layer: …}}`: the figure with its interval, its chance, and its gain over chance."""
    maps = {}
    for key in next(iter(own.values()), {}):
        if key.startswith("measure/") and _has(own, key):
            _, measure, layer = key.split("/")
            gain = as_data(_estimate(own, f"gain/{measure}/{layer}", images), -1.0, 1.0)
            figure = as_data(_estimate(own, key, images), 0.0, 1.0)
            maps.setdefault(measure, {})[layer] = figure | {"chance": figure["mean"] - gain["mean"], "gain": gain}
    return maps

"""Comparisons on several data sets, joined: per variant and reference the mean over data sets, and ranks over them."""

import math

from keras_attention.comparison.answer import answer
from keras_attention.comparison.contrasts import CONFIDENCE, LEVEL, Estimate
from keras_attention.comparison.datasets import join, rank
from keras_attention.comparison.design import detectable
from keras_attention.comparison.family import holm
from keras_attention.comparison.judging import as_data, within_range
from keras_attention.comparison.verdicts import DECIDED, verdict, within_margin
from keras_attention.comparison.words import together
from keras_attention.metrics import METRICS
from keras_attention.variants import REFERENCES


def join_summaries(summaries, level=LEVEL):
    """What several comparisons say together, as plain data.

    Args:
        summaries: name of the data set → the summary of its comparison; all of the same metric.
        level: the level of the verdicts of a family.

    Returns:
        A dictionary: `metric`, `more_is_better`, `margin` and `level`; `answer`, a sentence, and `together`,
        sentences on all variants with attention together; `rules`; `variants`, a
        list with the `figures` of each on the data sets, and its `differences` to each reference in each metric, joined
        and per data set (`single`); `pooled`, all variants with attention together; `ranks` over the data sets, or
        `None`.

    Raises:
        RuntimeError: no variant was compared on two data sets.
    """
    first = next(iter(summaries.values()))
    metric, margin = first["metric"], first["margin"]
    kinds = {}
    for summary in summaries.values():
        for variant in summary["variants"]:
            kinds.setdefault(variant["name"], {name: variant[name] for name in ("name", "attends", "control")})
    joined = _joined(summaries, list(kinds), metric, margin, level)
    variants = [
        kind | {"figures": _figures(summaries, name, metric), "differences": joined[name]}
        for name, kind in kinds.items()
    ]
    found = {
        "metric": metric,
        "more_is_better": METRICS[metric].more_is_better,
        "margin": margin,
        "level": level,
        "variants": variants,
        "pooled": _pooled(summaries, metric, margin, level),
        "ranks": _ranks(variants, list(summaries), METRICS[metric].more_is_better),
    }
    return found | {"answer": answer(found), "together": " ".join(together(found)), "rules": _rules(found)}


def mean_over_sets(differences, metric, level=LEVEL, margin=None):
    """The mean of a difference over data sets, as an `Estimate` with data sets − 1 degrees of freedom, and as data.

    If one of them has no standard error, as with a single seed, all count equally: what varies between data sets then
    holds all there is.

    Args:
        differences: name of the data set → the difference there, as plain data; at least two.
        metric: the `Metric`.
        level, margin: as in `join_summaries`.

    Returns:
        The `Estimate`, and its description without verdict.
    """
    known = all(each["seed_error"] is not None for each in differences.values())
    errors = [math.hypot(each["seed_error"], each["image_error"]) if known else 0.0 for each in differences.values()]
    found = join([each["mean"] for each in differences.values()], errors)
    estimate = Estimate(found.mean, found.count, found.count, found.error, found.count - 1.0, 0.0)
    most = metric.most - metric.least
    smallest, above = detectable(estimate, level), estimate.chance_above(0.0)
    data = as_data(estimate, -most, most)
    return estimate, {
        **{name: data[name] for name in ("mean", "low", "high")},
        "sets": list(differences),
        "between": found.between,
        "errors_known": known,
        "p": estimate.p_value,
        "better": above if metric.more_is_better else 1 - above,
        "detectable": within_range(smallest, most),
    }


def _joined(summaries, names, metric, margin, level):
    """Name → reference → metric → the joined difference, corrected by Holm for all variants of a reference."""
    found = {name: {reference: {} for reference in REFERENCES if reference != name} for name in names}
    for reference in REFERENCES:
        for each in METRICS:
            single = {name: _single(summaries, name, reference, each) for name in names}
            single = {name: sets for name, sets in single.items() if len(sets) > 1}
            judged = _judged(single, METRICS[each], margin if each == metric else None, level)
            for name, difference in judged.items():
                found[name][reference][each] = difference
    if not any(each for by_reference in found.values() for each in by_reference.values()):
        raise RuntimeError(
            "No variant was compared on two data sets. Expected a variant and a reference with runs on both. "
            f"Received: {', '.join(summaries)}."
        )
    return found


def _judged(single, metric, margin, level):
    """Name → the joined difference with its verdict, of a family: name → data set → difference."""
    found = {name: mean_over_sets(sets, metric, level / len(single), margin) for name, sets in single.items()}
    p_corrected = holm([estimate.p_value for estimate, _ in found.values()])
    p_within = holm([within_margin(estimate, margin) for estimate, _ in found.values()])
    judged = {}
    for (name, (estimate, data)), corrected, within in zip(found.items(), p_corrected, p_within, strict=True):
        decided = verdict(estimate, corrected, within, level, metric.more_is_better)
        more = {"p_corrected": corrected, "p_within": within, "verdict": decided, "settled": decided in DECIDED}
        judged[name] = data | more | {"single": single[name]}
    return judged


def _single(summaries, name, reference, metric):
    """Data set → the difference of a variant to a reference there."""
    found = {}
    for dataset, summary in summaries.items():
        variant = next((each for each in summary["variants"] if each["name"] == name), None)
        difference = variant and variant["differences"].get(reference, {}).get(metric)
        if difference:
            found[dataset] = difference
    return found


def _pooled(summaries, metric, margin, level):
    """Reference → the metric that decides → all variants with attention together, joined."""
    found = {}
    for reference in REFERENCES:
        each = {name: summary["pooled"].get(reference, {}).get(metric) for name, summary in summaries.items()}
        each = {name: difference for name, difference in each.items() if difference}
        if len(each) > 1:
            found[reference] = {metric: _judged({"all": each}, METRICS[metric], margin, level)["all"]}
    return found


def _figures(summaries, name, metric):
    """Data set → the mean of the metric of a variant there; without data sets on which it has none."""
    found = {}
    for dataset, summary in summaries.items():
        variant = next((each for each in summary["variants"] if each["name"] == name), None)
        if variant and metric in variant["metrics"]:
            found[dataset] = variant["metrics"][metric]["mean"]
    return found


def _ranks(variants, sets, more_is_better):
    """The ranks of the variants that have a figure on every data set; `None` for fewer than two."""
    ranked = [each for each in variants if len(each["figures"]) == len(sets)]
    if len(ranked) < 2:
        return None
    names = [each["name"] for each in ranked]
    found = rank([[each["figures"][name] for each in ranked] for name in sets], more_is_better)
    return {
        "mean": dict(zip(names, found.mean.tolist(), strict=True)),
        "p": found.p_value,
        "critical": found.critical,
        "groups": [[names[place] for place in group] for group in found.groups],
        "left_out": [each["name"] for each in variants if each not in ranked],
    }


def _rules(found):
    margin = (
        ""
        if found["margin"] is None
        else f" It is the same within the margin if two one-sided tests show less than {found['margin']:g}."
    )
    return (
        "The data sets are a sample: what is said of all of them rests on as many numbers as there are data sets. A "
        "variant helps (or hurts) if the p-value of its mean difference over them is below "
        f"{found['level']:.2g} after Holm's correction for all variants compared to that reference.{margin} Otherwise "
        "there is no evidence. A data set counts by its standard error and by what varies between data sets; the error "
        f"of the mean is Hartung and Knapp's. Intervals have a confidence of {CONFIDENCE:.0%}, each for itself."
    )

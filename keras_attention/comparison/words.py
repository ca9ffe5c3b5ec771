"""The verdict of a comparison in words: each sentence follows from the figures by fixed rules."""

from keras_attention.comparison import rounds
from keras_attention.comparison.contrasts import CONFIDENCE, LEVEL
from keras_attention.comparison.design import POWER
from keras_attention.comparison.verdicts import EQUIVALENT, HELPS, HURTS, NO_EVIDENCE, NO_INTERVAL, NOT_SETTLED
from keras_attention.metrics import METRICS
from keras_attention.text import interval, number, signed

OPEN = (NO_EVIDENCE, NOT_SETTLED)
_WANTED = {"plain": "the plain network", "multiscale": "the multi-scale head without attention"}


def rules(summary):
    """The rules that the verdict follows, as a text."""
    sentences = [
        f"A variant helps (or hurts) if the p-value of its paired difference to the reference is below "
        f"{summary['level']:.2g} after the correction for all variants compared to that reference.",
        *_rule_of_margin(summary),
        "Otherwise there is no evidence.",
        "The variation between seeds is estimated from the runs of all variants together, and that of each variant is "
        "moved towards what they have in common; the variation between test images that all seeds share is added once.",
        f"Intervals have a confidence of {CONFIDENCE:.0%}, each for itself.",
        f"The smallest difference that the design could have found is the one it would find with a probability of "
        f"{POWER:.0%} as the best of its family.",
        _rule_of_looks(summary),
        *_change_of_rule(summary),
    ]
    return " ".join(sentences)


def _rule_of_margin(summary):
    if summary["margin"] is None:
        return []
    size = number(summary["margin"])
    return [f"It is the same within the margin if two one-sided tests, corrected likewise, show less than {size}."]


def _rule_of_looks(summary):
    before = [seeds for seeds in summary["looks"] if seeds < len(summary["seeds"])]
    if not before:
        return f"More seeds may be added later: a part of the {LEVEL:.0%} is kept for verdicts with more seeds."
    listed = _listed([str(seeds) for seeds in before])
    return (
        f"There was a verdict with {listed} seeds before; each spends a share of the {LEVEL:.0%}, so that seeds cannot "
        "be added until something shows by chance."
    )


def _change_of_rule(summary):
    if not summary.get("older_rule"):
        return []
    return [
        "The rule has changed since this comparison was first judged: then each variant was judged by its own seeds "
        "alone, the images were counted twice, and earlier verdicts were not counted. The runs are the same."
    ]


def conclusions(summary):
    """The verdict as a list of sentences, with the answer first."""
    variants = [each for each in summary["variants"] if each["attends"]]
    against = {reference: _judged(variants, reference, summary["metric"]) for reference in _WANTED}
    if not variants:
        return ["No variant attends to anything, so there is no attention to judge."]
    if not any(against.values()):
        return ["Too few runs are finished for a verdict."]
    judged = [one["verdict"] for each in against.values() for one in each.values()]
    if all(found == NO_INTERVAL for found in judged):
        return [
            "One seed gives no interval, so nothing can be said about whether attention helps: the differences below "
            "may be random. More seeds can tell: resume the comparison with 3 seeds."
        ]
    sentences = [_answer(against, summary), *_pooled(summary, len(variants))]
    sentences += [_against(name, each) for name, each in against.items() if each]
    return [*sentences, *filter(None, (_detectable(name, each, summary) for name, each in against.items()))]


def on_seeds(summary):
    """A sentence on how the seeds were spent, if they were not the same for all variants; a list."""
    seeds = f"{len(summary['seeds'])} seeds"
    if "choice" in summary:
        choice, chosen = summary["choice"], _listed(summary["choice"]["chosen"])
        first = f"Of {len(choice['ranking'])} variants, {chosen} did best in validation with seed {choice['seed']}."
        return [f"{first} The verdict rests on {seeds} that came after that choice."]
    said = {
        rounds.SETTLED: f"Seeds were added until every difference was settled, after {seeds}.",
        rounds.IMAGES_LIMIT: f"No more seeds than {seeds}: they cannot settle what is open, only more test images can.",
        rounds.MOST_SEEDS: f"The seeds ended with the most allowed, {seeds}, before every difference was settled.",
        rounds.TIME_IS_UP: f"The time was up after {seeds}, before every difference was settled. It can be resumed.",
    }
    return [said[summary["ended"]]] if "ended" in summary else []


def _judged(variants, reference, metric):
    """Name → its difference to the reference in the metric that decides."""
    found = {each["name"]: each["differences"].get(reference, {}).get(metric) for each in variants}
    return {name: difference for name, difference in found.items() if difference is not None}


def _pooled(summary, count):
    """Whether attention helps at all: all variants with it together, against each reference."""
    if count < 2:
        return []
    sentences = []
    for reference, found in summary["pooled"].items():
        difference = found.get(summary["metric"])
        if difference is None or difference["p"] is None:
            continue
        says = {HELPS: "are better than", HURTS: "are worse than", EQUIVALENT: "are the same within the margin as"}
        verb = says.get(difference["verdict"], "do not differ, as far as these runs show, from")
        sentences.append(
            f"All {count} variants with attention together {verb} {_WANTED[reference]}: {interval(difference)}, "
            f"p = {difference['p']:.3f}."
        )
    return sentences


def _with(against, reference, kind):
    return [name for name, each in against[reference].items() if each["verdict"] == kind]


def _answer(against, summary):
    design = f"{len(summary['seeds'])} seeds and {summary['images']:,} test images"
    better, more = _with(against, "plain", HELPS), _with(against, "multiscale", HELPS)
    both, worse = [name for name in better if name in more], _with(against, "plain", HURTS)
    if both:
        return f"Attention helps, and it is the attention: against both controls {_listed(both)}, with {design}."
    if better:
        return (
            f"Networks with attention beat the plain one ({_listed(better)}), but there is no evidence that it is the "
            f"attention and not the added feature maps, with {design}."
        )
    if more:
        return (
            f"Attention improves the multi-scale head ({_listed(more)}), but there is no evidence that it beats the "
            f"plain network, with {design}."
        )
    if worse and len(worse) == len(against["plain"]):
        return f"Attention hurts: every variant with it is worse than the plain network, with {design}."
    if worse:
        return f"No evidence that attention helps, and {_listed(worse)} hurt, with {design}."
    return f"No evidence that attention helps or hurts, with {design}."


def _against(reference, found):
    """Counts, and the variant with the best difference."""
    kinds = {
        kind: [name for name, each in found.items() if each["verdict"] == kind] for kind in (HELPS, HURTS, EQUIVALENT)
    }
    rest = len(found) - sum(map(len, kinds.values()))
    counts = f"{len(kinds[HELPS])} of {len(found)} variants with attention help, {len(kinds[HURTS])} hurt"
    if kinds[EQUIVALENT]:
        counts += (
            f", {len(kinds[EQUIVALENT])} {'is' if len(kinds[EQUIVALENT]) == 1 else 'are'} the same within the margin"
        )
    sentences = [f"Against {_WANTED[reference]}: {counts}, for {rest} there is no evidence."]
    lost = sum(each["verdict"] in OPEN and not each["low"] <= 0 <= each["high"] for each in found.values())
    if lost:
        sentences.append(
            f"Of those, {lost} {'has' if lost == 1 else 'have'} an interval without 0, which is not evidence after the "
            "correction for so many comparisons and looks: more seeds, or fewer variants, would tell."
        )
    return " ".join([*sentences, _largest(found)])


def _largest(found):
    name, difference = max(found.items(), key=lambda item: abs(item[1]["mean"]))
    p_value = "" if difference["p_corrected"] is None else f", p = {difference['p_corrected']:.3f} after correction"
    return f"The largest difference is that of {name}: {interval(difference)}{p_value}."


def _detectable(reference, found, summary):
    """What the design could have found, and what would settle the largest open difference; `None` if none is open."""
    open_ones = {name: each for name, each in found.items() if each["verdict"] in OPEN}
    if not open_ones:
        return None
    name, difference = max(open_ones.items(), key=lambda item: abs(item[1]["mean"]))
    title, detectable = METRICS[summary["metric"]].title, difference["detectable"]
    found = "no difference at all" if detectable is None else f"a difference of {number(detectable)} in {title}"
    sentence = f"Against {_WANTED[reference]} this design could have found {found} (for {name}). "
    if difference["mean"] and difference["limit_of_images"] and difference["limit_of_images"] > abs(difference["mean"]):
        sentence += "More seeds alone cannot settle the difference seen, as the test images set the limit. "
    if difference["needed"] is None:
        return f"{sentence}One as small as the one seen would need more than 100 seeds and 100 times the images."
    seeds, images = difference["needed"]
    more = f"{seeds} seeds" if images == summary["images"] else f"{seeds} seeds and {images:,} test images"
    return sentence + f"To settle the difference seen, {signed(difference['mean'])}, about {more} would be enough."


def _listed(names):
    names = list(names)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

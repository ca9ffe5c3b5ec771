"""The verdict of a comparison in words: each sentence follows from the figures by fixed rules."""

import collections

from keras_attention.comparison import rounds
from keras_attention.comparison.answer import against, amount, answer, change, gain, pooled
from keras_attention.comparison.contrasts import CONFIDENCE, LEVEL
from keras_attention.comparison.design import POWER
from keras_attention.comparison.settling import UNDECIDED, enough, largest_open, to_settle
from keras_attention.comparison.verdicts import EQUIVALENT, HELPS, HURTS, NO_INTERVAL
from keras_attention.metrics import METRICS
from keras_attention.text import counted, interval, number, p_value, signed

_WANTED = {"plain": "the plain network", "multiscale": "the multi-scale head without attention"}


def rules(summary):
    """The rules that the verdict follows, as a text."""
    sentences = [
        f"A variant helps (or hurts) if the p-value of its paired difference to the reference is below "
        f"{summary['level']:.2g} after the correction for all variants compared to that reference.",
        *_rule_of_margin(summary),
        "Otherwise there is no evidence." if summary["margin"] is None else "Otherwise it is not settled.",
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
    return [f"It is the same within the margin if two one-sided tests, corrected by Holm, show less than {size}."]


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
    found = {reference: against(summary, reference) for reference in _WANTED}
    judged = [one["verdict"] for each in found.values() for one in each.values()]
    sentences = [answer(summary)]
    if all(each == NO_INTERVAL for each in judged):
        return sentences
    sentences += [f"This rests on {_design(summary)}.", *_missing(summary), *_pooled(summary)]
    sentences += [_counts(name, each, summary) for name, each in found.items() if each]
    return [*sentences, *filter(None, (_detectable(name, each, summary) for name, each in found.items()))]


def in_short(summary):
    """What a reader asks next, in words without statistics: a list of questions with their answers."""
    asked = {
        "Does attention help at all here?": " ".join(together(summary)),
        "What would settle what is open?": what_would_settle(summary),
        "What does this rest on?": _design(summary),
    }
    return [{"question": question, "answer": _sentence(text)} for question, text in asked.items() if text]


def what_would_settle(summary):
    """What would settle the largest open difference to each reference, as text; `None` if none is open."""
    return to_settle(summary, {name: against(summary, reference) for reference, name in _WANTED.items()})


def _so_far(metric, mean):
    """A difference that is not settled: `attention is ahead by 5 images of 100`."""
    size = amount(metric, mean)
    if size.startswith("0 ") or not float(number(abs(mean), 4)):
        return "there is hardly a difference"
    return f"attention is {'ahead' if (mean > 0) == metric.more_is_better else 'behind'} by {size}"


def together(summary):
    """A sentence on all variants with attention together for each reference; together they need no statistics."""
    metric, before = METRICS[summary["metric"]], None
    for reference, name in _WANTED.items():
        difference = pooled(summary, reference)
        if difference is None or difference["p"] is None:
            continue
        kind, mean = difference["verdict"], difference["mean"]
        if kind == EQUIVALENT:
            yield f"Against {name} it makes no difference that matters."
        elif kind in UNDECIDED:
            yield f"Against {name} these runs cannot tell: so far {_so_far(metric, mean)}."
        elif kind == before:
            yield f"And {change(metric, mean)} than {name}."
        else:
            start, all_of_them = "Yes" if kind == HELPS else "No", _all(len(against(summary, reference)))
            yield f"{start}: with {all_of_them} together {gain(metric, mean)} than {name}."
        before = kind


def _all(count):
    return "both variants" if count == 2 else f"all {count} variants"


def _design(summary):
    networks = counted(sum(bool(each["runs"]) for each in summary["variants"]), "network")
    seeds, images = counted(len(summary["seeds"]), "seed"), counted(summary["images"], "test image")
    groups = f" of {counted(summary['groups'], 'group')}" if summary.get("groups") else ""
    own = "" if summary.get("same_images", True) else ", of its own for each seed"
    return f"{networks}, {seeds} and {images}{groups}{own}"


def _sentence(text):
    return text and f"{text[0].upper()}{text[1:].rstrip('.')}."


def _missing(summary):
    """Which variants have fewer runs than others because runs failed; a list."""
    failed = dict.fromkeys(failure["variant"] for failure in summary.get("failures", ()))
    if not failed:
        return []
    runs = {each["name"]: len(each["runs"]) for each in summary["variants"]}
    parts = [f"{name} has {runs.get(name, 0)} of {len(summary['seeds'])}" for name in failed]
    return [
        f"Runs failed, so that {_listed(parts)}: each difference is over the seeds that both networks have, and the "
        "fewer they are, the less is known of it."
    ]


def on_seeds(summary):
    """A sentence on how the seeds were spent, if they were not the same for all variants; a list."""
    seeds = f"{len(summary['seeds'])} seeds"
    if "choice" in summary:
        choice, chosen = summary["choice"], _listed(summary["choice"]["chosen"])
        first = f"Of {len(choice['ranking'])} variants, {chosen} did best in validation with seed {choice['seed']}."
        return [f"{first} The verdict rests on {seeds} that came after that choice."]
    said = {
        rounds.SETTLED: f"Seeds were added until every difference was settled, after {seeds}.",
        rounds.IMAGES_LIMIT: f"No seeds were added after {seeds}: what is open only more test images can settle.",
        rounds.MOST_SEEDS: f"The seeds ended with the most allowed, {seeds}, before every difference was settled.",
        rounds.TIME_IS_UP: f"The time was up after {seeds}, before every difference was settled. It can be resumed.",
    }
    return [said[summary["ended"]]] if "ended" in summary else []


def _pooled(summary):
    """Whether attention helps at all: all variants with it together, against each reference."""
    sentences = []
    for reference in _WANTED:
        difference, count = pooled(summary, reference), len(against(summary, reference))
        if difference is None or difference["p"] is None:
            continue
        says = {HELPS: "are better than", HURTS: "are worse than", EQUIVALENT: "are the same within the margin as"}
        verb = says.get(difference["verdict"], "do not differ, as far as these runs show, from")
        sentences.append(
            f"{_all(count).capitalize()} with attention together {verb} {_WANTED[reference]}: {interval(difference)}, "
            f"{p_value(difference['p'])}."
        )
    return sentences


def _counts(reference, found, summary):
    """How many variants help, hurt and are the same, and the variant with the largest difference."""
    kinds = {HELPS: 0, HURTS: 0, EQUIVALENT: 0} | collections.Counter(each["verdict"] for each in found.values())
    same = kinds[EQUIVALENT]
    rest = len(found) - same - kinds[HELPS] - kinds[HURTS]
    left = "there is no evidence" if summary["margin"] is None else "it is not settled"
    counts = f"{kinds[HELPS]} of {len(found)} variants with attention help, {kinds[HURTS]} hurt"
    if same:
        counts += f", {same} {'is' if same == 1 else 'are'} the same within the margin"
    sentences = [f"Against {_WANTED[reference]}: {counts}{f', for {rest} {left}' if rest else ''}."]
    lost = sum(each["verdict"] in UNDECIDED and not each["low"] <= 0 <= each["high"] for each in found.values())
    if lost:
        sentences.append(
            f"Of those, {lost} {'has' if lost == 1 else 'have'} an interval without 0, which is not evidence after the "
            "correction for so many comparisons and looks: more seeds, or fewer variants, would tell."
        )
    return " ".join([*sentences, _largest(found)])


def _largest(found):
    name, difference = max(found.items(), key=lambda item: abs(item[1]["mean"]))
    chance = "" if difference["p_corrected"] is None else f", {p_value(difference['p_corrected'])} after correction"
    return f"The largest difference is that of {name}: {interval(difference)}{chance}."


def _detectable(reference, found, summary):
    """What the design could have found, and what would settle the largest open difference; `None` if none is open."""
    largest = largest_open(found)
    if largest is None:
        return None
    name, difference = largest
    title, detectable = METRICS[summary["metric"]].title, difference["detectable"]
    found = "no difference at all" if detectable is None else f"a difference of {number(detectable)} in {title}"
    sentence = f"Against {_WANTED[reference]} this design could have found {found} (for {name}). "
    same_images = difference["needed"] is not None and difference["needed"][1] <= summary["images"]
    if not same_images and (difference["limit_of_images"] or 0) > abs(difference["mean"]) > 0:
        sentence += "More seeds alone cannot settle the difference seen, as the test images set the limit. "
    if difference["needed"] is None:
        return f"{sentence}One as small as the one seen would need more than 100 seeds and 100 times the images."
    more = enough(difference, summary["images"])
    return sentence + f"To settle the difference seen, {signed(difference['mean'])}, {more} would be enough."


def _listed(names):
    names = list(names)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

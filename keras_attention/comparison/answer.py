"""The answer of a comparison in one sentence that needs no statistics, and what a difference means in images.

Each form of the sentence belongs to one outcome of the verdicts; `answer` lists them in the order in which they are
tried.
"""

from keras_attention.comparison.verdicts import EQUIVALENT, HELPS, HURTS, NO_INTERVAL
from keras_attention.metrics import METRICS
from keras_attention.text import counted, number

NAMED = 3  # variants named in the answer; the others are counted


def against(summary, reference):
    """Name → difference to a reference in the metric that decides, of the variants with attention.

    Controls are left out: `uniform` has maps, but attends to nothing in particular.
    """
    metric, found = summary["metric"], {}
    for variant in summary["variants"]:
        difference = variant["differences"].get(reference, {}).get(metric)
        if variant["attends"] and not variant.get("control") and difference is not None:
            found[variant["name"]] = difference
    return found


def answer(summary):
    """The answer in one sentence, by the first rule that applies.

    1. Nothing can be said: no variant attends, no runs, one seed.
    2. A variant helps against both references: attention helps, and it is the attention itself.
    3. A variant helps against the plain network only: it may be the added layers.
    4. No single variant does, but all together do.
    5. Every variant hurts, all together do, or some do.
    6. A variant helps against the multi-scale head only.
    7. Every variant is the same as the plain network, or all together are.
    8. Otherwise these runs cannot tell, and a smaller difference than stated would have stayed hidden.
    """
    plain, multiscale = against(summary, "plain"), against(summary, "multiscale")
    rules = (_nothing_to_say, _better, _better_together, _worse, _better_than_the_layers, _unchanged, _open)
    return next(text for rule in rules if (text := rule(summary, plain, multiscale)))


def gain(metric, *differences):
    """What differences to a network mean, as a clause: `the network is right on about 4 more images of 100`.

    Args:
        metric: the `Metric`.
        differences: one or several of the same sign, of which the least and the largest are told.

    Example:

    >>> from keras_attention.comparison.answer import gain
    >>> from keras_attention.metrics import METRICS
    >>> gain(METRICS["accuracy"], 0.04)
    'the network is right on about 4 more images of 100'
    >>> gain(METRICS["accuracy"], -0.012, -0.031)
    'the network is right on about 12 to 31 fewer images of 1,000'
    >>> gain(METRICS["roc_auc"], 0.04)
    'the ROC-AUC of the network is about 0.040 higher'
    """
    what = "the network is right on" if metric.counts_images else f"the {metric.title} of the network is"
    return f"{what} {change(metric, *differences)}"


def change(metric, *differences):
    """The same without the network: `about 4 more images of 100`, or `about 0.040 higher`."""
    up = differences[0] > 0
    if metric.counts_images:
        count, images = _in_images(differences)
        return f"about {count} {'more' if up else 'fewer'} {images}"
    return f"about {amount(metric, *differences)} {'higher' if up else 'lower'}"


def amount(metric, *differences):
    """How large a difference is: `4 images of 100`, or with the unit of the metric `0.040 nats`."""
    if metric.counts_images:
        return " ".join(_in_images(differences))
    low, high = min(map(abs, differences)), max(map(abs, differences))
    text = _range(number(low), number(high))
    return f"{text} {metric.unit}".rstrip()


def _in_images(differences):
    """Differences in a share of images as a count and `images of 100`, or of so many that rounding changes little."""
    low, high = min(map(abs, differences)), max(map(abs, differences))
    of = next((of for of in (100, 1000) if all(_is_whole(each * of) for each in (low, high))), 10_000)
    count = _range(f"{low * of:,.0f}", f"{high * of:,.0f}")
    return count, f"{'image' if count == '1' else 'images'} of {of:,}"


def _is_whole(count):
    return count > 2.95 or (count > 0.95 and abs(count - round(count)) < 0.05)


def _range(low, high):
    return low if low == high else f"{low} to {high}"


def named(names):
    """Names as a list of words; the first three, and how many more."""
    names = list(names)
    if len(names) > NAMED + 1:
        names = [*names[:NAMED], f"{len(names) - NAMED} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def pooled(summary, reference):
    """The difference of all variants with attention together; `None` unless there are several."""
    if len(against(summary, reference)) < 2:
        return None
    return summary["pooled"].get(reference, {}).get(summary["metric"])


def _gain(summary, differences):
    return gain(METRICS[summary["metric"]], *(each["mean"] for each in differences))


def _that(found, *verdicts):
    return {name: each for name, each in found.items() if each["verdict"] in verdicts}


def _nothing_to_say(summary, plain, multiscale):
    judged = [each["verdict"] for each in (*plain.values(), *multiscale.values())]
    if not any(each["attends"] and not each.get("control") for each in summary["variants"]):
        return "No variant attends to anything, so there is no attention to judge."
    if not judged:
        return "Too few runs are finished for a verdict."
    if all(each == NO_INTERVAL for each in judged):
        return (
            "One seed cannot tell whether attention helps, as chance alone makes such differences; more seeds can: "
            "resume the comparison with 3 seeds."
        )
    return None


def _better(summary, plain, multiscale):
    better = _that(plain, HELPS)
    both = {name: each for name, each in better.items() if name in _that(multiscale, HELPS)}
    shown = both or better
    if not shown:
        return None
    text = f"With attention ({named(shown)}) {_gain(summary, shown.values())}"
    if both:
        text += ", and it is the attention itself, not the added layers"
    else:
        text += f", {_owed_to(summary, {name: multiscale.get(name) for name in better})}"
    worse = _that(plain, HURTS)
    return text + (f"; {named(worse)} {'hurts' if len(worse) == 1 else 'hurt'}." if worse else ".")


def _owed_to(summary, differences):
    """Whether better networks owe it to attention, where none by itself beats the added layers."""
    verdicts, together = {each and each["verdict"] for each in differences.values()}, pooled(summary, "multiscale")
    if verdicts <= {HURTS}:
        return "but the added layers without attention do even better"
    if verdicts <= {EQUIVALENT}:
        return "but the added layers without attention do as well"
    if together is not None and together["verdict"] == HELPS:
        return "and all variants together show that it is the attention itself, not the added layers"
    return "but these runs cannot tell whether that is the attention itself or the added layers"


def _better_together(summary, plain, multiscale):
    found = pooled(summary, "plain")
    if found is None or found["verdict"] != HELPS:
        return None
    more = pooled(summary, "multiscale")
    itself = more is not None and more["verdict"] == HELPS
    owed = ", and it is the attention itself, not the added layers" if itself else ""
    what = (
        "which variants do it"
        if itself
        else "which variants do it, nor whether it is the attention or the added layers"
    )
    return (
        f"With attention {_gain(summary, [found])} on average over {counted(len(plain), 'variant')}{owed}, "
        f"but these runs cannot tell {what}."
    )


def _worse(summary, plain, multiscale):
    worse, together = _that(plain, HURTS), pooled(summary, "plain")
    if worse and len(worse) == len(plain):
        return f"Attention hurts: with it {_gain(summary, worse.values())}."
    if together is not None and together["verdict"] == HURTS:
        return f"Attention hurts: with it {_gain(summary, [together])} on average over {len(plain)} variants."
    if worse:
        verb = "hurts" if len(worse) == 1 else "hurt"
        first = f"{named(worse)} {verb}: with it {_gain(summary, worse.values())}"
        return f"{first}; whether other attention helps these runs cannot tell."
    return None


def _better_than_the_layers(summary, plain, multiscale):
    more = _that(multiscale, HELPS)
    if not more:
        return None
    return (
        f"Attention improves the network with the added layers ({named(more)}: {_gain(summary, more.values())}), but "
        "these runs cannot tell whether that beats the plain network."
    )


def _unchanged(summary, plain, multiscale):
    together = pooled(summary, "plain")
    if summary["margin"] is None:
        return None
    margin = amount(METRICS[summary["metric"]], summary["margin"])
    if plain and len(_that(plain, EQUIVALENT)) == len(plain):
        return f"Attention makes no difference that matters: it is less than {margin}, the margin."
    if together is not None and together["verdict"] == EQUIVALENT:
        return (
            f"On average over {len(plain)} variants attention makes no difference that matters, less than {margin}; "
            "for each by itself these runs cannot tell."
        )
    return None


def _open(summary, plain, multiscale):
    """What could have stayed hidden is that of the variant in the middle, as in the power curve."""
    shown = [each for each in (plain or multiscale).values() if each["verdict"] not in (HELPS, HURTS, EQUIVALENT)]
    known = sorted(each["detectable"] for each in shown if each["detectable"] is not None)
    if len(known) <= len(shown) // 2:
        hidden = "even the largest difference would have stayed hidden"
    else:
        size = amount(METRICS[summary["metric"]], known[len(shown) // 2])
        hidden = f"a difference below about {size} would have stayed hidden"
    return f"These runs cannot tell whether attention helps: {hidden}."

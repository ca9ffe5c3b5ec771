"""What a look at the data finds: each finding says what is there, whether it must be mended, and what helps."""

import collections
import dataclasses

import numpy as np

from keras_attention.text import counted, listed, number, shown

MEND, LOOK = "mend", "look"
MOST_DAMAGED = 0.05  # training skips so many
FEW_TEST_IMAGES = 10
SHARE_OF_TEST = 0.15
UNEQUAL = 3  # times as many images in one class as in another
UNLIKE = 1.25  # times as wide as others, for their height


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something about the data.

    Args:
        kind: a short title.
        level: `MEND` if training refuses it, or if figures would be wrong; else `LOOK`.
        told: what was found, as a sentence.
        advice: what helps, as a sentence.
        examples: tuples of the numbers of images to look at side by side.

    Example:

    >>> from keras_attention.inspection import Finding
    >>> finding = Finding("empty masks", "look", "3 masks are empty.", "An empty mask counts as none.")
    >>> finding.level, finding.told
    ('look', '3 masks are empty.')
    """

    kind: str
    level: str
    told: str
    advice: str
    examples: tuple = ()


def find_all(facts):
    """The `Finding`s of `Facts`, those that must be mended first."""
    found = [finding for find in FINDERS for finding in find(facts)]
    return sorted(found, key=lambda finding: finding.level != MEND)


def damaged_files(facts):
    """Files that cannot be read as images."""
    if not facts.damaged:
        return
    (path, why), count = facts.damaged[0], len(facts.damaged)
    of = counted(count + len(facts.pictures), "file")
    kinds = collections.Counter(each.kind for _, each in facts.damaged).most_common()
    kinds = f" ({', '.join(f'{times:,} × {kind}' for kind, times in kinds)})" if count > 1 else ""
    name = shown(path.relative_to(facts.layout.root))
    told = f"{count:,} of {of} cannot be read as images{kinds}, the first {name}: it {why.what}."
    level = MEND if count > MOST_DAMAGED * (count + len(facts.pictures)) else LOOK
    yield Finding("damaged files", level, told, f"Replace or remove them; training skips up to {MOST_DAMAGED:.0%}.")


def equal_images(facts):
    """Files whose pixels are equal."""
    classes = [each for each in facts.equal if facts.differ(each, "label")]
    splits = [each for each in facts.equal if facts.differ(each, "split")]
    within = [each for each in facts.equal if each not in classes and each not in splits]
    if classes:
        told = f"{counted(len(classes), 'image lies', 'images lie')} in two classes, {_first(facts, classes)}."
        advice = "Training refuses this. Remove the file in the wrong class, or both."
        yield Finding("one image in two classes", MEND, told, advice, tuple(classes))
    if splits:
        told = f"{counted(len(splits), 'image lies', 'images lie')} in two splits, {_first(facts, splits)}."
        advice = "Training refuses this: the test would reward what was learned by heart. Keep one of each."
        yield Finding("one image in two splits", MEND, told, advice, tuple(splits))
    if within:
        more = counted(sum(len(each) - 1 for each in within), "image equals", "images equal")
        told = f"{more} another one, {_first(facts, within)}."
        advice = "Training keeps equal images on one side of the splits that it draws; they only cost time."
        yield Finding("equal images", LOOK, told, advice, tuple(within))


def near_duplicates(facts):
    """Pairs of images that show one picture, by what they would do to the figures."""
    unit = facts.kept_together
    kinds = collections.defaultdict(list)
    for pair in facts.near:
        first, second = pair
        if facts.differ(pair, "split"):
            kinds["across splits"].append(pair)
        elif facts.missing and facts.drawn_from[first] and unit[first] != unit[second]:
            kinds["to be drawn"].append(pair)
        else:
            kinds["on one side"].append(pair)
    for kind, (level, advice) in NEAR.items():
        if pairs := kinds[kind]:
            told = f"{counted(len(pairs), 'pair')} of near duplicates {TOLD[kind]}, {_first(facts, pairs)}."
            yield Finding(f"near duplicates {TOLD[kind]}", level, told, advice, tuple(pairs))
    if unlike := [pair for pair in facts.near if facts.differ(pair, "label")]:
        told = f"{counted(len(unlike), 'pair')} of near duplicates in two classes, {_first(facts, unlike)}."
        yield Finding("one picture in two classes", LOOK, told, "Look whether both can be right.", tuple(unlike))


NEAR = {
    "across splits": (
        MEND,
        "The test would reward what was learned by heart. Look at the pairs; a table of --table keeps one side.",
    ),
    "to be drawn": (
        MEND,
        "Training would draw them apart. Look at the pairs; the groups in a table of --table keep them together.",
    ),
    "on one side": (LOOK, "They only cost time, and count twice in a test."),
}
TOLD = {
    "across splits": "across splits",
    "to be drawn": "that no group keeps together",
    "on one side": "on one side of the splits",
}


def groups_across_splits(facts):
    """Groups, such as patients, with images in two splits that the data have."""
    members = collections.defaultdict(list)
    for one, group in enumerate(facts.groups or ()):
        members[group].append(one)
    across = {group: each for group, each in members.items() if facts.differ(each, "split")}
    if not across:
        return
    group, each = next(iter(across.items()))
    other = next(one for one in each if facts.differ((one, each[0]), "split"))
    told = f"{counted(len(across), 'group lies', 'groups lie')} in two splits, the first {shown(group)}, as "
    told += f"{facts.where(each[0])} and {facts.where(other)}."
    advice = "Training refuses this. Move each group to one split, or let training draw the splits."
    yield Finding("groups across splits", MEND, told, advice, tuple(tuple(each) for each in across.values()))


def masks(facts):
    """What is wrong or odd with the masks."""
    found = facts.masks
    if found is None:
        return
    if found.wrong:
        yield Finding("masks", MEND, found.wrong, "Training refuses these masks.")
    if found.without:
        names = listed(map(shown, found.without))
        told = f"{counted(len(found.without), 'image has', 'images have')} no mask: {names}."
        yield Finding("images without a mask", LOOK, told, "They neither teach nor measure where to look.")
    if found.empty:
        told = f"{counted(found.empty, 'mask is', 'masks are')} empty."
        yield Finding("empty masks", LOOK, told, "An empty mask counts as none.")


def small_classes(facts):
    """Classes with too few images for the splits, or too few test images for their figures to mean much."""
    names, units_ = facts.layout.class_names, facts.kept_together
    needed = 1 + (len(facts.missing) if facts.drawn_from.any() else 0)
    of_class = [np.unique(units_[facts.drawn_from & (facts.labels == label)]).size for label in range(len(names))]
    short = {name: count for name, count in zip(names, of_class, strict=True) if count < needed}
    if short:
        units_needed = counted(needed, "image or group", "images or groups")
        told = f"Too small for the splits: {_named(short)}, where at least {units_needed} must be."
        yield Finding("classes too small", MEND, told, "Add images, or join or leave out these classes.")
    expected = _test_images(facts)
    few = {name: count for name, count in expected.items() if count < FEW_TEST_IMAGES and name not in short}
    if few:
        least = max(1, min(few.values()))
        told = f"Few test images: {_named(few)}. One moves the recall of its class by up to {number(1 / least, 2)}."
        advice = "Expect wide intervals. `compare --resplit N` and `--folds K` test on other images in turn."
        yield Finding("few test images", LOOK, told, advice)


def _test_images(facts):
    """Class → its number of test images, or what training would draw."""
    counts = facts.counts()
    of_class = counts.get("test") or [round(SHARE_OF_TEST * count) for count in next(iter(counts.values()))]
    return dict(zip(facts.layout.class_names, of_class, strict=True))


def unequal_classes(facts):
    """Classes of which some have many more images than others."""
    names, counts = facts.layout.class_names, np.bincount(facts.labels[facts.drawn_from])
    if len(counts) < len(names) or not counts.min() or counts.max() < UNEQUAL * counts.min():
        return
    most, least = shown(names[counts.argmax()]), shown(names[counts.argmin()])
    weights = counts.sum() / (len(counts) * counts)
    high, low = number(weights.max(), 2), number(weights.min(), 2)
    told = f"{most} has {counts.max() / counts.min():.1f} times as many images as {least}."
    advice = (
        f"With --class-weights balanced an image of {least} counts {high} times, one of {most} {low} times; with "
        f"--sampling balanced they are shown as often in an epoch. Judge by macro F1 or ROC-AUC, not by accuracy."
    )
    yield Finding("unequal classes", LOOK, told, advice)


def shortcuts(facts):
    """Classes that are told without looking at what is shown, the best told of each kind of fact first."""
    kinds = collections.defaultdict(list)
    for each in facts.shortcuts:
        if each.is_suspicious:
            kinds[each.fact].append(each)
    for fact, found in kinds.items():
        named = [f"{shown(facts.layout.class_names[each.label])} ({_roc_auc(each)})" for each in found]
        told = f"The {fact} of an image alone tells its class: {listed(named)}."
        advice = f"A network may learn this instead of what is shown, and the test would not notice. {found[0].help}"
        inside = facts.labels == found[0].label
        pairs = zip(np.flatnonzero(inside).tolist(), np.flatnonzero(~inside).tolist(), strict=False)
        yield Finding(f"shortcut by the {fact}", LOOK, told, advice, tuple(pairs))


def _roc_auc(shortcut):
    return f"ROC-AUC {number(shortcut.roc_auc, 2)} [{number(shortcut.low, 2)}, {number(shortcut.high, 2)}]"


def shapes(facts):
    """Images of unlike aspects, and grey images among coloured ones."""
    aspects = np.array([picture.size[0] / picture.size[1] for picture in facts.pictures])
    low, high = np.quantile(aspects, (0.05, 0.95))
    if high >= UNLIKE * low:
        told = f"Nine of ten images are {number(low, 2)} to {number(high, 2)} times as wide as high."
        advice = "As squares they are stretched unlike each other; --resize pad and --resize crop keep their shapes."
        yield Finding("shapes", LOOK, told, advice)
    grey = np.array([picture.is_grey for picture in facts.pictures])
    if 0 < grey.sum() < len(grey):
        told = f"{grey.sum():,} of {counted(len(grey), 'image')} are grey, the others in colour."
        yield Finding("grey images", LOOK, told, "If they are of one class, a network may learn that.")


FINDERS = (
    damaged_files,
    equal_images,
    near_duplicates,
    groups_across_splits,
    masks,
    small_classes,
    shortcuts,
    unequal_classes,
    shapes,
)


def _first(facts, found):
    names = " and ".join(map(facts.where, found[0][:2]))
    return names if len(found) == 1 else f"the first {names}"


def _named(counts):
    return listed([f"{shown(name)} ({count:,})" for name, count in counts.items()])

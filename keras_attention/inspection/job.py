"""Looks at images before training: reads all, finds what is wrong, and writes a page."""

import dataclasses
import os
import pathlib
import shlex
import time

from keras_attention.arguments import invalid
from keras_attention.data import layout_of
from keras_attention.data.listing import told
from keras_attention.data.mask_files import BESIDE
from keras_attention.data.masks import require_masks
from keras_attention.data.sameness import groups_of
from keras_attention.inspection.facts import Facts
from keras_attention.inspection.findings import MEND, find_all
from keras_attention.inspection.grouped_table import require_table_path, write_grouped_table
from keras_attention.inspection.mask_facts import read_mask_facts
from keras_attention.inspection.near_duplicates import DISTANCE, find_near_duplicates
from keras_attention.inspection.pictures import read_pictures
from keras_attention.inspection.shortcuts import find_shortcuts
from keras_attention.patterns import parse_group
from keras_attention.report.inspection import require_page_path, write_inspection_page
from keras_attention.sources import no_folder
from keras_attention.text import columns as in_columns
from keras_attention.text import counted, shown, teller, time_left

STEP = 500  # images between two lines of progress


@dataclasses.dataclass(frozen=True)
class Inspection:
    """What a look at the data found.

    Args:
        findings: the `Finding`s, those that must be mended first.
        counts: split → class → number of images.
        notes: sentences on how the data were read.
        command: the command that trains with these data.
        path: the path of the page.
        left_out: the names of the images that the table leaves out.

    Example:

    >>> from keras_attention.inspection import Finding, Inspection
    >>> finding = Finding("empty masks", "look", "3 masks are empty.", "An empty mask counts as none.")
    >>> counts, command = {"train": {"cat": 90, "dog": 110}}, "keras-attention train --data photos"
    >>> inspection = Inspection((finding,), counts, (), command, "check.html")
    >>> inspection.answer, inspection.to_mend
    ('Nothing must be mended; 1 thing to look at.', [])
    """

    findings: tuple
    counts: dict
    notes: tuple
    command: str
    path: pathlib.Path
    left_out: tuple = ()

    @property
    def to_mend(self):
        """The findings that must be mended."""
        return [finding for finding in self.findings if finding.level == MEND]

    @property
    def answer(self):
        """The findings in a sentence."""
        mend, look = len(self.to_mend), len(self.findings) - len(self.to_mend)
        if not mend:
            return "Nothing must be mended" + (f"; {counted(look, 'thing')} to look at." if look else ".")
        return f"{counted(mend, 'thing')} must be mended" + (f", and {look} more to look at." if look else ".")

    def text(self):
        """What was found, as lines of text."""
        lines = [in_columns(self._table(), right=True), "", self.answer]
        for finding in self.findings:
            lines += ["", f"{finding.level:5} {finding.kind}: {finding.told}", f"      {finding.advice}"]
        return "\n".join([*lines, "", f"page  {self.path}", f"train {self.command}"])

    def _table(self):
        splits = [split for split, classes in self.counts.items() if sum(classes.values())]
        yield "class", *splits
        for name in self.counts[splits[0]]:
            yield shown(name), *(f"{self.counts[split][name]:,}" for split in splits)
        yield "all", *(f"{sum(self.counts[split].values()):,}" for split in splits)


def check(
    data,
    out="check.html",
    masks=None,
    mask_values=None,
    group=None,
    images=None,
    columns=None,
    zeros=None,
    table=None,
    verbose=1,
):
    """Looks at images before training, and writes a page of what must be mended and what to look at.

    It finds files that are damaged; images that are equal, and near duplicates: scaled, compressed, moved, mirrored,
    turned, brighter, or with a border; one image in two classes or splits; groups across splits; classes that are too
    small or unequal; masks that cannot be used; and shortcuts: classes that are told by the size, the mean colour or
    the border of an image alone.

    Args:
        data: a folder or a table of images, as of `keras_attention.data.load`.
        out: the page to write, which replaces an earlier one; it opens without a network.
        masks, mask_values, group, images, columns, zeros: as of `keras_attention.data.load`.
        table: a `.csv` file to write with the images and with groups that keep near duplicates together, for `data`
            of a training with `group="group"`. Of near duplicates across splits it keeps those in test, or else in
            validation. `None` for no table.
        verbose: whether to print progress.

    Returns:
        An `Inspection`: `findings`, each with its `level`, `"mend"` or `"look"`; `to_mend`; `answer`; `text()`.

    Raises:
        ValueError: data that are not a folder or a table, or whose layout cannot be read; fewer than two images
            that can be read; or a path that cannot be written.

    Example:

    >>> import pathlib, tempfile
    >>> import keras, numpy as np
    >>> from keras_attention import check
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> rng = np.random.default_rng(0)
    >>> for name, level in (("day", 200), ("night", 30)):
    ...     (folder / "photos" / name).mkdir(parents=True)
    ...     for number in range(20):
    ...         image = rng.normal(level, 20, (32, 32, 3)).clip(0, 255)
    ...         keras.utils.save_img(folder / "photos" / name / f"{number}.png", image, scale=False)
    >>> found = check(folder / "photos", folder / "check.html", verbose=0)
    >>> [(finding.level, finding.kind) for finding in found.findings][0]
    ('look', 'few test images')
    """
    out = pathlib.Path(out)
    require_page_path(out)
    if table is not None:
        require_table_path(table)
    given = {"masks": masks, "group": group, "images": images, "columns": columns, "zeros": zeros}
    layout = layout_of(data, **given, crossing=True)
    _require_what_is_told(layout, masks, mask_values, group)
    tell, begun = teller(verbose), time.monotonic()
    facts, notes = read_facts(layout, masks, mask_values, group, tell)
    left_out = [] if table is None else write_grouped_table(table, facts, masks)
    tell(f"looked at {counted(len(facts.pictures), 'image')} in {time.monotonic() - begun:.0f} s\n")
    found = tuple(find_all(facts))
    source = {"data": table, "group": "group"} if table else {"data": data, **given, "mask_values": mask_values}
    inspection = Inspection(
        findings=found,
        counts={split: dict(zip(layout.class_names, each, strict=True)) for split, each in facts.counts().items()},
        notes=notes,
        command=_command(source, {finding.kind for finding in found}),
        path=out,
        left_out=tuple(left_out),
    )
    write_inspection_page(inspection, facts)
    return inspection


def _require_what_is_told(layout, masks, mask_values, group):
    """Raises `ValueError` for what can be known to be wrong before an image is read."""
    require_masks(mask_values, masks is not None or layout.own_masks is not None, "`masks` too")
    if masks is not None and str(masks) != BESIDE and not os.path.isdir(masks):
        raise no_folder(masks, "masks", "The folder of masks does not exist.")
    _groups(layout, [path for pairs in layout.files.values() for path, _ in pairs], group)


def read_facts(layout, masks=None, mask_values=None, group=None, tell=lambda *_: None):
    """The `Facts` of a `Layout`, and sentences on how the data were read.

    Args:
        layout: the `Layout`.
        masks, mask_values, group: as of `check`.
        tell: a function that prints a line.
    """
    total, begun = sum(map(len, layout.files.values())), time.monotonic()

    def count(number):
        if number % STEP == 0 and number < total:
            left = (time.monotonic() - begun) / number * (total - number)
            tell(f"read {number:,} of {total:,} images{time_left(left)}")

    pictures, damaged = read_pictures(layout, count)
    if len(pictures) < 2:
        raise invalid("The images cannot be read.", "at least two images that can", f"{counted(total, 'file')}")
    tell(f"compare {counted(len(pictures), 'image')}")
    duplicates, distance = find_near_duplicates([picture.greys for picture in pictures])
    groups = _groups(layout, [layout.root / picture.name for picture in pictures], group)
    facts = Facts(layout, pictures, damaged, duplicates, (), read_mask_facts(layout, masks, mask_values), groups)
    facts.shortcuts = find_shortcuts(pictures, len(layout.class_names), facts.belongs_together)
    return facts, (*layout.notes, *filter(None, [told(layout.passed)]), *_of_distance(distance))


def _of_distance(distance):
    if distance < DISTANCE:
        yield (
            f"the images are so alike that near duplicates were looked for up to a distance of {distance} bits of "
            f"their hashes, not {DISTANCE}"
        )


def _groups(layout, paths, group):
    """The group of each image; `None` without groups."""
    if group is not None and group != layout.grouped_by:
        return groups_of([path.relative_to(layout.root).as_posix() for path in paths], parse_group(group))
    return None if layout.groups is None else [layout.groups[path] for path in paths]


def _command(source, kinds):
    """The command that trains with these data, with the options that suit what was found."""
    words = ["keras-attention", "train"]
    for name, value in source.items():
        if isinstance(value, dict):
            value = ",".join(f"{role}={column}" for role, column in value.items() if isinstance(column, str))
        if value:
            words += [f"--{name.replace('_', '-')}", str(value)]
    words += ["--resize", "pad"] if "shapes" in kinds else []
    words += ["--class-weights", "balanced"] if "unequal classes" in kinds else []
    return shlex.join(words)

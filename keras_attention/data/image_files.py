"""Images in files → `ImageDataset`: those of a `Layout`, which a folder or a table gives; masks beside or in a tree."""

import collections
import dataclasses
import os
import warnings

import numpy as np
import tensorflow as tf

from keras_attention.arguments import invalid
from keras_attention.data.dataset import ImageDataset
from keras_attention.data.images import decode_pixels, resize_image
from keras_attention.data.layout import Layout
from keras_attention.data.listing import MASKS, told
from keras_attention.data.mask_files import BESIDE, masks_of
from keras_attention.data.masks import BETWEEN_NAMES, MaskReader, mask_values, require_masks
from keras_attention.data.partition import all_splits, complete_splits, one_split
from keras_attention.data.reasons import Reason, reason_of
from keras_attention.data.remembered import RememberedSplit
from keras_attention.data.sameness import Sameness, groups_of
from keras_attention.data.split import Split
from keras_attention.patterns import parse_fold, parse_group
from keras_attention.text import counted, shown

MOST_THAT_MAY_BE_SKIPPED = 0.05
MOST_WARNINGS = 3  # of single files
DEFAULT_IMAGE_SIZE = 224
LICENCES = ("license", "licence", "copying")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageFiles:
    """Images in files, and how they are read.

    Args:
        layout: the `Layout`: the files, their classes, and the splits.
        image_size: S, the side in pixels to which images are scaled; 224 if `None`.
        masks: the root of a tree of masks, where the mask of an image has the same relative path and stem, or
            `"beside"` for masks that lie beside their images, such as `a_mask.png` or `masks/a.png`. An image without
            a mask gets an empty one, which counts as no mask, and a note gives the number of such images.
        split_seed: seed of the draw of the splits that the layout lacks.
        mask_values: the values inside a mask, such as `"1,3"` or `"128-255"`; if `None`, all but 0, which must be one.
        only: the name of the only split to read; a layout without splits is that split, whole.
        allow_duplicates: whether equal images may lie in two classes, or in two splits that are given.
        group: `"re:PATTERN"`, a regular expression on the path below the folder: images for which it matches the same
            text stay on one side of every split. `None` for the groups of the layout, if it has any.
        remembered: the `RememberedSplit` of a run, whose images are read and no others; `None` to read all.
        resize: how images, and their masks alike, become squares: `"stretch"`, `"crop"` or `"pad"`.
        fold: `"K/N"`, the part of the images that is the test split; `None` for a draw of 15 %.
    """

    layout: Layout
    image_size: int | None = None
    masks: str | None = None
    split_seed: int = 0
    mask_values: str | None = None
    only: str | None = None
    allow_duplicates: bool = False
    group: str | None = None
    remembered: RememberedSplit | None = None
    resize: str = "stretch"
    fold: str | None = None

    def load(self):
        """Checks that each file decodes, and keeps the decoded images if they fit in memory.

        Raises:
            ValueError: no training images, too many files that do not decode, no image with a mask, a mask of another
                shape than its image, masks with several values, or equal images on two sides.
        """
        has_masks = self.masks is not None or self.layout.own_masks is not None
        if self.remembered is None:  # runs of earlier versions may have values without masks
            require_masks(self.mask_values, has_masks, "`masks` too")
        layout, masks = self.layout, MaskReader(self.mask_values)
        layout = layout if self.remembered is None else self.remembered.applied(layout)
        mask_of, without = masks_of(layout, self.masks)
        if "train" not in layout.files and self.only not in layout.files:
            raise invalid(f"{layout.home} has no train split.", "training images", f"splits {', '.join(layout.files)}")
        read = self._read(layout, mask_of, masks)
        same = Sameness(read, layout.root, self._groups(layout, read))
        told = same.check(self.allow_duplicates) if self.remembered is None else self.remembered.compared(read)
        splits, files, notes, drawn = self._splits(read, same, layout)
        about_masks = _notes_on_masks(layout.home, without, len(mask_of), masks)
        return ImageDataset(
            name=layout.name,
            class_names=tuple(layout.class_names),
            image_size=self.image_size or DEFAULT_IMAGE_SIZE,
            has_masks=has_masks,
            skipped=tuple(sorted(str(path.relative_to(layout.home)) for each in read.values() for path in each.bad)),
            notes=(*layout.notes, *notes, *told, *about_masks, *_passed(layout, self.masks)),
            licence=_licence(layout.home),
            files=files,
            resize=self.resize,
            drawn=drawn,
            groups=_grouped(files, read, same.groups),
            **splits,
        )

    def _read(self, layout, mask_of, masks):
        """Split → `ReadSplit`."""
        files = {self.only: layout.files[self.only]} if self.only in layout.files else layout.files
        size = self.image_size or DEFAULT_IMAGE_SIZE, self.resize
        read = {split: ReadSplit.of(pairs, layout.root, mask_of, size, masks) for split, pairs in files.items()}
        _report_skipped([path for each in read.values() for path in each.bad], mask_of, sum(map(len, files.values())))
        for split, each in read.items():
            if not each.names:
                raise invalid(
                    f"The {split} split of {layout.home} is empty.", "images in every split", f"split={split!r}"
                )
        return read

    def _groups(self, layout, read):
        """Split → the group of each image; `None` without groups."""
        if self.group is not None:
            pattern = parse_group(self.group)
            return {split: groups_of(each.names, pattern) for split, each in read.items()}
        if layout.groups is None:
            return None
        return {split: [layout.groups[layout.root / name] for name in each.names] for split, each in read.items()}

    def _splits(self, read, same, layout):
        """The three splits, split → path → digest, and of the splits that the folder lacks notes and names."""
        splits = {split: each.split for split, each in read.items()}
        files = {split: dict(zip(each.names, each.digests, strict=True)) for split, each in read.items()}
        if self.only is not None:
            whole = not layout.has_splits
            return one_split(splits, self.only, whole), {self.only: files["train" if whole else self.only]}, (), ()
        if self.remembered is not None:
            return all_splits(splits), files, (), ()
        labels = {split: each.labels for split, each in read.items()}
        splits, notes, numbers = complete_splits(
            splits,
            labels,
            layout.class_names,
            self.split_seed,
            same.units("train"),
            self.group or layout.grouped_by,
            None if self.fold is None else parse_fold(self.fold),
        )
        pairs = list(files["train"].items())
        files |= {name: dict(pairs[each] for each in chosen) for name, chosen in numbers.items()}
        return splits, files, notes, tuple(name for name in numbers if name != "train")


def _grouped(files, read, groups):
    """Split → the group of each of its images; `None` without groups."""
    if groups is None:
        return None
    known = {name: group for split, each in read.items() for name, group in zip(each.names, groups[split], strict=True)}
    return {split: [known[name] for name in names] for split, names in files.items()}


@dataclasses.dataclass(frozen=True)
class ReadSplit:
    """The images of a split of a folder that decode.

    Args:
        split: the `Split`.
        names: their paths below the folder.
        labels: their classes, `(n,)`.
        digests: the digests of their pixels.
        bad: the paths of the files that do not decode.
    """

    split: Split
    names: list
    labels: np.ndarray
    digests: list
    bad: list

    @classmethod
    def of(cls, pairs, root, mask_of, size, masks):
        """Reads the files of a split, pairs of a path and a class; `size` is the side of the squares, and `resize`."""
        numbers, labels, in_memory, digests = _reader(pairs, mask_of, size, masks).decode_all(size[0])
        kept = [pairs[number] for number in numbers]
        bad = [pairs[number][0] for number in sorted(set(range(len(pairs))) - set(numbers.tolist()))]
        names = [path.relative_to(root).as_posix() for path, _ in kept]
        return cls(in_memory or _reader(kept, mask_of, size, masks), names, labels, digests, bad)


def _notes_on_masks(root, without, count, reader):
    if not without:
        return reader.check()
    of = counted(count + len(without), "image")
    verb, first = "has" if len(without) == 1 else "have", without[0].relative_to(root)
    return (f"{len(without):,} of {of} {verb} no mask, the first {first}", *reader.check())


def _passed(layout, masks):
    passed = layout.passed.copy()
    used = masks is not None and str(masks) == BESIDE
    if used:
        passed.pop(MASKS, None)
    text = told(passed)
    offered = " (--masks beside, or masks='beside' in Python, teaches and measures with these)" if passed[MASKS] else ""
    return (text + offered,) if text else ()


def _licence(root):
    """The name of the file in the folder that holds the licence of the images, if there is one."""
    found = sorted(path.name for path in root.iterdir() if path.is_file() and path.stem.lower() in LICENCES)
    return f"see {found[0]}" if found else None


def _reader(pairs, mask_of, size, reader):
    """A split that reads its files whenever its examples are taken."""
    paths = tf.constant([_name(path) for path, _ in pairs])
    labels = tf.constant([label for _, label in pairs], tf.int64)
    masks = tf.constant([BETWEEN_NAMES.join(map(_name, mask_of.get(path, ()))) for path, _ in pairs])

    def decode(number):
        pixels = decode_pixels(tf.io.read_file(paths[number]))
        example = {"image": resize_image(pixels, *size), "label": labels[number]}
        if mask_of:
            example["mask"] = _mask(masks[number], pixels, size, reader)
        return example

    return Split(tf.data.Dataset.range(len(pairs)), decode, lambda number: tf.gather(labels, number), len(pairs))


def _name(path):
    """A path as bytes: a name that is not UTF-8 is kept as it is."""
    return os.fsencode(path)


def _mask(path, pixels, size, reader):
    """The mask of an image in its files, or an empty mask if there are none."""
    empty, shape = tf.zeros((size[0], size[0], 1), tf.uint8), tf.shape(pixels)[:2]
    return tf.cond(path == b"", lambda: empty, lambda: reader.decode_files(path, *size, shape))


def _report_skipped(skipped, mask_of, count):
    """Warns of files that cannot be read, with the reason of each; raises `ValueError` if they are too many."""
    if not skipped:
        return
    found = [_why(path, mask_of.get(path, ())) for path in skipped]
    for name, why in found[:MOST_WARNINGS]:
        warnings.warn(f"{name} {why.what}; it is skipped.", stacklevel=5)
    if rest := collections.Counter(why.kind for _, why in found[MOST_WARNINGS:]):
        more = counted(rest.total(), "more file is", "more files are")
        told = "; ".join(f"{number:,} × {kind}" for kind, number in rest.most_common())
        warnings.warn(f"{more} skipped: {told}.", stacklevel=5)
    if len(skipped) > MOST_THAT_MAY_BE_SKIPPED * count:
        name, why = found[0]
        raise invalid(
            f"{len(skipped):,} of {counted(count, 'file')} cannot be read as images, the first {name}: it {why.what}.",
            f"at most {MOST_THAT_MAY_BE_SKIPPED:.0%} of them; each must be {why.expected}",
            f"{len(skipped) / count:.1%}",
        )


def _why(path, masks):
    """The name of the file that cannot be read, an image or one of its masks, and the `Reason`."""
    unknown = Reason("does not decode")
    if (why := reason_of(path)) is None and masks:
        found = ((mask, reason_of(mask, mask_values)) for mask in masks)
        mask, why = next((pair for pair in found if pair[1]), (masks[0], unknown))
        return f"{shown(path)} has a mask, {shown(mask)}, that", why
    return shown(path), why or unknown

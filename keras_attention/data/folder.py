"""A folder of images → `ImageDataset`: `<root>/<split>/<class>/*` or `<root>/<class>/*`, masks beside or in a tree."""

import os
import pathlib
import warnings

import tensorflow as tf
from PIL import Image

from keras_attention.arguments import invalid
from keras_attention.data.dataset import ImageDataset
from keras_attention.data.images import FORMATS, UNREADABLE, decode_image
from keras_attention.data.layout import read_layout
from keras_attention.data.listing import MASKS, told
from keras_attention.data.masks import MaskReader
from keras_attention.data.partition import complete_splits, one_split
from keras_attention.data.split import Split

MOST_THAT_MAY_BE_SKIPPED = 0.05
DEFAULT_IMAGE_SIZE = 224
LICENCES = ("license", "licence", "copying")
BESIDE = "beside"
TURNED = (5, 6, 7, 8)  # EXIF orientations that exchange width and height
ORIENTATION = 0x0112


def load_folder(root, image_size=None, masks=None, split_seed=0, mask_values=None, only=None):
    """Lists the files, checks that each of them decodes, and keeps the decoded images if they fit in memory.

    Args:
        root: the folder.
        image_size: S, the side in pixels to which images are scaled; 224 if `None`.
        masks: the root of a tree of masks, where the mask of an image has the same relative path and stem, or
            `"beside"` for masks that lie beside their images, such as `a_mask.png` or `masks/a.png`. An image without
            a mask gets an empty one, which counts as no mask, and a note gives the number of such images.
        split_seed: seed of the draw of the splits that the folder lacks.
        only: as in `keras_attention.data.load`.
        mask_values: the values inside a mask, such as `"1,3"` or `"128-255"`; if `None`, all but 0, which must be one.

    Raises:
        ValueError: a folder that is not understood, too many files that do not decode, no image with a mask, a mask of
            another shape than its image, or masks with several values.
    """
    root, image_size = pathlib.Path(root), image_size or DEFAULT_IMAGE_SIZE
    layout, reader = read_layout(root), MaskReader(mask_values)
    mask_of, without = _masks(layout, root, masks)
    splits, labels, skipped = {}, {}, []
    for split, pairs in _wanted(layout.files, only).items():
        splits[split], labels[split], bad = _load_split(pairs, mask_of, image_size, reader)
        skipped += bad
    _report_skipped(skipped, mask_of, len(skipped) + sum(map(len, labels.values())))
    for split in splits:
        if not len(labels[split]):
            raise invalid(f"The {split} split of {root} is empty.", "images in every split", f"split={split!r}")
    splits, notes = _completed(splits, labels, layout.class_names, split_seed, only)
    return ImageDataset(
        name=root.resolve().name if root.resolve().name not in ("images", "data") else root.resolve().parent.name,
        class_names=tuple(layout.class_names),
        image_size=image_size,
        has_masks=masks is not None,
        skipped=tuple(sorted(str(path.relative_to(root)) for path in skipped)),
        notes=(*layout.notes, *notes, *_notes_on_masks(root, without, len(mask_of), reader), *_passed(layout, masks)),
        licence=_licence(root),
        **splits,
    )


def _wanted(files, only):
    """The files of the split that is wanted, if there are splits and only one is wanted."""
    return {only: files[only]} if only in files else files


def _completed(splits, labels, class_names, seed, only):
    """The three splits, and notes on how those were made that the source lacks."""
    return complete_splits(splits, labels, class_names, seed) if only is None else (one_split(splits, only), ())


def _masks(layout, root, masks):
    if masks is None:
        return {}, ()
    if str(masks) == BESIDE:
        return masks_beside(layout, root)
    return pair_with_masks(layout.files, root, pathlib.Path(masks))


def masks_beside(layout, root):
    """As `pair_with_masks`, for masks that lie beside their images."""
    paths = [path for pairs in layout.files.values() for path, _ in pairs]
    if not layout.mask_of:
        raise invalid(
            f"No mask lies beside an image in {root}.",
            "such as a_mask.png or masks/a.png beside a.png",
            "masks='beside'",
        )
    mask_of = {path: layout.mask_of[path] for path in paths if path in layout.mask_of}
    for path, mask in mask_of.items():
        _check_shape(path, mask, mask.relative_to(root))
    return mask_of, [path for path in paths if path not in mask_of]


def _notes_on_masks(root, without, count, reader):
    if not without:
        return reader.check()
    first = without[0].relative_to(root)
    return (f"{len(without):,} of {count + len(without):,} images have no mask, the first {first}", *reader.check())


def _passed(layout, masks):
    passed = layout.passed.copy()
    used = masks is not None and str(masks) == BESIDE
    if used:
        passed.pop(MASKS, None)
    text = told(passed)
    offered = '; `masks="beside"` teaches and measures with these masks' if passed[MASKS] else ""
    return (text + offered,) if text else ()


def _licence(root):
    """The name of the file in the folder that holds the licence of the images, if there is one."""
    found = sorted(path.name for path in root.iterdir() if path.is_file() and path.stem.lower() in LICENCES)
    return f"see {found[0]}" if found else None


def pair_with_masks(files, root, masks, some=True):
    """Image path → mask path, and the paths of the images without a mask.

    Args:
        files: split → [(path of an image, label)].
        root: the folder of the images.
        masks: the folder of the masks.
        some: whether at least one image must have a mask.

    Raises:
        ValueError: a mask of another shape than its image, or, with `some`, no image with a mask.
    """
    if not masks.is_dir():
        raise invalid("The folder of masks does not exist.", "an existing folder", f"masks={masks}")
    by_stem = {path.relative_to(masks).with_suffix(""): path for path in masks.rglob("*") if path.is_file()}
    mask_of, without = {}, []
    for path in (path for pairs in files.values() for path, _ in pairs):
        mask = by_stem.get(path.relative_to(root).with_suffix(""))
        if mask is None:
            without += [] if shape_of(path) is None else [path]
        elif _check_shape(path, mask, mask.relative_to(masks)):
            mask_of[path] = mask
    if some and not mask_of and without:
        raise invalid(
            "No image has a mask.",
            f"files with the same relative paths and stems in {masks}",
            f"{without[0].relative_to(root)}",
        )
    return mask_of, without


def _check_shape(path, mask, name):
    """Whether an image can be read; raises unless its mask has its size, or its aspect to within a pixel."""
    image, found = shape_of(path), shape_of(mask)
    if image is None:
        return False  # it needs no mask, and is reported as skipped later
    if found is None or abs(image[0] * found[1] - image[1] * found[0]) > max(image):
        raise invalid(
            f"The mask {name} must have the size or the aspect of its image.",
            f"width and height {image}",
            f"{found or 'a file that is not an image'}",
        )
    return True


def shape_of(path):
    """(width, height) of an upright image, as the header of its file gives them; `None` for other files."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            return image.size[::-1] if image.getexif().get(ORIENTATION) in TURNED else image.size
    except UNREADABLE:
        return None


def _load_split(pairs, mask_of, image_size, masks):
    """The split of the files that decode, its labels, and the paths of the files that do not decode."""
    numbers, labels, in_memory = _reader(pairs, mask_of, image_size, masks).decode_all(image_size)
    kept = [pairs[number] for number in numbers]
    bad = [pairs[number][0] for number in sorted(set(range(len(pairs))) - set(numbers.tolist()))]
    return in_memory or _reader(kept, mask_of, image_size, masks), labels, bad


def _reader(pairs, mask_of, image_size, reader):
    """A split that reads its files whenever its examples are taken."""
    paths = tf.constant([_name(path) for path, _ in pairs])
    labels = tf.constant([label for _, label in pairs], tf.int64)
    masks = tf.constant([_name(mask_of[path]) if path in mask_of else b"" for path, _ in pairs])

    def decode(number):
        example = {"image": decode_image(tf.io.read_file(paths[number]), image_size), "label": labels[number]}
        if mask_of:
            example["mask"] = _mask(masks[number], image_size, reader)
        return example

    return Split(tf.data.Dataset.range(len(pairs)), decode, lambda number: tf.gather(labels, number), len(pairs))


def _name(path):
    """A path as bytes: a name that is not UTF-8 is kept as it is."""
    return os.fsencode(path)


def _mask(path, image_size, reader):
    """The mask in a file, or an empty mask if the path is empty."""
    empty = tf.zeros((image_size, image_size, 1), tf.uint8)
    return tf.cond(path == b"", lambda: empty, lambda: reader.decode(tf.io.read_file(path), image_size))


def _report_skipped(skipped, mask_of, count):
    for path in skipped:
        mask = f" or its mask {mask_of[path]}" if path in mask_of else ""
        warnings.warn(f"{path}{mask} does not decode as an image and is skipped.", stacklevel=4)
    if len(skipped) > MOST_THAT_MAY_BE_SKIPPED * count:
        raise invalid(
            f"{len(skipped)} of {count} files do not decode as images, the first {skipped[0]}.",
            f"at most {MOST_THAT_MAY_BE_SKIPPED:.0%} of them",
            f"{len(skipped) / count:.1%}",
        )

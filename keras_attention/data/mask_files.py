"""Which mask file belongs to which image."""

import os
import pathlib
import unicodedata

from PIL import Image

from keras_attention.arguments import invalid
from keras_attention.data.images import FORMATS, UNREADABLE
from keras_attention.data.listing import is_of_system
from keras_attention.data.masks import mask_values
from keras_attention.data.names import image_of
from keras_attention.data.reasons import Reason, no_access, reason_of
from keras_attention.sources import no_folder
from keras_attention.text import shown

BESIDE = "beside"
TURNED = (5, 6, 7, 8)  # EXIF orientations that exchange width and height
ORIENTATION = 0x0112


def masks_of(layout, masks):
    """Image path → paths of its masks, and the paths of the images without a mask.

    Args:
        layout: the `Layout`.
        masks: the folder of the masks, `"beside"`, or `None` for those that the layout names itself, if it does.

    Raises:
        ValueError: as `pair_with_masks`.
    """
    if masks is None:
        return ({}, ()) if layout.own_masks is None else _masks_among(layout, layout.own_masks)
    if str(masks) != BESIDE:
        return pair_with_masks(layout.files, (layout.root, layout.home), pathlib.Path(masks))
    if not layout.mask_of:
        raise invalid(
            f"No mask lies beside an image in {layout.home}.",
            "such as a_mask.png or masks/a.png beside a.png",
            "masks='beside'",
        )
    return _masks_among(layout, layout.mask_of)


def _masks_among(layout, known):
    """As `pair_with_masks`, for masks whose paths are known."""
    paths = [path for pairs in layout.files.values() for path, _ in pairs]
    mask_of = {path: known[path] for path in paths if path in known}
    for path, masks in mask_of.items():
        for mask in masks:
            _check_shape(path, mask, mask.relative_to(layout.home) if mask.is_relative_to(layout.home) else mask)
    return mask_of, [path for path in paths if path not in mask_of]


def pair_with_masks(files, roots, masks, some=True):
    """Image path → paths of its masks, and the paths of the images without a mask.

    The mask of `a/1.jpg` is `a/1.png`, or what a mask beside an image may be called, such as `a/1_segmentation.png`;
    of several of these, as `a/1_mask.png` and `a/1_mask_1.png`, all.

    Args:
        files: split → [(path of an image, label)].
        roots: the folder of the images, or several, of which the first fits that has a mask of the same path.
        masks: the folder of the masks.
        some: whether at least one image must have a mask.

    Raises:
        ValueError: a folder that cannot be opened, or is that of the images; a mask that cannot be read, is its own
            image, or has another shape; or, with `some`, no image with a mask.
    """
    by_place, mask_of, without = _masks_by_place(masks, roots), {}, []
    for path in (path for pairs in files.values() for path, _ in pairs):
        places = [_place(path, root) for root in roots]
        found = next((by_place[place] for place in places if place in by_place), ())
        if not found:
            without += [] if shape_of(path) is None else [path]
        elif all(_check_shape(path, mask, mask.relative_to(masks)) for mask in found):
            mask_of[path] = found
    if some and not mask_of and without:
        there = next((paths[0].relative_to(masks) for paths in by_place.values()), "no files")
        raise invalid(
            "No image has a mask.",
            f"files with the same relative paths and stems in {masks}, such as of {without[0].relative_to(roots[0])}",
            f"{there} in {masks}",
        )
    return mask_of, without


def _masks_by_place(folder, roots):
    """The place of an image below its folder, without suffix → the paths of its masks."""
    exact, others = {}, {}
    for path in sorted(_files_of(folder, roots)):
        place = _place(path, folder)
        exact[place] = (path,)
        made = image_of(place.name)
        if made and made[1]:
            others[place.with_name(made[0])] = (*others.get(place.with_name(made[0]), ()), path)
    return others | exact


def _place(path, root):
    """A path below a folder without its suffix, in one Unicode form."""
    return pathlib.PurePath(unicodedata.normalize("NFC", str(path.relative_to(root).with_suffix(""))))


def _files_of(masks, roots):
    """The files in a folder of masks."""
    received = f"masks={str(masks)!r}"
    if not os.path.isdir(masks):
        raise no_folder(masks, "masks", "The folder of masks does not exist.")
    if any(os.path.samefile(masks, root) for root in roots):
        raise invalid(
            "`masks` is the folder of the images themselves.", "the folder of their masks, or `masks=beside`", received
        )

    def refuse(error):
        why = no_access(error)
        raise invalid(f"{shown(error.filename)} {why.what}.", why.expected, received) from error

    found = [
        pathlib.Path(folder, name) for folder, _, names in os.walk(masks, onerror=refuse) for name in sorted(names)
    ]
    return [path for path in found if path.is_file() and not is_of_system(path.name)]


def _check_shape(path, mask, name):
    """Whether an image can be read; raises unless its mask has its size, or its aspect to within a pixel."""
    image, found = shape_of(path), shape_of(mask)
    if image is None:
        return False  # it needs no mask, and is reported as skipped later
    if os.path.samefile(path, mask):
        raise invalid(f"The mask {shown(name)} is the image itself.", "a mask of its own for each image", shown(mask))
    if found is None:
        why = reason_of(mask, mask_values) or Reason("does not decode")
        raise invalid(f"The mask {shown(name)} {why.what}.", why.expected, shown(mask))
    if abs(image[0] * found[1] - image[1] * found[0]) > max(image):
        raise invalid(
            f"The mask {name} must have the size or the aspect of its image.",
            f"width and height {image}",
            f"{found}",
        )
    return True


def shape_of(path):
    """(width, height) of an upright image, as the header of its file gives them; `None` for other files."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            # Of a TIFF file Pillow gives the upright size. To look for EXIF data behind the pixels of a PNG file, it
            # would decode them.
            told = image.format != "TIFF" and (image.format != "PNG" or "exif" in image.info)
            exif = image.getexif() if told else {}
            return image.size[::-1] if exif.get(ORIENTATION) in TURNED else image.size
    except UNREADABLE:
        return None

"""Arrays → `ImageDataset`: `(images, labels)`, `(images, labels, masks)` or a dictionary of splits."""

import numpy as np

from keras_attention.arguments import invalid, require_pixels, unknown
from keras_attention.data.dataset import ImageDataset
from keras_attention.data.images import resize_image
from keras_attention.data.masks import MaskReader, require_masks, resize_mask
from keras_attention.data.partition import complete_splits, one_split
from keras_attention.data.split import Split
from keras_attention.members import SPLITS


def load_arrays(arrays, image_size=None, class_names=None, split_seed=0, mask_values=None, only=None, resize="stretch"):
    """Makes a data set from images in memory.

    Args:
        arrays: `(images, labels)` or `(images, labels, masks)`, or a dictionary that maps splits ("train",
            "validation", "test") to such tuples. Images `(n, H, W, 3)`, `(n, H, W, 1)` or `(n, H, W)` from 0 to 255,
            labels `(n,)` integers from 0, masks `(n, H, W)` or `(n, H, W, 1)`.
        image_size: S, the side in pixels to which images are scaled; the larger side of the images if `None`.
        class_names: the name of each label; "0", "1", … if `None`.
        split_seed: seed of the draw of the splits that `arrays` lacks.
        mask_values, only, resize: as in `keras_attention.data.load`.

    Raises:
        ValueError: arrays whose shapes or types are wrong, or images from 0 to 1.
    """
    by_split = arrays if isinstance(arrays, dict) else {"train": arrays}
    for name in by_split:
        if name not in SPLITS:
            raise unknown("split", name, SPLITS)
    masks = MaskReader(mask_values)
    checked = {name: _check_split(name, parts, masks) for name, parts in by_split.items()}
    require_masks(mask_values, any("mask" in parts for parts in checked.values()), "(images, labels, masks)")
    if "train" not in checked and only not in checked:
        raise invalid("There is no train split.", "arrays for 'train'", f"splits {', '.join(checked)}")
    size = image_size or max(checked.get("train", next(iter(checked.values())))["image"].shape[1:3])
    labels = {name: parts["label"] for name, parts in checked.items()}
    highest = max(int(values.max()) for values in labels.values())
    class_names = tuple(class_names or (str(label) for label in range(highest + 1)))
    if highest >= len(class_names):
        raise invalid("There are more labels than class names.", f"labels below {len(class_names)}", f"label {highest}")
    if len(class_names) < 2:
        raise invalid("The arrays have only one class.", "at least two classes", f"classes {', '.join(class_names)}")
    splits = {name: Split.from_arrays(**_scaled(parts, size, resize)) for name, parts in checked.items()}
    if only is None:
        splits, notes, _ = complete_splits(splits, labels, class_names, split_seed)
    else:
        splits, notes = one_split(splits, only, whole=not isinstance(arrays, dict)), ()
    has_masks = all("mask" in parts for parts in checked.values())
    about = {"has_masks": has_masks, "notes": (*notes, *masks.check()), "resize": resize}
    return ImageDataset("arrays", class_names, size, **about, **splits)


def _check_split(name, parts, masks):
    """The arrays of a split by name: `image` with three channels, `label` and, if there are masks, `mask`."""
    if not isinstance(parts, (tuple, list)) or len(parts) not in (2, 3):
        raise invalid(
            f"The {name} data must be two or three arrays.", "(images, labels) or (images, labels, masks)", type(parts)
        )
    try:
        images, labels = np.asarray(parts[0]), np.asarray(parts[1])
    except ValueError as error:  # images of several sizes
        raise invalid(f"The {name} images must have one size.", "images (n, H, W, 3)", "several shapes") from error
    images = images[..., None] if images.ndim == 3 else images
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or labels.shape != images.shape[:1] or not len(labels):
        raise invalid(
            f"The {name} arrays have wrong shapes.",
            "images (n, H, W, 3) and integer labels (n,), n at least 1",
            f"images {images.shape}, labels {labels.shape}",
        )
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise invalid(
            "The labels must be class numbers.", "integers from 0", f"{labels.dtype}, such as {labels.flat[0]}"
        )
    require_pixels(images, f"The {name} images", are_many=True)
    arrays = {"image": np.repeat(images, 3, -1) if images.shape[-1] == 1 else images, "label": labels.astype("int64")}
    if len(parts) == 3:
        given = np.asarray(parts[2])
        given = given[..., None] if given.ndim == 3 else given
        if given.shape != (*images.shape[:3], 1):
            raise invalid(
                f"The {name} masks must fit the images.", f"shape {images.shape[:3]}", f"{np.shape(parts[2])}"
            )
        arrays["mask"] = np.stack([masks.inside(mask) for mask in given])
    return arrays


def _scaled(arrays, size, resize):
    scaled = {"label": arrays["label"]}
    for name, scale in (("image", resize_image), ("mask", resize_mask)):
        if name in arrays:
            scaled[name] = np.stack([scale(element, size, resize) for element in arrays[name]])
    return scaled

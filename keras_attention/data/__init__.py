"""Labelled images from any source, split into train, validation and test: `load`."""

import os

from keras_attention.arguments import invalid, require_choice, require_integer, unknown
from keras_attention.data import cluttered_digits
from keras_attention.data.arrays import load_arrays
from keras_attention.data.catalog import load_builder, load_tfds
from keras_attention.data.dataset import ImageDataset
from keras_attention.data.folder import Folder
from keras_attention.data.split import Split
from keras_attention.data.two_digits import digit_pairs
from keras_attention.members import SPLITS
from keras_attention.patterns import RESIZES
from keras_attention.sources import EMBEDDED, require_source

__all__ = ["ImageDataset", "Split", "digit_pairs", "load"]


def load(
    source="cluttered_digits",
    data_dir=None,
    masks=None,
    image_size=None,
    split_seed=0,
    mask_values=None,
    only=None,
    allow_duplicates=False,
    group=None,
    remembered=None,
    label=None,
    resize="stretch",
    fold=None,
    **options,
):
    """Loads labelled images.

    Args:
        source: `"cluttered_digits"`, the embedded data set; a folder, `<root>/<split>/<class>/*` or
            `<root>/<class>/*`; the name of a data set of TensorFlow Datasets (TFDS); or arrays, `(images, labels)`,
            `(images, labels, masks)` or a dictionary that maps each split to such a tuple.
        data_dir: the folder where TFDS keeps data sets; its default folder if `None`.
        masks: for a folder, the root of a parallel tree of masks, or `"beside"` for masks that lie beside their images.
        image_size: S, the side in pixels to which images are scaled; if `None`, the size of the data if it has a fixed
            size, else 224.
        split_seed: seed of the stratified split, used for the splits that the source lacks.
        mask_values: the values inside a mask, such as `"1,3"` or `"128-255"`; if `None`, all but 0, which must be one.
        only: the name of the only split to read from a folder or arrays, which are that split, whole, if they have no
            splits; the other splits are then empty.
        allow_duplicates: for a folder, whether equal images may lie in two classes, or in two splits of the folder.
        group: for a folder, `"re:PATTERN"`, a regular expression on the path below it: images for which it matches the
            same text (in its first parenthesis, if there is one) stay on one side of every split.
        label: for a TFDS data set with several labels, the name of the one to learn.
        remembered: for a folder, the `RememberedSplit` of a run, whose images are read and no others.
        resize: how an image, and its mask alike, becomes a square: `"stretch"` scales all of it, whatever its aspect;
            `"crop"` scales the shorter side to S and cuts out the middle; `"pad"` scales the longer side to S and
            fills the rest with black.
        fold: for a folder without a test split, `"K/N"`: the test split is the K-th of N parts, stratified and of whole
            groups, drawn with `split_seed`.
        **options: those of `cluttered_digits` (`clutter`, `count`, `test_count`, `seed`) or of arrays (`class_names`).

    Returns:
        An `ImageDataset`. Splits that the source lacks are taken from its training images; `notes` says so.

    Raises:
        ValueError: a source that does not exist, or whose content does not fit.

    Example:

    >>> import numpy as np
    >>> from keras_attention.data import load
    >>> data = load((np.random.randint(0, 256, (40, 32, 32, 3)), np.arange(40) % 2))
    >>> data.train.count, data.validation.count, data.test.count
    (28, 6, 6)
    """
    if image_size is not None:
        require_integer("image_size", image_size, at_least=1)
    if only is not None:
        require_choice("only", only, SPLITS)
    require_choice("resize", resize, RESIZES)
    require_integer("split_seed", split_seed, at_least=0, at_most=2**32 - 1)
    is_name = isinstance(source, (str, os.PathLike))
    is_folder = is_name and os.path.isdir(source)
    if is_name:
        require_source(source, masks, group)
    if masks is not None and not is_folder:
        received = source if is_name else "arrays"
        raise invalid("`masks` needs a folder of images.", "a folder as the source", received)
    if group is not None and not is_folder:
        raise invalid("`group` needs a folder of images.", "a folder as the source", source if is_name else "arrays")
    if fold is not None and not is_folder:
        raise invalid("`fold` needs a folder of images.", "a folder as the source", source if is_name else "arrays")
    if label is not None and (is_folder or not is_name or str(source) == EMBEDDED):
        raise invalid("`label` needs a data set of TensorFlow Datasets.", "the name of one", f"label={label!r}")
    if not is_name:
        for name in options:
            if name != "class_names":
                raise unknown("option", name, ("class_names",))
        given = {"split_seed": split_seed, "mask_values": mask_values, "only": only, "resize": resize}
        return load_arrays(source, image_size, **given, **options)
    if str(source) == EMBEDDED:
        size = {} if image_size is None else {"image_size": image_size}
        return load_builder(cluttered_digits.prepare(data_dir, **size, **options), None, mask_values, resize=resize)
    if options:
        raise invalid(f"{source} takes no options.", "no options", ", ".join(options))
    if is_folder:
        return Folder(
            root=source,
            image_size=image_size,
            masks=masks,
            split_seed=split_seed,
            mask_values=mask_values,
            only=only,
            allow_duplicates=allow_duplicates,
            group=group,
            remembered=remembered,
            resize=resize,
            fold=fold,
        ).load()
    return load_tfds(str(source), image_size, data_dir, mask_values, label, resize)

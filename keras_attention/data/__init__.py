"""Labelled images from any source, split into train, validation and test: `load`."""

import os

from keras_attention.arguments import invalid, require_choice, require_integer, unknown
from keras_attention.data import cluttered_digits
from keras_attention.data.arrays import load_arrays
from keras_attention.data.catalog import load_builder, load_tfds
from keras_attention.data.dataset import ImageDataset
from keras_attention.data.image_files import ImageFiles
from keras_attention.data.layout import read_layout
from keras_attention.data.mask_files import BESIDE
from keras_attention.data.split import Split
from keras_attention.data.tables import Manifest
from keras_attention.data.two_digits import digit_pairs
from keras_attention.members import SPLITS
from keras_attention.patterns import PATTERN, RESIZES
from keras_attention.sources import EMBEDDED, TABLES, is_table, require_source

__all__ = ["ImageDataset", "Split", "digit_pairs", "load"]

# Kinds of sources, beside the embedded one.
ARRAYS = "arrays"
FOLDER = "folder"
TABLE = "table"
TFDS = "tfds"


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
    images=None,
    columns=None,
    zeros=None,
    **options,
):
    """Loads labelled images.

    Args:
        source: `"cluttered_digits"`, the embedded data set; a folder, `<root>/<split>/<class>/*` or
            `<root>/<class>/*`; a table with a row for each image, `.csv`, `.tsv`, `.jsonl` or `.parquet`; the name of a
            data set of TensorFlow Datasets (TFDS); or arrays, `(images, labels)`, `(images, labels, masks)` or a
            dictionary that maps each split to such a tuple.
        data_dir: the folder where TFDS keeps data sets; its default folder if `None`.
        masks: for a folder or a table, the root of a parallel tree of masks, or `"beside"` for masks that lie beside
            their images.
        image_size: S, the side in pixels to which images are scaled; if `None`, the size of the data if it has a fixed
            size, else 224.
        split_seed: seed of the stratified split, used for the splits that the source lacks.
        mask_values: the values inside a mask, such as `"1,3"` or `"128-255"`; if `None`, all but 0, which must be one.
        only: the name of the only split to read from a folder, a table or arrays, which are that split, whole, if they
            have no splits; the other splits are then empty.
        allow_duplicates: for a folder or a table, whether equal images may lie in two classes, or in two given splits.
        group: what groups images, which then stay on one side of every split: for a table the name of a column; for a
            folder or a table `"re:PATTERN"`, a regular expression on the path below the folder, of which the first
            parenthesis counts, if there is one.
        label: for a TFDS data set with several labels, the name of the one to learn.
        remembered: for a folder or a table, the `RememberedSplit` of a run, whose images are read and no others.
        resize: how an image, and its mask alike, becomes a square: `"stretch"` scales all of it, whatever its aspect;
            `"crop"` scales the shorter side to S and cuts out the middle; `"pad"` scales the longer side to S and
            fills the rest with black.
        fold: for a folder or a table without a test split, `"K/N"`: the test split is the K-th of N parts, stratified
            and of whole groups, drawn with `split_seed`.
        images: for a table, the folder of its images; that of the table if `None`.
        columns: for a table, role → column, such as `{"image": "name", "label": "dx", "group": "patient"}`, with the
            roles `"image"`, `"label"`, `"group"`, `"split"` and `"mask"`; those that are left out are found by their
            usual names, and `"none"` leaves a role out. A table with a column of 0 and 1 for each class has several
            labels: `{"label": ["melanoma", "nevus"]}`.
        zeros: for such a table, the class of images with a 0 in all of these columns.
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
    kind = _kind_of(source)
    if kind != ARRAYS:
        require_source(source, masks, group)
    files = {"masks": masks, "group": group, "fold": fold}
    table = {"images": images, "columns": columns or None, "zeros": zeros}
    received = source if kind != ARRAYS else kind
    _refuse(files, kind, (FOLDER, TABLE), "a folder or a table of images", received)
    _refuse(table, kind, (TABLE,), "a table of images", received)
    _refuse({"label": label}, kind, (TFDS,), "a data set of TensorFlow Datasets", received)
    if kind == ARRAYS:
        for name in options:
            if name != "class_names":
                raise unknown("option", name, ("class_names",))
        given = {"split_seed": split_seed, "mask_values": mask_values, "only": only, "resize": resize}
        return load_arrays(source, image_size, **given, **options)
    if kind == EMBEDDED:
        size = {} if image_size is None else {"image_size": image_size}
        return load_builder(cluttered_digits.prepare(data_dir, **size, **options), None, mask_values, resize=resize)
    if options:
        raise invalid(f"{source} takes no options.", "no options", ", ".join(options))
    if kind == TFDS:
        return load_tfds(str(source), image_size, data_dir, mask_values, label, resize)
    return ImageFiles(
        layout=layout_of(source, masks, group, images, columns, zeros),
        image_size=image_size,
        masks=masks,
        split_seed=split_seed,
        mask_values=mask_values,
        only=only,
        allow_duplicates=allow_duplicates,
        group=None if _is_column(kind, group) else group,
        remembered=remembered,
        resize=resize,
        fold=fold,
    ).load()


def _kind_of(source):
    if not isinstance(source, (str, os.PathLike)):
        return ARRAYS
    if os.path.isdir(source):
        return FOLDER
    if is_table(source):
        return TABLE
    return EMBEDDED if str(source) == EMBEDDED else TFDS


def _refuse(given, kind, kinds, expected, received):
    """Raises `ValueError` for the first argument that is given and is not one of sources of this kind."""
    for name, value in given.items():
        if value is not None and kind not in kinds:
            raise invalid(f"`{name}` needs {expected}.", f"{expected} as the source", received)


def layout_of(source, masks=None, group=None, images=None, columns=None, zeros=None, crossing=False):
    """The `Layout` of a folder or a table of images, with arguments as those of `load`; no image is read.

    With `crossing`, a group of a table may lie in two splits that it gives.

    Raises:
        ValueError: another source, or one whose content does not fit.
    """
    kind = _kind_of(source)
    if kind not in (FOLDER, TABLE):
        expected = f"the path of a folder, or of a table: {', '.join(TABLES)}"
        raise invalid("`data` must be a folder or a table of images that exists.", expected, f"data={source!r}")
    _refuse({"images": images, "columns": columns or None, "zeros": zeros}, kind, (TABLE,), "a table of images", source)
    if kind == FOLDER:
        return read_layout(source)
    column = group if _is_column(kind, group) else None
    about = {
        "images": images,
        "columns": columns or {},
        "zeros": zeros,
        "beside": str(masks) == BESIDE,
        "crossing": crossing,
    }
    return Manifest(path=source, group=column, **about).layout()


def _is_column(kind, group):
    """Whether what groups images is the name of a column."""
    return kind == TABLE and group is not None and not str(group).startswith(PATTERN)

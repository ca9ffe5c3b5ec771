"""Settings of the data: which images, their size and splits, and how they are drawn and augmented."""

import dataclasses

from keras_attention.config.checks import Columns, OneOf, Options, Path, Source, Text, Truth, integer
from keras_attention.config.setting import setting
from keras_attention.metrics import FLIPS
from keras_attention.patterns import RESIZES, check_group, parse_fold, parse_values

# The settings that say which images there are, in which splits, and with which pixels and masks.
OF_THE_IMAGES = (
    *("data", "data_dir", "data_options", "images", "columns", "zeros", "masks", "mask_values", "label"),
    *("allow_duplicates", "group"),
    *("image_size", "resize", "split_seed", "fold"),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataSettings:
    """The images of a run."""

    GROUP = "data"

    data: str = setting(
        "cluttered_digits",
        Source(),
        "cluttered_digits, a folder of images, a table of images, or a name of TensorFlow Datasets",
        "SOURCE",
    )
    images: str | None = setting(
        None, Path(), "for a table of images: the folder of the images", "DIR", usual="that of the table"
    )
    columns: dict = setting(
        {},
        Columns(),
        "for a table of images: which columns are what, such as image=name,label=dx,group=patient; one of 0 and 1 for "
        "each class: label=A,label=B; not to be used: mask=none",
        "ROLE=NAME",
    )
    zeros: str | None = setting(
        None,
        Text(str),
        "for a table with a column of 0 and 1 for each class: the class of images with a 0 in all of them",
        "CLASS",
    )
    data_dir: str | None = setting(
        None, Path(), "where TensorFlow Datasets keeps data sets", "DIR", usual="its usual folder"
    )
    data_options: dict = setting(
        {},
        Options(("clutter", "count", "test_count", "seed"), integer(optional=True), "data option"),
        "options of cluttered_digits: clutter, count, test_count, seed",
        "KEY=N",
        flag="--data-option",
    )
    masks: str | None = setting(
        None, Path(), "for images in files: the folder of their masks, a parallel tree; or `beside` them", "DIR"
    )
    label: str | None = setting(
        None, Text(str), "for a data set of TensorFlow Datasets with several labels: the one to learn", "NAME"
    )
    mask_values: str | None = setting(
        None,
        Text(parse_values),
        "the values inside a mask, such as 1,3 or 128-255 or #ff0000",
        "VALUES",
        usual="all but 0, which must be one",
    )
    allow_duplicates: bool = setting(
        False, Truth(), "allow equal images in two classes, or in two splits of the folder"
    )
    group: str | None = setting(
        None,
        Text(check_group),
        "for images in files: what groups them, a column of their table or a pattern of their paths; a group stays on "
        "one side of every split",
        "COLUMN|re:PATTERN",
    )
    image_size: int | None = setting(
        None,
        integer(at_least=32, optional=True),
        "height and width of the images in pixels, at least 32",
        "N",
        usual="the size of the data, else 224",
    )
    resize: str = setting(
        "stretch",
        OneOf(RESIZES),
        "how images and masks become squares: scaled whole, cut to their middle, or filled up with black",
        "NAME",
    )
    split_seed: int = setting(
        0, integer(0, 2**31 - 1), "seed of the stratified split, if the source has no splits", "N"
    )
    fold: str | None = setting(
        None,
        Text(parse_fold),
        "for images in files: the K-th of N stratified parts is the test split, for cross-validation",
        "K/N",
        usual="a test split of 15 %, if the folder has none",
    )
    augment: str = setting(
        "none",
        OneOf(("none", "shift", "photo", "isotropic", "crop")),
        "random changes of the training images and their masks",
        "NAME",
    )
    sampling: str = setting(
        "natural",
        OneOf(("natural", "balanced")),
        "how the images of an epoch are drawn; balanced draws each class equally often, with replacement",
        "NAME",
    )
    flips: str = setting(
        "none",
        OneOf(tuple(FLIPS)),
        "also measure the test split with probabilities averaged over the flips of each image",
        "NAME",
    )

"""What the names of files and folders mean: splits, images, masks, parts of a set, and folders to leave out."""

import re
import unicodedata

from keras_attention.arguments import invalid

SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "holdout"),
}
WORDS = "|".join(word for words in SPLIT_NAMES.values() for word in words)
# Such as `train`, `Training`, `training_set`, `test-images`, `seg_train` and `1_train`.
SPLIT = re.compile(
    rf"(?:(?:seg|img|images?|data|\d+)[ _.-]*)?({WORDS})(?:[ _-]?(?:set|data|images?|imgs?|split))?", re.IGNORECASE
)
# Such as `cat_train` and `train-cat`: a split at one end of a name.
CLASS_AND_SPLIT = re.compile(rf"(?:(.+)[ _-]({WORDS})|({WORDS})[ _-](.+))", re.IGNORECASE)
# Such as `PublicTest`, `test_hard` and `test2`: names that speak of a split without being one that is known.
OF_A_SPLIT = re.compile(rf"(?:^|[^a-zA-Z]|(?<=[a-z]))(?:{WORDS}|{WORDS.title()})(?![a-z])")

# What is added to the name of an image in the name of its mask, or of another picture made of it.
MASK_WORDS = ("mask", "masks", "seg", "segm", "segmentation", "gt", "groundtruth", "label", "labels", "trimap")
PICTURE_WORDS = ("superpixels", "overlay", "contour", "contours", "heatmap", "depth", "edges", "thumb", "thumbnail")
BESIDE = re.compile(
    rf"(?P<image>.+?)[ _.-]+(?:(?P<mask>{'|'.join(MASK_WORDS)})(?:[ _.-]?\d+)?|{'|'.join(PICTURE_WORDS)})"
    r"|(?P<before>mask|gt)[ _.-]+(?P<rest>.+)",
    re.IGNORECASE,
)
# In a folder for each image, `img.png` beside `label.png` and `label_viz.png`.
ALONE = {**dict.fromkeys(MASK_WORDS, True), "label_viz": False, "viz": False, "overlay": False}
IMAGE_STEMS = ("img", "image")

# Folders of masks, of other pictures, and of the images that lie beside such a folder.
MASK_FOLDERS = frozenset(
    ("ground_truth", "ground-truth", "annotation", "annotations", "segmentations", "labels", *MASK_WORDS)
)
PICTURE_FOLDERS = frozenset(
    (*PICTURE_WORDS, "thumbs", "thumbnails", "previews", "preview", "overlays", "heatmaps", "superpixel")
)
IMAGE_FOLDERS = frozenset(("image", "images", "img", "imgs", "jpegimages", "photo", "photos", "original", "originals"))
# Folders beside those of classes that hold other things of a project.
OF_A_PROJECT = frozenset(
    (
        *("doc", "docs", "documentation", "figures", "plots", "assets", "results", "output", "outputs", "runs", "logs"),
        *(
            "code",
            "src",
            "scripts",
            "notebooks",
            "venv",
            "env",
            "paper",
            "papers",
            "annotations",
            "metadata",
            "examples",
        ),
    )
)
UNLABELLED_FOLDERS = frozenset(("unlabeled", "unlabelled", "unsorted", "unclassified"))
# Such as `HAM10000_images_part_1` and `photos-20240301-002`: parts of one set, which differ in a number.
PART = re.compile(r"(.*(?:part|batch|chunk|images?|imgs?|photos?|archive|dataset|data).*?)[ _-]*\d+", re.IGNORECASE)
NNUNET = re.compile(r"(?:images|labels)(?:Tr|Ts|Val)")
COPY = re.compile(r" ?\(\d+\)| - copy(?: \(\d+\))?| copy(?: \d+)?", re.IGNORECASE)


def split_named(name):
    """The split that the name of a folder stands for; `None` for other names."""
    found = SPLIT.fullmatch(name)
    return found and _split_of(found[1])


def class_and_split(name):
    """The class and the split in a name such as `cat_train`; `None` for other names."""
    found = CLASS_AND_SPLIT.fullmatch(name)
    return found and (found[1] or found[4], _split_of(found[2] or found[3]))


def _split_of(word):
    return next(split for split, words in SPLIT_NAMES.items() if word.lower() in words)


def speaks_of_a_split(name):
    """Whether the name of a folder speaks of a split, in whatever way."""
    return OF_A_SPLIT.search(name) is not None


def class_named(folder):
    """The name of the class of a folder; names that are written alike are one, whatever their Unicode form.

    Raises:
        ValueError: a name that is not UTF-8.
    """
    try:
        folder.name.encode()
    except UnicodeEncodeError as error:
        what = "The name of a class folder must be UTF-8."
        raise invalid(what, "another name for it", ascii(str(folder))) from error
    return unicodedata.normalize("NFC", folder.name)


def part_of(name):
    """What the names of the parts of one set share, such as `photos` of `photos-001`; `None` for other names."""
    found = PART.fullmatch(name)
    return found and found[1]


def copied(name):
    """The name of a folder without what is added to the name of a copy, such as ` (1)`."""
    found = COPY.search(name)
    return name[: found.start()] if found and found.end() == len(name) else name


def image_of(stem):
    """The stem of the image of which a file is a mask or another picture, and whether it is a mask; or `None`.

    Example:

    >>> from keras_attention.data.names import image_of
    >>> image_of("a_mask_1"), image_of("mask_a"), image_of("a_overlay"), image_of("a")
    (('a', True), ('a', True), ('a', False), None)
    """
    found = BESIDE.fullmatch(stem)
    if found is None:
        return None
    return (found["rest"], True) if found["before"] else (found["image"], bool(found["mask"]))

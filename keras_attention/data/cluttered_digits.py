"""`cluttered_digits`, the embedded data set: real handwritten digits among clutter, with a mask of each digit.

Because the place of the digit is known, attention can be measured on it. Nothing is downloaded.
"""

import contextlib
import dataclasses
import io
import logging
import pathlib
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image
from scipy import ndimage
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from keras_attention.arguments import require_integer, unknown
from keras_attention.members import SPLITS
from keras_attention.quiet import only_errors

logger = logging.getLogger(__name__)

OPTIONS = ("image_size", "clutter", "count", "test_count", "seed")
SHARE_OF_SCANS = {"train": 0.6, "validation": 0.2, "test": 0.2}
HELD_OUT_SHARE = 1 / 6  # images of validation, and by default of test, for each training image

# Sides of whole digits and of fragments, as shares of the side of the image.
DIGIT_SIDES = (0.5, 0.56, 0.62)
FRAGMENT_SIDE = 0.16


@dataclasses.dataclass(eq=False, kw_only=True)
class ClutteredDigitsConfig(tfds.core.BuilderConfig):
    """What the images contain and how many there are.

    Args:
        image_size: side of the square images in pixels, at least 32.
        clutter: fragments of other digits in each image, at least 0.
        count: number of training images, at least 60; validation has a sixth of it.
        test_count: number of test images, at least 10; as many as of validation if `None`. All are painted from 359
            scans: more images measure places, colours and clutter more finely, but no other handwriting.
        seed: seed of the draw of scans, places and colours.
    """

    name: str = ""
    image_size: int = 64
    clutter: int = 8
    count: int = 6000
    test_count: int | None = None
    seed: int = 0

    def __post_init__(self):
        require_integer("image_size", self.image_size, at_least=32)
        require_integer("clutter", self.clutter, at_least=0)
        require_integer("count", self.count, at_least=60)
        if self.test_count is not None:
            require_integer("test_count", self.test_count, at_least=10)
        require_integer("seed", self.seed, at_least=0, at_most=2**32 - 1)
        tests = "" if self.test_count is None else f"-{self.test_count}tests"
        self.name = f"{self.image_size}px-{self.clutter}fragments-{self.count}images{tests}-seed{self.seed}"

    @property
    def counts(self):
        """Split → how many images it has."""
        held_out = round(self.count * HELD_OUT_SHARE)
        return {"train": self.count, "validation": held_out, "test": self.test_count or held_out}


class ClutteredDigits(tfds.core.GeneratorBasedBuilder):
    """One whole handwritten digit among fragments of others, in colour; the label is the digit.

    The 1,797 scans of scikit-learn's digits are split first, so that no scan, whole or in fragments, is in two splits.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "First version."}
    BUILDER_CONFIGS: ClassVar = [
        ClutteredDigitsConfig(description="The default: 64 pixels, 8 fragments, 6,000 images.")
    ]

    def _info(self):
        size = self.builder_config.image_size
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.__doc__,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(size, size, 3)),
                    "label": tfds.features.ClassLabel(names=[str(digit) for digit in range(10)]),
                    "mask": tfds.features.Image(shape=(size, size, 1)),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
            license="CC BY 4.0 (Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998)",
        )

    def _split_generators(self, dl_manager):
        scans = split_scans(self.builder_config.seed)
        return {split: self._generate_examples(split, *scans[split]) for split in SPLITS}

    def _generate_examples(self, split, scans, labels):
        config = self.builder_config
        painter = Painter(scans, labels, config.image_size, config.clutter)
        for index in range(config.counts[split]):
            image, mask = painter.paint(index % 10, np.random.default_rng([config.seed, SPLITS.index(split), index]))
            yield index, {"image": _png(image), "label": index % 10, "mask": _png(mask)}


def split_scans(seed):
    """scikit-learn's digits in disjoint, stratified splits: split → (scans `(n, 8, 8)` from 0 to 1, labels `(n,)`)."""
    scans, labels = load_digits(return_X_y=True)
    scans = scans.reshape(-1, 8, 8) / 16.0
    rest = np.arange(len(labels))
    parts = {}
    for split in ("test", "validation"):
        size = round(SHARE_OF_SCANS[split] * len(labels))
        rest, parts[split] = train_test_split(rest, test_size=size, stratify=labels[rest], random_state=seed)
    parts["train"] = rest
    return {split: (scans[indices], labels[indices]) for split, indices in parts.items()}


class Painter:
    """Paints images from the scans of one split.

    Args:
        scans: `(n, 8, 8)` from 0 to 1.
        labels: the digit of each scan, `(n,)`.
        image_size: side of the image in pixels.
        clutter: fragments in each image.
        digit_sides: sides of the digits, as shares of the side of the image.
    """

    def __init__(self, scans, labels, image_size, clutter, digit_sides=DIGIT_SIDES):
        self.image_size, self.clutter = image_size, clutter
        sides = [max(8, round(share * image_size)) for share in digit_sides]
        self.inks = [[_trimmed(ndimage.zoom(scan, side / 8, order=1)) for scan in scans] for side in sides]
        self.by_label = [np.flatnonzero(labels == label) for label in range(10)]
        self.fragment_side = max(3, round(FRAGMENT_SIDE * image_size))
        self.margin = max(1, round(image_size / 32))

    def paint(self, label, rng):
        """An image `(size, size, 3)` and the mask `(size, size, 1)` of its digit, 0 or 255, both uint8."""
        canvas, ink = self.ground(rng), self.digit(label, rng)
        place = self.place(ink, rng)
        self.lay(canvas, ink, place, rng)
        return canvas.clip(0, 255).astype("uint8"), 255 * self.mask(ink, place)[..., None]

    def ground(self, rng):
        """A dark canvas `(size, size, 3)` with noise and fragments."""
        size = self.image_size
        canvas = np.full((size, size, 3), rng.uniform(0, 70, 3)) + rng.normal(0, 6, (size, size, 1))
        for _ in range(self.clutter):
            fragment = self._fragment(rng)
            self.lay(canvas, fragment, self.place(fragment, rng), rng)
        return canvas

    def digit(self, label, rng):
        """The ink of a whole digit."""
        return self.inks[rng.integers(len(self.inks))][rng.choice(self.by_label[label])]

    def _fragment(self, rng):
        scans = self.inks[rng.integers(len(self.inks))]
        ink, side = scans[rng.integers(len(scans))], self.fragment_side
        top, left = (rng.integers(max(1, length - side + 1)) for length in ink.shape)
        return ink[top : top + side, left : left + side]

    def place(self, ink, rng):
        """A random place `(top, left)` where the whole ink fits."""
        return tuple(rng.integers(self.image_size - length + 1) for length in ink.shape)

    def lay(self, canvas, ink, place, rng):
        """Lays ink of a bright random colour at a place of the canvas."""
        area = canvas[_box(ink, place)]
        area += ink[..., None] * (rng.uniform(120, 255, 3) - area)

    def mask(self, ink, place):
        """The region `(size, size)` that a digit covers: its ink with a margin, and the holes that the ink encloses."""
        mask = np.zeros((self.image_size, self.image_size), "uint8")
        mask[_box(ink, place)] = ndimage.binary_fill_holes(ndimage.binary_dilation(ink > 0.2, iterations=self.margin))
        return mask


def _box(ink, place):
    return tuple(slice(start, start + length) for start, length in zip(place, ink.shape, strict=True))


def _trimmed(ink):
    """Ink without the empty border of the scan, so that a digit's place is where its ink is."""
    rows, columns = np.flatnonzero(ink.max(1) > 0.1), np.flatnonzero(ink.max(0) > 0.1)
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].clip(0, 1)


def _png(array):
    file = io.BytesIO()
    Image.fromarray(array.squeeze()).save(file, "png", compress_level=1)
    file.seek(0)
    return file


def prepare(data_dir=None, **options):
    """The builder with its data on disk, which the first call generates and later calls find.

    Args:
        data_dir: the folder where TFDS keeps data sets; its default folder if `None`.
        **options: arguments of `ClutteredDigitsConfig`.
    """
    for name in options:
        if name not in OPTIONS:
            raise unknown("option", name, OPTIONS)
    config = ClutteredDigitsConfig(**options)
    # TFDS wants the config that it lists, not an equal one, and warns of a config that it does not list.
    with only_errors():
        builder = ClutteredDigits(config=ClutteredDigits.builder_configs.get(config.name, config), data_dir=data_dir)
    if not pathlib.Path(builder.data_dir).exists():
        logger.info("generating cluttered_digits, once, in %s", builder.data_dir)
        # What TFDS prints is about downloads, but nothing is downloaded.
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            try:
                builder.download_and_prepare()
            except FileExistsError:  # another process has written the same data meanwhile
                return prepare(data_dir, **options)
    return builder

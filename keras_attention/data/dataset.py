"""`ImageDataset`: three splits of labelled images, and the batches that `fit` and `predict` take from them."""

import dataclasses
import functools

import numpy as np
import tensorflow as tf

from keras_attention.arguments import invalid, require_choice, require_integer
from keras_attention.data.augmentation import Augmentation
from keras_attention.data.split import Split, evenly_spaced
from keras_attention.members import SPLITS
from keras_attention.text import listed, shown

SQUARES = {"stretch": "", "crop": ", cropped to squares", "pad": ", padded to squares"}


@dataclasses.dataclass(frozen=True)
class ImageDataset:
    """Labelled images in train, validation and test, all of one square size.

    Args:
        name: name for people; runs are named after it too.
        class_names: the name of each label.
        image_size: S, the side in pixels.
        train, validation, test: the splits.
        has_masks: whether each image has a mask of its object.
        skipped: files that were left out because they do not decode.
        notes: sentences on how the splits were made.
        licence: the licence of the images, if known.
        trains_on_validation: whether training uses the validation images too.
        files: for a folder: split → path below the folder → digest of the image; `None` for other sources.
        resize: how images became squares: `"stretch"`, `"crop"` or `"pad"`.
        drawn: for a folder: the splits that it lacks, which were drawn from its training images.
        groups: split → the group of each image, in its order, for images that are grouped; `None` for others.

    Example:

    >>> import numpy as np
    >>> from keras_attention.data import load
    >>> images, labels = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3)), np.arange(40) % 2
    >>> data = load((images, labels), class_names=("cat", "dog"))
    >>> data.class_names, data.steps_per_epoch(batch_size=8)
    (('cat', 'dog'), 3)
    >>> [tuple(part.shape) for part in next(iter(data.batches("test", batch_size=4)))]
    [(4, 32, 32, 3), (4, 2)]
    """

    name: str
    class_names: tuple
    image_size: int
    train: Split
    validation: Split
    test: Split
    has_masks: bool = False
    skipped: tuple = ()
    notes: tuple = ()
    licence: str | None = None
    trains_on_validation: bool = False
    files: dict | None = None
    resize: str = "stretch"
    drawn: tuple = ()
    groups: dict | None = None

    @property
    def described(self):
        """The first lines that a command prints: the images of each split, the classes, the size, and the notes."""
        counts = ", ".join(f"{self.split(name).count:,} {name}" for name in SPLITS)
        size = f"{self.image_size} px{SQUARES[self.resize]}"
        about = f"data    {self.name}: {counts} images, {listed_classes(self.class_names)}, {size}"
        return "\n".join(map(shown, [about, *(f"        {note}" for note in self.notes)]))

    @functools.cached_property
    def trained(self):
        """The split used for training: train, or train and validation joined."""
        return self.train.joined(self.validation) if self.trains_on_validation else self.train

    def split(self, name):
        """The split with a given name."""
        return getattr(self, require_choice("split", name, SPLITS))

    def labels(self, split):
        """The labels of a split in its order, `(n,)`, integers from 0; no image is decoded for them."""
        return self.split(split).labels()

    def evenly(self, split, count):
        """`count` examples in memory, spread evenly over a split, in its order.

        Returns:
            A dictionary of arrays: `number` in the split, `image`, `label`, and `mask` if there are masks.
        """
        numbers = evenly_spaced(self.split(split).count, count)
        chosen = set(numbers.tolist())
        examples = enumerate(self.split(split).examples().as_numpy_iterator())
        shown = [example for number, example in examples if number in chosen]
        names = ("image", "label", "mask") if self.has_masks else ("image", "label")
        return {"number": numbers} | {name: np.stack([example[name] for example in shown]) for name in names}

    def steps_per_epoch(self, batch_size):
        """The number of whole batches in an epoch of training; a batch size above the image count gives one batch."""
        return self.trained.steps(batch_size)

    def batches(self, split, batch_size=32, flipped=(), with_masks=False):
        """The batches of a split in its order, for `predict` and `evaluate`.

        With masks each batch is a dictionary, because Keras would take the third element of a tuple as the weights of
        the images.

        Args:
            split: name of the split.
            batch_size: images at a time; the last batch may be smaller.
            flipped: axes along which images and masks are mirrored: 1 upside down, 2 left to right.
            with_masks: whether to return the masks too.

        Returns:
            A `tf.data.Dataset` of `(images, labels)`, or with masks of `{"images": …, "labels": …, "masks": …}`:
            float32 `(B, S, S, 3)` from 0 to 255, one-hot float32 `(B, classes)`, uint8 `(B, S, S, 1)`.

        Raises:
            ValueError: masks of a data set that has none.
        """
        require_integer("batch_size", batch_size, at_least=1)
        self._require_masks(with_masks)
        batches = self.split(split).examples().batch(batch_size)
        if flipped:
            batches = batches.map(lambda batch: _mirrored(batch, list(flipped)), num_parallel_calls=tf.data.AUTOTUNE)

        def for_keras(batch):
            images, labels = tf.cast(batch["image"], tf.float32), tf.one_hot(batch["label"], len(self.class_names))
            return _batch(images, labels, batch["mask"] if with_masks else None)

        return batches.map(for_keras, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)

    def training_batches(
        self, batch_size=32, augment="none", seed=0, first_epoch=0, with_masks=False, sampling="natural"
    ):
        """An endless stream of training batches, `steps_per_epoch` to an epoch, for `fit(steps_per_epoch=…)`.

        The order and the augmentations of an epoch depend only on `seed` and the number of the epoch, so a run that
        resumes at `first_epoch` sees the same batches as a run without a break. All batches are whole: the last few
        images of an epoch that do not fill a batch are left out, different ones in each epoch. With
        `sampling="balanced"` images are drawn with replacement, each class equally often.

        Returns:
            A `tf.data.Dataset` of `(images, labels)`, or with masks of dictionaries, as in `batches`.
        """
        augmentation = Augmentation(augment)

        def augmented(position, batch):
            epoch, step = position
            masks = batch.get("mask") if with_masks else None
            images, masks = augmentation(batch["image"], masks, tf.stack([seed + 7919 * epoch, 100_000 * step]))
            labels = tf.one_hot(batch["label"], len(self.class_names))
            return _batch(images, labels, masks)

        self._require_masks(with_masks)
        stream = self.trained.epochs(batch_size, seed, first_epoch, sampling)
        return stream.map(augmented, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)

    def _require_masks(self, with_masks):
        if with_masks and not self.has_masks:
            raise invalid(f"{self.name} has no masks.", "a data set with masks", "with_masks=True")


def listed_classes(names):
    """The number of classes and the first few of their names, such as `12 classes (ant, bee, cat, dog, …)`."""
    return f"{len(names)} classes ({listed(names)})"


def check_classes(dataset, class_names):
    """Raises `ValueError` unless a data set has the classes of a model, in the same order."""
    found, wanted = tuple(dataset.class_names), tuple(class_names)
    if found == wanted:
        return
    what = "The data have the classes of the model in another order."
    if sorted(found) != sorted(wanted):
        what = "The data have other classes than the model."
    names = [", ".join(names[:5]) for names in (wanted, found)]
    raise invalid(what, f"classes {names[0]}", f"classes {names[1]}")


def _batch(images, labels, masks=None):
    """A tuple, as Keras takes it; with masks a dictionary, so that Keras does not take the masks as weights."""
    return (images, labels) if masks is None else {"images": images, "labels": labels, "masks": masks}


def _mirrored(batch, axes):
    return {name: tf.reverse(values, axes) if name in ("image", "mask") else values for name, values in batch.items()}

"""`ImageDataset`: three splits of labelled images, and the batches that `fit` and `predict` take from them."""

import dataclasses
import functools

import numpy as np
import tensorflow as tf

from keras_attention.arguments import invalid, require_choice, require_integer
from keras_attention.data.augmentation import Augmentation
from keras_attention.data.split import Split, evenly_spaced

SPLITS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class ImageDataset:
    """Labelled images in train, validation and test, all of one square size.

    Args:
        name: for people and for the name of a run.
        class_names: the name of each label.
        image_size: S, the side in pixels.
        train, validation, test: the splits.
        has_masks: whether each image has a mask of its object.
        skipped: files that were left out because they do not decode.
        notes: what a person should know about how the splits came to be.
        licence: under which the images may be used, where that is known.
        trains_on_validation: whether the validation images are trained on too.

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

    @property
    def described(self):
        """The lines that a command begins with: the images of each split, the classes, the size, and the notes."""
        counts = ", ".join(f"{self.split(name).count:,} {name}" for name in SPLITS)
        about = f"data    {self.name}: {counts} images, {len(self.class_names)} classes, {self.image_size} px"
        return "\n".join([about, *(f"        {note}" for note in self.notes)])

    @functools.cached_property
    def trained(self):
        """The split that is trained on: train, or train and validation as one."""
        return self.train.joined(self.validation) if self.trains_on_validation else self.train

    def split(self, name):
        """The split of that name."""
        return getattr(self, require_choice("split", name, SPLITS))

    def evenly(self, split, count):
        """So many examples, spread evenly over a split in its order, held in memory.

        Returns:
            A dictionary of arrays: `number` in the split, `image`, `label`, and `mask` where there are masks.
        """
        numbers = evenly_spaced(self.split(split).count, count)
        chosen = set(numbers.tolist())
        examples = enumerate(self.split(split).examples().as_numpy_iterator())
        shown = [example for number, example in examples if number in chosen]
        names = ("image", "label", "mask") if self.has_masks else ("image", "label")
        return {"number": numbers} | {name: np.stack([example[name] for example in shown]) for name in names}

    def steps_per_epoch(self, batch_size):
        """Whole batches in what is trained on; a batch size above its count is one batch."""
        return self.trained.steps(batch_size)

    def batches(self, split, batch_size=32, flipped=(), with_masks=False):
        """A split in its order, for `predict` and `evaluate`.

        With masks each batch is a dictionary, because Keras would take a third element of a tuple for the weights of
        the images.

        Args:
            split: its name.
            batch_size: images at a time; the last batch may be smaller.
            flipped: axes along which images and masks are mirrored: 1 upside down, 2 left to right.
            with_masks: whether to give the masks too.

        Returns:
            A `tf.data.Dataset` of `(images, labels)`, or with masks of `{"images": …, "labels": …, "masks": …}`:
            float32 `(B, S, S, 3)` from 0 to 255, one-hot float32 `(B, classes)`, uint8 `(B, S, S, 1)`.

        Raises:
            ValueError: masks of a data set without any.
        """
        require_integer("batch_size", batch_size, at_least=1)
        self._require_masks(with_masks)
        batches = self.split(split).examples().batch(batch_size)
        if flipped:
            batches = batches.map(lambda batch: _mirrored(batch, list(flipped)), num_parallel_calls=tf.data.AUTOTUNE)

        def as_keras_takes(batch):
            images, labels = tf.cast(batch["image"], tf.float32), tf.one_hot(batch["label"], len(self.class_names))
            return _batch(images, labels, batch["mask"] if with_masks else None)

        return batches.map(as_keras_takes, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)

    def training_batches(
        self, batch_size=32, augment="none", seed=0, first_epoch=0, with_masks=False, sampling="natural"
    ):
        """An endless stream of training batches, `steps_per_epoch` to an epoch, for `fit(steps_per_epoch=…)`.

        Each epoch has an order and augmentations that follow from `seed` and its number alone, so that a run which
        starts at `first_epoch` sees what an undisturbed one sees. Batches are whole: of an epoch's images, the last few
        that fill no batch are left out, others each time. With `sampling="balanced"` they are drawn with
        replacement, each class equally often.

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


def check_classes(dataset, class_names):
    """Raises `ValueError` where the classes of a data set are not those of a model, in their order."""
    found, wanted = tuple(dataset.class_names), tuple(class_names)
    if found == wanted:
        return
    what = "The data have the classes of the model in another order."
    if sorted(found) != sorted(wanted):
        what = "The data have other classes than the model."
    names = [", ".join(names[:5]) for names in (wanted, found)]
    raise invalid(what, f"classes {names[0]}", f"classes {names[1]}")


def _batch(images, labels, masks=None):
    """What Keras takes for images and labels, or, with masks, what it does not take for anything else."""
    return (images, labels) if masks is None else {"images": images, "labels": labels, "masks": masks}


def _mirrored(batch, axes):
    return {name: tf.reverse(values, axes) if name in ("image", "mask") else values for name, values in batch.items()}

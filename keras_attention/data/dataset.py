"""`ImageDataset`: three splits of labelled images, and the batches that `fit` and `predict` take from them."""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_attention.arguments import invalid, require_choice, require_integer
from keras_attention.data.augmentation import Augmentation

SPLITS = ("train", "validation", "test")

# A split whose decoded images fit in here is decoded once and kept; a larger one is decoded again in every epoch.
MEMORY_FOR_A_SPLIT = 2**30


@dataclasses.dataclass(frozen=True)
class Split:
    """One split: cheap records in their order, and what makes an example of one.

    Args:
        records: a `tf.data.Dataset` of whatever is cheap to shuffle: indices, paths, encoded images.
        decode: record → {"image": uint8 `(S, S, 3)`, "label": int64, and "mask": uint8 `(S, S, 1)` where there is one}.
        count: number of records.
        window: records that are shuffled among each other, for a stream whose records are too large to hold them all;
            all of them where it is `None`.
    """

    records: tf.data.Dataset
    decode: Callable
    count: int
    window: int | None = None

    def examples(self):
        """The decoded examples in their order."""
        return self.records.map(self.decode, num_parallel_calls=tf.data.AUTOTUNE)

    def shuffled(self, seed):
        """The decoded examples in an order that follows from `seed`, two integers in a tensor, alone."""

        # Not `Dataset.shuffle`, whose seed cannot be a tensor and mixes with the global one.
        def shuffle_window(window):
            order = tf.random.experimental.stateless_shuffle(tf.range(tf.shape(tf.nest.flatten(window)[0])[0]), seed)
            return tf.nest.map_structure(lambda values: tf.gather(values, order), window)

        records = self.records.batch(self.window or self.count).map(shuffle_window).unbatch()
        return records.map(self.decode, num_parallel_calls=tf.data.AUTOTUNE)

    def labels(self):
        """The labels in order, `(count,)`."""
        batches = self.examples().map(lambda example: example["label"]).batch(1024)
        return np.concatenate(list(batches.as_numpy_iterator()))

    def subset(self, numbers):
        """The examples of these numbers, in their order; for splits whose records are their own numbers."""
        return Split(tf.data.Dataset.from_tensor_slices(np.asarray(numbers, "int64")), self.decode, len(numbers))

    @classmethod
    def from_arrays(cls, **arrays):
        """A split in memory: `image` and `label`, and `mask` where there is one, each with the examples in front."""
        tensors = {name: tf.convert_to_tensor(array) for name, array in arrays.items()}
        count = len(arrays["label"])

        def decode(number):
            return {name: tf.gather(tensor, number) for name, tensor in tensors.items()}

        return cls(tf.data.Dataset.range(count), decode, count)

    def decode_all(self, image_size):
        """Decodes every record once.

        Returns:
            The numbers of the records that decode, their labels, and those examples as a split in memory, or `None`
            where they do not fit there.
        """
        fits = self.count * image_size**2 * 3 <= MEMORY_FOR_A_SPLIT
        numbered = self.records.enumerate().map(lambda n, record: (n, self.decode(record)), tf.data.AUTOTUNE)
        numbers, labels, arrays, filled = [], [], {}, 0
        for batch_numbers, batch in numbered.ignore_errors().batch(256).as_numpy_iterator():
            if fits and not arrays:
                arrays = {name: np.empty((self.count, *value.shape[1:]), value.dtype) for name, value in batch.items()}
            for name, array in arrays.items():
                array[filled : filled + len(batch_numbers)] = batch[name]
            filled += len(batch_numbers)
            numbers.extend(batch_numbers)
            labels.extend(batch["label"])
        split = Split.from_arrays(**{name: array[:filled] for name, array in arrays.items()}) if arrays else None
        return np.array(numbers, "int64"), np.array(labels, "int64"), split


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

    def split(self, name):
        """The split of that name."""
        return getattr(self, require_choice("split", name, SPLITS))

    def steps_per_epoch(self, batch_size):
        """Whole batches in the training split; a batch size above the split's count is one batch."""
        return max(1, self.train.count // require_integer("batch_size", batch_size, at_least=1))

    def batches(self, split, batch_size=32):
        """A split in its order, for `predict` and `evaluate`.

        Returns:
            A `tf.data.Dataset` of `(images, labels)`, with masks `(images, labels, masks)`: float32 `(B, S, S, 3)` from
            0 to 255, one-hot float32 `(B, classes)`, uint8 `(B, S, S, 1)`.
        """
        require_integer("batch_size", batch_size, at_least=1)
        batches = self.split(split).examples().batch(batch_size)
        return batches.map(self._as_tuple, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)

    def training_batches(self, batch_size=32, augment="none", seed=0, first_epoch=0, with_masks=False):
        """An endless stream of training batches, `steps_per_epoch` to an epoch, for `fit(steps_per_epoch=…)`.

        Each epoch has an order and augmentations that follow from `seed` and its number alone, so that a run which
        starts at `first_epoch` sees what an undisturbed one sees. Batches are whole: of an epoch's images, the last few
        that fill no batch are left out, others each time.

        Returns:
            A `tf.data.Dataset` of `(images, labels)`, or `(images, labels, masks)`, as in `batches`.
        """
        require_integer("batch_size", batch_size, at_least=1)
        steps = self.steps_per_epoch(batch_size)
        size = min(batch_size, self.train.count)
        augmentation = Augmentation(augment)

        def epoch_batches(epoch):
            examples = self.train.shuffled(tf.stack([tf.cast(seed, tf.int64), epoch]))
            batches = examples.batch(size, drop_remainder=True).take(steps).enumerate()
            return batches.map(lambda step, batch: ((epoch, step), batch))

        def augmented(position, batch):
            epoch, step = position
            masks = batch.get("mask") if with_masks else None
            images, masks = augmentation(batch["image"], masks, tf.stack([seed + 7919 * epoch, 100_000 * step]))
            labels = tf.one_hot(batch["label"], len(self.class_names))
            return (images, labels) if masks is None else (images, labels, masks)

        if with_masks and not self.has_masks:
            raise invalid(f"{self.name} has no masks.", "a data set with masks", "with_masks=True")
        epochs = tf.data.Dataset.range(first_epoch, np.iinfo("int32").max)
        stream = epochs.flat_map(epoch_batches)
        return stream.map(augmented, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)

    def _as_tuple(self, batch):
        images, labels = tf.cast(batch["image"], tf.float32), tf.one_hot(batch["label"], len(self.class_names))
        return (images, labels, batch["mask"]) if self.has_masks else (images, labels)

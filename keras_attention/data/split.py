"""`Split`: records in their order, the drawing of an epoch from them, and their decoding."""

import dataclasses
import functools
import hashlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_attention.arguments import require_choice, require_integer

# Ways to draw an epoch; see `Split.drawn`.
SAMPLINGS = ("natural", "balanced")

# A split whose decoded images fit in here is decoded once and kept; a larger one is decoded again in every epoch.
MEMORY_FOR_A_SPLIT = 2**30


@dataclasses.dataclass(frozen=True)
class Split:
    """One split: cheap records in their order, and what makes an example of one.

    Args:
        records: a `tf.data.Dataset` of whatever is cheap to shuffle: indices, paths, encoded images.
        decode: record → {"image": uint8 `(S, S, 3)`, "label": int64, and "mask": uint8 `(S, S, 1)` where there is one}.
        label: record → its label, without decoding; also of a batch of records.
        count: number of records.
        window: records that are shuffled among each other, for a stream whose records are too large to hold them all;
            all of them where it is `None`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.data import load
    >>> images = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3))
    >>> train = load((images, np.arange(40) % 2), class_names=("cat", "dog")).train
    >>> train.count, np.bincount(train.labels()).tolist()
    (28, [14, 14])
    >>> [batch.shape for batch in train.images(batch_size=16).as_numpy_iterator()]
    [(16, 32, 32, 3), (12, 32, 32, 3)]
    """

    records: tf.data.Dataset
    decode: Callable
    label: Callable
    count: int
    window: int | None = None

    def examples(self):
        """The decoded examples in their order."""
        return self.records.map(self.decode, num_parallel_calls=tf.data.AUTOTUNE)

    def images(self, batch_size):
        """The decoded images alone, in their order, in batches."""
        return self.examples().map(lambda example: example["image"]).batch(batch_size)

    def drawn(self, seed, sampling="natural"):
        """The decoded examples of one epoch, in an order that follows from `seed`, two integers in a tensor, alone.

        With `"natural"` each example comes once. With `"balanced"` as many are drawn with replacement, from each class
        equally often on average: of a large class some do not come, of a small one many come several times.
        """
        choose = {"natural": _shuffled, "balanced": _balanced}[sampling]

        # Not `Dataset.shuffle`, whose seed cannot be a tensor and mixes with the global one.
        def draw_window(window):
            order = choose(self.label(window), seed)
            return tf.nest.map_structure(lambda values: tf.gather(values, order), window)

        records = self.records.batch(self.window or self.count).map(draw_window).unbatch()
        return records.map(self.decode, num_parallel_calls=tf.data.AUTOTUNE)

    def steps(self, batch_size):
        """Whole batches in an epoch; a batch size above the count is one batch."""
        return max(1, self.count // require_integer("batch_size", batch_size, at_least=1))

    def epochs(self, batch_size, seed=0, first_epoch=0, sampling="natural"):
        """An endless stream of `((epoch, step), batch of examples)`, `steps` to an epoch.

        Each epoch follows from `seed` and its number alone. Batches are whole: of an epoch's examples, the last few
        that fill no batch are left out, others each time.
        """
        require_choice("sampling", sampling, SAMPLINGS)
        steps, size = self.steps(batch_size), min(batch_size, self.count)

        def epoch_batches(epoch):
            examples = self.drawn(tf.stack([tf.cast(seed, tf.int64), epoch]), sampling)
            batches = examples.batch(size, drop_remainder=True).take(steps).enumerate()
            return batches.map(lambda step, batch: ((epoch, step), batch))

        return tf.data.Dataset.range(first_epoch, np.iinfo("int32").max).flat_map(epoch_batches)

    def labels(self):
        """The labels in order, `(count,)`."""
        return np.concatenate(list(self.records.batch(4096).map(self.label).as_numpy_iterator()))

    def subset(self, numbers):
        """The examples of these numbers, in their order; for splits whose records are their own numbers."""
        records = tf.data.Dataset.from_tensor_slices(np.asarray(numbers, "int64"))
        return dataclasses.replace(self, records=records, count=len(numbers))

    def joined(self, other):
        """The examples of this split, then those of another, as one split."""
        mine, theirs = _blank(self.records), _blank(other.records)
        first = self.records.map(lambda record: _one_of_two(False, self.label(record), record, theirs))
        second = other.records.map(lambda record: _one_of_two(True, other.label(record), mine, record))

        def decode(record):
            decode_first = functools.partial(self.decode, record["first"])
            return tf.cond(record["is_second"], functools.partial(other.decode, record["second"]), decode_first)

        windows = {self.window, other.window} - {None}
        count = self.count + other.count
        return Split(first.concatenate(second), decode, _label_of_either, count, max(windows, default=None))

    def thinned(self, most):
        """At most so many of the examples, evenly over the split."""
        step = -(-self.count // most)
        return dataclasses.replace(self, records=self.records.shard(step, 0), count=-(-self.count // step))

    def fingerprint(self, part="image"):
        """A digest of the decoded images, or of their masks with `part="mask"`, and their order."""
        digest = hashlib.sha256()
        for arrays in self.examples().map(lambda example: example[part]).batch(64).as_numpy_iterator():
            digest.update(f"{arrays.shape} {arrays.dtype}".encode())
            digest.update(arrays)
        return digest.hexdigest()

    @classmethod
    def from_arrays(cls, **arrays):
        """A split in memory: `image` and `label`, and `mask` where there is one, each with the examples in front."""
        tensors = {name: tf.convert_to_tensor(array) for name, array in arrays.items()}
        count = len(arrays["label"])

        def decode(number):
            return {name: tf.gather(tensor, number) for name, tensor in tensors.items()}

        return cls(tf.data.Dataset.range(count), decode, lambda number: tf.gather(tensors["label"], number), count)

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


def evenly_spaced(total, count):
    """So many of the numbers 0 to `total` − 1, or all of them, spread evenly, in their order."""
    return np.unique(np.linspace(0, total - 1, min(count, total)).round().astype(int))


def _one_of_two(is_second, label, first, second):
    return {"is_second": is_second, "label": label, "first": first, "second": second}


def _label_of_either(record):
    return record["label"]


def _blank(records):
    """A record of zeros, in the place of one of the other split."""
    return tf.nest.map_structure(lambda spec: tf.zeros(spec.shape, spec.dtype), records.element_spec)


def _shuffled(labels, seed):
    return tf.random.experimental.stateless_shuffle(tf.range(tf.size(labels)), seed)


def _balanced(labels, seed):
    """As many positions as there are labels, drawn so that each class that occurs is equally likely."""
    counts = tf.math.bincount(tf.cast(labels, tf.int32))
    log_weights = -tf.math.log(tf.cast(tf.gather(counts, labels), tf.float32))
    return tf.random.stateless_categorical(log_weights[None], tf.size(labels), seed)[0]

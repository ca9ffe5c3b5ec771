"""`Split`: records in a fixed order, how an epoch is drawn from them, and how they are decoded."""

import dataclasses
import functools
import hashlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_attention.arguments import require_choice, require_integer

# Ways to draw an epoch; see `Split.drawn`.
SAMPLINGS = ("natural", "balanced")

# In bytes: a split whose decoded images fit is decoded once and kept; a larger one is decoded again in every epoch.
MEMORY_FOR_A_SPLIT = 2**30
DIGEST_BYTES = 16


@dataclasses.dataclass(frozen=True)
class Split:
    """One split: records in a fixed order, and functions that turn a record into an example.

    Args:
        records: a `tf.data.Dataset` of elements that are cheap to shuffle: indices, paths, encoded images.
        decode: record → {"image": uint8 `(S, S, 3)`, "label": int64, and, if there are masks, "mask": uint8
            `(S, S, 1)`}.
        label: record → its label, without decoding; it also takes a batch of records.
        count: number of records.
        window: how many records are held and shuffled at a time, for records too large to hold them all; all of them
            if `None`.

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
        """The decoded images in batches, in their order, without labels and masks."""
        return self.examples().map(lambda example: example["image"]).batch(batch_size)

    def drawn(self, seed, sampling="natural"):
        """The decoded examples of one epoch, in an order that depends only on `seed`, a tensor of two integers.

        With `"natural"` each example comes once. With `"balanced"` the same number is drawn with replacement, from each
        class equally often on average: some examples of a large class never come, many of a small class come several
        times.
        """
        choose = {"natural": _shuffled, "balanced": _balanced}[sampling]

        # Not `Dataset.shuffle`, whose seed cannot be a tensor and is mixed with the global seed.
        def draw_window(window):
            order = choose(self.label(window), seed)
            return tf.nest.map_structure(lambda values: tf.gather(values, order), window)

        records = self.records.batch(self.window or self.count).map(draw_window).unbatch()
        return records.map(self.decode, num_parallel_calls=tf.data.AUTOTUNE)

    def steps(self, batch_size):
        """The number of whole batches in an epoch; a batch size above the count gives one batch."""
        return max(1, self.count // require_integer("batch_size", batch_size, at_least=1))

    def epochs(self, batch_size, seed=0, first_epoch=0, sampling="natural"):
        """An endless stream of `((epoch, step), batch of examples)`, `steps` to an epoch.

        An epoch depends only on `seed` and its number. All batches are whole: the last few examples of an epoch that
        do not fill a batch are left out, different ones in each epoch.
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
        """The examples with the given numbers, in that order; for splits whose records are the examples' numbers."""
        records = tf.data.Dataset.from_tensor_slices(np.asarray(numbers, "int64"))
        return dataclasses.replace(self, records=records, count=len(numbers))

    def joined(self, other):
        """One split of the examples of this split, followed by the examples of another."""
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
        """A split of at most `most` of the examples, spread evenly over this split."""
        step = -(-self.count // most)
        return dataclasses.replace(self, records=self.records.shard(step, 0), count=-(-self.count // step))

    def fingerprint(self, part="image"):
        """A digest of the decoded images in their order; of their masks with `part="mask"`."""
        digest = hashlib.sha256()
        for arrays in self.examples().map(lambda example: example[part]).batch(64).as_numpy_iterator():
            digest.update(f"{arrays.shape} {arrays.dtype}".encode())
            digest.update(arrays)
        return digest.hexdigest()

    @classmethod
    def from_arrays(cls, **arrays):
        """A split in memory from arrays whose first axis is the examples: `image`, `label` and, optionally, `mask`."""
        tensors = {name: tf.convert_to_tensor(array) for name, array in arrays.items()}
        count = len(arrays["label"])

        def decode(number):
            return {name: tf.gather(tensor, number) for name, tensor in tensors.items()}

        return cls(tf.data.Dataset.range(count), decode, lambda number: tf.gather(tensors["label"], number), count)

    def decode_all(self, image_size):
        """Decodes every record once.

        Returns:
            The numbers of the records that decode, their labels, a split in memory of these examples, or `None` if
            they do not fit in memory, and the digests of their images.
        """
        fits = self.count * image_size**2 * 3 <= MEMORY_FOR_A_SPLIT
        numbered = self.records.enumerate().map(lambda n, record: (n, self.decode(record)), tf.data.AUTOTUNE)
        numbers, labels, digests, arrays, filled = [], [], [], {}, 0
        for batch_numbers, batch in numbered.ignore_errors().batch(256).as_numpy_iterator():
            if fits and not arrays:
                arrays = {name: np.empty((self.count, *value.shape[1:]), value.dtype) for name, value in batch.items()}
            for name, array in arrays.items():
                array[filled : filled + len(batch_numbers)] = batch[name]
            filled += len(batch_numbers)
            numbers.extend(batch_numbers)
            labels.extend(batch["label"])
            digests.extend(hashlib.blake2b(image, digest_size=DIGEST_BYTES).hexdigest() for image in batch["image"])
        split = Split.from_arrays(**{name: array[:filled] for name, array in arrays.items()}) if arrays else None
        return np.array(numbers, "int64"), np.array(labels, "int64"), split, digests


def evenly_spaced(total, count):
    """`count` of the numbers 0 to `total` − 1, spread evenly and in order; all of them if `count` is larger."""
    return np.unique(np.linspace(0, total - 1, min(count, total)).round().astype(int))


def _one_of_two(is_second, label, first, second):
    return {"is_second": is_second, "label": label, "first": first, "second": second}


def _label_of_either(record):
    return record["label"]


def _blank(records):
    """A record of zeros, which stands for the record of the split that an example is not from."""
    return tf.nest.map_structure(lambda spec: tf.zeros(spec.shape, spec.dtype), records.element_spec)


def _shuffled(labels, seed):
    return tf.random.experimental.stateless_shuffle(tf.range(tf.size(labels)), seed)


def _balanced(labels, seed):
    """Positions drawn with replacement, as many as labels, so that each class that occurs is equally likely."""
    counts = tf.math.bincount(tf.cast(labels, tf.int32))
    log_weights = -tf.math.log(tf.cast(tf.gather(counts, labels), tf.float32))
    return tf.random.stateless_categorical(log_weights[None], tf.size(labels), seed)[0]

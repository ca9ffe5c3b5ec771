"""A data set of cached features, used instead of the images from which they were computed."""

import functools

import numpy as np
import tensorflow as tf

from keras_attention.data import Split
from keras_attention.features.store import JoinedStores, PairedStores
from keras_attention.members import SPLITS


class FeatureDataset:
    """Labelled feature maps in train, validation and test splits, which `fit` and `predict` take instead of images.

    Args:
        dataset: the `ImageDataset`.
        cache: the `FeatureCache` of the backbone.
        augment: name of the augmentation of the training images.
        views: number of augmented copies of each training image; each training batch uses one of them, drawn at
            random.
        with_masks: whether training batches have the masks of the images, augmented like these.
    """

    def __init__(self, dataset, cache, augment="none", views=1, with_masks=False):
        self.class_names, self.layers, self.with_masks = dataset.class_names, cache.layers, with_masks
        images = {name: dataset.split(name) for name in SPLITS}
        self.rows = {name: _rows_of(split) for name, split in images.items()}
        self.trained = _rows_of(dataset.trained)
        self.stores = {name: cache.split(name, images[name])[0] for name in ("validation", "test")}
        trained_on = ("train", "validation") if dataset.trains_on_validation else ("train",)
        views = views if augment != "none" else 1
        parts = [cache.split(name, images[name], augment, views) for name in trained_on]
        self.stores["train"] = parts[0][0]
        if with_masks:
            masks = [cache.masks(name, images[name], augment, views) for name in trained_on]
            parts = [list(map(PairedStores, *pair)) for pair in zip(parts, masks, strict=True)]
        self.views = [view[0] if len(view) == 1 else JoinedStores(view) for view in zip(*parts, strict=True)]

    def steps_per_epoch(self, batch_size):
        """Number of whole batches in the training images."""
        return self.trained.steps(batch_size)

    def labels(self, split):
        """The labels of a split in its order, `(n,)`, integers from 0."""
        return self.rows[split].labels()

    def batches(self, split, batch_size=32):
        """A split in its order: `(features, labels)`, a tuple of `(B, H, W, C)` and one-hot float32 `(B, classes)`."""
        read = self._reader(self.stores[split])
        return self.rows[split].examples().batch(batch_size).map(read, tf.data.AUTOTUNE).prefetch(2)

    def training_batches(self, batch_size=32, seed=0, first_epoch=0, sampling="natural"):
        """An endless stream of training batches, like that of `ImageDataset`.

        Batches are `(features, labels)`, or with masks `{"features": …, "labels": …, "masks": …}`.
        """
        readers = [self._reader(store) for store in self.views]

        def read(position, batch):
            epoch, step = position
            drawn = tf.random.stateless_uniform((), [seed + 7919 * epoch, step], 0, len(readers), tf.int64)
            return tf.switch_case(tf.cast(drawn, tf.int32), [functools.partial(reader, batch) for reader in readers])

        stream = self.trained.epochs(batch_size, seed, first_epoch, sampling)
        return stream.map(read, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)

    def _reader(self, store):
        dtypes = [dtype for _, dtype in store.layers.values()]

        def read(batch):
            arrays = tf.numpy_function(store.read, [batch["number"]], dtypes)
            shapes = [(None, *shape) for shape, _ in store.layers.values()]
            parts = tuple(tf.ensure_shape(array, shape) for array, shape in zip(arrays, shapes, strict=True))
            features, masks = parts[: len(self.layers)], parts[len(self.layers) :]
            labels = tf.one_hot(batch["label"], len(self.class_names))
            return {"features": features, "labels": labels, "masks": masks[0]} if masks else (features, labels)

        return read


def _rows_of(split):
    """A split whose examples are row numbers and labels."""
    return Split.from_arrays(number=np.arange(split.count), label=split.labels())

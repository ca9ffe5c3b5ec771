"""The cache of features: finds those that are needed on disk, and computes the missing ones."""

import contextlib
import hashlib
import json
import os
import pathlib
import time
import zipfile

import keras
import numpy as np
import tensorflow as tf

from keras_attention.arguments import invalid
from keras_attention.atomic import alone, replacing
from keras_attention.data.augmentation import Augmentation
from keras_attention.features.store import SHARD, FeatureStore
from keras_attention.models.backbone import find_map
from keras_attention.models.calibration import batch_norms, calibrate_batch_norm
from keras_attention.models.nested import with_outputs_of
from keras_attention.models.outputs import plain_name
from keras_attention.text import counted

FORMAT = 1  # version of the files, and of how features are computed from images
BATCH = 16
VIEW_SEED = 977  # the same for every run, so that all runs share the views
CALIBRATION_IMAGES = 128
MASK = "mask"  # name of the only layer in a store of masks


def default_folder():
    """`$KERAS_ATTENTION_CACHE`, else `~/.cache/keras_attention`."""
    return pathlib.Path(os.environ.get("KERAS_ATTENTION_CACHE") or "~/.cache/keras_attention").expanduser()


def open_folder(folder=None):
    """The folder of the cache, which is created if missing; `default_folder()` if `None`.

    Raises:
        ValueError: a folder that cannot be created.
    """
    folder = default_folder() if folder is None else pathlib.Path(folder).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise invalid(
            f"The cache needs a folder: {error.strerror}.", "a folder that can be written", f"cache_dir={str(folder)!r}"
        ) from error
    return folder


@contextlib.contextmanager
def _disk_errors_explained(folder):
    """Turns an error of the disk into an error that says what to do."""
    try:
        yield
    except OSError as error:
        raise invalid(
            f"The features could not be written: {error.strerror or error}.",
            "free space in the folder of the cache, another `cache_dir`, or `cache_features=False`",
            f"cache_dir={str(folder)!r}",
        ) from error


class FeatureCache:
    """The feature maps that a backbone gives for images, on disk.

    The name of a folder of features holds a digest of everything that they depend on: the weights and the configuration
    of the backbone (including preprocessing, image size and precision), the pixels and the order of the images, and the
    augmentation. Each layer has separate files, so that networks with different attended layers share the files of the
    layers that they have in common.

    Args:
        folder: the folder of the cache; `default_folder()` if `None`.
        backbone: a functional model over images, whose weights must not change any more.
        layers: names of the layers whose feature maps are needed.
        verbose: 0 for no output, 1 for a progress bar, 2 for a line from time to time.
    """

    def __init__(self, folder, backbone, layers, verbose=0):
        self.folder = open_folder(folder)
        self.verbose = verbose
        self.backbone_digest = _digest(_plain(backbone.get_config()), *_named_weights(backbone))
        backbone, maps = with_outputs_of(backbone, [find_map(backbone, name, "layers").path for name in layers])
        self.layers = tuple(layers)
        self.outputs = {plain_name(name): map_ for name, map_ in zip(layers, maps, strict=True)}
        self.input, self.name = backbone.inputs[0], backbone.name

    def split(self, name, split, augment="none", views=1):
        """The features of a split, computed if they are missing.

        Args:
            name: name of the split, shown in folder names and messages.
            split: a `Split` of images.
            augment: name of the augmentation; with `"none"` there is one view, the image itself.
            views: number of augmented copies of each image.

        Returns:
            A `FeatureStore` for each view.

        Raises:
            ValueError: a disk that is full, or has too little space for the features.
        """
        fingerprint = split.fingerprint()
        return [self._store_of_view(name, split, fingerprint, augment, view) for view in range(views)]

    def masks(self, name, split, augment="none", views=1):
        """The masks of a split, augmented like the images from which `split` computes features.

        Arguments, result and errors are those of `split`; the only layer is `MASK`, uint8 `(S, S, 1)`.
        """
        fingerprint = split.fingerprint(MASK)
        shape = tuple(split.examples().element_spec[MASK].shape)
        stores = []
        for view in range(views):
            about = {"format": FORMAT, "masks": fingerprint, "count": split.count, "augment": augment, "view": view}
            store = FeatureStore(self._folder(f"masks-{name}", about), about, {MASK: (shape, "uint8")}, split.count)
            stores.append(self._complete(store, split, f"{name}, masks"))
        return stores

    def _store_of_view(self, name, split, fingerprint, augment, view):
        about = {
            "format": FORMAT,
            "backbone": self.backbone_digest,
            "images": fingerprint,
            "count": split.count,
            "augment": augment,
            "view": view,
        }
        layers = {name: (tuple(output.shape[1:]), output.dtype) for name, output in self.outputs.items()}
        store = FeatureStore(self._folder(f"{self.name}-{name}", about), about, layers, split.count)
        return self._complete(store, split, f"{name}, view {view + 1}" if augment != "none" else name)

    def _folder(self, name, about):
        return self.folder / f"{name}-{_digest(about)[:16]}"

    def _complete(self, store, split, label):
        """The store, after computing what it lacks."""
        # One process computes; another that needs the same features waits, and then finds them.
        with _disk_errors_explained(self.folder), alone(store.folder.with_suffix(".lock")):
            missing = store.open()
            if missing:
                store.check_space(missing)
                self._fill(store, missing, split, label)
            elif self.verbose:
                print(f"cache   {label}: features of {counted(split.count, 'image')} from {store.folder}", flush=True)
        return store

    def _fill(self, store, missing, split, label):
        rows = {shard: store.rows_of(shard) for shard in missing}
        progress = Progress(f"{label}: features into {store.folder}", sum(rows.values()), self.verbose)
        networks = {}  # by the layers that they give: some shards may lack fewer layers than others
        with_masks = MASK in store.layers
        for shard, images, masks in _shards_of(split, missing, store.about["augment"], store.about["view"], with_masks):
            names = tuple(missing[shard])
            if not with_masks and names not in networks:
                networks[names] = keras.Model(self.input, {name: self.outputs[name] for name in names})
            store.write(shard, {MASK: masks.numpy()} if with_masks else _predict(networks[names], images))
            progress.add(rows[shard])


class Progress:
    """Prints how many of the images are done: a progress bar, or a line from time to time."""

    SECONDS_BETWEEN_LINES = 30

    def __init__(self, what, total, verbose):
        self.what, self.total, self.done, self.verbose = what, total, 0, verbose
        self.began = self.printed = time.monotonic()
        self.bar = keras.utils.Progbar(total, unit_name="image") if verbose == 1 else None
        if verbose:
            print(f"cache   {what}, {counted(total, 'image')}", flush=True)

    def add(self, count):
        """Counts `count` more images."""
        self.done += count
        now = time.monotonic()
        if self.bar:
            self.bar.add(count)
        elif self.verbose and (self.done == self.total or now - self.printed > self.SECONDS_BETWEEN_LINES):
            print(f"        {self.done:,} of {self.total:,}, {now - self.began:.0f} s", flush=True)
            self.printed = now


def _shards_of(split, wanted, augment, view, with_masks=False):
    """(number, images, masks or `None`) of each wanted shard; its random numbers do not depend on other shards."""
    augmentation, wanted = Augmentation(augment), tf.constant(sorted(wanted), tf.int64)
    records = split.records.enumerate().filter(lambda row, _: tf.reduce_any(wanted == row // SHARD))
    parts = ("image", MASK) if with_masks else ("image",)

    def decode(row, record):
        example = split.decode(record)
        return row // SHARD, {name: example[name] for name in parts}

    # Only the last shard of a split can be short, so each batch is one shard.
    for numbers, batch in records.map(decode, tf.data.AUTOTUNE).batch(SHARD).prefetch(1):
        number = int(numbers[0])
        seed = tf.constant([VIEW_SEED + view, 100_000 * number], tf.int64)
        yield number, *augmentation(batch["image"], batch.get(MASK), seed)


def _predict(network, images):
    parts = [network.predict_on_batch(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def calibrate_once(backbone, split, folder=None):
    """`calibrate_batch_norm` on images of a split; the statistics are kept in the cache for the next run.

    Args:
        backbone: the model, changed in place.
        split: a `Split`; up to 128 of its images are used, taken evenly.
        folder: the folder of the cache; `default_folder()` if `None`, no cache if `False`.
    """
    part = split.thinned(CALIBRATION_IMAGES)
    if folder is False:
        calibrate_batch_norm(backbone, part.images(BATCH))
        return
    key = _digest(_plain(backbone.get_config()), *_named_weights(backbone), part.fingerprint())
    path = open_folder(folder) / f"calibration-{key[:16]}.npz"
    with _disk_errors_explained(path.parent), alone(path.with_suffix(".lock")):
        if not _restore_norms(backbone, path):
            calibrate_batch_norm(backbone, part.images(BATCH))
            with replacing(path) as temporary:
                np.savez(temporary, **{layer.name: np.stack(layer.get_weights()) for layer in batch_norms(backbone)})


def _restore_norms(backbone, path):
    """Loads statistics from a file into the backbone; `False` if the file is missing or damaged."""
    try:
        with path.open("rb") as file, np.load(file) as kept:
            arrays = [kept[layer.name] for layer in batch_norms(backbone)]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return False
    for layer, stacked in zip(batch_norms(backbone), arrays, strict=True):
        layer.set_weights(list(stacked))
    return True


def _digest(*parts):
    """The SHA-256 of plain data and of `(name, array)` pairs."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, tuple):
            name, array = part
            digest.update(f"{name} {array.shape} {array.dtype}".encode())
            digest.update(np.ascontiguousarray(array))
        else:
            digest.update(json.dumps(part, sort_keys=True, default=str).encode())
    return digest.hexdigest()


def _named_weights(model):
    return [(weight.path, np.asarray(weight)) for weight in model.weights]


def _plain(config):
    """A configuration without `trainable`, which does not change the features."""
    if isinstance(config, dict):
        return {key: _plain(value) for key, value in config.items() if key != "trainable"}
    return [_plain(value) for value in config] if isinstance(config, (list, tuple)) else config

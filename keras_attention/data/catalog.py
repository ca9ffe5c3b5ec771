"""A data set of TensorFlow Datasets → `ImageDataset`."""

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from keras_attention.arguments import invalid, require_choice, unknown
from keras_attention.data.dataset import ImageDataset
from keras_attention.data.images import decode_pixels, resize_image
from keras_attention.data.masks import MaskReader, require_masks
from keras_attention.data.split import Split

DEFAULT_IMAGE_SIZE = 224
ENCODED_IMAGES_TO_SHUFFLE = 20_000
MASK_FEATURES = ("mask", "segmentation_mask")


def load_tfds(name, image_size=None, data_dir=None, mask_values=None, label=None, resize="stretch"):
    """A data set by its TFDS name, read from `data_dir`; it is downloaded and prepared there if missing.

    Raises:
        ValueError: a name that TFDS does not know, a data set without images and class labels, or one that is not on
            disk and cannot be downloaded.
    """
    try:
        builder = tfds.builder(name, data_dir=data_dir)
    except (tfds.core.DatasetNotFoundError, ValueError, AssertionError) as error:  # AssertionError: unknown version
        known = ["cluttered_digits", *tfds.list_builders()]
        if name.split("/")[0].split(":")[0] in known:
            raise invalid(f"TFDS cannot read {name!r}: {_first_line(error)}", "a data set it can read", name) from error
        hint = unknown("data source", name, known).args[0].split(" Expected")[0]
        raise invalid(
            hint, "cluttered_digits, a folder of images, or a name in TensorFlow Datasets", f"data={name!r}"
        ) from error
    try:
        builder.download_and_prepare()
    except Exception as error:
        where = data_dir or "the default folder of TFDS"
        raise invalid(
            f"{name} is not in {where}, and could not be downloaded: {_first_line(error)}",
            "a data set on disk in `data_dir`, or a connection",
            f"data={name!r}",
        ) from error
    return load_builder(builder, image_size, mask_values, label, resize)


def load_builder(builder, image_size=None, mask_values=None, label=None, resize="stretch"):
    """The data set of a prepared TFDS builder with one image feature and one class label, or the one named `label`.

    If there is a feature `mask` or `segmentation_mask`, it gives the masks.
    """
    features = builder.info.features
    image_key = _only_feature(builder, tfds.features.Image, skip=MASK_FEATURES)
    label_key = _label(builder, label)
    mask_key = next((key for key in MASK_FEATURES if key in features), None)
    require_masks(mask_values, mask_key is not None, "a data set with masks")
    size, masks = image_size or _default_size(features[image_key]), MaskReader(mask_values)

    def decode(record):
        pixels = decode_pixels(record[image_key])
        example = {"image": resize_image(pixels, size, resize), "label": record[label_key]}
        if mask_key:
            example["mask"] = masks.decode(record[mask_key], size, resize, tf.shape(pixels)[:2])
        return example

    slices, notes = _slices(builder)
    keys = [key for key in (image_key, mask_key, label_key) if key]
    splits = {name: _load_split(builder, piece, decode, keys, size) for name, piece in slices.items()}
    return ImageDataset(
        name=builder.name,
        class_names=tuple(features[label_key].names),
        image_size=size,
        has_masks=mask_key is not None,
        notes=(*notes, *masks.check()),
        licence=builder.info.redistribution_info.license or None,
        resize=resize,
        **splits,
    )


def _slices(builder):
    """The TFDS slice for each split, and notes; a missing split is a tenth of train, which TFDS has shuffled."""
    available = builder.info.splits
    if "train" not in available:
        raise invalid(f"{builder.name} has no train split.", "a split named train", f"splits {', '.join(available)}")
    missing = [name for name in ("validation", "test") if name not in available]
    bounds = [100 - 10 * number for number in range(len(missing) + 1)]
    slices = {name: name for name in ("validation", "test") if name in available}
    slices |= {name: f"train[{bounds[i + 1]}%:{bounds[i]}%]" for i, name in enumerate(missing)}
    slices["train"] = f"train[:{bounds[-1]}%]" if missing else "train"
    return slices, tuple(f"{name}: {slices[name]}; the source has none" for name in missing)


def _load_split(builder, piece, decode, keys, size):
    *encoded, _ = keys
    keep_encoded = {key: tfds.decode.SkipDecoding() for key in encoded}
    # In the order of the files: the records on disk are already shuffled, and each reading must give the same order.
    records = builder.as_dataset(split=piece, decoders=keep_encoded, shuffle_files=False)
    records = records.map(lambda record: {key: record[key] for key in keys})
    label = keys[-1]
    split = Split(
        records,
        decode,
        lambda record: record[label],
        builder.info.splits[piece].num_examples,
        ENCODED_IMAGES_TO_SHUFFLE,
    )
    numbers, labels, in_memory, _ = split.decode_all(size)
    if len(numbers) != split.count or np.any(labels < 0):
        raise invalid(
            f"The split {piece} of {builder.name} has images that do not decode or have no label.",
            f"{split.count} images with labels",
            f"{len(numbers)} images, lowest label {labels.min(initial=0)}",
        )
    return in_memory or split


def _only_feature(builder, kind, skip=()):
    found = [key for key, value in builder.info.features.items() if isinstance(value, kind) and key not in skip]
    if len(found) != 1:
        raise invalid(
            f"{builder.name} must have one image and one class label.",
            f"one {kind.__name__} feature",
            f"features {', '.join(builder.info.features)}",
        )
    return found[0]


def _label(builder, label):
    """The name of the class label to learn."""
    choices = [key for key, value in builder.info.features.items() if isinstance(value, tfds.features.ClassLabel)]
    if label is not None:
        return require_choice("label", label, choices)
    if len(choices) > 1:
        raise invalid(f"{builder.name} has several labels.", f"`label`, one of: {', '.join(choices)}", "none")
    return _only_feature(builder, tfds.features.ClassLabel)


def _default_size(feature):
    """The side of the images if all are squares of one size, else 224."""
    height, width = feature.shape[:2]
    return height if height and height == width else DEFAULT_IMAGE_SIZE


def _first_line(error):
    return str(error).strip().split("\n")[0]

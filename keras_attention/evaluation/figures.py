"""The outputs of a model for a split, and the figures computed from them for `metrics.json`."""

import numpy as np

from keras_attention.maps import mean_figures, measure_maps
from keras_attention.metrics import FLIPS, classification_metrics, headlines, image_intervals, mean_over_flips


def predict_split(model, dataset, split, batch_size=128, flipped=(), callbacks=None):
    """The outputs of a model for the images of a split, or for their features, and the labels `(n,)`, in its order.

    The outputs are a dictionary if the model has several, as the models of `attention_outputs` have.

    Args:
        model: images, or their features → one output or several.
        dataset: an `ImageDataset` or a `FeatureDataset`.
        split: the name of the split.
        batch_size: images at a time.
        flipped: axes along which the images are mirrored first.
        callbacks: as in `keras.Model.predict`.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> from keras_attention.data import load
    >>> from keras_attention.evaluation import predict_split
    >>> images, labels = np.zeros((40, 8, 8, 3), "uint8"), np.arange(40) % 2
    >>> dataset = load((images, labels), class_names=["cat", "dog"])
    >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
    >>> logits, labels = predict_split(model, dataset, "test")
    >>> logits.shape[1], len(logits) == len(labels)
    (2, True)
    """
    batches = dataset.batches(split, batch_size, **({"flipped": flipped} if flipped else {}))
    return model.predict(batches, verbose=0, callbacks=callbacks), dataset.labels(split)


def predict_with_flips(model, dataset, split, flips, batch_size=128):
    """Like `predict_split`, with probabilities averaged over flipped copies of each image.

    Args:
        model: a classifier, images → logits.
        dataset: an `ImageDataset`.
        split: the name of the split.
        flips: one of `FLIPS`.
        batch_size: images at a time.

    Returns:
        The logarithms of the averaged probabilities, `(n, classes)`, which serve as logits, and the labels.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> from keras_attention.data import load
    >>> from keras_attention.evaluation import predict_with_flips
    >>> images, labels = np.zeros((40, 8, 8, 3), "uint8"), np.arange(40) % 2
    >>> dataset = load((images, labels), class_names=["cat", "dog"])
    >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
    >>> logits, labels = predict_with_flips(model, dataset, "test", "horizontal")
    >>> np.exp(logits).sum(axis=-1).round(6).tolist() == [1.0] * len(labels)
    True
    """
    logits, labels = zip(
        *(predict_split(model, dataset, split, batch_size, axes) for axes in FLIPS[flips]), strict=True
    )
    return mean_over_flips(logits), labels[0]


def split_metrics(logits, labels, class_names, maps=None, masks=None, flipped=None, groups=None):
    """The figures of a model on a split, as they are in `metrics.json`.

    Args:
        logits: `(n, classes)`.
        labels: `(n,)`, integers from 0.
        class_names: the name of each class.
        maps: attended layer → `(n, H, W)`.
        masks: `(n, S, S, 1)`, or `None`.
        flipped: a pair: one of `FLIPS`, and the logits averaged over its copies; `None` leaves them out.
        groups: the group of each image, `(n,)`, over which intervals are then; `None` for images by themselves.

    Returns:
        Three results. First, what `classification_metrics` returns, with `intervals` as `image_intervals` gives them,
        the number of groups as `group_count` if there are any, the headlines of `flipped` as `with_flips`
        and, if there are masks, each measure by attended layer. Second, the figures of each image,
        `{measure: {attended layer: (n,)}}`. Third, chance, `(n,)` or `None`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.evaluation import split_metrics
    >>> metrics, _, _ = split_metrics(np.array([[2.0, 0.0], [1.0, 0.0]]), np.array([0, 1]), ["cat", "dog"])
    >>> metrics["accuracy"]
    0.5
    """
    metrics = classification_metrics(logits, labels, class_names)
    metrics["intervals"] = image_intervals(metrics, logits, labels, groups)
    if groups is not None:
        metrics["group_count"] = len(np.unique(groups))
    if flipped is not None:
        metrics["with_flips"] = {"flips": flipped[0]} | headlines(
            classification_metrics(flipped[1], labels, class_names)
        )
    measures, chance = measure_maps(maps, masks) if maps and masks is not None else ({}, None)
    for measure, layers in measures.items():
        metrics[measure] = {layer: mean_figures(values, chance) for layer, values in layers.items()}
    return metrics, measures, chance

"""Prediction of many image files: they are read while the model runs, and each result comes as soon as it is known."""

import collections
import dataclasses
import math
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from keras_attention.arguments import require_integer
from keras_attention.prediction.sources import Source, find_images

BATCHES_AHEAD = 2


@dataclasses.dataclass(frozen=True)
class Prediction:
    """The prediction of one image, or the error that prevented it.

    Args:
        path: the path of the image.
        outputs: what the `Predictor` gives: `probabilities (classes,)`, `logits (classes,)` and the maps
            `attention_<layer> (H, W)`; `None` if there is an error.
        error: the `ValueError` that says why there are no outputs; `None` if there are.

    Example:

    >>> import numpy as np
    >>> from keras_attention.prediction import Prediction
    >>> prediction = Prediction("a.jpg", {"probabilities": np.array([0.25, 0.75])})
    >>> prediction.error is None, int(prediction.outputs["probabilities"].argmax())
    (True, 1)
    """

    path: str
    outputs: dict | None = None
    error: ValueError | None = None


def predict_files(predictor, paths, batch_size=32):
    """Predicts image files, folders and patterns, as a stream.

    Files are decoded in threads while the model runs. An image that cannot be read does not stop the others.

    Args:
        predictor: a `Predictor`.
        paths: strings or paths of files and folders, patterns such as `photos/**/*.jpg`, or what `find_images` gives.
        batch_size: images at a time, at most.

    Returns:
        An iterator of `Prediction`, one for each image, in the order of the paths.

    Raises:
        ValueError: a batch size below 1.

    Example:

    >>> import pathlib, tempfile
    >>> import keras, numpy as np
    >>> from keras_attention import VGG16BN, attention_classifier, load_predictor, predict_files
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> attention_classifier(VGG16BN((32, 32, 3), width=0.05), 3, units=8).save(folder / "model.keras")
    >>> keras.utils.save_img(folder / "white.png", np.full((40, 60, 3), 255), scale=False)
    >>> (folder / "broken.jpg").touch()
    >>> for prediction in predict_files(load_predictor(folder / "model.keras"), [folder]):
    ...     outputs = prediction.outputs
    ...     print(pathlib.Path(prediction.path).name, outputs and outputs["attention_block4_pool"].shape)
    broken.jpg None
    white.png (2, 2)
    """
    require_integer("batch_size", batch_size, at_least=1)
    paths = list(paths)
    sources = paths if all(isinstance(path, Source) for path in paths) else find_images(paths)
    return _stream(predictor, sources, even_batch_size(len(sources), batch_size))


def even_batch_size(count, batch_size):
    """The smallest batch size that needs no more batches than `batch_size` does: the last batch is hardly smaller.

    Example:

    >>> from keras_attention.prediction.stream import even_batch_size
    >>> even_batch_size(100, 32), even_batch_size(3, 32)
    (25, 3)
    """
    return math.ceil(count / math.ceil(count / batch_size)) if count else batch_size


def predict_padded(predictor, images, size):
    """The outputs for images `(n, S, S, 3)`, n at most `size`, computed as a batch of `size`.

    A batch of another size would trace the model again, which takes longer than predicting a few more images.
    """
    images, count = np.asarray(images), len(images)
    if count < size:
        images = np.concatenate([images, np.zeros((size - count, *images.shape[1:]), images.dtype)])
    return {name: values[:count] for name, values in predictor(images).items()}


def _stream(predictor, sources, size):
    waiting, readable = [], 0
    for path, image in _read_ahead(predictor, sources, BATCHES_AHEAD * size):
        waiting.append((path, image))
        readable += not isinstance(image, ValueError)
        if readable in (0, size):
            yield from _predicted(predictor, waiting, size)
            waiting, readable = [], 0
    yield from _predicted(predictor, waiting, size)


def _predicted(predictor, waiting, size):
    """The `Prediction` of each path; `waiting` holds pairs of a path and an image or an error."""
    images = [image for _, image in waiting if not isinstance(image, ValueError)]
    outputs = predict_padded(predictor, np.stack(images), size) if images else {}
    number = 0
    for path, image in waiting:
        if isinstance(image, ValueError):
            yield Prediction(path, error=image)
            continue
        yield Prediction(path, {name: values[number] for name, values in outputs.items()})
        number += 1


def _read_ahead(predictor, sources, ahead):
    """`(path, pixels)` or `(path, ValueError)`, in order; up to `ahead` images are read before they are needed."""
    readers, futures = ThreadPoolExecutor(os.cpu_count() or 1), collections.deque()
    try:
        for source in sources:
            futures.append(readers.submit(_read, predictor, source))
            if len(futures) > ahead:
                yield futures.popleft().result()
        while futures:
            yield futures.popleft().result()
    finally:
        readers.shutdown(wait=False, cancel_futures=True)


def _read(predictor, source):
    try:
        return source.path, source.error or predictor.read(source.path)
    except ValueError as error:
        return source.path, error

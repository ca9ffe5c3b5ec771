"""The examples on the page: from files, from a data set, or from the data of a run."""

import dataclasses
import pathlib

import numpy as np

from keras_attention.arguments import invalid, one_line
from keras_attention.data import load
from keras_attention.data.split import evenly_spaced
from keras_attention.explanation.examples import DataExamples, FileExamples
from keras_attention.runs import Run, load_data

LIMIT = 24


@dataclasses.dataclass(frozen=True)
class Example:
    """An image to show.

    Args:
        image: uint8 `(S, S, 3)`.
        name: name of the image.
        true: name of its true class; `None` if it is not known.
    """

    image: np.ndarray
    name: str
    true: str | None = None


def file_examples(predictor, paths, limit=LIMIT):
    """Examples spread evenly over image files and folders, and a sentence for each example that does not decode.

    Raises:
        ValueError: a path that does not exist, or a folder without images.
    """
    for path in map(pathlib.Path, paths):
        if not path.exists():
            raise invalid(f"{path} does not exist.", "image files and folders", f"image={str(path)!r}")
    return _read(FileExamples(paths, predictor), predictor.class_names, limit)


def data_examples(predictor, source, data_dir=None, split="test", limit=LIMIT):
    """Examples from a split of a data set; returns what `file_examples` returns.

    Raises:
        ValueError: data that do not load, or whose classes are not the classes of the model.
    """
    dataset = load(source, data_dir=data_dir, image_size=predictor.image_size, resize=predictor.resize)
    return _read(DataExamples(dataset, split, predictor.class_names, limit), predictor.class_names, limit)


def run_examples(predictor, folder, split="test", limit=LIMIT):
    """Examples from a split of the data that a run was trained on; returns what `file_examples` returns.

    If the data do not load, there are no examples and the sentence says why. This is not an error, because the run may
    come from another computer.
    """
    try:
        dataset = load_data(Run(folder).config, folder)
        return _read(DataExamples(dataset, split, predictor.class_names, limit), predictor.class_names, limit)
    except Exception as error:  # sources of data raise many kinds of exceptions
        return [], [f"There are no examples, because the data of the run do not load: {one_line(error)}"]


def _read(source, class_names, limit):
    found, skipped = [], []
    for number in evenly_spaced(len(source), limit).tolist():
        label = source.labels[number]
        try:
            image = source.read(number)[0]
        except ValueError as error:
            skipped.append(f"An example is left out: {error}")
            continue
        found.append(Example(image, source.names[number], None if label is None else class_names[label]))
    return found, skipped

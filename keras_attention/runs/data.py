"""The data of a run."""

import contextlib
import dataclasses
import hashlib
import json
import pathlib

from keras_attention.arguments import invalid
from keras_attention.data import load
from keras_attention.data.remembered import RememberedSplit
from keras_attention.files import read_json, write_json

IMAGES_OF_A_RUN = "images.json"
DATA_SETTINGS = (  # of a `TrainConfig`: which data are read, and how
    *("data", "data_dir", "images", "columns", "zeros", "masks", "mask_values", "image_size", "resize"),
    *("split_seed", "fold", "allow_duplicates", "group", "label", "data_options"),
)
_LAST = []  # inside `read_once` a dictionary, with how the last data were named and the data


def write_split(run, dataset):
    """Writes which images of a folder a run is trained and measured on; nothing for other data."""
    if dataset.files is not None:
        write_json(pathlib.Path(run) / IMAGES_OF_A_RUN, {"classes": list(dataset.class_names), "files": dataset.files})


def digest_of(files):
    """A digest of the images of all splits, split → path → digest: of their paths and their pixels."""
    images = sorted(pair for names in files.values() for pair in names.items())
    return hashlib.sha256(json.dumps(images).encode()).hexdigest()


def read_split(run):
    """The `RememberedSplit` of a run; `None` if it has none, as runs on other data, and runs of earlier versions."""
    path = pathlib.Path(run) / IMAGES_OF_A_RUN
    if not path.is_file():
        return None
    found = read_json(path)
    return RememberedSplit(tuple(found["classes"]), found["files"])


def load_data(config, run=None, only=None):
    """The `ImageDataset` that a `TrainConfig` names.

    Args:
        config: the `TrainConfig`.
        run: the folder of a run; of a folder of images, those of the run are read and no others.
        only: the name of the only split to read, of the images of a run.
    """
    remembered = None if run is None else read_split(run)
    named = {name: getattr(config, name) for name in DATA_SETTINGS}
    dataset = _load_once(named) if remembered is None else _load(named, remembered=remembered, only=only)
    if config.supervise_attention and not dataset.has_masks:
        raise invalid(
            f"{dataset.name} has no masks to teach attention.",
            "a data set with masks, or for a folder of images the folder of their `masks`",
            f"supervise_attention={config.supervise_attention}",
        )
    if not config.train_on_validation:
        return dataset
    note = "trained on train and validation together; the last epoch is kept"
    return dataclasses.replace(dataset, trains_on_validation=True, notes=(*dataset.notes, note))


@contextlib.contextmanager
def read_once():
    """Inside the block, runs one after the other that name the same data share them: they are read once."""
    _LAST.append({})
    try:
        yield
    finally:
        _LAST.pop()


def _load_once(named):
    if not _LAST:
        return _load(named)
    key = repr(named)
    if key not in _LAST[-1]:
        _LAST[-1].clear()  # at most one data set is in memory
        _LAST[-1][key] = _load(named)
    return _LAST[-1][key]


def _load(named, **of_a_run):
    """The data that these `DATA_SETTINGS` name."""
    settings = {name: value for name, value in named.items() if name not in ("data", "data_options")}
    return load(named["data"], **settings, **named["data_options"], **of_a_run)

"""The model of a finished run as an export, compared on test images of the run."""

import dataclasses
import pathlib
import warnings

import keras

from keras_attention.cards import FOLDER, refresh_listing
from keras_attention.export.job import export_model
from keras_attention.metrics import headlines
from keras_attention.registry import require_classes
from keras_attention.runs import load_data
from keras_attention.runs.data import digest_of, read_split

COMPARED_IMAGES = 64


def export_run(
    run, folder=None, formats=("savedmodel",), quantize=None, verbose=0, model=None, metrics=None, images=None
):
    """Exports the model of a finished run, and compares the export with it on test images of its data.

    If a README beside the folder lists the exported models, as the README of `saved_models` does, it is updated.

    Args:
        run: the `Run`.
        folder: where to write; `saved_models/<name of the run>` if `None`.
        formats, quantize, verbose: as in `export_model`.
        model, metrics, images: the model, metrics and test images of the run if they are in memory; if `None`, they are
            read from the run and its data. If the data do not load, the export is compared on noise, with a warning.

    Returns:
        The content of `card.json`.

    Raises:
        ValueError: a run that is not finished, and all errors of `export_model`.
        RuntimeError: an exported model that differs from the Keras model.

    Example:

    >>> import pathlib, tempfile
    >>> from keras_attention import TrainConfig, train
    >>> from keras_attention.export import export_run
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> config = TrainConfig(data_options={"count": 60}, image_size=32, width=0.05, units=16, epochs=1)
    >>> run = train(config, folder / "runs" / "digits", verbose=0, export=False)
    >>> card = export_run(run, folder / "saved_models" / "digits")
    >>> card["data"]["images"], card["formats"]["savedmodel"]["compared_images"]
    ({'train': 60, 'validation': 10, 'test': 10}, 10)
    """
    folder = pathlib.Path(folder or default_folder(run))
    metrics = run.metrics if metrics is None else metrics
    model = _load(run) if model is None else model
    images = _test_images(run) if images is None else images
    remembered = read_split(run.folder)
    described = {
        "name": run.folder.resolve().name,
        "training": dataclasses.asdict(run.config),
        "resize": run.config.resize,
        "result": headlines(metrics),
        "data": {
            "name": pathlib.Path(run.config.data).name,
            "images": metrics["images"],
            "digest": remembered and digest_of(remembered.files),
            "licence": metrics.get("licence"),
        },
    }
    names = metrics["class_names"]
    card = export_model(model, folder, names, formats, quantize, images, **described, verbose=verbose)
    refresh_listing(folder.parent)
    return card


def _load(run):
    require_classes(run.model_path)
    return keras.models.load_model(run.model_path, compile=False)


def default_folder(run):
    """`saved_models/<name of the run>`."""
    return pathlib.Path(FOLDER) / run.folder.resolve().name


def _test_images(run):
    try:
        return load_data(run.config, run.folder, "test").evenly("test", COMPARED_IMAGES)["image"]
    except (ValueError, OSError) as error:
        warnings.warn(
            f"The export is compared on noise, because the data of the run do not load. {error}", stacklevel=3
        )
        return None

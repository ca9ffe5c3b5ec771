"""A finished run as an export, compared on its own test images."""

import dataclasses
import pathlib
import warnings

import keras

from keras_attention.export.job import export_model
from keras_attention.export.listing import FOLDER, refresh_listing
from keras_attention.registry import require_classes
from keras_attention.runs import load_data

HEADLINES = ("accuracy", "macro_f1", "roc_auc", "average_precision", "count")
COMPARED_IMAGES = 64


def export_run(
    run, folder=None, formats=("savedmodel",), quantize=None, verbose=0, model=None, metrics=None, images=None
):
    """Exports the model of a finished run, after comparing what was written with it on test images of its data.

    The list of models in a README beside the folder is brought up to date, see `refresh_listing`.

    Args:
        run: the `Run`.
        folder: where to write; see `default_folder` where it is `None`.
        formats, quantize, verbose: as in `export_model`.
        model, metrics, images: those of the run where they are in memory; they are read from it and from its data where
            they are `None`. Where the data are gone, models are compared on noise, with a warning.

    Returns:
        What is in `card.json`.

    Raises:
        ValueError: a run that is not finished, and whatever `export_model` raises.
        RuntimeError: an exported model that differs from the Keras model.
    """
    folder = pathlib.Path(folder or default_folder(run))
    metrics = run.metrics if metrics is None else metrics
    model = _load(run) if model is None else model
    images = _test_images(run) if images is None else images
    described = {
        "name": run.folder.resolve().name,
        "training": dataclasses.asdict(run.config),
        "result": {name: metrics[name] for name in HEADLINES},
        "data": {
            "name": pathlib.Path(run.config.data).name,
            "images": metrics["images"],
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
        return load_data(run.config).evenly("test", COMPARED_IMAGES)["image"]
    except (ValueError, OSError) as error:
        warnings.warn(f"The export is compared on noise, because its data do not load. {error}", stacklevel=3)
        return None

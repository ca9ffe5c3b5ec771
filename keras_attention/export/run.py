"""The model of a finished run as an export, compared on test images of the run."""

import dataclasses
import pathlib
import warnings

import keras
import numpy as np
import tensorflow as tf

from keras_attention.arguments import invalid
from keras_attention.cards import FOLDER, check_force, refresh_listing
from keras_attention.cards.formats import STATIC
from keras_attention.export.int8 import Calibration
from keras_attention.export.job import CALIBRATION_IMAGES, export_model
from keras_attention.export.verification import Examples
from keras_attention.metrics import headlines
from keras_attention.registry import require_classes
from keras_attention.runs import load_data
from keras_attention.runs.data import digest_of, read_split

COMPARED_IMAGES = 64
JUDGED_IMAGES = 200  # labelled ones, for files in 8 bits and for the benchmark
SEED = 0  # of the images to calibrate on


def export_run(
    run,
    folder=None,
    formats=("savedmodel",),
    quantize=None,
    verbose=0,
    model=None,
    metrics=None,
    images=None,
    data=None,
    force=False,
    benchmark=False,
):
    """Exports the model of a finished run, and compares the export with it on images of its data.

    These are 64 test images. Files in 8 bits are judged by 200 validation images, which also choose how much of the
    network is in 8 bits, and are calibrated on 32 training images, drawn with a seed; the benchmark is of the same 200.
    Of a run that was trained on its validation images too, they are test images.

    If a README beside the folder lists the exported models, as the README of `saved_models` does, it is updated.

    Args:
        run: the `Run`.
        folder: where to write; `saved_models/<name of the run>` if `None`.
        formats, quantize, verbose: as in `export_model`.
        model, metrics, images: the model, metrics and test images of the run if they are in memory; if `None`, they are
            read from the run and its data. If the data do not load, the export is compared on noise, with a warning.
        data: where the data of the run are, if they are not where they were.
        force, benchmark: as in `export_model`.

    Returns:
        The content of `card.json`.

    Raises:
        ValueError: a run that is not finished, data that do not load for files in 8 bits, and all errors of
            `export_model`.
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
    check_force(force, quantize)
    images, calibration = _images(run, data, quantize, benchmark) if images is None else (images, None)
    remembered = read_split(run.folder)
    described = {
        "name": name_of(run),
        "training": dataclasses.asdict(run.config) | {"precision": metrics.get("precision", run.config.precision)},
        "resize": run.config.resize,
        "result": _result(metrics),
        "data": {
            "name": pathlib.Path(run.config.data).name,
            "images": metrics["images"],
            "digest": remembered and digest_of(remembered.files),
            "licence": metrics.get("licence"),
        },
    }
    names = metrics["class_names"]
    options = {"calibration": calibration, "force": force, "benchmark": benchmark}
    card = export_model(model, folder, names, formats, quantize, images, **described, **options, verbose=verbose)
    refresh_listing(folder.parent)
    return card


def _result(metrics):
    """The headlines of a run, the interval of its accuracy, and the number of groups of test images, if known."""
    interval = (metrics.get("intervals") or {}).get("accuracy")
    known = {"accuracy_interval": interval, "group_count": metrics.get("group_count")}
    return headlines(metrics) | {name: value for name, value in known.items() if value is not None}


def _load(run):
    require_classes(run.model_path)
    return keras.models.load_model(run.model_path, compile=False)


def default_folder(run):
    """`saved_models/<name of the run>`."""
    return pathlib.Path(FOLDER) / name_of(run)


def name_of(run):
    """The name of the folder of a run; of one of a comparison, `<comparison>-<variant>-seed-<seed>`."""
    folder = run.folder.resolve()
    if folder.parent.parent.name != "runs" or not folder.name.startswith("seed-"):
        return folder.name
    return "-".join((folder.parents[2].name, folder.parent.name, folder.name))


def _images(run, data, quantize, benchmark):
    """The `Examples` to compare on, and the `Calibration` of files in 8 bits; `None` if the data do not load."""
    config = run.config if data is None else dataclasses.replace(run.config, data=str(data))
    judged = quantize == STATIC or benchmark
    try:
        dataset = load_data(config, run.folder, None if judged else "test")
        if not judged:
            return Examples(dataset.evenly("test", COMPARED_IMAGES)["image"], split="test"), None
        return _labelled(dataset), _drawn(dataset.train) if quantize == STATIC else None
    except (ValueError, OSError) as error:
        if quantize == STATIC:
            why, of_whom = str(error).split(" Expected ")[0].rstrip("."), "" if data else ", the data of the run"
            raise invalid(
                f"int8 needs images of the training to calibrate on, which cannot be read: {why}.",
                "the data where they were when the run was trained, or `data` with the place where they are",
                f"data={config.data!r}{of_whom}",
            ) from error
        lost = ", and the benchmark has times and sizes only," if benchmark else ""
        warnings.warn(
            f"The export is compared on noise{lost or ','} because the data of the run do not load. {error}",
            stacklevel=3,
        )
        return None, None


def _labelled(dataset):
    """Images that the training did not see, with labels and masks: of validation, or of test if it saw these."""
    split = "test" if dataset.trains_on_validation else "validation"
    found = dataset.evenly(split, JUDGED_IMAGES)
    return Examples(found["image"], found["label"], found.get("mask"), split)


def _drawn(split):
    """The `Calibration` of images drawn from the training images, of which no others are decoded."""
    count = min(split.count, CALIBRATION_IMAGES)
    numbers = np.random.default_rng(SEED).choice(split.count, count, replace=False)
    chosen = split.records.enumerate().filter(lambda number, _: tf.reduce_any(number == numbers))
    drawn = dataclasses.replace(split, records=chosen.map(lambda _, record: record), count=count)
    return Calibration(np.concatenate(list(drawn.images(count).as_numpy_iterator())), "train", SEED)

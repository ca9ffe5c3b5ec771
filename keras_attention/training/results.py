"""The results of a run: figures on the test split, pictures, and the export."""

import functools
import warnings

import numpy as np

from keras_attention.arguments import one_line
from keras_attention.evaluation.figures import predict_split, predict_with_flips, split_metrics
from keras_attention.export.graph import InferenceGraph
from keras_attention.export.run import export_run
from keras_attention.maps import attention_figure
from keras_attention.maps.placed import place
from keras_attention.members import SPLITS
from keras_attention.models import attention_outputs, map_grids, over_features
from keras_attention.models.grids import as_config
from keras_attention.models.outputs import LOGITS, maps_of
from keras_attention.report import confusion_figure, history_figure
from keras_attention.training.map_watch import MapWatch

SHOWN_IMAGES = 12
LONGEST_NAME = 21  # letters that fit above an image


class TestImages:
    """What results read of the test images, once for all runs that share it.

    Args:
        dataset: the `ImageDataset`.
    """

    __test__ = False  # no test of pytest

    def __init__(self, dataset):
        self.dataset = dataset

    @functools.cached_property
    def examples(self):
        """`shown_examples`."""
        return shown_examples(self.dataset)

    @functools.cached_property
    def masks(self):
        """The masks, `(n, S, S, 1)`; `None` if there are none."""
        if not self.dataset.has_masks:
            return None
        batches = self.dataset.batches("test", 256, with_masks=True)
        return np.concatenate([batch["masks"] for batch in batches.as_numpy_iterator()])


def write_results(
    run, config, dataset, model, keeper, precision, features=None, export=True, pictures=True, found=None, test=None
):
    """Measures the best model on the test split, writes the pictures and the export, and finishes the run.

    Args:
        run: the `Run`.
        config: its `TrainConfig`.
        dataset: its `ImageDataset`.
        model: the best model, in float32.
        keeper: the `Keeper` of its training, with the rows of its history.
        precision: the precision in which it was trained.
        features: a `FeatureDataset`, the cached features of these images, if the backbone has not changed since; the
            test split is then measured from them.
        export: whether to export the model.
        pictures: whether to draw the pictures.
        found: the outputs of the model for the test split, and its labels, if they are known.
        test: the `TestImages`, if several runs share them.
    """
    test = test or TestImages(dataset)
    outputs, labels = found or _predict(model, features or dataset, getattr(features, "layers", None))
    grids = map_grids(model)
    logits, maps = outputs[LOGITS], place(maps_of(outputs), grids)
    if not np.isfinite(logits).all():
        raise FloatingPointError(
            "The logits of the trained model must be finite: the training diverged. Expected finite logits; a lower "
            f"learning rate often helps. Received: learning_rate={config.learning_rate}."
        )
    flipped = None
    if config.flips != "none":
        flipped = config.flips, predict_with_flips(model, dataset, "test", config.flips)[0]
    masks = test.masks if maps else None
    groups = None if dataset.groups is None else np.unique(dataset.groups["test"], return_inverse=True)[1]
    metrics, measures, chance = split_metrics(logits, labels, dataset.class_names, maps, masks, flipped, groups)
    optional = ({"chance": chance} if measures else {}) | ({} if groups is None else {"groups": groups})
    examples = test.examples
    shown = {name: values[examples["number"]] for name, values in maps.items()}
    run.save_arrays(logits=logits, labels=labels, **_flat("map", shown), **_flat("measure", measures), **optional)
    run.save_model(model)
    if pictures:
        _draw(run, keeper, metrics["confusion"], dataset.class_names, logits, examples, shown)
    training = {"parameters": int(model.count_params()), "precision": precision}
    metrics |= _selection(keeper) | training | _data(dataset) | {"grids": as_config(grids)}
    watch = MapWatch(run.map_warnings_path)
    metrics |= {"map_warnings": watch.found, "map_entropy": watch.course(metrics["best_epoch"])}
    run.finish(metrics)
    if export:
        _export(run, model, metrics, examples["image"])


def _export(run, model, metrics, images):
    """Exports the model of a run whose results are written: they are not lost if it cannot be exported."""
    try:
        card = export_run(run, run.export_path, model=model, metrics=metrics, images=images)
    except (ValueError, RuntimeError) as error:
        again = f"`keras-attention export {run.folder}` tries again"
        warnings.warn(f"The run is finished, but its model cannot be exported; {again}. {error}", stacklevel=3)
        return
    run.finish(metrics | {"export_difference": card["formats"]["savedmodel"]["largest_difference"]})


def warn_of_export(model, class_names):
    """Warns before training if the model cannot be exported afterwards, as far as its graph tells."""
    try:
        InferenceGraph(model, class_names)
    except Exception as error:  # layers of others raise whatever they like when they are copied
        warnings.warn(f"The trained model will not be exported: {one_line(error)}", stacklevel=3)


def _predict(model, dataset, layers=None):
    """The outputs of a model for the test split, from images or from their features at `layers`; and the labels."""
    outputs = attention_outputs(model)
    return predict_split(outputs if layers is None else over_features(outputs, layers), dataset, "test")


def _draw(run, keeper, confusion, class_names, logits, examples, maps):
    run.save_figure("history.png", history_figure(keeper.rows))
    run.save_figure("confusion.png", confusion_figure(confusion, class_names))
    if maps:
        titles = _titles(logits[examples["number"]].argmax(-1), examples["label"], class_names)
        figure = attention_figure(examples["image"], maps, titles, masks=examples.get("mask"))
        run.save_figure("attention.png", figure)


def _selection(keeper):
    best = keeper.rows[keeper.best_row]
    # NaN, for a figure that the validation split does not define, is not allowed in JSON.
    validation = {name: value for name, value in best.items() if name.startswith("val_") and value == value}
    return {
        "validation": validation,
        "best_epoch": int(best["epoch"]),
        "epochs": len(keeper.rows),
        "seconds": round(keeper.seconds, 2),
    }


def _data(dataset):
    grouped = {split: len(set(names)) for split, names in (dataset.groups or {}).items()}
    return ({"groups": grouped} if grouped else {}) | {
        "class_names": list(dataset.class_names),
        "image_size": dataset.image_size,
        "licence": dataset.licence,
        "images": {split: dataset.split(split).count for split in SPLITS},
        "skipped_files": list(dataset.skipped),
        "skipped_count": len(dataset.skipped),
        "notes": list(dataset.notes),
    }


def shown_examples(dataset):
    """The test images that pictures show, taken evenly from the split, as a folder is sorted by class.

    Returns:
        A dictionary of arrays: `number` in the split, `image`, `label`, and `mask` if there are masks.
    """
    return dataset.evenly("test", SHOWN_IMAGES)


def _flat(prefix, nested):
    """Nested dictionaries of arrays as one flat dictionary, with names such as `measure/jaccard/joint`."""
    flat = {}
    for name, value in nested.items():
        key = f"{prefix}/{name}"
        flat |= _flat(key, value) if isinstance(value, dict) else {key: value}
    return flat


def _titles(predicted, true, class_names):
    """The title of each image, its true and predicted class, with its color: red if they differ."""
    titles = []
    for guess, label in zip(predicted, true, strict=True):
        names = [_shortened(class_names[number]) for number in (label, guess)]
        arrow = " → " if sum(map(len, names)) < LONGEST_NAME else "\n→ "
        titles.append((arrow.join(names), "black" if label == guess else "crimson"))
    return titles


def _shortened(name):
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"

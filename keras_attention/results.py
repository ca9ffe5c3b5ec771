"""What a finished run holds: figures on the test split, pictures, and the export."""

import numpy as np

from keras_attention.explain import attention_figure, mean_figures, measure_maps
from keras_attention.export.run import HEADLINES, export_run
from keras_attention.metrics import classification_metrics, predict_split, predict_with_flips
from keras_attention.models import attention_outputs, over_features
from keras_attention.models.classifier import PREFIX
from keras_attention.report import confusion_figure, history_figure

SHOWN_IMAGES = 12
LONGEST_NAME = 21  # letters that fit above an image
SPLITS = ("train", "validation", "test")


def write_results(run, config, dataset, model, keeper, precision, features=None, export=True):
    """Measures the best model on the test split, writes the pictures and the export, and finishes the run.

    Args:
        run: the `Run`.
        config: its `TrainConfig`.
        dataset: its `ImageDataset`.
        model: the best model, in float32.
        keeper: the `Keeper` of its training, with the rows of its history.
        precision: what it was trained in.
        features: the cached features of these images, a `FeatureDataset`, where the backbone is still what made them;
            they spare it the test split.
        export: whether to export the model.
    """
    outputs, labels = _predict(model, features or dataset, getattr(features, "layers", None))
    logits, maps = outputs["logits"], maps_of(outputs)
    if not np.isfinite(logits).all():
        raise FloatingPointError(
            "The trained model gives logits that are not finite: the training diverged. Expected finite ones; a lower "
            f"learning rate often helps. Received: learning_rate={config.learning_rate}."
        )
    flipped = None
    if config.test_flips != "none":
        flipped = config.test_flips, predict_with_flips(model, dataset, "test", config.test_flips)[0]
    masks = _test_masks(dataset) if maps and dataset.has_masks else None
    metrics, measures, chance = split_metrics(logits, labels, dataset.class_names, maps, masks, flipped)
    chances = {"chance": chance} if measures else {}
    examples = shown_examples(dataset)
    shown = {name: values[examples["number"]] for name, values in maps.items()}
    run.save_arrays(logits=logits, labels=labels, **_flat("map", shown), **_flat("measure", measures), **chances)
    run.save_model(model)
    _draw(run, keeper, metrics["confusion"], dataset.class_names, logits, examples, shown)
    training = {"parameters": int(model.count_params()), "precision": precision}
    metrics |= _selection(keeper) | training | _data(dataset)
    if export:
        card = export_run(run, run.export_path, model=model, metrics=metrics, images=examples["image"])
        metrics["export_difference"] = card["formats"]["savedmodel"]["largest_difference"]
    run.finish(metrics)


def split_metrics(logits, labels, class_names, maps=None, masks=None, flipped=None):
    """The figures of a model on a split, as `metrics.json` has them.

    Args:
        logits: `(n, classes)`.
        labels: `(n,)`, integers from 0.
        class_names: the name of each class.
        maps: attended feature → `(n, H, W)`.
        masks: `(n, S, S, 1)`; `None` where there are none.
        flipped: one of `metrics.FLIPS` and the logits averaged over such copies; `None` leaves them out.

    Returns:
        What `classification_metrics` returns, with `with_flips`, the headlines of `flipped`, and each measure of the
        maps by block, where there are masks; `{measure: {block: (n,)}}`, the figures of each image; and chance `(n,)`,
        or `None`.
    """
    metrics = classification_metrics(logits, labels, class_names)
    if flipped is not None:
        figures = classification_metrics(flipped[1], labels, class_names)
        metrics["with_flips"] = {"flips": flipped[0]} | {name: figures[name] for name in HEADLINES}
    measures, chance = measure_maps(maps, masks) if maps and masks is not None else ({}, None)
    for measure, blocks in measures.items():
        metrics[measure] = {block: mean_figures(values, chance) for block, values in blocks.items()}
    return metrics, measures, chance


def maps_of(outputs):
    """Attended feature → its maps, of what a model gives by name; of maps for each class, that of the best one."""
    maps = {name.removeprefix(PREFIX): values for name, values in outputs.items() if name.startswith(PREFIX)}
    rows, best = np.arange(len(outputs["logits"])), outputs["logits"].argmax(-1)
    return {name: values if values.ndim == 3 else values[rows, best] for name, values in maps.items()}


def _predict(model, dataset, layers=None):
    """What a model gives for the test split, from images, or from their features at these layers; and the labels."""
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
    # NaN, a figure that the validation split does not define, has no place in JSON.
    validation = {name: value for name, value in best.items() if name.startswith("val_") and value == value}
    return {
        "validation": validation,
        "best_epoch": int(best["epoch"]),
        "epochs": len(keeper.rows),
        "seconds": round(keeper.seconds, 2),
    }


def _data(dataset):
    return {
        "class_names": list(dataset.class_names),
        "image_size": dataset.image_size,
        "licence": dataset.licence,
        "images": {split: dataset.split(split).count for split in SPLITS},
        "skipped_files": list(dataset.skipped),
        "skipped_count": len(dataset.skipped),
        "notes": list(dataset.notes),
    }


def shown_examples(dataset):
    """The test images that pictures show, evenly over the split, as a folder is in the order of its classes.

    Returns:
        A dictionary of arrays: `number` in the split, `image`, `label`, and `mask` where there are masks.
    """
    return dataset.evenly("test", SHOWN_IMAGES)


def _flat(prefix, nested):
    """Nested dictionaries of arrays as one, with names such as `measure/jaccard/joint`."""
    flat = {}
    for name, value in nested.items():
        key = f"{prefix}/{name}"
        flat |= _flat(key, value) if isinstance(value, dict) else {key: value}
    return flat


def _test_masks(dataset):
    return np.concatenate([masks for _, _, masks in dataset.batches("test", 256).as_numpy_iterator()])


def _titles(predicted, true, class_names):
    """True and predicted class of each image, in red where they differ."""
    titles = []
    for guess, label in zip(predicted, true, strict=True):
        names = [_shortened(class_names[number]) for number in (label, guess)]
        arrow = " → " if sum(map(len, names)) < LONGEST_NAME else "\n→ "
        titles.append((arrow.join(names), "black" if label == guess else "crimson"))
    return titles


def _shortened(name):
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"

"""What a finished run holds: figures on the test split, pictures, and the export."""

import dataclasses

import keras
import numpy as np

from keras_attention.evaluate import classification_metrics, predict_split, predict_with_flips
from keras_attention.explain import attention_figure, pointing_games
from keras_attention.export import export_saved_model
from keras_attention.models import attention_outputs, over_features
from keras_attention.models.classifier import PREFIX
from keras_attention.report import confusion_figure, history_figure

SHOWN_IMAGES = 12
LONGEST_NAME = 21  # letters that fit above an image
HEADLINES = ("accuracy", "macro_f1", "roc_auc", "average_precision", "count")
SPLITS = ("train", "validation", "test")


def write_results(run, config, dataset, model, keeper, precision, features=None):
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
    """
    measured = attention_outputs(model)
    if features is not None:
        measured = over_features(measured, features.layers)
    outputs, labels = predict_split(measured, features or dataset, "test")
    if not np.isfinite(outputs["logits"]).all():
        raise FloatingPointError(
            "The trained model gives logits that are not finite: the training diverged. Expected finite ones; a lower "
            f"learning rate often helps. Received: learning_rate={config.learning_rate}."
        )
    logits, maps = outputs["logits"], {name: values for name, values in outputs.items() if name.startswith(PREFIX)}
    metrics = classification_metrics(logits, labels, dataset.class_names)
    if config.test_flips != "none":
        metrics["with_flips"] = _with_flips(model, dataset, config.test_flips)
    if maps and dataset.has_masks:
        metrics["pointing_game"] = pointing_games(maps, _test_masks(dataset))
    run.save_model(model)
    run.save_figure("history.png", history_figure(keeper.rows))
    run.save_figure("confusion.png", confusion_figure(metrics["confusion"], dataset.class_names))
    numbers, images, masks = _shown(dataset)
    if maps:
        shown = {name: values[numbers] for name, values in maps.items()}
        titles = _titles(logits[numbers].argmax(-1), labels[numbers], dataset.class_names)
        run.save_figure("attention.png", attention_figure(images, shown, titles, masks=masks))
    settings, headlines = dataclasses.asdict(config), {name: metrics[name] for name in HEADLINES}
    difference = export_saved_model(model, run.export_path, dataset.class_names, settings, headlines, images)
    training = {"parameters": int(model.count_params()), "precision": precision, "export_difference": difference}
    run.finish(metrics | _selection(keeper) | training | _data(dataset))


def export_run(run, folder):
    """Exports the model of a finished run; returns the largest difference to the Keras model."""
    metrics = run.metrics
    model = keras.models.load_model(run.model_path, compile=False)
    headlines = {name: metrics[name] for name in HEADLINES}
    return export_saved_model(model, folder, metrics["class_names"], dataclasses.asdict(run.config), headlines)


def _with_flips(model, dataset, flips):
    figures = classification_metrics(*predict_with_flips(model, dataset, "test", flips), dataset.class_names)
    return {"flips": flips} | {name: figures[name] for name in HEADLINES}


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
        "images": {split: dataset.split(split).count for split in SPLITS},
        "skipped_files": list(dataset.skipped),
        "skipped_count": len(dataset.skipped),
        "notes": list(dataset.notes),
    }


def _shown(dataset):
    """Numbers, images and masks (or `None`) of the test images for the picture, evenly over the split: a folder is in
    the order of its classes."""
    count = dataset.test.count
    numbers = np.unique(np.linspace(0, count - 1, min(SHOWN_IMAGES, count)).round().astype(int))
    chosen = set(numbers.tolist())
    examples = enumerate(dataset.test.examples().as_numpy_iterator())
    shown = [example for number, example in examples if number in chosen]
    masks = np.stack([example["mask"] for example in shown]) if dataset.has_masks else None
    return numbers, np.stack([example["image"] for example in shown]), masks


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

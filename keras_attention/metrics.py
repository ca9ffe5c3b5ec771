"""How good a classifier is: exact metrics from its logits, by scikit-learn."""

import numpy as np
from scipy.special import log_softmax, softmax
from sklearn import metrics

# The figures of a validation split that a run can select its best epoch by: name → whether more is better.
MONITORS = {
    "val_loss": False,
    "val_accuracy": True,
    "val_macro_f1": True,
    "val_roc_auc": True,
    "val_average_precision": True,
}

# Ways to average over flips of an image → the axes that are flipped, for each copy.
FLIPS = {"none": ((),), "horizontal": ((), (2,)), "both": ((), (1,), (2,), (1, 2))}


def predict_split(model, dataset, split, batch_size=128, flipped=()):
    """What a model gives for the images of a split, or for their features, and their labels `(n,)`, in its order.

    A model of several outputs, such as `attention_outputs` makes, gives a dictionary.

    `flipped` names the axes along which the images are mirrored first.
    """
    batches = dataset.batches(split, batch_size, **({"flipped": flipped} if flipped else {}))
    labels = np.concatenate([batch[1].argmax(-1) for batch in batches.as_numpy_iterator()])
    # A tuple of one: several inputs are a tuple themselves, which `predict` must not take for images and labels.
    return model.predict(batches.map(lambda inputs, *_: (inputs,)), verbose=0), labels


def predict_with_flips(model, dataset, split, flips, batch_size=128):
    """As `predict_split`, with probabilities averaged over flipped copies of each image.

    Args:
        model: a classifier, images → logits.
        dataset: an `ImageDataset`.
        split: its name.
        flips: one of `FLIPS`.
        batch_size: images at a time.

    Returns:
        Logarithms of the averaged probabilities, `(n, classes)`, which serve as logits; and the labels.
    """
    logits, labels = zip(
        *(predict_split(model, dataset, split, batch_size, axes) for axes in FLIPS[flips]), strict=True
    )
    return mean_over_flips(logits), labels[0]


def mean_over_flips(logits):
    """Logits `(n, classes)` of each copy of the images → logarithms of the averaged probabilities, `(n, classes)`."""
    probabilities = sum(softmax(np.asarray(copy, "float64"), axis=-1) for copy in logits)
    return np.log(probabilities / len(logits))


def classification_metrics(logits, labels, class_names):
    """The figures of a classifier on a split.

    ROC-AUC and average precision are exact (no bins), one class against the rest, and their means are taken over the
    classes for which they are defined: those with at least one image in the split and one outside.

    Args:
        logits: `(n, classes)`.
        labels: `(n,)`, integers from 0.
        class_names: the name of each class.

    Returns:
        A dictionary: `accuracy`, `macro_f1`, `roc_auc`, `average_precision` from 0 to 1 (the last two `None` where no
        class has them), `loss` in nats, `count`, `per_class` by name, and `confusion`, rows true, columns predicted.
    """
    logits, labels = np.asarray(logits, "float64"), np.asarray(labels)
    probabilities, predicted = softmax(logits, axis=-1), logits.argmax(-1)
    numbers = np.arange(len(class_names))
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        labels, predicted, labels=numbers, zero_division=0
    )
    per_class = {
        name: {
            "precision": float(precision[number]),
            "recall": float(recall[number]),
            "f1": float(f1[number]),
            "roc_auc": _one_against_rest(metrics.roc_auc_score, labels == number, probabilities[:, number]),
            "average_precision": _one_against_rest(
                metrics.average_precision_score, labels == number, probabilities[:, number]
            ),
            "count": int(support[number]),
        }
        for number, name in enumerate(class_names)
    }
    return {
        "accuracy": float((predicted == labels).mean()),
        "macro_f1": float(f1.mean()),
        "roc_auc": _mean_of_defined(entry["roc_auc"] for entry in per_class.values()),
        "average_precision": _mean_of_defined(entry["average_precision"] for entry in per_class.values()),
        "loss": float(-log_softmax(logits, axis=-1)[np.arange(len(labels)), labels].mean()),
        "count": len(labels),
        "per_class": per_class,
        "confusion": metrics.confusion_matrix(labels, predicted, labels=numbers).tolist(),
    }


def _one_against_rest(measure, truth, probability):
    return float(measure(truth, probability)) if 0 < truth.sum() < len(truth) else None


def _mean_of_defined(values):
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None

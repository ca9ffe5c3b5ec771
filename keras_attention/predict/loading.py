"""A run, a `.keras` file or an export → its `Predictor`."""

import json
import pathlib

import keras
import tensorflow as tf

from keras_attention.arguments import invalid
from keras_attention.models import attention_outputs
from keras_attention.precision import in_float32
from keras_attention.predict.predictor import Predictor
from keras_attention.runs import Run


def load_predictor(path):
    """The `Predictor` of a run folder, a `.keras` file or a SavedModel folder that `export_saved_model` wrote.

    Raises:
        ValueError: a path that is none of them, or a run that is not finished.
    """
    path = pathlib.Path(path)
    if (path / "saved_model.pb").is_file():
        return _from_export(path)
    if path.is_dir():
        metrics = Run(path).metrics
        return _from_keras(path / "model.keras", metrics["class_names"])
    if path.suffix == ".keras" and path.is_file():
        return _from_keras(path, _names_beside(path))
    raise invalid(f"{path} is no model.", "a run folder, a .keras file or an exported folder", f"model={str(path)!r}")


def _from_export(path):
    card = path / "card.json"
    if not card.is_file():
        raise invalid(
            f"{path} has no card.json.", "a folder that `keras-attention export` wrote", f"model={str(path)!r}"
        )
    described = json.loads(card.read_text("utf-8"))
    loaded = tf.saved_model.load(str(path))

    # The loaded object must outlive its signature, whose variables it owns.
    def outputs(images, loaded=loaded):
        return loaded.signatures["serving_default"](images=tf.constant(images))

    return Predictor(outputs, described["class_names"], described["image_size"])


def _from_keras(path, class_names):
    try:
        model = keras.models.load_model(path, compile=False)
    except (ValueError, TypeError, OSError) as error:
        reason = str(error).strip().split("\n")[0]
        raise invalid(f"{path} does not load: {reason}", "a model of this package", f"model={str(path)!r}") from error
    model = in_float32(model)
    graph = attention_outputs(model)

    def outputs(images):
        predicted = graph.predict_on_batch(images)
        return {"probabilities": keras.ops.softmax(predicted["logits"]), **predicted}

    names = class_names or [str(number) for number in range(model.output_shape[-1])]
    return Predictor(outputs, names, model.input_shape[1], model)


def _names_beside(path):
    metrics = path.parent / "metrics.json"
    return json.loads(metrics.read_text("utf-8"))["class_names"] if metrics.is_file() else None

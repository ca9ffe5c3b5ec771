"""A run, a `.keras` file or an export in any format → its `Predictor`."""

import pathlib

import keras
import numpy as np

from keras_attention.arguments import invalid
from keras_attention.export import CARD, FORMATS, damaged, format_of
from keras_attention.export.graph import named
from keras_attention.files import read_json
from keras_attention.models import attention_outputs
from keras_attention.precision import in_float32
from keras_attention.predict.predictor import Predictor
from keras_attention.quiet import silenced
from keras_attention.runs import Run

MODELS = "a run folder, an exported folder, or a .keras, .onnx or .tflite file"


def load_predictor(path):
    """The `Predictor` of a run folder, a `.keras` file, an exported folder, or a single `.onnx` or `.tflite` file.

    Of a folder with several formats the SavedModel is taken, else ONNX, else LiteRT. What has a card is compared with
    it first, file by file. Nothing is unpickled, and no code that a file brings is run: a `.keras` file with Lambda
    layers or classes of others is refused.

    Raises:
        ValueError: a path that is none of them, a run that is not finished, a file that is damaged or not of this
            package, or a runtime that is not installed.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        return _from_folder(path)
    if path.is_file() and path.suffix == ".keras":
        return _from_keras(path, _names_beside(path))
    if path.is_file() and format_of(path):
        return _from_file(path, format_of(path))
    raise invalid(f"{path} is no model.", MODELS, f"model={str(path)!r}")


def _from_folder(path):
    if (path / CARD).is_file():
        card = read_card(path)
        return _from_export(path, card, next(name for name in FORMATS if name in card["formats"]))
    if (path / "saved_model.pb").is_file():
        raise invalid(f"{path} has no {CARD}.", "a folder that `keras-attention export` wrote", f"model={str(path)!r}")
    return _from_keras(path / "model.keras", Run(path).metrics["class_names"])


def read_card(folder):
    """The card of an export.

    Raises:
        ValueError: a card that is damaged, or of something else.
    """
    card = read_json(pathlib.Path(folder) / CARD)
    known = isinstance(card, dict) and all(name in card for name in ("class_names", "image_size", "formats"))
    if not known or not set(card["formats"]) & set(FORMATS):
        raise invalid(f"{folder}/{CARD} is no card of an export.", "one of `keras-attention export`", str(folder))
    return card


def _from_file(path, name):
    """A single file; with the card beside it where it is of the same export."""
    card = read_card(path.parent) if (path.parent / CARD).is_file() else {"formats": {}}
    if any(file["path"] == path.name for file in card["formats"].get(name, {"files": ()})["files"]):
        return _from_export(path.parent, card, name)
    runtime = FORMATS[name].runtime(path)
    names = getattr(runtime, "class_names", None) or _numbers(_classes_of(runtime))
    return Predictor(runtime, names, runtime.image_size)


def _from_export(folder, card, name):
    problem = damaged(folder, card, name)
    if problem:
        raise invalid(f"{problem}.", "the files as they were exported", f"model={str(folder)!r}")
    with silenced():
        runtime = FORMATS[name].runtime(FORMATS[name].path(folder, card["formats"][name]["quantized"]))
    return Predictor(runtime, card["class_names"], card["image_size"])


def _from_keras(path, class_names):
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # a damaged archive fails in the reader of whatever the damaged byte belongs to
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise invalid(f"{path} does not load: {reason}", "a model of this package", f"model={str(path)!r}") from error
    model = in_float32(model)
    graph = attention_outputs(model)
    names = class_names or _numbers(model.output_shape[-1])
    return Predictor(lambda images: named(graph.predict_on_batch(images)), names, model.input_shape[1], model)


def _names_beside(path):
    metrics = path.parent / "metrics.json"
    return read_json(metrics)["class_names"] if metrics.is_file() else None


def _numbers(count):
    return [str(number) for number in range(count)]


def _classes_of(runtime):
    blank = np.zeros((1, runtime.image_size, runtime.image_size, 3), "float32")
    return runtime(blank)["logits"].shape[-1]

"""A run, a `.keras` file or an export in any format → its `Predictor`."""

import pathlib
import warnings

import keras
import numpy as np

from keras_attention.arguments import invalid, reason, require_choice
from keras_attention.cards import CARD, FORMATS, damaged, format_of, is_card, read_card
from keras_attention.export.formats import RUNTIMES
from keras_attention.files import read_json
from keras_attention.members import MODELS
from keras_attention.models.grids import from_config, map_grids
from keras_attention.models.outputs import (
    LOGITS,
    PROBABILITIES,
    attended_layer,
    attention_outputs,
    map_outputs,
    with_probabilities,
)
from keras_attention.patterns import RESIZES
from keras_attention.precision import in_float32
from keras_attention.prediction.predictor import Predictor
from keras_attention.quiet import silenced
from keras_attention.registry import require_classes
from keras_attention.runs import Run


def load_predictor(path):
    """The `Predictor` of a run folder, a `.keras` file, an exported folder, or a single `.onnx`, `.tflite` or
    `.xml` file.

    If a folder has several formats, the SavedModel is taken, else ONNX, LiteRT or OpenVINO. If there is a card, the
    files are compared with it first, and every export must predict one black image before it is returned.

    Nothing is unpickled, and no code in a `.keras` file is run: files with Lambda layers or foreign classes are
    refused. An export, however, is a program for its runtime, and the card beside it can be forged: load only exports
    from people you trust.

    Args:
        path: path of the model.

    Returns:
        A `Predictor`. The classes of a single file that does not contain their names are `"0"`, `"1"`, …. Its `resize`
        is that of the training, as the run, the card, the metadata of an `.onnx` or `.xml` file, or a `config.json`
        beside a `.keras` file says; if nothing does, `"stretch"`.

    Raises:
        ValueError: a path that is not such a model, a run that is not finished, a file that is damaged or was not
            written by this package, or a runtime that is not installed.

    Example:

    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from keras_attention import VGG16BN, attention_classifier, load_predictor
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> attention_classifier(VGG16BN((32, 32, 3), width=0.05), 3, units=8).save(folder / "model.keras")
    >>> predictor = load_predictor(folder / "model.keras")
    >>> predictor.class_names, predictor.image_size
    (('0', '1', '2'), 32)
    >>> predictor(np.zeros((2, 32, 32, 3)))["probabilities"].shape
    (2, 3)
    """
    path = pathlib.Path(path)
    if path.is_dir():
        return _from_folder(path)
    if path.is_file() and path.suffix == ".keras":
        return _from_keras(path, _names_beside(path), _resize_of_run(path.parent))
    if path.is_file() and format_of(path):
        return _from_file(path, format_of(path))
    raise _not_a_model(path)


def _not_a_model(path):
    return invalid(f"{path} must be a saved model.", MODELS, f"model={str(path)!r}")


def _from_folder(path):
    if (path / CARD).is_file():
        card = read_card(path)
        return _from_export(path, card, next(name for name in FORMATS if name in card["formats"]))
    if (path / "saved_model.pb").is_file():
        raise invalid(f"{path} has no {CARD}.", "a folder that `keras-attention export` wrote", f"model={str(path)!r}")
    run = Run(path)
    if not run.finished and not (path / "config.json").is_file():
        raise _not_a_model(path)
    names = _class_names(run.metrics)
    if not names:
        raise invalid(
            f"{path / 'metrics.json'} has no class names.", "the metrics of a finished run", f"model={str(path)!r}"
        )
    return _from_keras(run.model_path, names, _resize_of_run(path))


def _from_file(path, name):
    """The predictor of a single file; if the card beside it lists the file, it is checked against the card."""
    card = read_json(path.parent / CARD) if (path.parent / CARD).is_file() else None
    form = card["formats"].get(name) if is_card(card) else None
    if form and any(file["path"] == path.name for file in form["files"]):
        return _from_export(path.parent, card, name)
    runtime = _runtime(path, name)
    told = {name: getattr(runtime, name, usual) for name, usual in (("resize", "stretch"), ("grids", {}))}
    return _checked_predictor(path, runtime, getattr(runtime, "class_names", None), **told)


def _from_export(folder, card, name):
    problem = damaged(folder, card, name)
    if problem:
        raise invalid(f"{problem}.", "the files as they were exported", f"model={str(folder)!r}")
    path = FORMATS[name].path(folder, card["formats"][name]["quantized"])
    runtime = _runtime(path, name)
    if runtime.image_size != card["image_size"]:
        expected = f"an image_size of {runtime.image_size}, as in the model"
        raise invalid(f"{folder / CARD} does not fit its model.", expected, f"{card['image_size']}")
    told = {"resize": card.get("resize", "stretch"), "grids": _grids_of(card)}
    return _checked_predictor(path, runtime, card["class_names"], **told)


def _grids_of(card):
    """Attended layer → the grid of its map, as a card has them; cards of earlier versions have none."""
    return from_config({part["layer"]: part["grid"] for part in card["attention"] if part.get("grid")})


def _runtime(path, name):
    with silenced():
        return RUNTIMES[name](path)


def _checked_predictor(path, runtime, names, resize, grids):
    """The predictor of an export, after it predicted one black image; if `names` is `None`, its classes are numbers."""
    size = runtime.image_size
    try:
        with silenced():
            found = runtime(np.zeros((1, size, size, 3), "float32"))
        _, classes = found[PROBABILITIES].shape
        found[LOGITS].reshape(1, classes)
    except Exception as error:  # each runtime raises different exceptions, and a foreign model has other outputs
        raise _foreign(path, reason(error)) from error
    _check_names(path, names, classes)
    _warn_of_unplaced(path, {attended_layer(name): found[name].shape for name in map_outputs(found)}, grids, size)
    return Predictor(runtime, names or _numbers(classes), size, resize=resize, grids=grids)


def _warn_of_unplaced(path, shapes, grids, size):
    """Warns if an export does not say where its maps lie, and they cannot cover the whole image."""
    for name, shape in shapes.items():
        if name not in grids and any(size % side for side in shape[-2:]):
            what = f"{path} does not say where the positions of its map {name} lie: it is drawn over the whole image"
            warnings.warn(f"{what}, which may shift it. Export the run again to mend this.", stacklevel=5)


def _foreign(path, received):
    expected = "a file or folder that `keras-attention export` wrote"
    return invalid(f"{path} was not written by this package, or is damaged.", expected, received)


def _check_names(path, names, classes):
    if names and len(names) != classes:
        raise invalid(f"The class names must fit the classes of {path}.", f"{classes} names", f"{len(names)}")


def _from_keras(path, class_names, resize):
    require_classes(path)
    try:
        model = in_float32(keras.models.load_model(path, compile=False, safe_mode=True))
        graph = attention_outputs(model)
        (_, size, _, _), (_, classes) = model.input_shape, model.output_shape
    except Exception as error:  # which exception a damaged archive raises depends on the part that is damaged
        problem = f"{path} does not load: {reason(error)}"
        raise invalid(problem, "a model of this package", f"model={str(path)!r}") from error
    _check_names(path, class_names, classes)
    names = class_names or _numbers(classes)

    def outputs(images):
        return with_probabilities(graph.predict_on_batch(images))

    return Predictor(outputs, names, size, model, resize, map_grids(model))


def _resize_of_run(folder):
    """The `resize` of the settings of a run; those of earlier versions lack it."""
    path = folder / "config.json"
    settings = read_json(path) if path.is_file() else None
    found = settings.get("resize", "stretch") if isinstance(settings, dict) else "stretch"
    return require_choice("resize", found, RESIZES)


def require_resize(path, predictor, dataset):
    """Raises `ValueError` unless images became squares as in the training of a model, if its path tells how that was.

    A `.keras` or `.tflite` file alone does not tell it.
    """
    path = pathlib.Path(path)
    told = (
        path.is_dir()
        or path.suffix in (".onnx", ".xml")
        or any((path.parent / name).is_file() for name in (CARD, "config.json"))
    )
    if told and dataset.resize != predictor.resize:
        what = "The images of the data must become squares as those of the training did."
        raise invalid(what, f"data loaded with resize={predictor.resize!r}", f"resize={dataset.resize!r}")


def _names_beside(path):
    metrics = path.parent / "metrics.json"
    return _class_names(read_json(metrics)) if metrics.is_file() else None


def _class_names(metrics):
    """The class names in the `metrics.json` of a run; `None` if it has none."""
    names = metrics.get("class_names") if isinstance(metrics, dict) else None
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else None


def _numbers(count):
    return [str(number) for number in range(count)]

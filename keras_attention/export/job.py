"""A Keras model → a folder with the model in the wanted formats, each checked after it is written."""

import pathlib
import warnings

import numpy as np

from keras_attention.arguments import invalid, reason
from keras_attention.atomic import remove_leftovers, replacing
from keras_attention.cards import CARD, FORMATS, check_force, check_formats, is_card, looks_by
from keras_attention.cards.formats import STATIC
from keras_attention.export.benchmark import benchmark as measure_formats
from keras_attention.export.benchmark import bytes_of, table, title_of
from keras_attention.export.card import attention_of, write_card
from keras_attention.export.graph import InferenceGraph
from keras_attention.export.int8 import Calibration
from keras_attention.export.verification import Examples, VerificationError
from keras_attention.export.writing import require_float, write_checked
from keras_attention.files import read_json
from keras_attention.precision import quantized_layers
from keras_attention.quiet import silenced
from keras_attention.text import counted

NOISE = 4  # images of noise, if no images are given
LEAST_SPEED = 1.2  # times as fast as its float32 file, below which a file in 8 bits gets a warning
CALIBRATION_IMAGES = 32  # the ranges of values change little with more of them


def export_model(
    model,
    folder,
    class_names,
    formats=("savedmodel",),
    quantize=None,
    images=None,
    training=None,
    result=None,
    data=None,
    name=None,
    verbose=0,
    resize="stretch",
    labels=None,
    masks=None,
    calibration=None,
    force=False,
    benchmark=False,
):
    """Writes a classifier in one or several formats, with its card, and compares each format with the Keras model.

    Batch normalization is folded into the convolutions, and everything is in float32, even if the model was trained in
    another precision. Every format takes any number of raw RGB images from 0 to 255, `images`, and gives
    `probabilities`, `logits` and one map `attention_<layer>` for each attended layer.

    - `savedmodel`: the folder itself, for `tf.saved_model.load`. Its endpoints are `serve` (alias `serving_default`),
      `serve_bytes` for encoded images, and `explain` with maps at the size of the images; see `write_saved_model`.
    - `onnx`: `model.onnx`, for ONNX Runtime.
    - `litert`: `model.tflite`, for LiteRT, formerly TensorFlow Lite.
    - `openvino`: `model.xml` with `model.bin`, for OpenVINO. It is compared in float32, and in the precision in which
      it runs on this processor.

    Files of `quantize="int8"` compute in 8 bits throughout or, if the comparison refuses that, in their convolutions,
    or in all of these but the first. At least 95 % of the images must get the class of the Keras model, the positions
    of each map must keep their order, and with `labels` at most .01 of the accuracy may be lost.

    Args:
        model: a functional classifier of square images whose only output is the logits, or their probabilities.
        folder: where to write; an earlier export in it is replaced once the new one has passed its checks.
        class_names: the name of each class, in the order of the logits.
        formats: names of formats.
        quantize: `"float16"`, `"dynamic"` (not for OpenVINO) or `"int8"` for smaller files; a SavedModel stays in
            float32.
        images: images `(n, S, S, 3)` from 0 to 255 to compare on, or `Examples`; noise if `None`.
        training, result: settings and figures for the card.
        data: what the card says about the images: `name`, `images` of each split, `licence`.
        name: name of the model, for people; the name of the folder if `None`.
        verbose: whether to print a line for each format.
        resize: how images became squares in the training, as `serve_bytes` makes them: `"stretch"`, `"crop"` or
            `"pad"`.
        labels: the class numbers of `images`, `(n,)`.
        masks: the masks of the objects in `images`, `(n, S, S, 1)`, for the benchmark.
        calibration: of `"int8"`: images like those of the training, `(n, S, S, 3)`, or a `Calibration`.
        force: whether files in 8 bits are written although the comparison refuses them; the card says why it does.
        benchmark: whether to measure size, speed, accuracy and pointing of each format, for the card.

    Returns:
        The content of `card.json`.

    Raises:
        ValueError: another backend than TensorFlow, class names that do not fit, a format that is unknown or whose
            packages are missing, a model that a format cannot hold, `"int8"` without images to calibrate on, `force`
            without `"int8"`, or a folder with other content than an export.
        RuntimeError: an exported model that differs from the Keras model; no export is written then.

    Example:

    >>> import pathlib, tempfile
    >>> from keras_attention import VGG16BN, attention_classifier, export_model
    >>> folder = pathlib.Path(tempfile.mkdtemp()) / "pets"
    >>> model = attention_classifier(VGG16BN((32, 32, 3), width=0.05), 2, units=8)
    >>> card = export_model(model, folder, class_names=("cat", "dog"))
    >>> card["attention"][0]["layer"], card["attention"][0]["grid"]["rows"]
    ('block3_pool', {'start': 4.0, 'step': 8.0, 'count': 4, 'side': 32})
    >>> card["formats"]["savedmodel"]["largest_difference"] < 1e-4
    True
    """
    formats = check_formats(formats, quantize)
    check_force(force, quantize)
    folder = pathlib.Path(folder)
    graph = InferenceGraph(model, class_names, resize=resize)
    examples = _examples(images, labels, masks, graph.image_shape)
    calibration = _calibration(calibration, quantize, graph)
    _check_may_replace(folder)
    target = folder.resolve()  # a link stays, and its target is replaced
    remove_leftovers(target.parent, target.name)
    with replacing(target) as temporary:
        temporary.mkdir()
        written = {}
        for form in formats:
            smaller = quantize if FORMATS[form].quantizations else None
            written[form] = _write(form, graph, temporary, smaller, examples, calibration, force)
            if verbose:
                print(_line(form, temporary, written[form]), flush=True)
            _warn_if_slow(form, written[form].told.get(STATIC))
        figures = measure_formats(graph, temporary, written, examples) if benchmark else None
        if figures and verbose:
            print(f"\n{table(figures)}\n", flush=True)
        described = {"training": training, "result": result, "data": data}
        return write_card(
            temporary, name or folder.name, graph, written, **described, split=examples.split, benchmark=figures
        )


def _examples(images, labels, masks, shape):
    if images is None:
        return Examples(np.random.default_rng(0).integers(0, 256, (NOISE, *shape)))
    given = images if isinstance(images, Examples) else Examples(images, labels, masks)
    count = len(_fitting("images", given.images, shape))
    for name in ("labels", "masks"):
        values = getattr(given, name)
        if values is not None and len(values) != count:
            raise invalid(f"`{name}` must be of the images.", f"{count} of them", f"{len(values)}")
    return given


def _calibration(given, quantize, graph):
    """The `Calibration` of files in 8 bits; `None` for others."""
    if quantize != STATIC:
        return None
    require_float(graph)
    if given is None:
        expected = f"`calibration`, {CALIBRATION_IMAGES} images like those of the training"
        raise invalid("int8 needs images to calibrate on.", expected, "calibration=None")
    given = given if isinstance(given, Calibration) else Calibration(given)
    _fitting("calibration", given.images, graph.image_shape)
    return given


def _fitting(name, images, shape):
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[1:] != shape or not len(images):
        expected = f"images of shape (n, {', '.join(map(str, shape))})"
        raise invalid(f"`{name}` must fit the model.", expected, f"{images.shape}")
    return images


def _write(name, graph, folder, quantize, examples, calibration, force):
    """Writes the model in a format; returns what was `Written`."""
    with silenced():
        try:
            return write_checked(name, graph, folder, quantize, examples, calibration, force)
        except VerificationError as error:
            raise RuntimeError(f"{title_of(name, quantize)} is refused. {error} Nothing was written.") from error
        except Exception as error:  # converters and runtimes raise many kinds of exceptions, with long messages
            raise _cannot_hold(FORMATS[name], graph, error) from error


def _cannot_hold(form, graph, error):
    pairs = [f"{looks_by(part)} on {part['layer']}" for part in attention_of(graph.reference)]
    problem = f"{form.title} cannot hold this model: {reason(error).rstrip('.')}."
    if quantized := quantized_layers(graph.reference):
        problem = f"{form.title} cannot hold layers that `Model.quantize` has changed."
        layers = ", ".join(f"{name} in {mode}" for name, mode in quantized.items())
        return invalid(problem, "a model in float, which `keras-attention export --quantize` makes smaller", layers)
    return invalid(problem, "another format", "; ".join(pairs) or "no attention")


def _warn_if_slow(name, told):
    """Warns of a file in 8 bits that gains little; not while it is written, when what is said is not heard."""
    if told and told["times_as_fast"] < LEAST_SPEED:
        ratio = told["times_as_fast"]
        speed = f"is only {ratio:.2f} times as fast as" if ratio > 1 else f"takes {1 / ratio:.2f} times as long as"
        warnings.warn(f"{name} int8 {speed} its float32 file for one image on this processor.", stacklevel=3)


def _line(name, folder, written):
    deviation, told = written.deviation, written.told.get(STATIC)
    size = bytes_of(folder, name, written.quantize)
    part = f", {told['part']} in 8 bits, {told['times_as_fast']:.1f} times as fast as float32" if told else ""
    return (
        f"{title_of(name, written.quantize):<16} {size / 1e6:6.1f} MB   largest difference {deviation.difference:.1e}, "
        f"same class {deviation.same_class:.1%} of {counted(deviation.images, 'image')}{part}"
    )


def _check_may_replace(folder):
    """Raises `ValueError` unless the folder is missing, empty or an earlier export."""
    taken = next((parent for parent in folder.parents if parent.exists() and not parent.is_dir()), None)
    if taken:
        raise invalid(f"{taken} is a file.", "a folder to write in", f"folder={str(folder)!r}")
    if (
        folder.is_file()
        or (folder.is_symlink() and not folder.exists())
        or (folder.is_dir() and any(folder.iterdir()) and not _holds_export(folder))
    ):
        raise invalid(
            f"{folder} holds something other than an export.",
            "a new folder, or the folder of an earlier export",
            f"folder={str(folder)!r}",
        )


def _holds_export(folder):
    """Whether the `card.json` in a folder is the card of an export: other programs write files of this name too."""
    try:
        return is_card(read_json(folder / CARD))
    except ValueError:
        return False

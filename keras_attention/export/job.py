"""A Keras model → a folder with the model in the wanted formats, each checked after it is written."""

import pathlib

import numpy as np

from keras_attention.arguments import invalid, reason
from keras_attention.atomic import remove_leftovers, replacing
from keras_attention.cards import CARD, FORMATS, check_formats, is_card
from keras_attention.export.card import attention_of, write_card
from keras_attention.export.formats import RUNTIMES, write_format
from keras_attention.export.graph import InferenceGraph
from keras_attention.export.verification import VerificationError, verify
from keras_attention.files import read_json
from keras_attention.precision import quantized_layers
from keras_attention.quiet import silenced
from keras_attention.text import counted

NOISE = 4  # images of noise, if no images are given


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
):
    """Writes a classifier in one or several formats, with its card, and compares each format with the Keras model.

    Batch normalization is folded into the convolutions, and everything is in float32, even if the model was trained in
    another precision. Every format takes any number of raw RGB images from 0 to 255, `images`, and gives
    `probabilities`, `logits` and one map `attention_<layer>` for each attended layer.

    - `savedmodel`: the folder itself, for `tf.saved_model.load`. Its endpoints are `serve` (alias `serving_default`),
      `serve_bytes` for encoded images, and `explain` with maps at the size of the images; see `write_saved_model`.
    - `onnx`: `model.onnx`, for ONNX Runtime.
    - `litert`: `model.tflite`, for LiteRT, formerly TensorFlow Lite.

    Args:
        model: a functional classifier of square images whose only output is the logits, or their probabilities.
        folder: where to write; an earlier export in it is replaced once the new one has passed its checks.
        class_names: the name of each class, in the order of the logits.
        formats: names of formats.
        quantize: `"float16"` or `"dynamic"` for smaller ONNX and LiteRT files; a SavedModel stays in float32.
        images: images `(n, S, S, 3)` from 0 to 255 to compare on; noise if `None`.
        training, result: settings and figures for the card.
        data: what the card says about the images: `name`, `images` of each split, `licence`.
        name: name of the model, for people; the name of the folder if `None`.
        verbose: whether to print a line for each format.
        resize: how images became squares in the training, as `serve_bytes` makes them: `"stretch"`, `"crop"` or
            `"pad"`.

    Returns:
        The content of `card.json`.

    Raises:
        ValueError: another backend than TensorFlow, class names that do not fit, a format that is unknown or whose
            packages are missing, a model that a format cannot hold, or a folder with other content than an export.
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
    folder = pathlib.Path(folder)
    graph = InferenceGraph(model, class_names, resize=resize)
    images = _images(images, graph.image_shape)
    _check_may_replace(folder)
    target = folder.resolve()  # a link stays, and its target is replaced
    remove_leftovers(target.parent, target.name)
    with replacing(target) as temporary:
        temporary.mkdir()
        written = {}
        for form in formats:
            written[form] = _write(graph, form, temporary, quantize if FORMATS[form].suffix else None, images)
            if verbose:
                print(_line(form, temporary, *written[form]), flush=True)
        return write_card(temporary, name or folder.name, graph, written, training, result, data)


def _images(images, shape):
    if images is None:
        return np.random.default_rng(0).integers(0, 256, (NOISE, *shape))
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[1:] != shape or not len(images):
        expected = f"images of shape (n, {', '.join(map(str, shape))})"
        raise invalid("`images` must fit the model.", expected, f"{images.shape}")
    return images


def _write(graph, name, folder, quantize, images):
    """Writes the model in a format; returns its quantization and its `Deviation`."""
    with silenced():
        try:
            path = write_format(name, graph, folder, quantize)
            return quantize, verify(graph, RUNTIMES[name](path), images, quantize)
        except VerificationError as error:
            raise RuntimeError(f"{_title(name, quantize)} is refused. {error} Nothing was written.") from error
        except Exception as error:  # converters and runtimes raise many kinds of exceptions, with long messages
            raise _cannot_hold(FORMATS[name], graph, error) from error


def _cannot_hold(form, graph, error):
    pairs = [f"{part['score']} with {part['alignment']} on {part['layer']}" for part in attention_of(graph.reference)]
    problem = f"{form.title} cannot hold this model: {reason(error).rstrip('.')}."
    if quantized := quantized_layers(graph.reference):
        problem = f"{form.title} cannot hold layers that `Model.quantize` has changed."
        layers = ", ".join(f"{name} in {mode}" for name, mode in quantized.items())
        return invalid(problem, "a model in float, which `keras-attention export --quantize` makes smaller", layers)
    return invalid(problem, "another format", "; ".join(pairs) or "no attention")


def _line(name, folder, quantize, deviation):
    size = sum((folder / path).stat().st_size for path in FORMATS[name].files(folder, quantize))
    return (
        f"{_title(name, quantize):<16} {size / 1e6:6.1f} MB   largest difference {deviation.difference:.1e}, "
        f"same class {deviation.same_class:.1%} of {counted(deviation.images, 'image')}"
    )


def _title(name, quantize):
    return name if quantize is None else f"{name} {quantize}"


def _check_may_replace(folder):
    """Raises `ValueError` unless the folder is missing, empty or an earlier export."""
    taken = next((parent for parent in folder.parents if parent.exists() and not parent.is_dir()), None)
    if taken:
        raise invalid(f"{taken} is a file.", "a folder to write in", f"out={folder}")
    if (
        folder.is_file()
        or (folder.is_symlink() and not folder.exists())
        or (folder.is_dir() and any(folder.iterdir()) and not _holds_export(folder))
    ):
        raise invalid(
            f"{folder} holds something other than an export.",
            "a new folder, or the folder of an earlier export",
            f"out={folder}",
        )


def _holds_export(folder):
    """Whether the `card.json` in a folder is the card of an export: other programs write files of this name too."""
    try:
        return is_card(read_json(folder / CARD))
    except ValueError:
        return False

"""How a format is written, read back and compared: in float, or in 8 bits as far as the network stands it."""

import dataclasses
import pathlib
import tempfile
from collections.abc import Callable

import numpy as np

from keras_attention.arguments import invalid, reason
from keras_attention.cards import FORMATS
from keras_attention.cards.formats import STATIC
from keras_attention.export.formats import RUNTIMES, write_format
from keras_attention.export.int8 import INT8_WRITERS, PARTS
from keras_attention.export.openvino_file import FLOAT32
from keras_attention.export.verification import Deviation, VerificationError, verify
from keras_attention.precision import quantized_layers
from keras_attention.timing import medians

REPEATS, PAUSE = 15, 0.05  # of the measurement of one image; seconds
# Attention that is itself in 8 bits gives up the order of small weights, which attention in float keeps. It is taken
# only where the order stays of weights that differ by more than this share of the largest.
EQUAL_IN_8_BITS = 0.01
PRECISIONS = {"f32": None, "bf16": "bfloat16", "f16": "float16"}  # of OpenVINO → the tolerances of the check


@dataclasses.dataclass(frozen=True)
class Written:
    """A format that was written and compared with the Keras model.

    Args:
        quantize: its quantization.
        deviation: its `Deviation`.
        runtime: the function that runs it.
        told: what else the card says about it.
    """

    quantize: str | None
    deviation: Deviation
    runtime: Callable | None = None
    told: dict = dataclasses.field(default_factory=dict)


def write_checked(name, graph, folder, quantize, examples, calibration=None, force=False):
    """Writes a format and compares it with the Keras model; returns what was `Written`.

    Args:
        name: name of the format.
        graph: an `InferenceGraph`.
        folder: the folder of the export.
        quantize: its quantization.
        examples: the `Examples` to compare on.
        calibration: the `Calibration` of files in 8 bits.
        force: whether a file in 8 bits is written although the comparison refuses it.

    Raises:
        VerificationError: a file that differs from the Keras model.
    """
    if quantize == STATIC:
        return _write_int8(name, graph, folder, examples, calibration, force)
    path = write_format(name, graph, folder, quantize)
    if name != "openvino":
        runtime = RUNTIMES[name](path)
        return Written(quantize, verify(graph, runtime, examples, quantize), runtime)
    exact = verify(graph, RUNTIMES[name](path, FLOAT32), examples, quantize)
    runtime = RUNTIMES[name](path)
    return Written(quantize, exact, runtime, _by_default(graph, runtime, examples, quantize))


def _by_default(graph, runtime, examples, quantize):
    """What the card says of the precision in which OpenVINO runs a file on this processor unless it is told another."""
    deviation = verify(graph, runtime, examples, PRECISIONS.get(runtime.precision) or quantize)
    return {"by_default": {"precision": runtime.precision} | figures_of(deviation)}


def figures_of(deviation):
    """A `Deviation` as the card has it."""
    accuracy = {"accuracy": deviation.accuracy, "keras_accuracy": deviation.keras_accuracy}
    return {
        "largest_difference": deviation.difference,
        "same_class": deviation.same_class,
        "maps": {name: dataclasses.asdict(maps) for name, maps in deviation.maps.items()},
    } | ({} if deviation.accuracy is None else accuracy)


def require_float(graph):
    """Raises `ValueError` for layers that Keras has quantized, whose values a second rounding cannot follow."""
    if quantized := quantized_layers(graph.reference):
        layers = ", ".join(f"{name} in {mode}" for name, mode in quantized.items())
        what = "int8 needs a network in float, but `Model.quantize` has changed layers."
        raise invalid(what, "the model before `Model.quantize`", layers)


def _write_int8(name, graph, folder, examples, calibration, force):
    """Writes a file of which as much is in 8 bits as passes the comparison."""
    path = FORMATS[name].path(folder, STATIC)
    with tempfile.TemporaryDirectory() as scratch:
        writer = INT8_WRITERS[name](graph, calibration.images, pathlib.Path(scratch))
        part, deviation, errors = _part_that_holds(name, graph, path, writer, examples, force)
        runtime = RUNTIMES[name](path)
        # Both in float32 outside the 8 bits, as files in 8 bits run.
        plain = RUNTIMES[name](writer.float_path, *([FLOAT32] if name == "openvino" else []))
        speed = _times_as_fast(runtime, plain, np.asarray(examples.images[:1], "float32"))
    refused = errors.pop(part, None)
    told = {"part": part, "calibration": calibration.described, "times_as_fast": speed, "refused": refused}
    return Written(STATIC, deviation, runtime, {STATIC: told | {"not_passed": errors}})


def _part_that_holds(name, graph, path, writer, examples, force):
    """The first of `PARTS` that passes the comparison, its `Deviation`, and why each that was tried does not pass."""
    errors = {}
    for part in PARTS:
        try:
            writer.write(path, part)
            equal = EQUAL_IN_8_BITS if part == "all" else None
            return part, verify(graph, RUNTIMES[name](path), examples, STATIC, equal), _reasons(errors)
        except Exception as error:  # converters raise many kinds of exceptions; the next part may be one they hold
            errors[part] = error
    compared = {
        part: error.deviation
        for part, error in errors.items()
        if getattr(error, "deviation", None) and np.isfinite(error.deviation.difference)
    }
    if force and compared:
        # The most accurate one and, of equals, the one that predicts the same class most often.
        part = max(compared, key=lambda part: (compared[part].accuracy or 0, compared[part].same_class))
        writer.write(path, part)
        return part, compared[part], _reasons(errors)
    refused = [error for error in errors.values() if isinstance(error, VerificationError)]
    raise refused[-1] if refused else errors[PARTS[-1]]


def _reasons(errors):
    return {part: reason(error) for part, error in errors.items()}


def _times_as_fast(runtime, plain, image):
    times = medians({"int8": lambda: runtime(image), "float32": lambda: plain(image)}, REPEATS, pause=PAUSE)
    return times["float32"] / times["int8"]

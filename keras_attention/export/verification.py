"""A check that an exported model gives the outputs of the Keras model for the same images."""

import dataclasses

import numpy as np
import tensorflow as tf

from keras_attention.export.map_check import EQUALS, LEAST_AGREEMENT, compare_maps
from keras_attention.export.map_check import TOLERANCES as MAP_TOLERANCES
from keras_attention.export.saved_model import BYTES, SavedModelRuntime
from keras_attention.models.outputs import LOGITS, PROBABILITIES, attended_layer, map_outputs

CHUNK = 16
# The largest tolerated difference of probabilities and logits: in float32, sums in another order are rounded otherwise;
# quantized weights have fewer digits. Maps have tolerances of their own, in `map_check`.
TOLERANCES = {None: 1e-4, "float16": 1e-2, "dynamic": 0.1}
LEAST_SAME_CLASS = 0.95  # share of images that must get the same class if weights are quantized


class VerificationError(RuntimeError):
    """Raised if an exported model does not give the outputs of the Keras model."""


@dataclasses.dataclass(frozen=True)
class Deviation:
    """How far an exported model is from the Keras model.

    Args:
        difference: the largest difference of probabilities and logits; that of the logits is divided by the largest
            absolute logit if this is above 1.
        same_class: share of images with the same most probable class, from 0 to 1.
        images: the number of images that were compared.
        maps: name of each output that is a map → its `MapDeviation`.
    """

    difference: float
    same_class: float
    images: int
    maps: dict = dataclasses.field(default_factory=dict)


def verify(graph, runtime, images, quantize=None):
    """Runs both models on the same images, the first image alone, the others in batches.

    Args:
        graph: the `InferenceGraph`.
        runtime: the exported model, read back.
        images: `(n, S, S, 3)` from 0 to 255.
        quantize: the quantization of the exported model.

    Returns:
        The `Deviation`.

    Raises:
        VerificationError: outputs with other names or shapes, a difference above the tolerance, NaN, other predicted
            classes, or maps whose weights are in another order.
    """
    images = np.asarray(images, "float32")
    parts = [images[:1], *(images[start : start + CHUNK] for start in range(1, len(images), CHUNK))]
    expected, found = _joined(map(graph.expected, parts)), _joined(map(runtime, parts))
    if _shapes(found) != _shapes(expected):
        raise _failure("gives different outputs", _shapes(expected), _shapes(found))
    differences = [_difference(name, found[name], expected[name]) for name in (PROBABILITIES, LOGITS)]
    if isinstance(runtime, SavedModelRuntime):
        differences += _between_endpoints(runtime, images[:2], found)
    difference = float(np.max(differences))  # unlike `max`, NaN if one of them is NaN
    same = float((found[PROBABILITIES].argmax(-1) == expected[PROBABILITIES].argmax(-1)).mean())
    largest = TOLERANCES[quantize]
    if not difference <= largest:
        raise _failure("differs from the Keras model", f"at most {largest:g}", _told(difference, largest))
    if quantize and same < LEAST_SAME_CLASS:
        wanted = f"the same for {LEAST_SAME_CLASS:.0%} of images"
        raise _failure("predicts different classes", wanted, f"{_told(100 * same, 100 * LEAST_SAME_CLASS)}%")
    return Deviation(difference, same, len(images), _checked_maps(found, expected, quantize))


def _checked_maps(found, expected, quantize):
    """Name → `MapDeviation` of all maps; raises `VerificationError` for one that shows something else."""
    deviations = {name: compare_maps(found[name], expected[name], EQUALS[quantize]) for name in map_outputs(expected)}
    for name, maps in deviations.items():
        largest, layer = MAP_TOLERANCES[quantize], attended_layer(name)
        # Rounded weights may move a point, which is then a whole weight away.
        may_move = quantize and maps.points and np.isfinite(maps.relative)
        if not maps.relative <= largest and not may_move:
            what = f"has other maps of {layer}"
            raise _failure(what, f"weights within {largest:g} of the largest weight", _told(maps.relative, largest))
        if not maps.agreement >= LEAST_AGREEMENT:
            how = "the largest weight at the same place" if maps.points else "a rank correlation of the weights"
            what = f"orders the positions of {layer} in another way"
            wanted = f"{how} of at least {LEAST_AGREEMENT:g}"
            raise _failure(what, wanted, _told(maps.agreement, LEAST_AGREEMENT))
    return deviations


def _joined(batches):
    batches = list(batches)
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def _shapes(outputs):
    return {name: outputs[name].shape for name in sorted(outputs)}


def _difference(name, found, expected):
    largest = float(np.abs(found - expected).max())
    return largest / max(1.0, float(np.abs(expected).max())) if name == LOGITS else largest


def _between_endpoints(runtime, images, served):
    """The difference between the probabilities of each other endpoint and those of `serve`."""
    encoded = tf.stack([tf.io.encode_png(image) for image in images.astype("uint8")])
    whole = images.astype("uint8").astype("float32")
    served = served[PROBABILITIES][: len(images)] if (whole == images).all() else runtime(whole)[PROBABILITIES]
    others = runtime.call("serve_bytes", **{BYTES: encoded}), runtime.call("explain", images=tf.constant(whole))
    return [_difference(PROBABILITIES, other[PROBABILITIES], served) for other in others]


def _told(value, limit):
    """A value beyond a limit, with as many digits as tell it from the limit."""
    texts = (f"{value:.{digits}g}" for digits in range(2, 18))
    return next(text for text in texts if float(text) != float(f"{limit:g}"))


def _failure(what, expected, received):
    return VerificationError(f"The exported model {what}. Expected {expected}. Received: {received}.")

"""A check that an exported model gives the outputs of the Keras model for the same images."""

import dataclasses

import numpy as np
import tensorflow as tf

from keras_attention.export.saved_model import BYTES, SavedModelRuntime
from keras_attention.models.outputs import LOGITS, PROBABILITIES

CHUNK = 16
# The largest tolerated difference of probabilities and maps: in float32, sums in another order are rounded otherwise;
# quantized weights have fewer digits.
TOLERANCES = {None: 1e-4, "float16": 1e-2, "dynamic": 0.1}
LEAST_SAME_CLASS = 0.95  # share of images that must get the same class if weights are quantized


class VerificationError(RuntimeError):
    """Raised if an exported model does not give the outputs of the Keras model."""


@dataclasses.dataclass(frozen=True)
class Deviation:
    """How far an exported model is from the Keras model.

    Args:
        difference: the largest difference of probabilities, maps and logits; that of the logits is divided by the
            largest absolute logit if this is above 1.
        same_class: share of images with the same most probable class, from 0 to 1.
        images: the number of images that were compared.
    """

    difference: float
    same_class: float
    images: int


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
        VerificationError: outputs with other names or shapes, a difference above the tolerance, NaN, or other
            predicted classes.
    """
    images = np.asarray(images, "float32")
    parts = [images[:1], *(images[start : start + CHUNK] for start in range(1, len(images), CHUNK))]
    expected, found = _joined(map(graph.expected, parts)), _joined(map(runtime, parts))
    if _shapes(found) != _shapes(expected):
        raise _failure("gives different outputs", _shapes(expected), _shapes(found))
    differences = [_difference(name, found[name], expected[name]) for name in expected]
    if isinstance(runtime, SavedModelRuntime):
        differences += _between_endpoints(runtime, images[:2], found)
    difference = float(np.max(differences))  # unlike `max`, NaN if one of them is NaN
    same = float((found[PROBABILITIES].argmax(-1) == expected[PROBABILITIES].argmax(-1)).mean())
    if not difference <= TOLERANCES[quantize]:
        raise _failure("differs from the Keras model", f"at most {TOLERANCES[quantize]:g}", f"{difference:.2g}")
    if quantize and same < LEAST_SAME_CLASS:
        raise _failure("predicts different classes", f"the same for {LEAST_SAME_CLASS:.0%} of images", f"{same:.0%}")
    return Deviation(difference, same, len(images))


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


def _failure(what, expected, received):
    return VerificationError(f"The exported model {what}. Expected {expected}. Received: {received}.")

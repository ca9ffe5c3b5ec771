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
# quantized weights have fewer digits. `"int8"` is judged by classes, accuracy and maps. Maps have tolerances of their
# own, in `map_check`.
TOLERANCES = {None: 1e-4, "float16": 1e-2, "bfloat16": 0.1, "dynamic": 0.1, "int8": 1.0}
LEAST_SAME_CLASS = 0.95  # share of images that must get the same class if weights are quantized
LARGEST_LOSS = 0.01  # of accuracy, in 8 bits throughout


class VerificationError(RuntimeError):
    """Raised if an exported model does not give the outputs of the Keras model.

    Attributes:
        deviation: the `Deviation`; `None` if the outputs cannot be compared.
    """

    deviation = None


@dataclasses.dataclass
class Examples:
    """Images on which exported models are compared with the Keras model.

    Args:
        images: `(n, S, S, 3)` from 0 to 255.
        labels: their class numbers, `(n,)`; `None` if they are not known.
        masks: the masks of their objects, `(n, S, S, 1)`; `None` if there are none.
        split: the split that they are from; `None` if they are of another kind.

    Example:

    >>> import numpy as np
    >>> from keras_attention.export import Examples
    >>> examples = Examples(np.zeros((2, 32, 32, 3)), labels=np.array([0, 1]), split="validation")
    >>> len(examples), examples.accuracy_of({"probabilities": np.array([[0.9, 0.1], [0.8, 0.2]])})
    (2, 0.5)
    """

    images: np.ndarray
    labels: np.ndarray | None = None
    masks: np.ndarray | None = None
    split: str | None = None
    _expected: dict = dataclasses.field(default_factory=dict, repr=False)

    def __len__(self):
        return len(self.images)

    def outputs_of(self, function):
        """The outputs of a model, for the first image alone and for the others in batches, joined by name."""
        images = np.asarray(self.images, "float32")
        parts = [images[:1], *(images[start : start + CHUNK] for start in range(1, len(images), CHUNK))]
        batches = list(map(function, parts))
        return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}

    def expected(self, graph):
        """The outputs of the Keras model, which are computed once."""
        if graph not in self._expected:
            self._expected = {graph: self.outputs_of(graph.expected)}
        return self._expected[graph]

    def accuracy_of(self, outputs):
        """The share of the images with the right class; `None` without labels."""
        if self.labels is None:
            return None
        return float((outputs[PROBABILITIES].argmax(-1) == np.asarray(self.labels)).mean())


@dataclasses.dataclass(frozen=True)
class Deviation:
    """How far an exported model is from the Keras model.

    Args:
        difference: the largest difference of probabilities and logits; that of the logits is divided by the largest
            absolute logit if this is above 1.
        same_class: share of images with the same most probable class, from 0 to 1.
        images: the number of images that were compared.
        maps: name of each output that is a map → its `MapDeviation`.
        accuracy, keras_accuracy: the accuracy of both models; `None` if the labels are not known.
        outputs: the outputs of the exported model.
    """

    difference: float
    same_class: float
    images: int
    maps: dict = dataclasses.field(default_factory=dict)
    accuracy: float | None = None
    keras_accuracy: float | None = None
    outputs: dict = dataclasses.field(default_factory=dict, repr=False, compare=False)


def verify(graph, runtime, examples, quantize=None, equal=None):
    """Runs both models on the same images, the first image alone, the others in batches.

    Args:
        graph: the `InferenceGraph`.
        runtime: the exported model, read back.
        examples: the `Examples`, or images `(n, S, S, 3)` from 0 to 255 alone.
        quantize: the quantization of the exported model, or `"bfloat16"` if it is computed in that.
        equal: how much two weights of a map differ at most, relative to its largest, if their order does not matter;
            that of the quantization if `None`.

    Returns:
        The `Deviation`.

    Raises:
        VerificationError: outputs with other names or shapes, a difference above the tolerance, NaN, other predicted
            classes, or maps whose weights are in another order.
    """
    examples = examples if isinstance(examples, Examples) else Examples(examples)
    expected, found = examples.expected(graph), examples.outputs_of(runtime)
    if _shapes(found) != _shapes(expected):
        raise _failure("gives different outputs", _shapes(expected), _shapes(found))
    equal = EQUALS[quantize] if equal is None else equal
    differences = [_difference(name, found[name], expected[name]) for name in (PROBABILITIES, LOGITS)]
    if isinstance(runtime, SavedModelRuntime):
        differences += _between_endpoints(runtime, np.asarray(examples.images[:2], "float32"), found)
    deviation = Deviation(
        float(np.max(differences)),  # unlike `max`, NaN if one of them is NaN
        float((found[PROBABILITIES].argmax(-1) == expected[PROBABILITIES].argmax(-1)).mean()),
        len(examples),
        {name: compare_maps(found[name], expected[name], equal) for name in map_outputs(expected)},
        examples.accuracy_of(found),
        examples.accuracy_of(expected),
        found,
    )
    for problem in _problems(deviation, quantize):
        problem.deviation = deviation
        raise problem
    return deviation


def _problems(deviation, quantize):
    """Yields a `VerificationError` for each thing in which an exported model is too far from the Keras model."""
    largest, same = TOLERANCES[quantize], deviation.same_class
    if not deviation.difference <= largest:
        yield _failure("differs from the Keras model", f"at most {largest:g}", _told(deviation.difference, largest))
    if quantize and same < LEAST_SAME_CLASS:
        wanted = f"the same for {LEAST_SAME_CLASS:.0%} of images"
        yield _failure("predicts different classes", wanted, f"{_told(100 * same, 100 * LEAST_SAME_CLASS)}%")
    for name, maps in deviation.maps.items():
        yield from _problems_of_map(attended_layer(name), maps, quantize)
    if quantize == "int8" and deviation.accuracy is not None:
        loss = deviation.keras_accuracy - deviation.accuracy
        if round(loss * deviation.images) > LARGEST_LOSS * deviation.images:
            yield _failure("loses accuracy", f"at most {LARGEST_LOSS:g}, or `force`", _told(loss, LARGEST_LOSS))


def _problems_of_map(layer, maps, quantize):
    largest = MAP_TOLERANCES[quantize]
    # Rounded weights may move a point, which is then a whole weight away.
    may_move = quantize and maps.points and np.isfinite(maps.relative)
    if not maps.relative <= largest and not may_move:
        wanted = f"weights within {largest:g} of the largest weight"
        yield _failure(f"has other maps of {layer}", wanted, _told(maps.relative, largest))
    if not maps.agreement >= LEAST_AGREEMENT:
        how = "the largest weight at the same place" if maps.points else "a rank correlation of the weights"
        wanted = f"{how} of at least {LEAST_AGREEMENT:g}"
        received = _told(maps.agreement, LEAST_AGREEMENT)
        yield _failure(f"orders the positions of {layer} in another way", wanted, received)


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

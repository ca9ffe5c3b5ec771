"""A classifier to be explained: its logits, its probabilities, and the classes to explain."""

import functools

import keras
import numpy as np
from scipy.special import expit, softmax

from keras_attention.arguments import invalid
from keras_attention.models.backbone import require_functional
from keras_attention.models.nested import graph_of, has_graph
from keras_attention.models.outputs import LOGITS, before_squashing, squashed


class Classifier:
    """A functional model, images → one number for each class.

    A model with a single output `(B, 1)` has two classes: 1, whose logit it is, and 0, whose logit is its negative.

    Args:
        model: with one output `(B, classes)`, logits or probabilities, or with several, one of them named `"logits"`.

    Raises:
        TypeError: anything but a functional model with one input.
        ValueError: a model without an output `(B, classes)`.
    """

    def __init__(self, model):
        self.model = functional(model)
        output = self.model.output
        self.output = output.get(LOGITS) if isinstance(output, dict) else output
        shape = getattr(self.output, "shape", ())
        if len(shape) != 2 or shape[-1] is None:
            expected = f"one output (B, classes), or several, one of them named {LOGITS!r}"
            raise invalid("The model must be a classifier.", expected, f"{model.name} with {model.output_shape}")
        self.binary = shape[-1] == 1
        self.count = 2 if self.binary else shape[-1]

    @functools.cached_property
    def logits(self):
        """The symbolic logits: the output, or the input of its softmax or sigmoid."""
        return _logits_of(self.output)

    @functools.cached_property
    def _outputs(self):
        return keras.Model(self.model.input, self.output)

    def probabilities(self, images, batch_size=32):
        """The probability of each class, `(B, classes)`: the outputs, or the softmax of logits; of one output, two."""
        # `predict` takes long to prepare, which counts in many short calls.
        batches = [self._outputs.predict_on_batch(batch) for batch in in_batches(images, batch_size)]
        outputs = np.concatenate(batches).astype("float32")
        raw = self.logits is self.output
        if self.binary:
            positive = expit(outputs) if raw else outputs
            return np.concatenate([1 - positive, positive], axis=-1)
        return softmax(outputs, axis=-1) if raw else outputs

    def signs(self, classes):
        """Factors `(B, outputs)`, with which the sum over the logits is the logit of a class for each image."""
        return 2 * np.asarray(classes)[:, None] - 1 if self.binary else np.eye(self.count)[classes]

    def classes(self, images, class_index=None, batch_size=32):
        """A class for each image, `(B,)`: the given ones, or if `class_index` is `None` the most probable ones.

        Raises:
            ValueError: a class that the model does not have, or not as many classes as images.
        """
        if class_index is None:
            return self.probabilities(images, batch_size).argmax(-1)
        classes = np.asarray(class_index)
        whole = np.issubdtype(classes.dtype, np.integer) and classes.shape in ((), (len(images),))
        if not whole or classes.min() < 0 or classes.max() >= self.count:
            expected = f"a whole number from 0 to {self.count - 1}, or one for each of {len(images)} images"
            raise invalid("`class_index` must be a class of the model.", expected, f"class_index={class_index!r}")
        return np.broadcast_to(classes, len(images))


def _logits_of(output):
    """An output, or the input of its softmax or sigmoid, which may be in a model inside the model."""
    if not squashed(output):
        return output
    before = before_squashing(output)
    if before is not None:
        return before
    layer, node, index = output._keras_history
    arguments = layer._inbound_nodes[node].arguments
    if has_graph(layer):
        graph = graph_of(layer)
        linear = keras.Model(graph.input, _logits_of(graph.outputs[index]))
        return linear(*arguments.args, **arguments.kwargs)
    linear = type(layer).from_config({**layer.get_config(), "activation": None})
    logits = linear(*arguments.args, **arguments.kwargs)
    linear.set_weights(layer.get_weights())
    return logits


def functional(model):
    """The model as a functional model; a `Sequential` that is built is converted.

    Raises:
        TypeError: anything but a functional model with one input.
    """
    if isinstance(model, keras.Sequential) and model.built:
        model = keras.Model(model.inputs, model.outputs[0], name=model.name)
    return require_functional(model, "model")


def check_images(model, images):
    """The images as one array that the model takes.

    Raises:
        ValueError: no images, images of different sizes, or images of a size that the model does not take.
    """
    expected = tuple(model.input_shape[1:])
    shown = f"({', '.join(['B', *(str(side or 'any') for side in expected)])})"
    try:
        images = np.asarray(images)
    except ValueError as error:
        raise invalid(
            "The images must have the same size.", f"one array {shown}", "arrays of several shapes"
        ) from error
    fits = images.ndim == len(expected) + 1 and all(
        side in (None, given) for side, given in zip(expected, images.shape[1:], strict=True)
    )
    if not fits or not len(images) or images.dtype.kind not in "uif":
        received = f"{images.dtype} {images.shape}"
        raise invalid("The images must fit the model.", f"numbers {shown}, B at least 1", received)
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        raise invalid("The images must be finite.", f"numbers {shown}", "NaN or infinity")
    return images


def in_batches(images, batch_size):
    """Slices of `batch_size` images; the last one may be shorter."""
    return (images[start : start + batch_size] for start in range(0, len(images), batch_size))

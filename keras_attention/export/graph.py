"""The function that every format contains: images → probabilities, logits and maps, in float32."""

import functools

import keras
import numpy as np
import tensorflow as tf

from keras_attention.arguments import invalid, require_choice
from keras_attention.export.folding import fold_batch_normalization
from keras_attention.models.grids import map_grids
from keras_attention.models.outputs import attention_outputs, map_output, map_outputs, with_probabilities
from keras_attention.patterns import RESIZES
from keras_attention.precision import in_float32

IMAGES = "images"  # the name of the input in every format


class InferenceGraph:
    """A classifier as it is exported: in float32, batch normalization folded, its outputs named.

    Args:
        model: a classifier over images, built by `attention_classifier` or loaded from a file.
        class_names: the name of each class, in the order of the logits.
        fold: whether batch normalization is folded into the layers before it.
        resize: how images became squares in the training: `"stretch"`, `"crop"` or `"pad"`.

    Call arguments:
        images: float32 tensor `(n, S, S, 3)` from 0 to 255.

    Returns:
        A dictionary of tensors: `probabilities` and `logits`, both `(n, classes)`, and one `attention_<layer>` for
        each attended layer, `(n, H, W)`, or `(n, classes, H, W)` if each class has its own query.

    Raises:
        ValueError: another backend than TensorFlow, an input other than square RGB images of a fixed size, class names
            that do not fit the logits, or an unknown `resize`.
    """

    def __init__(self, model, class_names, fold=True, resize="stretch"):
        require_tensorflow()
        _check_images(model.input_shape)
        if len(class_names) != model.output_shape[-1]:
            raise invalid(
                "The class names must fit the logits.", f"{model.output_shape[-1]} names", f"{len(class_names)}"
            )
        self.class_names = tuple(str(name) for name in class_names)
        self.reference = attention_outputs(in_float32(model))
        self.model = fold_batch_normalization(self.reference) if fold else self.reference
        self.image_shape, self.resize = model.input_shape[1:], require_choice("resize", resize, RESIZES)
        self.maps = map_outputs(self.model.output)
        self.grids = {map_output(name): grid for name, grid in map_grids(self.reference).items()}

    def __call__(self, images):
        return with_probabilities(self.model(images, training=False))

    def expected(self, images):
        """The outputs of the Keras model before folding and conversion, as arrays."""
        expected = with_probabilities(self.reference(images, training=False))
        return {name: np.asarray(values) for name, values in expected.items()}

    @property
    def signature(self):
        """The `TensorSpec` of the images: any number of images, float32."""
        return tf.TensorSpec((None, *self.image_shape), tf.float32, name=IMAGES)

    @functools.cached_property
    def frozen(self):
        """The graph as a `tf.function` whose weights are constants, for formats without variables."""
        weights = [
            [np.asarray(variable) for variable in variables]
            for variables in (self.model.trainable_variables, self.model.non_trainable_variables)
        ]

        def call(images):
            constants = [[tf.constant(value) for value in values] for values in weights]
            return with_probabilities(self.model.stateless_call(*constants, images, training=False)[0])

        return tf.function(call, input_signature=[self.signature])


def _check_images(shape):
    if len(shape) != 4 or shape[1] is None or shape[1] != shape[2] or shape[3] != 3:
        raise invalid(
            "The model must take square RGB images of a fixed size.", "an input of shape (None, S, S, 3)", f"{shape}"
        )


def require_tensorflow():
    """Raises `ValueError` if the backend is not TensorFlow, which traces all export formats."""
    if keras.backend.backend() != "tensorflow":
        backend = f"KERAS_BACKEND={keras.backend.backend()}"
        raise invalid("Exports need the TensorFlow backend.", "KERAS_BACKEND=tensorflow", backend)

"""TensorFlow SavedModels: how a classifier is written as one, its endpoints, and how they are called."""

import numpy as np
import tensorflow as tf

from keras_attention.arguments import invalid, reason
from keras_attention.export.decoding import LIMITS, decode_in_graph
from keras_attention.export.graph import IMAGES
from keras_attention.maps.placed import finest, joint, resized
from keras_attention.models.outputs import JOINT, LABELS, PROBABILITIES, map_output

BYTES = "image_bytes"
JOINT_MAP = map_output(JOINT)
ENDPOINTS = {
    "serve": f"`{IMAGES}`: RGB, uint8 or float, from 0 to 255; `serving_default` is the same",
    "serve_bytes": f"`{BYTES}`: encoded files of any size. {LIMITS}",
    "explain": f"`{IMAGES}`; gives the maps at the size of the images and, if there are several, the joint map "
    f"`{JOINT_MAP}`, their product",
}


def write_saved_model(graph, folder):
    """Writes a SavedModel with the endpoints `serve` (alias `serving_default`), `serve_bytes` and `explain`.

    Each returns the outputs of the graph and `labels`, `(n, classes)`, the class names in the order of the
    probabilities. `serve` and `explain` take any number of RGB images, uint8 or float, from 0 to 255. `serve_bytes`
    takes encoded JPEG, PNG, GIF, BMP or WebP files of any size, `(n,)`, and makes them squares as in the training.
    `explain` gives the maps at the size of the images and, if there are several, the joint map `attention_joint`, which
    is their product; if each class has its own maps, these are the maps of the most probable class.

    Args:
        graph: an `InferenceGraph`.
        folder: where to write.
    """
    # `keras.export.ExportArchive` would write every weight twice.
    module = tf.Module()
    module.weights = [variable.value for variable in graph.model.variables]
    images = [tf.TensorSpec((None, *graph.image_shape), dtype, name=IMAGES) for dtype in (tf.float32, tf.uint8)]
    # The model is traced once; each endpoint adds a few operations around it.
    classify = tf.function(graph, input_signature=[graph.signature])
    module.serve = tf.function(lambda images: _labelled(graph, classify, images))
    module.explain = tf.function(lambda images: _explained(graph, classify, images))
    module.serve_bytes = tf.function(
        lambda image_bytes: _labelled(graph, classify, _decoded(image_bytes, graph.image_shape[0], graph.resize))
    )
    signatures = {
        "serve": _traced(module.serve, *images),
        "serve_bytes": _traced(module.serve_bytes, tf.TensorSpec((None,), tf.string, name=BYTES)),
        "explain": _traced(module.explain, *images),
    }
    tf.saved_model.save(module, str(folder), signatures | {"serving_default": signatures["serve"]})


def _traced(function, *specs):
    """The first trace of a function, as the signature of an endpoint; it converts arrays of any dtype.

    The function itself keeps all its traces, so that it takes uint8 tensors too.
    """
    first, *_ = [function.get_concrete_function(spec) for spec in specs]
    return first


def _decoded(image_bytes, size, resize):
    signature = tf.TensorSpec((size, size, 3), tf.uint8)
    return tf.map_fn(lambda encoded: decode_in_graph(encoded, size, resize), image_bytes, fn_output_signature=signature)


def _labelled(graph, classify, images):
    """The outputs for images of any dtype, and the names of all classes for each image."""
    outputs = classify(tf.cast(images, tf.float32))
    names = tf.constant([graph.class_names])
    return {**outputs, LABELS: tf.repeat(names, tf.shape(images)[0], axis=0)}


def _explained(graph, classify, images):
    outputs = _labelled(graph, classify, images)
    best = tf.argmax(outputs[PROBABILITIES], axis=-1)
    found = {
        name: outputs[name] if outputs[name].shape.rank == 3 else tf.gather(outputs[name], best, batch_dims=1)
        for name in graph.maps
    }
    if len(found) > 1:
        found[JOINT_MAP] = joint(found, graph.grids)
    grids = {JOINT_MAP: finest(graph.grids.values()), **graph.grids} if found else {}
    return outputs | {name: resized(values, graph.image_shape[:2], grids[name]) for name, values in found.items()}


class SavedModelRuntime:
    """An exported SavedModel as a function from images to arrays.

    Args:
        folder: folder of the SavedModel.

    Attributes:
        image_size: side of the images, from the signature.

    Call arguments:
        images: float32 `(n, S, S, 3)` from 0 to 255.

    Raises:
        ValueError: a folder that does not load, or a SavedModel without the endpoints of this package.
    """

    def __init__(self, folder):
        try:
            # The loaded object must outlive its signatures, whose variables it owns.
            self.loaded = tf.saved_model.load(str(folder))
        except Exception as error:  # which exception TensorFlow raises depends on the part that is damaged
            raise invalid(f"{folder} does not load.", "a whole SavedModel", reason(error)) from error
        self.endpoints = dict(self.loaded.signatures)
        missing = set(ENDPOINTS) - set(self.endpoints)
        if missing:
            expected = "a SavedModel that `keras-attention export` wrote"
            raise invalid(f"{folder} has no endpoint {min(missing)}.", expected, ", ".join(self.endpoints) or "none")
        self.image_size = self.endpoints["serve"].structured_input_signature[1][IMAGES].shape[1]

    def __call__(self, images):
        return self.call("serve", images=tf.constant(images))

    def call(self, endpoint, **inputs):
        """The outputs of an endpoint as arrays, without the labels."""
        outputs = self.endpoints[endpoint](**inputs)
        return {name: np.asarray(values) for name, values in outputs.items() if name != LABELS}

"""A classifier as a TensorFlow SavedModel, which loads with plain `tf.saved_model.load`."""

import pathlib

import keras
import numpy as np
import tensorflow as tf

from keras_attention.arguments import invalid
from keras_attention.atomic import replacing
from keras_attention.export.card import model_card
from keras_attention.files import write_json
from keras_attention.models import attention_outputs
from keras_attention.precision import in_float32

LARGEST_DIFFERENCE = 1e-4


def export_saved_model(model, folder, class_names, training=None, result=None, images=None):
    """Writes a SavedModel and its `card.json`, then loads it and compares it with the Keras model.

    The endpoint `serve`, alias `serving_default`, takes raw RGB images, uint8 or float, from 0 to 255, of any batch
    size, and returns `probabilities`, `logits` and one `attention_<feature>` map for each attended block, in float32
    whatever precision the model was trained in.

    Args:
        model: a classifier over images whose only output is the logits.
        folder: where to write; an export that is there is replaced when the new one has passed its check.
        class_names: the name of each class, in the order of the logits.
        training, result: settings and figures for the card.
        images: `(n, S, S, 3)` from 0 to 255 to compare on; noise where it is `None`.

    Returns:
        The largest absolute difference to the Keras model over all outputs.

    Raises:
        ValueError: another backend than TensorFlow, class names that do not fit the logits, or a folder that holds
            anything but an export.
        RuntimeError: outputs that differ by more than 1e-4; nothing is left behind then.
    """
    require_tensorflow()
    if len(class_names) != model.output_shape[-1]:
        raise invalid("The class names do not fit.", f"{model.output_shape[-1]} names", f"{len(class_names)}")
    height, width = model.input_shape[1:3]
    outputs = attention_outputs(in_float32(model))
    if images is None:
        images = np.random.default_rng(0).integers(0, 256, (4, height, width, 3))
    folder = pathlib.Path(folder)
    _check_may_replace(folder)
    with replacing(folder) as temporary:
        _write(outputs, temporary)
        difference = _compare(outputs, temporary, np.asarray(images))
        write_json(temporary / "card.json", model_card(model, class_names, height, training, result))
    return difference


def _check_may_replace(folder):
    """Only nothing, an empty folder or an older export may give way to an export."""
    is_export = (folder / "card.json").is_file() and (folder / "saved_model.pb").is_file()
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not is_export):
        raise invalid(f"{folder} holds something else.", "a new folder, or one of an earlier export", f"out={folder}")


def require_tensorflow():
    """Raises `ValueError` on another backend: a SavedModel is traced by TensorFlow."""
    if keras.backend.backend() != "tensorflow":
        backend = f"KERAS_BACKEND={keras.backend.backend()}"
        raise invalid("A SavedModel is written by TensorFlow.", "KERAS_BACKEND=tensorflow", backend)


def _write(outputs, folder):
    @tf.function
    def serve(images):
        predicted = outputs(tf.cast(images, tf.float32), training=False)
        return {"probabilities": tf.nn.softmax(predicted["logits"]), **predicted}

    shape = (None, *outputs.input_shape[1:])
    # The first trace becomes the signature, which converts NumPy arrays of any dtype; `serve` itself has both traces,
    # so that it takes uint8 tensors too.
    for dtype in (tf.float32, tf.uint8):
        serve.get_concrete_function(tf.TensorSpec(shape, dtype, name="images"))
    archive = keras.export.ExportArchive()
    archive.track(outputs)
    archive.add_endpoint("serve", serve)
    archive.write_out(str(folder), verbose=False)


def _compare(outputs, folder, images):
    images = images.astype("float32")
    expected = outputs(images, training=False)
    served = tf.saved_model.load(str(folder)).signatures["serving_default"](tf.constant(images))
    difference = max(float(np.abs(served[name] - expected[name]).max()) for name in expected)
    if not difference <= LARGEST_DIFFERENCE:
        raise RuntimeError(
            f"The SavedModel differs from the Keras model by {difference:.2g}. Expected at most {LARGEST_DIFFERENCE}. "
            f"Received: {folder.name}, which is removed."
        )
    return difference

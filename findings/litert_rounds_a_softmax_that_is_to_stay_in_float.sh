#!/usr/bin/env bash
# tensorflow 2.21.0: QuantizationDebugger keeps a denied SOFTMAX in float, but rounds its output to 8 bits and back if a
# SELECT_V2 that is denied too comes next, so that no value but multiples of 1/256 is left of it.
#
# Without the selection, the softmax and all after it are in float, as denied.
#
# Seen, for the nearly even weights of a softmax over 256 positions: 1 value with the selection, 123 without.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q tensorflow==2.21.0 keras==3.15.1 numpy==2.4.6
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" -W ignore - 2> "$folder/log" <<'PYTHON' | tail -n 1
import keras
import numpy as np
import tensorflow as tf

rng = np.random.default_rng(0)
data = rng.uniform(0, 1, (16, 1, 32, 32, 3)).astype("float32")


def values_left(select):
    """How many different values the softmax gives once the convolution alone is to be in 8 bits."""
    keras.utils.set_random_seed(0)
    images = keras.Input((32, 32, 3), batch_size=1)
    features = keras.layers.Conv2D(8, 3, 2, "same", activation="relu")(images)
    scores = keras.layers.Flatten()(keras.layers.Conv2D(1, 1)(features))
    weights = keras.ops.softmax(scores)
    if select:
        weights = keras.ops.where(keras.ops.not_equal(scores, -np.inf), weights, 0.0)
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(images, weights * 2.0))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image] for image in data)
    denied = ["SOFTMAX", "SELECT_V2", "NOT_EQUAL", "RESHAPE", "MUL"]
    debugger = tf.lite.experimental.QuantizationDebugger(
        converter=converter,
        debug_dataset=converter.representative_dataset,
        debug_options=tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=denied),
    )
    interpreter = tf.lite.Interpreter(model_content=debugger.get_nondebug_quantized_model())
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], data[0])
    interpreter.invoke()
    return len(np.unique(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])))


with_selection, without = values_left(True), values_left(False)
print("different values of 256:", with_selection, "with a selection,", without, "without")
assert with_selection < 10 < 50 < without
PYTHON

#!/usr/bin/env bash
# tensorflow 2.21.0: for images of an unknown number, tf.einsum("qc,bnc->bqn", weights, features) converts to a LiteRT
# file without a word, but no interpreter loads it: the number of elements of a tensor overflows. The same sum with the
# operands the other way round, tf.einsum("bnc,qc->bqn", features, weights), converts to a file that loads and is right.
#
# Seen: weights first: ValueError ("BytesRequired number of elements overflowed"); weights second: a difference below
# 1e-5 from TensorFlow.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q tensorflow==2.21.0 keras==3.15.1 numpy==2.4.6
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" -W ignore - 2> "$folder/log" <<'PYTHON' | tail -n 2
import numpy as np
import tensorflow as tf

rng = np.random.default_rng(0)
weights = tf.constant(rng.uniform(size=(4, 8)).astype("float32"))
features = rng.uniform(size=(2, 16, 8)).astype("float32")


def loaded(function):
    """What the LiteRT file of a function gives for two images, or the error at which it does not load."""
    traced = tf.function(function, input_signature=[tf.TensorSpec((None, 16, 8))])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced.get_concrete_function()])
    file = converter.convert()
    try:
        interpreter = tf.lite.Interpreter(model_content=file)
    except ValueError as error:
        return str(error).split("\n")[0]
    place = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(place, features.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(place, features)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


first = loaded(lambda values: tf.einsum("qc,bnc->bqn", weights, values))
second = loaded(lambda values: tf.einsum("bnc,qc->bqn", values, weights))
difference = np.abs(second - tf.einsum("qc,bnc->bqn", weights, features).numpy()).max()
print("weights first: ", first)
print("weights second: difference", difference)
assert "number of elements overflowed" in first and difference < 1e-5
PYTHON

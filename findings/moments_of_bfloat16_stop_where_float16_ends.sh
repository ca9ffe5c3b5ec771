#!/usr/bin/env bash
# keras 3.15.1, jax 0.10.2: `keras.ops.moments` of bfloat16 numbers is never above 65,536, whatever the numbers are.
#
# bfloat16 reaches to 3.4e38. `moments` computes in float32, as its comment says for the sake of float16, and then limits
# mean and variance to the largest float16, 65,504, for bfloat16 too, which rounds that to 65,536. No error, no infinity: a
# variance of 90,000 (values around 0 that spread by 300, as activations do) comes back as 65,536, and what is divided by its
# root is a sixth too large. The normalization layers of Keras are not touched: they cast to float32 first. A custom layer
# that calls the operation under `mixed_bfloat16` is. TensorFlow's backend of the same version gives the same figures.
#
# Seen, mean and variance:
#   float32    100,000 and 300,000: 200000  1e+10      -300 and 300: 0  90000
#   bfloat16   100,000 and 300,000:  65536  65536      -300 and 300: 0  65536
#   `var` of the same in bfloat16: 9.9e+09 and 90112 (rounded to 8 bits)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q keras==3.15.1 jax==0.10.2 numpy==2.4.6
KERAS_BACKEND=jax "$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
from keras import ops

PAIRS = ((100_000.0, 300_000.0), (-300.0, 300.0))


def figures(function, dtype):
    """What `function` gives for each pair in this dtype, as float32."""
    found = [function(ops.cast(np.array(pair, "float32"), dtype)) for pair in PAIRS]
    return [[float(ops.cast(part, "float32")) for part in each] for each in found]


def moments(values):
    return ops.moments(values, axes=[0])


def apart(values):
    return ops.mean(values), ops.var(values)


for name, function in (("moments", moments), ("mean, var", apart)):
    for dtype in ("float32", "bfloat16"):
        print(f"{name:10} {dtype:9}", figures(function, dtype))
assert np.allclose(figures(moments, "float32"), [[2e5, 1e10], [0, 9e4]])
assert figures(moments, "bfloat16") == [[65536, 65536], [0, 65536]]
assert np.allclose(figures(apart, "bfloat16"), [[2e5, 1e10], [0, 9e4]], rtol=2**-7)
PYTHON

#!/usr/bin/env bash
# keras 3.15.1, jax 0.10.2: NASNetMobile with input_shape=(None, None, 3) builds, and then refuses images of every size.
#
# Padding before strides is computed from the size of the image; without one it is that of even sizes at places where the
# layers of 224 px have odd ones, so that two paths that are added differ by one position.
#
# Seen: TypeError (jax) for each even and odd size from 64 to 331 px that was tried; with input_shape=(224, 224, 3) it works.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q keras==3.15.1 jax==0.10.2 numpy==2.4.6
KERAS_BACKEND=jax "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np

any_size = keras.applications.NASNetMobile(weights=None, include_top=False, input_shape=(None, None, 3))
refused = []
for side in (64, 65, 127, 128, 192, 224, 225, 331):
    try:
        any_size(np.zeros((1, side, side, 3), "float32"))
    except (TypeError, ValueError) as error:
        refused.append(side)
        print(side, "refused:", type(error).__name__)
    else:
        print(side, "taken")
fixed = keras.applications.NASNetMobile(weights=None, include_top=False, input_shape=(224, 224, 3))
print("224 px alone:", fixed(np.zeros((1, 224, 224, 3), "float32")).shape)
assert len(refused) == 8, refused
PYTHON

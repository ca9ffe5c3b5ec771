#!/usr/bin/env bash
# keras 3.15.1, jax 0.10.2: where in a 255 px image a position of the last feature map of keras.applications lies.
#
# Position i of n is usually drawn over the i-th of n even strips of the image, so that position 4 of 8 is at 143 px. By
# its gradients it is at 128 px in ResNet50 (half a stride to the upper left, whose strides lie in 1×1 convolutions and in
# poolings after symmetric padding) and at 158 px in MobileNetV2 (half a stride to the lower right, whose padding before
# strides is not symmetric). An overlay drawn evenly is shifted by 15 px, 6 % of the side, in opposite directions.
#
# Seen: ResNet50 128.7, MobileNetV2 157.9, drawn at 143.4.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q keras==3.15.1 jax==0.10.2 numpy==2.4.6
KERAS_BACKEND=jax "$folder/venv/bin/python" - <<'PYTHON'
import jax
import keras
import numpy as np

SIDE, POSITION = 255, 4
EXPECTED = {"ResNet50": 128.5, "MobileNetV2": 158.5}
for name, centre in EXPECTED.items():
    keras.utils.set_random_seed(0)
    model = getattr(keras.applications, name)(weights=None, include_top=False, input_shape=(SIDE, SIDE, 3))
    assert model.output_shape[1] == 8, model.output_shape
    images = np.random.default_rng(0).uniform(-1, 1, (8, SIDE, SIDE, 3)).astype("float32")

    def energy(values):
        features = model(values, training=False)[:, POSITION, POSITION]
        return (features**2).sum()

    slopes = np.asarray(jax.grad(energy)(images)) ** 2
    rows = slopes.sum(axis=(0, 2, 3)) / slopes.sum()
    columns = slopes.sum(axis=(0, 1, 3)) / slopes.sum()
    places = np.arange(SIDE) + 0.5
    found = ((rows + columns) / 2 * places).sum()
    drawn = (POSITION + 0.5) * SIDE / 8
    print(f"{name}: position {POSITION} of 8 lies at {found:.1f} px, and is drawn at {drawn:.1f} px")
    assert abs(found - centre) < 3 < abs(found - drawn), (name, found)
PYTHON

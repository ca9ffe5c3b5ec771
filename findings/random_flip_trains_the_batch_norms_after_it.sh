#!/usr/bin/env bash
# keras 3.15.1, jax 0.10.2: a model that begins with RandomFlip, called as `model(images)`, is in training mode.
#
# Without `training`, a call is inference: batch normalization uses its moving statistics and leaves them alone. Layers of
# augmentation have `training=True` as the default of their `call`, and the layers after them inherit it. So one RandomFlip
# inside a model makes each plain call normalize by the statistics of its own batch and move the stored ones, and a
# prediction changes the model. `predict` and `training=False` do not. A batch normalization before the flip is not reached.
#
# Seen, moving mean after one call on images around 4 (0 is untouched):
#   model(images)                  without flip 0.000, flip first 0.040, flip last 0.000
#   model(images, training=False)  0.000 in each
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q keras==3.15.1 jax==0.10.2 numpy==2.4.6
KERAS_BACKEND=jax "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np

IMAGES = np.random.default_rng(0).uniform(3, 5, (16, 8, 8, 3)).astype("float32")
FORMS = {"without flip": "b", "flip first": "fb", "flip last": "bf"}
LAYERS = {"b": keras.layers.BatchNormalization, "f": keras.layers.RandomFlip}


def moved(form, **call):
    model = keras.Sequential([keras.Input((8, 8, 3)), *(LAYERS[letter]() for letter in form)])
    model(IMAGES, **call)
    (norm,) = (layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization))
    return float(np.mean(norm.moving_mean))


for call in ({}, {"training": False}):
    found = {name: moved(form, **call) for name, form in FORMS.items()}
    print(call or "no argument", {name: f"{value:.3f}" for name, value in found.items()})
    expected = 0.04 if not call else 0.0
    assert abs(found["flip first"] - expected) < 0.002, found
    assert found["without flip"] == found["flip last"] == 0, found
PYTHON

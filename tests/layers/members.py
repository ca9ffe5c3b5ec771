"""The scores and alignments that a test covers, if it does not cover all of them."""

import keras

from keras_attention.layers import ALIGNMENTS, SCORES

# Alignments that depend on positions or on random numbers; they have separate tests.
LOCAL = ("local_monotonic", "local_predictive")
SAMPLED = ("hard", "reinforced")

# Every score and every alignment once; `tests/models/test_pairs.py` tests all pairs. On other backends than TensorFlow,
# where each single call compiles for a second or more, only every alignment.
_ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
_SCORES = list(SCORES) if _ON_TENSORFLOW else ["additive", "scaled_dot"]
STAR = [(score, "softmax") for score in _SCORES] + [("additive", name) for name in ALIGNMENTS if name != "softmax"]
WITHOUT_PLACE = [name for name in ALIGNMENTS if name not in LOCAL]
WITHOUT_SAMPLING = [name for name in ALIGNMENTS if name not in SAMPLED]
STAR_WITHOUT_PLACE = [pair for pair in STAR if pair[1] in WITHOUT_PLACE]

"""Which members of the registries a test is about, where it is not about all of them."""

import keras

from keras_attention.layers import ALIGNMENTS, SCORES

# Where a key stands, or what is drawn, decides here: they have tests of their own.
LOCAL = ("local_monotonic", "local_predictive")
SAMPLED = ("hard", "reinforced")

# Every score and every alignment once; all pairs meet in `tests/models/test_pairs.py`. Without TensorFlow, where each
# call on its own compiles for a second or more, every alignment.
_ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
_SCORES = list(SCORES) if _ON_TENSORFLOW else ["additive", "scaled_dot"]
STAR = [(score, "softmax") for score in _SCORES] + [("additive", name) for name in ALIGNMENTS if name != "softmax"]
WITHOUT_PLACE = [name for name in ALIGNMENTS if name not in LOCAL]
WITHOUT_CHANCE = [name for name in ALIGNMENTS if name not in SAMPLED]
STAR_WITHOUT_PLACE = [pair for pair in STAR if pair[1] in WITHOUT_PLACE]

"""Every score with every alignment, and every baseline, in every format: the probabilities and maps of Keras."""

import keras
import numpy as np
import pytest

from keras_attention.export import FORMATS, export_model
from keras_attention.layers import ALIGNMENTS, GATES, POOLINGS, SCORES, HardAlignment, SpatialAttention
from keras_attention.models.outputs import MAP_PREFIX

KINDS = {**{name: name for name in ALIGNMENTS}, "hard by reinforce": HardAlignment("reinforce")}
IMAGES = np.random.default_rng(0).integers(0, 256, (9, 6, 6, 3)).astype("uint8")


def features_of_images():
    images = keras.Input((6, 6, 3))
    features = keras.layers.Conv2D(8, 3, strides=2, use_bias=False)(keras.layers.Rescaling(1 / 128, -1)(images))
    return images, keras.layers.Activation("tanh")(keras.layers.BatchNormalization()(features))


def every_score_with(alignment):
    """A classifier with one attention layer for each score, whose contexts are concatenated."""
    images, features = features_of_images()
    question = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3, activation="tanh")(images))
    contexts = []
    for score in SCORES:
        given = keras.saving.serialize_keras_object(alignment) if alignment not in ALIGNMENTS else alignment
        attention = SpatialAttention(score, given, units=4, seed=3, name=f"{MAP_PREFIX}{score}")
        contexts.append(attention(question, features, return_attention_scores=True)[0])
    return keras.Model(images, keras.layers.Dense(3, name="logits")(keras.layers.Concatenate()(contexts)))


@pytest.mark.apart
@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_every_format_holds_every_score_with(kind, tmp_path):
    model = every_score_with(KINDS[kind])
    card = export_model(model, tmp_path / "out", ["a", "b", "c"], FORMATS, images=IMAGES)
    assert len(card["attention"]) == len(SCORES)
    differences = {name: form["largest_difference"] for name, form in card["formats"].items()}
    assert list(differences) == list(FORMATS)
    assert max(differences.values()) <= 1e-5, differences


def every_baseline():
    """A classifier with one layer for each pooling and each gate, whose outputs are averaged and concatenated."""
    images, features = features_of_images()
    layers = [member(name=f"{MAP_PREFIX}{name}") for name, member in {**POOLINGS, **GATES}.items()]
    outputs = [
        layer(features, return_attention_scores=True)[0] if layer.has_map else layer(features) for layer in layers
    ]
    vectors = [each if len(each.shape) == 2 else keras.layers.GlobalAveragePooling2D()(each) for each in outputs]
    return keras.Model(images, keras.layers.Dense(3, name="logits")(keras.layers.Concatenate()(vectors)))


@pytest.mark.long
def test_every_format_holds_every_baseline(tmp_path):
    keras.utils.set_random_seed(1)
    card = export_model(every_baseline(), tmp_path / "out", ["a", "b", "c"], FORMATS, images=IMAGES)
    assert sorted(each["layer"] for each in card["attention"]) == ["abmil", "cbam", "ep", "simpool"]
    differences = {name: form["largest_difference"] for name, form in card["formats"].items()}
    assert list(differences) == list(FORMATS)
    assert max(differences.values()) <= 1e-5, differences

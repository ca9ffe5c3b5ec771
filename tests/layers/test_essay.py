"""The table at the head of `keras_attention.layers`: every method in it is built as it says, and attends."""

import re

import keras
import numpy as np
import pytest

from keras_attention import layers
from keras_attention.layers import ALIGNMENTS, SCORES, Attention, LearnedQueries

ROWS = re.findall(r"^\| (.+?) \| `(.+)` \| (\w+) \|$", layers.__doc__, re.M)
YAN = re.search(r"^`(AdditiveScore\(.+?\))`\.", layers.__doc__, re.M).group(1)
BATCH, QUERIES, KEYS, HEIGHT, WIDTH, CHANNELS = 2, 3, 5, 3, 7, 8


def built(code):
    names = {name: getattr(layers, name) for name in layers.__all__}
    return eval(code, {**names, "YAN": eval(YAN, names)})


def query_of(kind, features):
    if kind == "average":
        return features.mean(axis=(1, 2))
    if kind == "learned":
        return LearnedQueries(QUERIES)(features)
    shapes = {"vector": (BATCH, CHANNELS), "map": (BATCH, 2, 2, CHANNELS)}
    return np.random.default_rng(1).normal(size=shapes[kind]).astype("float32")


@pytest.mark.parametrize(("method", "code", "kind"), ROWS, ids=[row[0] for row in ROWS])
def test_a_method_is_the_pair_that_the_table_says(method, code, kind, rng):
    layer = built(code)
    if isinstance(layer, Attention):
        query, value = (rng.normal(size=(BATCH, count, CHANNELS)).astype("float32") for count in (QUERIES, KEYS))
        context, weights = layer(query, value, return_attention_scores=True)
        assert (kind, tuple(context.shape)) == ("vectors", (BATCH, QUERIES, CHANNELS))
        total = keras.ops.sum(weights, axis=-2 if layer.feature_wise else -1)
    else:
        features = rng.normal(size=(BATCH, HEIGHT, WIDTH, CHANNELS)).astype("float32")
        context, weights = layer(query_of(kind, features), features, return_attention_scores=True)
        assert tuple(context.shape) == (BATCH, *((QUERIES,) if kind == "learned" else ()), CHANNELS)
        total = keras.ops.sum(weights, axis=(-2, -1))
    assert np.isfinite(keras.ops.convert_to_numpy(context)).all()
    # A window around the place of the last query may lie past the keys, and the weights of a predicted place fade.
    if layer.alignment.normalized and "local" not in code:
        np.testing.assert_allclose(keras.ops.convert_to_numpy(total), 1, rtol=1e-5)


def test_the_table_has_the_classical_methods():
    assert len(ROWS) == layers.__doc__.count("\n|") - 2 == 20
    methods = " ".join(method for method, *_ in ROWS)
    for name in ("Bahdanau", "Luong", "Vaswani", "Yan", "Jetley", "Xu", "Shen", "SimPool"):
        assert name in methods


def test_the_table_uses_every_kind_of_alignment_but_controls():
    used = {SCORES.name_of(layer.score) for _, code, _ in ROWS for layer in [built(code)]}
    assert {"additive", "concat", "dot", "scaled_dot", "general"} <= used
    alignments = {ALIGNMENTS.name_of(built(code).alignment) for _, code, _ in ROWS}
    assert alignments == set(ALIGNMENTS)

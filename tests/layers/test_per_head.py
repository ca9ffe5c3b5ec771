"""Several alignments in one attention: each part of the heads is what it is with that alignment alone."""

import itertools

import keras
import numpy as np
import pytest
from cases import some_now
from keras import ops
from seams import assert_three_parts

from keras_attention.config import TrainConfig
from keras_attention.layers import ALIGNMENTS, Attention, SpatialAttention
from keras_attention.models import VGG16BN, ReinforceModel, attention_classifier, mask_losses
from keras_attention.variants import named_variant

HEADS, CHANNELS = 4, 12
QUERIES = {"vector": (2, 5), "map": (2, 2, 3, 5), "three": (2, 3, 5)}


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.fixture
def features(rng):
    return rng.normal(size=(2, 4, 3, CHANNELS)).astype("float32")


def same_weights(layer, other, *inputs):
    """Builds another layer by a call, with the weights of the first one."""
    other(*inputs)
    other.set_weights(layer.get_weights())
    return other


@pytest.mark.portable
@pytest.mark.parametrize(
    ("kind", "names"),
    some_now(
        list(itertools.product(QUERIES, ["softmax/sigmoid", "sparsemax/local_monotonic", "local_predictive/softmax"])),
        *("map-softmax/sigmoid", "three-sparsemax/local_monotonic", "vector-local_predictive/softmax"),
    ),
)
def test_each_head_is_what_it_is_alone(kind, names, features, rng):
    query = rng.normal(size=QUERIES[kind]).astype("float32")
    options = {"units": 6, "num_heads": HEADS}
    if "local_predictive" in names:  # its weights are of the alignment, which the other layer would not have
        layer = SpatialAttention("additive", names, **options)
        maps = numpy(layer(query, features, return_attention_scores=True)[1])
        assert np.isfinite(maps).all()
        np.testing.assert_allclose(maps[:, HEADS // 2 :].sum(axis=(-2, -1)), 1, atol=1e-4)
        return
    layer = SpatialAttention("additive", names.split("/"), **options)
    context, maps = map(numpy, layer(query, features, return_attention_scores=True))
    for place, name in enumerate(names.split("/")):
        alone = same_weights(layer, SpatialAttention("additive", name, **options), query, features)
        its_context, its_maps = map(numpy, alone(query, features, return_attention_scores=True))
        heads = slice(place * HEADS // 2, (place + 1) * HEADS // 2)
        np.testing.assert_allclose(maps[:, heads], its_maps[:, heads], atol=1e-6)
        parts = [each.reshape(*each.shape[:-1], HEADS, -1)[..., heads, :] for each in (context, its_context)]
        np.testing.assert_allclose(*parts, atol=1e-5)


@pytest.mark.parametrize("feature_wise", some_now([False, True], "True"))
def test_in_self_attention_with_masks_too(feature_wise, rng):
    vectors = rng.normal(size=(2, 5, 6)).astype("float32")
    mask = np.array([[True] * 5, [True, True, False, True, False]])
    options = {"num_heads": 2, "key_dim": 3, "feature_wise": feature_wise}
    layer = Attention("additive", "softmax/sigmoid", **options)
    given = {"value_mask": mask, "return_attention_scores": True}
    weights = numpy(layer(vectors, vectors, **given)[1])
    for place, name in enumerate(("softmax", "sigmoid")):
        alone = same_weights(layer, Attention("additive", name, **options), vectors, vectors)
        np.testing.assert_allclose(weights[:, place], numpy(alone(vectors, vectors, **given)[1])[:, place], atol=1e-6)
    assert (weights[1, :, :, [2, 4]] == 0).all()


def test_it_comes_back_from_a_file(features, rng, reload):
    query, maps = keras.Input((5,)), keras.Input((4, 3, CHANNELS))
    layer = SpatialAttention("additive", ["softmax", "entmax"], units=6, num_heads=2)
    model = keras.Model([query, maps], layer(query, maps, return_attention_scores=True))
    loaded, given = reload(model), [rng.normal(size=(2, 5)).astype("float32"), features]
    for output, its in zip(model(given), loaded(given), strict=True):
        np.testing.assert_array_equal(numpy(output), numpy(its))
    assert loaded.layers[-1].kind == {"score": "additive", "alignment": "softmax/entmax"}
    assert ALIGNMENTS.name_of(loaded.layers[-1].alignment) == "softmax/entmax"


def test_a_part_that_samples_is_rewarded(rng):
    backbone = VGG16BN((32, 32, 3), width=0.0625)
    model = attention_classifier(backbone, 3, alignment="softmax/reinforced", num_heads=2, units=4)
    assert isinstance(model, ReinforceModel)
    assert len(model.sampled) == 2
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    images = rng.integers(0, 256, (4, 32, 32, 3)).astype("float32")
    assert np.isfinite(model.fit(images, np.array([0, 1, 2, 0]), verbose=0).history["loss"]).all()


def test_each_attended_layer_has_its_own(features):
    backbone = VGG16BN((32, 32, 3), width=0.0625)
    parts = [ALIGNMENTS.get("softmax"), ALIGNMENTS.get("local_predictive", axes=2)]
    model = attention_classifier(backbone, 3, alignment=parts, num_heads=2, units=4)
    first, second = (model.get_layer(f"attention_{name}").alignment for name in ("block3_pool", "block4_pool"))
    assert first.parts[1] is not second.parts[1]


def test_averages_are_those_of_all_heads_or_unknown():
    def averages(names):
        return SpatialAttention("additive", names, units=4, num_heads=2).averages

    assert (averages("softmax/sparsemax"), averages("sigmoid/sigmoid"), averages("softmax/sigmoid")) == (
        *(False, True),
        None,
    )


def test_maps_of_two_kinds_are_not_taught_by_one_loss():
    backbone = VGG16BN((32, 32, 3), width=0.0625)
    model = attention_classifier(backbone, 3, alignment="softmax/sigmoid", num_heads=2, units=4)
    assert_three_parts(lambda: mask_losses(model), "The heads of block3_pool have weights of two kinds", "softmax/sig")
    model = attention_classifier(backbone, 3, alignment="softmax/sparsemax", num_heads=2, units=4)
    assert len(mask_losses(model)) == 2


@pytest.mark.parametrize(
    ("make", "wrong", "received"),
    [
        (lambda q, f: SpatialAttention("additive", "softmax/sigmoid", 4)(q, f), "Each of several alignments", "=1"),
        (lambda q, f: SpatialAttention("additive", "softmax/none", 4), "Unknown alignment", "none"),
        (lambda q, f: SpatialAttention("additive", ["softmax"], 4), "Several alignments must be at least two.", "1"),
        (lambda q, f: SpatialAttention("additive", [3, "softmax"], 4), "Cannot interpret the alignment.", "3"),
        (lambda q, f: Attention("dot", "softmax/sigmoid"), "Several alignments need heads.", "num_heads=None"),
        (
            lambda q, f: SpatialAttention("additive", "softmax/local_monotonic", 4, num_heads=2, registers=1),
            "`softmax/local_monotonic` weighs by places",
            "registers=1",
        ),
        (lambda q, f: TrainConfig(alignment="softmax/sigmoid"), "Each of several alignments needs as many heads", "=1"),
        (
            lambda q, f: TrainConfig(alignment="softmax/entmax", num_heads=2, alignment_options={"alpha": 1.2}),
            "Several alignments take no options.",
            "alpha",
        ),
        (lambda q, f: TrainConfig(alignment="softmax/none", num_heads=2), "Unknown alignment", "none"),
        (lambda q, f: named_variant("additive+softmax/none"), "Unknown alignment in the variant", "none"),
    ],
)
def test_what_is_refused(make, wrong, received, features, rng):
    query = rng.normal(size=(2, 5)).astype("float32")
    assert_three_parts(lambda: make(query, features), wrong, received)


def test_settings_and_variants_name_them():
    config = TrainConfig(alignment="softmax/sigmoid", num_heads=2)
    assert (config.kind, config.name) == ("additive+softmax/sigmoid", "cluttered_digits-additive-softmax-sigmoid")
    assert ALIGNMENTS.name_of(config.make_alignment()) == "softmax/sigmoid"
    variant = named_variant("additive+softmax/sigmoid").config(config)
    assert variant == config

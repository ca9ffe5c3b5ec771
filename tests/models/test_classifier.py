"""The attention classifier: its controls, names and maps, and training with every score and alignment."""

import keras
import numpy as np
import pytest
from cases import some_now, unlike_now
from keras import layers, ops
from seams import assert_three_parts

from keras_attention.layers import ALIGNMENTS, SCORES, AdditiveScore, SigmoidAlignment, SpatialAttention
from keras_attention.models import VGG16BN, attention_classifier, attention_outputs

pytestmark = pytest.mark.usefixtures("shallow_backbone")

CLASSES, UNITS, IMAGES, SIDE = 3, 7, 5, 32

# Every score and every alignment once; `test_pairs.py` tests all pairs.
STAR = [(score, "softmax") for score in SCORES] + [("additive", name) for name in ALIGNMENTS if name != "softmax"]
if keras.backend.backend() != "tensorflow":  # where every layer on its own compiles
    STAR = [("additive", "softmax"), ("cosine", "entmax"), ("general", "local_predictive")]
STAR_NOW = "-".join(STAR[-1])  # one of those, for every change
every_member = pytest.mark.parametrize(("score", "alignment"), STAR, ids=["-".join(pair) for pair in STAR])
unlike_members = pytest.mark.parametrize(("score", "alignment"), unlike_now(STAR))


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def vgg(width=0.05):
    return VGG16BN((SIDE, SIDE, 3), width=width)


def small_network():
    """Another backbone: three convolutions, whose maps have 13×11, 6×5 and 3×2 positions."""
    inputs = x = keras.Input((13, 11, 3), name="images")
    for number, filters in enumerate((5, 7, 11), start=1):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"conv{number}")(x)
        features = x
        x = layers.MaxPooling2D(2, name=f"pool{number}")(x) if number < 3 else x
    return keras.Model(inputs, layers.GlobalAveragePooling2D(name="pooled")(features))


@pytest.fixture
def images(rng):
    return rng.uniform(0, 255, size=(IMAGES, SIDE, SIDE, 3)).astype("float32")


@pytest.fixture
def labels(rng):
    return np.arange(IMAGES) % CLASSES


def attention_layers(model):
    return {layer.name: layer for layer in model.layers if isinstance(layer, SpatialAttention)}


def test_the_head_joins_the_pooled_query_and_the_contexts(images):
    model = attention_classifier(vgg(), CLASSES, units=UNITS)
    assert model.output_shape == (None, CLASSES)
    assert list(attention_layers(model)) == ["attention_block3_pool", "attention_block4_pool"]
    names = [layer.name for layer in model.layers]
    assert names[-2:] == ["contexts", "logits"]
    assert not any(isinstance(layer, keras.Model) for layer in model.layers)
    of_maps = [model.get_layer(f"block{block}_pool").output.shape[-1] for block in (5, 3, 4)]
    assert [part.shape[-1] for part in model.get_layer("contexts").input] == of_maps
    # Recomputed from the parts of the model.
    graph = keras.Model(model.input, [model.get_layer(f"block{block}_pool").output for block in (5, 3, 4)])
    query, *features = graph(images)
    contexts = [layer(query, map_) for layer, map_ in zip(attention_layers(model).values(), features, strict=True)]
    head = np.concatenate([numpy(query).mean(axis=(1, 2)), *map(numpy, contexts)], axis=-1)
    expected = head @ numpy(model.get_layer("logits").kernel) + numpy(model.get_layer("logits").bias)
    np.testing.assert_allclose(numpy(model(images)), expected, rtol=1e-4, atol=1e-6)


def test_without_attended_maps_it_is_the_plain_network(images):
    model = attention_classifier(vgg(), CLASSES, attend=())
    assert attention_layers(model) == {}
    assert [layer.name for layer in model.layers][-3:] == ["block5_pool", "pooled_query", "logits"]
    features = numpy(keras.Model(model.input, model.get_layer("block5_pool").output)(images)).mean(axis=(1, 2))
    expected = features @ numpy(model.get_layer("logits").kernel) + numpy(model.get_layer("logits").bias)
    np.testing.assert_allclose(numpy(model(images)), expected, rtol=1e-4, atol=1e-6)


def test_without_a_score_it_has_the_same_head_and_no_attention(images):
    model, attending = (attention_classifier(vgg(), CLASSES, score=score, units=UNITS) for score in (None, "additive"))
    assert attention_layers(model) == {}
    names = [layer.name for layer in model.layers]
    assert {"pooled_query", "pooled_block3_pool", "pooled_block4_pool", "contexts"} <= set(names)
    assert model.get_layer("logits").kernel.shape == attending.get_layer("logits").kernel.shape
    pooled = [f"pooled_{name}" for name in ("query", "block3_pool", "block4_pool")]
    parts = keras.Model(model.input, [model.get_layer(name).output for name in pooled])(images)
    expected = numpy(model.get_layer("logits")(np.concatenate([numpy(part) for part in parts], axis=-1)))
    np.testing.assert_allclose(numpy(model(images)), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("form", ["instance", "config", "class", "name"])
def test_a_score_given_once_is_not_shared_between_maps(form):
    score = AdditiveScore(UNITS, activation="relu")
    given = {
        "instance": score,
        "config": keras.saving.serialize_keras_object(score),
        "class": AdditiveScore,
        "name": "additive",
    }[form]
    model = attention_classifier(vgg(), CLASSES, score=given, alignment=SigmoidAlignment(), units=UNITS)
    first, second = attention_layers(model).values()
    assert first.score is not second.score
    assert first.alignment is not second.alignment
    assert {type(first.alignment), type(second.alignment)} == {SigmoidAlignment}
    assert {first.score.units, second.score.units} == {UNITS}
    assert not {id(weight) for weight in first.weights} & {id(weight) for weight in second.weights}
    if form in ("instance", "config"):
        assert {layer.score.activation for layer in (first, second)} == {keras.activations.relu}
    assert not score.built


@pytest.mark.parametrize("pool_query", [False, True])
@pytest.mark.parametrize("score", list(SCORES))
def test_the_query_is_a_map_or_its_average(pool_query, score, rng):
    model = attention_classifier(
        small_network(), CLASSES, ("pool1",), "conv3", score, units=UNITS, pool_query=pool_query
    )
    (layer,) = attention_layers(model).values()
    query, features = layer.input
    assert query.shape == ((None, 11) if pool_query else (None, 3, 2, 11))
    assert features.shape == (None, 6, 5, 5)
    if pool_query:
        graph = keras.Model(model.input, [query, model.get_layer("conv3").output])
        average, whole = graph(rng.normal(size=(IMAGES, 13, 11, 3)))
        np.testing.assert_allclose(numpy(average), numpy(whole).mean(axis=(1, 2)), rtol=1e-5, atol=1e-7)


@pytest.mark.portable
@unlike_members
def test_another_backbone_and_its_maps_after_a_reload(score, alignment, rng, reload):
    model = attention_classifier(
        small_network(),
        CLASSES,
        ("conv1", "pool1"),
        "conv3",
        score,
        alignment,
        UNITS,
        attention_dropout=0.2,
        dropout=0.1,
    )
    images = rng.normal(size=(IMAGES, 13, 11, 3)).astype("float32")
    before = attention_outputs(model)(images)
    loaded = reload(model)
    after = attention_outputs(loaded)(images)
    assert {name: tuple(tensor.shape) for name, tensor in before.items()} == {
        "logits": (IMAGES, CLASSES),
        "attention_conv1": (IMAGES, 13, 11),
        "attention_pool1": (IMAGES, 6, 5),
    }
    assert list(after) == list(before)
    for name, tensor in before.items():
        np.testing.assert_array_equal(numpy(after[name]), numpy(tensor))
    np.testing.assert_array_equal(numpy(before["logits"]), numpy(model(images)))
    for name, layer in attention_layers(model).items():
        sums = numpy(before[name]).sum(axis=(1, 2))
        assert np.allclose(sums, 1, atol=1e-5) is layer.alignment.normalized


def test_the_maps_come_from_the_same_weights(rng):
    model = attention_classifier(small_network(), CLASSES, ("pool1",), "conv3", units=UNITS)
    maps, images = attention_outputs(model), rng.normal(size=(IMAGES, 13, 11, 3))
    before = numpy(maps(images)["attention_pool1"])
    (layer,) = attention_layers(model).values()
    layer.score.output_kernel.assign(-layer.score.output_kernel)
    after = numpy(maps(images)["attention_pool1"])
    # softmax(−e) orders the positions the other way round.
    np.testing.assert_array_equal(np.argmax(before.reshape(IMAGES, -1), 1), np.argmin(after.reshape(IMAGES, -1), 1))


@pytest.mark.portable
@pytest.mark.parametrize("arguments", [{"attend": ()}, {"score": None}], ids=["plain", "no score"])
def test_a_control_has_logits_and_no_maps(arguments, reload):
    arguments = {"attend": ("pool1",), **arguments}
    model = attention_classifier(small_network(), CLASSES, query="conv3", **arguments)
    assert list(attention_outputs(model).output) == ["logits"]
    assert list(attention_outputs(reload(model)).output) == ["logits"]


def test_dropout_is_where_it_is_asked_for():
    model = attention_classifier(
        small_network(), CLASSES, ("pool1",), "conv3", units=UNITS, attention_dropout=0.2, dropout=0.1
    )
    assert model.get_layer("attention_pool1").dropout == 0.2
    assert model.get_layer("head_dropout").rate == 0.1
    without = attention_classifier(small_network(), CLASSES, ("pool1",), "conv3", units=UNITS)
    assert without.get_layer("attention_pool1").dropout == 0
    assert not any(isinstance(layer, layers.Dropout) for layer in without.layers)


def test_the_name_is_that_which_is_given():
    assert attention_classifier(small_network(), CLASSES, (), "conv3").name == "attention_classifier"
    assert attention_classifier(small_network(), CLASSES, (), "conv3", name="mine").name == "mine"


@pytest.mark.parametrize(("score", "alignment"), some_now(STAR[-len(ALIGNMENTS) :], STAR_NOW))
def test_every_alignment_trains(score, alignment, images, labels):
    model = attention_classifier(vgg(), CLASSES, score=score, alignment=alignment, units=UNITS)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # Without compilation, which would take longer than the three steps.
    model.compile(keras.optimizers.Adam(3e-3), loss, run_eagerly=True)
    before = [numpy(weight) for weight in model.trainable_weights]
    losses = model.fit(images, labels, batch_size=IMAGES, epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    paths = [weight.path for weight in model.trainable_weights]
    moved = [bool(np.any(old != numpy(new))) for old, new in zip(before, model.trainable_weights, strict=True)]
    assert dict(zip(paths, moved, strict=True)) == dict.fromkeys(paths, True)


@pytest.mark.slow
def test_a_compiled_model_trains(images, labels):
    model = attention_classifier(vgg(), CLASSES, units=UNITS, attention_dropout=0.1, dropout=0.1)
    model.compile(keras.optimizers.Adam(3e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.optimizer.build(model.trainable_variables)  # or TensorFlow traces the first step twice
    losses = model.fit(images, labels, batch_size=IMAGES, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    np.testing.assert_allclose(model.predict(images, verbose=0), numpy(model(images)), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("arguments", [{}, {"score": None}, {"attend": ()}], ids=["attention", "no score", "plain"])
@pytest.mark.parametrize("policy", some_now(["mixed_bfloat16", "mixed_float16"], "mixed_float16"))
def test_logits_and_maps_are_float32_under_a_mixed_policy(arguments, policy, images):
    keras.config.set_dtype_policy(policy)
    model = attention_classifier(vgg(), CLASSES, units=UNITS, **arguments)
    assert model.get_layer("block1_conv1").compute_dtype == policy.removeprefix("mixed_")
    for tensor in attention_outputs(model)(images).values():
        assert keras.backend.standardize_dtype(tensor.dtype) == "float32"
        assert np.isfinite(numpy(tensor)).all()
    assert keras.backend.standardize_dtype(model.output.dtype) == "float32"


ERRORS = [
    (
        "misspelt",
        {"attend": ("block3_poll",)},
        "Unknown layer 'block3_poll' (did you mean 'block3_pool'?).",
        "one of: block1_pool, block2_pool, block3_pool, block4_pool, block5_pool.",
        "attend='block3_poll'.",
    ),
    (
        "misspelt query",
        {"query": "blok5_pool"},
        "Unknown layer 'blok5_pool' (did you mean 'block5_pool'?).",
        "one of: block1_pool, block2_pool, block3_pool, block4_pool, block5_pool.",
        "query='blok5_pool'.",
    ),
    ("classes", {"num_classes": 1}, "`num_classes` is out of range.", "an integer at least 2.", "num_classes=1."),
    ("dropout", {"dropout": 1}, "`dropout` is out of range.", "a number at least 0 and below 1.", "dropout=1."),
    (
        "attention dropout",
        {"attention_dropout": 1.5},
        "`dropout` is out of range.",
        "a number at least 0 and below 1.",
        "dropout=1.5.",
    ),
    ("units", {"units": 0}, "`units` is out of range.", "an integer at least 1.", "units=0."),
    ("score", {"score": "addative"}, "Unknown score 'addative'", f"one of: {', '.join(SCORES)}.", "score='addative'."),
    (
        "alignment",
        {"alignment": "softmaxx"},
        "Unknown alignment 'softmaxx' (did you mean 'softmax'?).",
        f"one of: {', '.join(ALIGNMENTS)}.",
        "alignment='softmaxx'.",
    ),
]


@pytest.mark.parametrize(
    ("arguments", "wrong", "expected", "received"), [row[1:] for row in ERRORS], ids=[row[0] for row in ERRORS]
)
def test_errors_have_three_parts(arguments, wrong, expected, received):
    def make():
        attention_classifier(**{"backbone": vgg(0.02), "num_classes": CLASSES, **arguments})

    what, *others = assert_three_parts(make, wrong, received)
    assert what.startswith(wrong)
    assert others == [expected, received]


def test_a_layer_without_a_map_is_told_from_one_that_is_not_there():
    wrong = r"^Layer 'pooled' must give a feature map\. Expected one of: conv1, conv2, conv3"
    with pytest.raises(ValueError, match=wrong) as error:
        attention_classifier(small_network(), CLASSES, ("pooled",), "conv3")
    assert str(error.value).endswith(" Received: output shape=(None, 11).")


def test_the_map_of_several_heads_is_their_mean():
    model = attention_classifier(VGG16BN((32, 32, 3), width=0.125), 3, units=5, num_heads=4)
    layer = model.get_layer("attention_block3_pool")
    both = keras.Model(model.input, [layer.output[1], attention_outputs(model).output["attention_block3_pool"]])
    heads, mean = both.predict(np.random.default_rng(3).uniform(0, 255, (2, 32, 32, 3)), verbose=0)
    assert heads.shape == (2, 4, 4, 4)
    np.testing.assert_allclose(mean, heads.mean(axis=1), atol=1e-7)
    np.testing.assert_allclose(mean.sum(axis=(1, 2)), 1, atol=1e-6)

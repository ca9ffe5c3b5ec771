"""What the field compares attention with, as networks: a pooling, or gates, in the multi-scale head."""

import keras
import numpy as np
import pytest
from cases import some_now
from seams import assert_three_parts

from keras_attention.layers import GATES, POOLINGS
from keras_attention.maps import attention_maps
from keras_attention.models import VGG16BN, attention_classifier, attention_outputs, map_grids, over_features
from keras_attention.models.nested import with_outputs_of

SIZE, ATTENDED, QUERY = 32, ("block3_pool", "block4_pool"), "block5_pool"
POOLS = [f"block{number}_pool" for number in range(1, 6)]
BASELINES = {name: {"pooling": name} for name in POOLINGS} | {name: {"feature_gate": name} for name in GATES}
SHOWN = ("simpool", "abmil", "ep", "cbam")  # those with maps
every_baseline = pytest.mark.parametrize("name", BASELINES)
pytestmark = pytest.mark.usefixtures("shallow_backbone")


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).integers(0, 256, (2, SIZE, SIZE, 3)).astype("float32")


def build(name, **options):
    keras.utils.set_random_seed(3)
    return attention_classifier(VGG16BN((SIZE, SIZE, 3), width=0.125), 3, score=None, **BASELINES[name], **options)


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.mark.portable
@every_baseline
def test_it_gives_its_maps_if_it_has_any(name, images):
    model = build(name)
    outputs = attention_outputs(model)(images)
    maps = {output: tuple(values.shape) for output, values in outputs.items() if output != "logits"}
    expected = {"attention_block3_pool": (2, 4, 4), "attention_block4_pool": (2, 2, 2)}
    assert maps == (expected if name in SHOWN else {})
    assert list(map_grids(model)) == (list(ATTENDED) if name in SHOWN else [])
    if name in SHOWN:
        for layer, values in attention_maps(model, images).items():
            np.testing.assert_allclose(values, numpy(outputs[f"attention_{layer}"]), atol=1e-6)


@pytest.mark.parametrize("name", some_now(BASELINES, "simpool", "eca", "cbam"))
def test_over_features_it_is_the_same_network(name, images):
    """What is trained on cached features of a frozen backbone is what is exported."""
    model = build(name, gate_backbone=False)
    features = keras.Model(model.input, [model.get_layer(layer).output for layer in (*ATTENDED, QUERY)])(images)
    head = over_features(model, (*ATTENDED, QUERY))
    np.testing.assert_allclose(numpy(head(tuple(features))), numpy(model(images)), atol=1e-6)


@pytest.mark.portable
@pytest.mark.parametrize("name", some_now(BASELINES, "cbam"))
def test_it_reloads_and_learns(name, images, tmp_path):
    model = build(name)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, run_eagerly=keras.backend.backend() == "tensorflow")
    before = model.get_weights()
    model.fit(images, np.array([0, 1]), epochs=1, verbose=0)
    names = [weight.path for weight in model.trainable_variables]
    assert any("gate" in each or "attention" in each for each in names) or name in ("gem", "cbam")
    assert any(not np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))
    model.save(tmp_path / "model.keras")
    reloaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(numpy(reloaded(images)), numpy(model(images)), atol=1e-6)


@pytest.mark.parametrize("name", GATES)
def test_gates_follow_every_pooling_and_what_comes_after_sees_gated_features(name, images):
    model = build(name)
    gates = [layer for layer in model.layers if isinstance(layer, GATES[name])]
    assert [layer.name.partition("_")[2] for layer in gates] == POOLS
    for gate, pool in zip(gates, POOLS, strict=True):
        assert gate.input._keras_history.operation is model.get_layer(pool)
    after = with_outputs_of(model, [("block5_pool",)])[1]
    features = keras.Model(model.input, after)
    before = numpy(features(images)[0])
    gates[0].set_weights([weight * 0 - 3 for weight in gates[0].get_weights()])
    assert not np.allclose(before, numpy(features(images)[0]), atol=1e-3)


def test_the_tensors_of_the_backbone_without_gates_are_not_taken_for_those_with(images):
    """The layers are shared, so that `layer.output` is what it was; a model of it is refused by Keras."""
    model = build("se")
    with pytest.raises(ValueError, match=r"connected|used 2 times"):
        keras.Model(model.input, model.get_layer("block4_pool").output)


@pytest.mark.parametrize("name", some_now(GATES, "cbam"))
def test_gates_of_the_attended_features_leave_the_backbone_as_it_is(name, images):
    plain, model = (numpy_features(each, images) for each in (build("gem"), build(name, gate_backbone=False)))
    np.testing.assert_array_equal(plain, model)


def numpy_features(model, images):
    return numpy(keras.Model(model.input, model.get_layer(QUERY).output)(images))


def test_gates_of_a_model_inside_the_backbone(images):
    inner = VGG16BN((SIZE, SIZE, 3), width=0.05)
    image = keras.Input((SIZE, SIZE, 3))
    backbone = keras.Model(image, inner(keras.layers.Rescaling(0.5)(image)))
    model = attention_classifier(backbone, 3, score=None, feature_gate="cbam")
    gates = [layer for layer in model._flatten_layers() if isinstance(layer, GATES["cbam"])]
    # The last layer of each stride from 2 on; that of the largest is the model inside.
    assert len(gates) == len(POOLS)
    assert "gate_vgg16_bn" in [gate.name for gate in gates]
    before = numpy(model(images))
    for gate in gates:
        gate.set_weights([weight + 1 for weight in gate.get_weights()])
    assert not np.allclose(before, numpy(model(images)), atol=1e-5)


def test_maps_of_gates_beside_an_attended_layer_of_a_model_inside(images):
    """The gate of the outer layer shows no map, as it would be that of another call."""
    inner, image = VGG16BN((SIZE, SIZE, 3), width=0.05), keras.Input((SIZE, SIZE, 3))
    last = keras.layers.Conv2D(4, 1, 1, name="last")(inner(image))
    model = attention_classifier(
        keras.Model(image, last), 3, ("block2_pool", "last"), "block3_pool", None, feature_gate="cbam"
    )
    outputs = attention_outputs(model)(images)
    assert list(outputs) == ["logits"]
    assert "gate_last" in [layer.name for layer in model.layers]
    np.testing.assert_allclose(numpy(outputs["logits"]), numpy(model(images)), atol=1e-6)


def test_maps_are_not_sampled(images):
    model = build("simpool")
    assert_three_parts(lambda: attention_maps(model, images, kind="choice"), "one that samples", "simpool")


def test_the_map_of_a_pooling_in_any_model(images):
    """It is computed if the model does not give it."""
    image = keras.Input((SIZE, SIZE, 3))
    features = keras.layers.Conv2D(4, 3, name="features")(image)
    model = keras.Model(image, keras.layers.Dense(3)(POOLINGS["abmil"](name="attention_features")(features)))
    maps = attention_maps(model, images)
    assert maps["features"].shape == (2, SIZE - 2, SIZE - 2)
    np.testing.assert_allclose(maps["features"].sum(axis=(1, 2)), 1, atol=1e-5)


def test_gates_go_with_attention(images):
    model = attention_classifier(VGG16BN((SIZE, SIZE, 3), width=0.05), 3, units=8, feature_gate="cbam")
    assert sorted(attention_outputs(model).output) == ["attention_block3_pool", "attention_block4_pool", "logits"]
    assert [type(model.get_layer(f"attention_{layer}")).__name__ for layer in ATTENDED] == ["SpatialAttention"] * 2


WRONG = [
    ({"pooling": "gem"}, "A pooling takes the place", "pooling='gem'"),
    ({"score": None, "pooling": "gem", "attend": ()}, "A pooling needs", "attend=()"),
    ({"score": None, "pooling": "gemm"}, "Unknown pooling", "pooling='gemm'"),
    ({"feature_gate": "see"}, "Unknown gate", "feature_gate='see'"),
    ({"feature_gate": "se", "gate_backbone": False, "attend": ()}, "Gates of the attended", "attend=()"),
    ({"score": None, "pooling": "gem", "attend": "block9_pool"}, "Unknown layer", "attend='block9_pool'"),
    ({"query": "learned", "score": None}, "Learned queries need a score", 'query="learned", score=None'),
    ({"query": "learned", "pool_query": True}, "`pool_query=True` needs", 'query="learned", pool_query=True'),
    ({"query": "learned", "attend": ()}, "Learned queries need", 'query="learned", attend=()'),
    ({"query": "learned", "num_heads": 0}, "`num_heads`", "num_heads=0"),
    ({"registers": -1}, "`registers`", "registers=-1"),
]


@pytest.mark.parametrize(("options", "wrong", "received"), WRONG)
def test_what_cannot_be_built_is_refused(options, wrong, received):
    backbone = VGG16BN((SIZE, SIZE, 3), width=0.05)
    assert_three_parts(lambda: attention_classifier(backbone, 3, **options), wrong, received)


@pytest.mark.portable
@pytest.mark.parametrize("heads", some_now([1, 2], "2"))
def test_learned_queries_are_one_for_each_head(heads, images):
    model = attention_classifier(
        VGG16BN((SIZE, SIZE, 3), width=0.125), 3, query="learned", num_heads=heads, units=8, registers=1, gate=True
    )
    layer = model.get_layer("attention_block3_pool")
    assert layer.input[0].shape == (None, heads, layer.input[1].shape[-1])
    assert layer.output[0].shape == (None, layer.input[1].shape[-1])
    per_head = attention_maps(model, images, per_head=True)["block3_pool"]
    assert per_head.shape == (2, heads, 4, 4)
    assert model.get_layer("pooled_query").input is model.get_layer(QUERY).output

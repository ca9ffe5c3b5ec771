"""The registry: lists, builds, describes, and makes saveable."""

import keras
import pytest

from keras_attention.layers import ALIGNMENTS, SCORES, AdditiveScore, DotScore, SoftmaxAlignment
from keras_attention.registry import PACKAGE, Registry

MEMBERS = [(registry, name) for registry in (SCORES, ALIGNMENTS) for name in registry]


@pytest.fixture
def shapes():
    """A registry of its own with one member, taken out of Keras's list of classes afterwards."""
    registry = Registry("shape")

    @registry.register("round")
    class RoundShape(keras.layers.Layer):
        """r = 1: as far in every direction."""

        def __init__(self, radius=1.0, **kwargs):
            super().__init__(**kwargs)
            self.radius = radius

    yield registry
    keras.saving.get_custom_objects().pop(f"{PACKAGE}>RoundShape")


def test_a_registry_is_a_mapping_from_name_to_class(shapes):
    assert list(shapes) == ["round"]
    assert len(shapes) == 1
    assert "round" in shapes
    assert "square" not in shapes
    assert shapes["round"].__name__ == "RoundShape"
    with pytest.raises(KeyError):
        shapes["square"]


def test_registering_makes_saveable_under_the_package(shapes):
    assert keras.saving.get_registered_name(shapes["round"]) == f"{PACKAGE}>RoundShape"


def test_a_duplicate_name_is_refused_and_changes_nothing(shapes):
    before = shapes["round"]

    class Ball(keras.layers.Layer):
        pass

    with pytest.raises(
        ValueError, match=r"The shape 'round' is already registered\. Expected .* Received: class Ball\."
    ):
        shapes.register("round")(Ball)
    assert shapes["round"] is before


def test_get_takes_a_name_a_class_an_instance_and_a_config():
    layer = AdditiveScore(units=13, activation="relu")
    config = keras.saving.serialize_keras_object(layer)
    assert type(SCORES.get("additive")) is AdditiveScore
    assert type(SCORES.get(AdditiveScore)) is AdditiveScore
    assert SCORES.get(layer) is layer
    restored = SCORES.get(config)
    assert restored is not layer
    assert type(restored) is AdditiveScore
    assert restored.get_config() == layer.get_config()


def test_get_makes_a_new_layer_at_each_call():
    assert SCORES.get("dot") is not SCORES.get("dot")
    assert SCORES.get(DotScore) is not SCORES.get(DotScore)


@pytest.mark.parametrize("identifier", ["additive", AdditiveScore], ids=["name", "class"])
def test_defaults_reach_a_name_and_a_class(identifier):
    layer = SCORES.get(identifier, units=13, dtype="mixed_bfloat16", temperature=3)
    assert layer.units == 13
    assert layer.dtype_policy.name == "mixed_bfloat16"


def test_defaults_leave_out_what_a_member_does_not_take():
    assert SCORES.get("dot", units=13, dtype="mixed_bfloat16").dtype_policy.name == "mixed_bfloat16"


def test_defaults_do_not_touch_an_instance_or_a_config():
    layer = AdditiveScore(units=13)
    assert SCORES.get(layer, units=17).units == 13
    assert SCORES.get(keras.saving.serialize_keras_object(layer), units=17).units == 13


def test_an_unknown_name_is_answered_with_the_choices_and_the_nearest():
    with pytest.raises(ValueError, match=r"Unknown score 'aditive' \(did you mean 'additive'\?\)") as error:
        SCORES.get("aditive")
    assert f"Expected one of: {', '.join(SCORES)}." in str(error.value)
    assert "Received: score='aditive'." in str(error.value)


@pytest.mark.parametrize("identifier", [None, 3, int, {"dot"}])
def test_what_is_no_identifier_is_a_type_error(identifier):
    with pytest.raises(
        TypeError, match=r"Cannot interpret the alignment\. Expected a name \(softmax, .*\), a class, .* Received: "
    ):
        ALIGNMENTS.get(identifier)


def test_name_of_knows_members_and_falls_back_to_the_class():
    assert SCORES.name_of(AdditiveScore(3)) == "additive"
    assert SCORES.name_of(AdditiveScore) == "additive"
    assert SCORES.name_of(SoftmaxAlignment()) == "SoftmaxAlignment"


@pytest.mark.parametrize(("registry", "name"), MEMBERS)
def test_every_member_is_described_buildable_and_saveable(registry, name):
    cls = registry[name]
    left_side = {"score": "e = ", "alignment": "a = "}[registry.family]
    assert registry.formulas()[name].startswith(left_side)
    assert "Reference:" in cls.__doc__
    assert type(cls()) is cls
    assert keras.saving.get_registered_name(cls) == f"{PACKAGE}>{cls.__name__}"
    assert registry.name_of(cls) == name


def test_members_of_the_method_are_there():
    general = {"general", "biased_general", "activated_general"}
    assert {"additive", "concat", "dot", "scaled_dot", "euclidean", "cosine"} | general <= set(SCORES)
    local, sampled = {"local_monotonic", "local_predictive"}, {"hard", "reinforced"}
    assert {"softmax", "sigmoid", "sparsemax", "entmax"} | local | sampled <= set(ALIGNMENTS)


def test_options_are_those_of_a_member_and_of_its_bases():
    assert ALIGNMENTS.options(ALIGNMENTS["softmax"]) == {"temperature": 1.0}
    assert list(ALIGNMENTS.options(ALIGNMENTS["hard"]))[:2] == ["estimator", "temperature"]
    assert "bias_initializer" not in SCORES.options(SCORES["general"])
    assert {"kernel_initializer", "bias_initializer", "units"} <= set(SCORES.options(SCORES["concat"]))
    assert SCORES.options(SCORES["dot"]) == {}


@pytest.mark.parametrize(("registry", "name"), MEMBERS)
def test_every_option_is_kept_in_the_config(registry, name):
    layer = registry.make(name, {})
    assert set(registry.options(registry[name])) <= set(layer.get_config())


@pytest.mark.parametrize(("registry", "name"), MEMBERS)
def test_every_member_survives_its_config(registry, name):
    layer = registry[name](dtype="mixed_bfloat16", name="renamed")
    restored = registry.get(keras.saving.serialize_keras_object(layer))
    assert restored.name == "renamed"
    assert restored.dtype_policy.name == "mixed_bfloat16"
    assert restored.get_config() == layer.get_config()

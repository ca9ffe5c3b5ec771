"""`TrainConfig`: it survives JSON, cannot be changed, and says what is wrong with a setting."""

import dataclasses
import json
import pathlib
import random
import re

import numpy as np
import pytest

from keras_attention import TrainConfig
from keras_attention.config.checks import CUSTOM
from keras_attention.data.augmentation import AUGMENTATIONS
from keras_attention.layers import ALIGNMENTS, SCORES, AdditiveScore, UniformScore
from keras_attention.metrics import MONITORS

# Every setting, at a value that is not its default; but for those that do not go with another one here.
OTHERS = {
    "data": "photos",
    "data_dir": "sets",
    "data_options": {"clutter": 3, "seed": 7},
    "masks": "masks",
    "label": "species",
    "mask_values": "1,3",
    "group": "re:(p[0-9]+)_",
    "image_size": 48,
    "resize": "crop",
    "split_seed": 5,
    "fold": "2/5",
    "images": "photos",
    "columns": {"image": "name", "label": ["a", "b, and c"]},
    "zeros": "neither",
    "backbone": "small_cnn",
    "width": 0.125,
    "weights": "small_cnn.weights.h5",
    "freeze": "all",
    "unfreeze_after": 8,
    "backbone_rate": 0.1,
    "score": "cosine",
    "alignment": "hard",
    "score_options": {"temperature": 3.0},
    "alignment_options": {"estimator": "reinforce"},
    "feature_gate": "se",
    "feature_gate_options": {"reduction": 4},
    "attend": ("stage2_relu",),
    "units": 7,
    "normalize": "batch",
    "num_heads": 2,
    "pool_query": True,
    "supervise_attention": 0.3,
    "map_regularizers": {"entropy": 0.01},
    "attention_dropout": 0.1,
    "dropout": 0.2,
    "epochs": 11,
    "stop_after": 9,
    "batch_size": 13,
    "learning_rate": 0.017,
    "optimizer": "sgd",
    "weight_decay": 0.0,
    "schedule": "step",
    "step_epochs": 3,
    "step_factor": 0.5,
    "warmup_epochs": 2,
    "clip_norm": 1.5,
    "loss": "focal",
    "focal_gamma": 1.0,
    "sampling": "balanced",
    "label_smoothing": 0.05,
    "augment": "photo",
    "flips": "both",
    "cache_dir": "features",
    "views": 3,
    "precision": "float32",
    "monitor": "val_macro_f1",
    "patience": 4,
    "seed": 23,
}

pytestmark = pytest.mark.usefixtures("small_cnn")

APART = {"allow_duplicates": True, "class_weights": "balanced", "cache_features": False, "train_on_validation": True}
APART |= {"pooling": "ep", "pooling_options": {"queries": 2}}


def exactly(wrong, expected, received):
    return f"^{re.escape(f'{wrong} Expected {expected}. Received: {received}.')}$"


def test_the_table_has_every_setting():
    defaults = dataclasses.asdict(TrainConfig())
    assert set(OTHERS) | set(APART) == set(defaults)
    assert [name for name, value in (OTHERS | APART).items() if value == defaults[name]] == []


def test_json():
    for config in (TrainConfig(), TrainConfig(**OTHERS), TrainConfig(score=None, attend=())):
        again = TrainConfig.from_json(config.to_json())
        assert again == config
        assert dataclasses.asdict(again) == dataclasses.asdict(config)
        assert isinstance(again.attend, tuple)
    settings = json.loads(TrainConfig(**OTHERS).to_json())
    assert settings == OTHERS | {"attend": ["stage2_relu"], "class_weights": "none", "cache_features": True} | {
        "train_on_validation": False,
        "allow_duplicates": False,
        "pooling": "average",
        "pooling_options": {},
    }


def test_settings_that_a_file_lacks_are_the_defaults():
    assert TrainConfig.from_json('{"epochs": 3}') == TrainConfig(epochs=3)


def test_numbers_of_numpy_survive_json():
    config = TrainConfig(units=np.int64(7), dropout=np.float32(0.5), epochs=np.int32(3), image_size=np.int64(48))
    assert TrainConfig.from_json(config.to_json()) == TrainConfig(units=7, dropout=0.5, epochs=3, image_size=48)


def test_paths_are_kept_as_text():
    config = TrainConfig(data=pathlib.Path("photos/skin"), data_dir=pathlib.Path("sets"), masks=pathlib.Path("masks"))
    assert config == TrainConfig(data="photos/skin", data_dir="sets", masks="masks")
    assert TrainConfig.from_json(config.to_json()) == config
    assert config.name == "photos-skin-additive-softmax"


def test_an_unknown_setting():
    known = [field.name for field in dataclasses.fields(TrainConfig)]
    wanted = exactly(
        "Unknown setting 'epoch' (did you mean 'epochs'?).", f"one of: {', '.join(known)}", "setting='epoch'"
    )
    with pytest.raises(ValueError, match=wanted):
        TrainConfig.from_json('{"epoch": 3}')


@pytest.mark.parametrize("text", ["[]", "3", "null"])
def test_what_is_no_object(text):
    with pytest.raises(ValueError, match=r"^The settings .*\. Expected .*\. Received: .*\.$"):
        TrainConfig.from_json(text)


def test_what_is_no_json():
    with pytest.raises(ValueError, match=r"^Expecting value: line 1 column 1"):
        TrainConfig.from_json("no json")


@pytest.mark.parametrize("name", OTHERS)
def test_no_setting_can_be_changed(name):
    config = TrainConfig()
    with pytest.raises(dataclasses.FrozenInstanceError, match=f"cannot assign to field '{name}'"):
        setattr(config, name, OTHERS[name])
    assert config == TrainConfig()


def test_settings_are_named():
    with pytest.raises(TypeError, match="positional"):
        TrainConfig("photos")


@pytest.mark.parametrize("given", ["block4_pool", ["block4_pool"], ("block4_pool",)])
def test_attended_layers_are_a_tuple(given):
    assert TrainConfig(attend=given).attend == ("block4_pool",)


@pytest.mark.parametrize("name", SCORES)
def test_every_score_and_alignment(name):
    for alignment in ALIGNMENTS:
        assert TrainConfig(score=name, alignment=alignment).score == name


NAMES = {
    "defaults": ({}, "cluttered_digits-additive-softmax"),
    "pair": ({"score": "scaled_dot", "alignment": "sigmoid"}, "cluttered_digits-scaled_dot-sigmoid"),
    "plain": ({"attend": ()}, "cluttered_digits-plain"),
    "plain without a score": ({"attend": (), "score": None}, "cluttered_digits-plain"),
    "no score": ({"score": None}, "cluttered_digits-multiscale"),
    "uniform": ({"score": "uniform"}, "cluttered_digits-uniform"),
    "pooling": ({"score": None, "pooling": "gem"}, "cluttered_digits-gem"),
    "gate": ({"score": None, "feature_gate": "se"}, "cluttered_digits-se"),
    "gated attention": ({"feature_gate": "se"}, "cluttered_digits-se-additive-softmax"),
    "gated and pooled": ({"score": None, "pooling": "ep", "feature_gate": "se"}, "cluttered_digits-se-ep"),
    "gated plain": ({"attend": (), "feature_gate": "se"}, "cluttered_digits-se-plain"),
    "folder": ({"data": "../photos/skin/"}, "photos-skin-additive-softmax"),
    "absolute folder": ({"data": "/photos/skin"}, "photos-skin-additive-softmax"),
    "here": ({"data": "."}, "data-additive-softmax"),
    "another backbone": ({"backbone": "small_cnn"}, "cluttered_digits-small_cnn-additive-softmax"),
    "another plain backbone": ({"backbone": "small_cnn", "attend": ()}, "cluttered_digits-small_cnn-plain"),
    "version": ({"data": "cifar10/3.0.2"}, "cifar10-3.0.2-additive-softmax"),
}


@pytest.mark.parametrize("case", NAMES)
def test_name(case):
    settings, name = NAMES[case]
    assert TrainConfig(**settings).name == name
    assert "/" not in name


@pytest.mark.parametrize(
    ("settings", "has"),
    [
        ({}, True),
        ({"score": "uniform"}, False),
        ({"score": None}, False),
        ({"score": None, "pooling": "gem"}, False),
        ({"score": None, "pooling": "simpool"}, True),
        ({"score": None, "feature_gate": "se"}, False),
        ({"score": None, "feature_gate": "cbam"}, True),
        ({"score": None, "feature_gate": "cbam", "attend": ()}, False),
    ],
)
def test_what_has_maps_can_be_taught(settings, has):
    """And a variant keeps what masks teach, if it has maps at all."""
    base = TrainConfig(supervise_attention=0.3, map_regularizers={"disagreement": 0.1})
    variant = base.as_variant(**settings)
    assert TrainConfig(**settings).has_maps is has
    assert variant.supervise_attention == (0.3 if has else None)
    assert bool(variant.map_regularizers) is (settings == {})


def test_options_reach_the_layers():
    config = TrainConfig(**OTHERS)
    assert config.make_score().temperature == 3.0
    assert config.make_feature_gate().reduction == 4
    assert TrainConfig(score=None, pooling="ep", pooling_options={"queries": 2}).make_pooling().queries == 2
    assert (TrainConfig().make_pooling(), TrainConfig().make_feature_gate()) == (None, None)
    assert config.make_alignment().estimator == "reinforce"
    assert TrainConfig(units=7).make_score().units == 7
    assert TrainConfig(units=7, score_options={"units": 5}).make_score().units == 5
    assert TrainConfig(alignment="local_predictive").make_alignment().axes == 2
    assert TrainConfig(score=None).make_score() is None
    assert isinstance(TrainConfig(score="uniform").make_score(), UniformScore)
    assert TrainConfig(units=None).make_score().units == AdditiveScore().units
    assert not hasattr(TrainConfig(score="dot", units=None).make_score(), "units")


def test_differences():
    config = TrainConfig(epochs=3, attend=())
    assert config.differences(config) == {}
    assert config.differences(TrainConfig(epochs=5)) == {
        "epochs": (3, 5),
        "attend": ((), ("block3_pool", "block4_pool")),
    }
    defaults = dataclasses.asdict(TrainConfig())
    assert TrainConfig().differences(TrainConfig(**OTHERS)) == {name: (defaults[name], OTHERS[name]) for name in OTHERS}


POOLS = ", ".join(f"block{block}_pool" for block in range(1, 6))
CHOICES = {
    "score": (*SCORES, "uniform"),
    "alignment": ALIGNMENTS,
    "optimizer": ("adamw", "sgd"),
    "schedule": ("cosine", "step", "constant"),
    "class_weights": ("none", "balanced"),
    "augment": AUGMENTATIONS,
    "precision": ("auto", "float32", "mixed_bfloat16"),
    "monitor": MONITORS,
}


@pytest.mark.parametrize("name", CHOICES)
def test_an_unknown_choice(name):
    choices = list(CHOICES[name])
    wrong = f"Unknown {name.replace('_', ' ')} '{choices[-1]}x' (did you mean '{choices[-1]}'?)."
    also = CUSTOM if name in ("score", "alignment") else ""
    wanted = exactly(wrong, f"one of: {', '.join(choices)}{also}", f"{name}='{choices[-1]}x'")
    with pytest.raises(ValueError, match=wanted):
        TrainConfig(**{name: f"{choices[-1]}x"})
    with pytest.raises(ValueError, match=rf"Expected one of: .*\. Received: {name}=3\.$"):
        TrainConfig(**{name: 3})


INTEGERS = {"units": 1, "epochs": 1, "batch_size": 1, "step_epochs": 1, "image_size": 32, "patience": 1}
INTEGERS |= {"unfreeze_after": 1, "views": 1, "stop_after": 1, "num_heads": 1}
RANGES = (
    [
        (name, value, f"an integer at least {least}")
        for name, least in INTEGERS.items()
        for value in (least - 1, 33.0, True)
    ]
    + [
        (name, value, "an integer at least 0 and at most 2147483647")
        for name in ("seed", "split_seed")
        for value in (-1, 2**31, 0.0, None)
    ]
    + [
        (name, value, "a number above 0")
        for name in ("width", "learning_rate", "step_factor", "backbone_rate", "clip_norm")
        for value in (0, -0.1, float("nan"), float("inf"), "0.1", None)
        if value is not None or name not in ("width", "clip_norm")
    ]
    + [
        (name, value, "a number at least 0")
        for name in ("weight_decay", "warmup_epochs", "focal_gamma")
        for value in (-0.1, float("nan"), None)
    ]
    + [
        (name, value, "a number at least 0 and below 1")
        for name in ("dropout", "attention_dropout", "label_smoothing")
        for value in (-0.1, 1, float("nan"), False)
    ]
)


@pytest.mark.parametrize(("name", "value", "expected"), RANGES, ids=[f"{row[0]}={row[1]!r}" for row in RANGES])
def test_a_number_out_of_range(name, value, expected):
    with pytest.raises(ValueError, match=exactly(f"`{name}` is out of range.", expected, f"{name}={value!r}")):
        TrainConfig(**{name: value})


OTHER_ERRORS = {
    "unknown layer": (
        {"attend": ("block3_pol",)},
        "Unknown layer 'block3_pol' (did you mean 'block3_pool'?).",
        f"one of: {POOLS}",
        "attend='block3_pol'",
    ),
    "unknown option of the score": (
        {"score": "cosine", "score_options": {"temprature": 2.0}},
        "Unknown option of the score 'cosine': 'temprature' (did you mean 'temperature'?).",
        "one of: temperature, learned",
        "score_options='temprature'",
    ),
    "option out of range": (
        {"alignment": "entmax", "alignment_options": {"alpha": 1}},
        "`alpha` is out of range.",
        "a number above 1 and at most 2",
        "alpha=1",
    ),
    "options of no score": (
        {"score": None, "score_options": {"units": 3}},
        "The controls have no score options.",
        "another `score`",
        "score_options={'units': 3}",
    ),
    "options of the uniform score": (
        {"score": "uniform", "score_options": {"units": 3}},
        "The controls have no score options.",
        "another `score`",
        "score_options={'units': 3}",
    ),
    "another kind of layer": ({"attend": (3,)}, "Unknown layer 3.", f"one of: {POOLS}", "attend=3"),
}


@pytest.mark.parametrize("case", OTHER_ERRORS)
def test_other_errors(case):
    settings, *parts = OTHER_ERRORS[case]
    with pytest.raises(ValueError, match=exactly(*parts)):
        TrainConfig(**settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [("pool_query", "false"), ("data_options", None), ("data_options", [3]), ("alignment_options", 3)],
)
def test_a_value_of_another_type(name, value):
    with pytest.raises(
        (TypeError, ValueError), match=rf"^`{name}` .*\. Expected .*\. Received: {name}={re.escape(repr(value))}\.$"
    ):
        TrainConfig(**{name: value})


def test_a_layer_attended_twice():
    with pytest.raises(ValueError, match=r"once\. Expected .*\. Received: attend=.*\.$"):
        TrainConfig(attend=("block3_pool", "block3_pool"))


FROZEN = {"weights": "vgg16.npz", "freeze": "all"}
USELESS = {
    "random weights frozen": ({"freeze": "block3"}, "Random weights must not be frozen. Expected `weights`."),
    "nothing frozen": ({"unfreeze_after": 2}, "Nothing is frozen. Expected `freeze`. Received: unfreeze_after=2."),
    "never stopped": (
        {"stop_after": 6},
        "`stop_after` must not exceed `epochs`. Expected at most 5. Received: stop_after=6.",
    ),
    "nothing to wait by": (
        {"patience": 2, "train_on_validation": True},
        "`patience` needs validation images. Expected `train_on_validation=False`. Received: patience=2.",
    ),
    "never unfrozen": (
        FROZEN | {"unfreeze_after": 5},
        "`unfreeze_after` must be less than `epochs`. Expected at most 4.",
    ),
    "rate of what is frozen": (
        FROZEN | {"backbone_rate": 0.1},
        "The backbone must be trained. Expected `freeze` up to",
    ),
    "γ without focal": ({"focal_gamma": 1.0}, 'γ belongs to the focal loss. Expected `loss="focal"`.'),
    "views without a cache": (
        FROZEN | {"views": 3, "augment": "crop", "cache_features": False},
        "`views` needs a cache of augmented images. Expected `freeze` of the whole backbone, a cache, and `augment`. "
        "Received: views=3.",
    ),
    "views of what does not change": (FROZEN | {"views": 3}, "`views` needs a cache of augmented images."),
    "views of a part": (
        FROZEN | {"freeze": "block3", "augment": "crop", "views": 3},
        "`views` needs a cache of augmented images.",
    ),
    "a pooling beside a score": ({"pooling": "gem"}, "A pooling takes the place of attention. Expected `score=None`."),
    "a pooling of nothing": ({"score": None, "pooling": "gem", "attend": ()}, "A pooling needs attended layers."),
    "a gate of nothing": (FROZEN | {"feature_gate": "se", "attend": ()}, "A frozen backbone leaves only attended"),
    "options of the average": ({"score": None, "pooling_options": {"power": 2}}, "The average has no options."),
    "options of no gate": ({"feature_gate_options": {"reduction": 2}}, "There is no gate."),
    "balanced twice": ({"class_weights": "balanced", "sampling": "balanced"}, "Rare classes would count twice"),
}


@pytest.mark.parametrize("name", USELESS)
def test_settings_that_would_have_no_effect_are_refused(name):
    changes, message = USELESS[name]
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        TrainConfig(**changes)


@pytest.mark.parametrize(("freeze", "whole"), [("all", True), ("block5", True), ("block4", False), (None, False)])
def test_what_is_frozen_as_a_whole(freeze, whole):
    assert TrainConfig(weights="vgg16.npz", freeze=freeze).freezes_all is whole


def test_an_unknown_part_of_the_backbone():
    with pytest.raises(ValueError, match=r"Unknown freeze 'blok3' \(did you mean 'block3'\?\)"):
        TrainConfig(weights="vgg16.npz", freeze="blok3")
    assert TrainConfig(weights="vgg16.npz", freeze="block3_pool").freeze == "block3"
    assert TrainConfig(weights="vgg16.npz", freeze="block3_relu2").freeze == "block3_relu2"


@pytest.mark.parametrize("name", ["weights", "cache_dir", "masks", "data_dir"])
@pytest.mark.parametrize("value", [5, ""], ids=repr)
def test_a_path_that_is_none(name, value):
    with pytest.raises(
        TypeError, match=exactly(f"`{name}` must be a path.", "a string or a path, not empty", f"{name}={value!r}")
    ):
        TrainConfig(**{name: value})


def test_the_width_goes_with_the_weights():
    widths = [TrainConfig(**changes).network_width for changes in ({}, {"weights": "a.npz"}, {"width": 0.5})]
    assert widths == [0.25, 1.0, 0.5]


def test_another_backbone_brings_its_layers():
    config = TrainConfig(backbone="small_cnn")
    assert config.attend == ("stage2_relu", "stage3_relu")
    assert config.network_layers == ("stage2_relu", "stage3_relu", "stage4_relu")
    assert TrainConfig(attend=("block4_pool",)).with_settings(backbone="small_cnn") == config
    assert TrainConfig().as_variant(backbone="small_cnn", attend=("stage3_relu",)).attend == ("stage3_relu",)
    assert TrainConfig(attend=()).as_variant(backbone="small_cnn").attend == ()
    assert config.with_settings(attend=("stage3_relu",)).with_settings(attend=None) == config
    # What it has is known when it is built; of VGG16-BN it is known at once.
    assert TrainConfig(backbone="small_cnn", attend="stage1_relu", weights="a.keras", freeze="stage1_relu").freeze
    with pytest.raises(ValueError, match=r"^Unknown layer 'stage1_relu'"):
        TrainConfig(attend="stage1_relu")


def test_an_unknown_backbone():
    wanted = exactly(
        "Unknown backbone 'small_cn' (did you mean 'small_cnn'?).", f"one of: vgg16_bn, small_cnn{CUSTOM}", "X"
    )
    with pytest.raises(ValueError, match=wanted.replace("X", "backbone='small_cn'")):
        TrainConfig(backbone="small_cn")
    with pytest.raises(ValueError, match=r"^Unknown backbone 3\. Expected one of: vgg16_bn"):
        TrainConfig().with_settings(backbone=3)


def test_the_layers_of_the_head():
    assert TrainConfig().network_layers == ("block3_pool", "block4_pool", "block5_pool")
    assert TrainConfig(attend=()).network_layers == ("block5_pool",)
    assert TrainConfig(attend=("block5_pool", "block2_pool")).network_layers == ("block5_pool", "block2_pool")


@pytest.mark.parametrize("alignment", ["softmax", "hard", "reinforced"])
def test_settings_leave_the_random_numbers_of_the_caller(alignment):
    random.seed(4)
    before = random.getstate()
    TrainConfig(alignment=alignment)
    assert random.getstate() == before

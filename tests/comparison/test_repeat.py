"""The command that a report gives repeats the comparison: parsed, it asks for the same plan."""

import dataclasses
import shlex

import pytest

from keras_attention import TrainConfig
from keras_attention.cli import compare as command_line
from keras_attention.cli import parser
from keras_attention.comparison import Variant, make_variants
from keras_attention.comparison.plan import Plan
from keras_attention.comparison.repeat import command, versions
from keras_attention.config import DEFAULT_COMPARISON
from keras_attention.config.rules import OF_A_VARIANT

OF_THE_DEFAULT = [field.name for field in dataclasses.fields(DEFAULT_COMPARISON) if field.name not in OF_A_VARIANT]
SETTINGS = {
    "data": {"data": "my photos/eyes", "masks": "masks", "image_size": 96, "split_seed": 3, "augment": "photo"},
    "digits": {"data_options": {"count": 120, "clutter": 3}, "seed": 5},
    "the settings of train": {},
    "the settings of compare": {name: getattr(DEFAULT_COMPARISON, name) for name in OF_THE_DEFAULT},
    "model": {"attend": ("block4_pool",), "units": None, "width": 0.5, "pool_query": True, "dropout": 0.1},
    "frozen": {"data": "x", "weights": "w.npz", "freeze": "all", "cache_features": False, "flips": "both"},
    "part": {"data": "x", "weights": "w.npz", "freeze": "block3", "backbone_rate": 0.1, "clip_norm": 1.0},
    "training": {"epochs": 3, "learning_rate": 1e-5, "loss": "focal", "focal_gamma": 1.5, "monitor": "val_loss"},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_the_command_asks_for_the_same(settings):
    plan = Plan(TrainConfig(**settings), make_variants(["dot+softmax@block4_pool", "uniform"]), 3)
    words = shlex.split(command(plan, "runs/a b"))
    assert words[:2] == ["keras-attention", "compare"]
    options = parser().parse_args(words[1:])
    config = command_line._config(options)
    if plan.config.data == "cluttered_digits":  # what the command has settings of its own for is always said
        assert config.data_options == {"count": 6000, "clutter": 8} | plan.config.data_options
        config = dataclasses.replace(config, data_options=plan.config.data_options)
    assert config == plan.config
    assert make_variants(options.variants.split(",")) == plan.variants
    assert (options.seeds, options.run) == (3, "runs/a b")


def test_what_only_python_can_ask_for():
    plan = Plan(TrainConfig(), make_variants(["dot+softmax"]), 2)
    assert command(plan, "x") is not None
    assert command(dataclasses.replace(plan, config=TrainConfig(score="dot")), "x") is None
    assert command(dataclasses.replace(plan, config=TrainConfig(score_options={"activation": "relu"})), "x") is None
    mine = (*plan.variants, Variant("mine", {"units": 3}))
    assert command(dataclasses.replace(plan, variants=mine), "x") is None


def test_costs_that_are_left_out_stay_so():
    plan = Plan(TrainConfig(), make_variants(["dot+softmax"]), 2, costs=False)
    assert parser().parse_args(shlex.split(command(plan, "x"))[1:]).costs is False
    assert parser().parse_args(["compare"]).costs is None


def test_only_controls_are_named_too():
    plan = Plan(TrainConfig(), make_variants(["plain"]), 2)
    assert "--variants multiscale,plain" in command(plan, "x")


def test_versions():
    assert {"python", "keras", "tensorflow", "keras-spatial-attention"} <= set(versions())

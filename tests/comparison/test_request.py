"""What a comparison asks for when little is said, and that other settings ask another question."""

import dataclasses

import keras
import pytest
import seams

from keras_attention import Comparison, TrainConfig
from keras_attention.cli import compare as command_line
from keras_attention.cli import parser
from keras_attention.cli import search as search_command
from keras_attention.comparison import make_variants
from keras_attention.comparison.defaults import MANY
from keras_attention.comparison.request import claim
from keras_attention.config import DEFAULT_COMPARISON
from keras_attention.files import write_json

NOTHING = dict.fromkeys(("seeds", "max_seeds", "choose", "costs", "margin", "resplit", "folds"))


def plan_of(folder, config=None, variants=None, **asked):
    return claim(config, variants, folder / "it", False, False, NOTHING | asked)[1]


def test_without_arguments(tmp_path):
    plan = plan_of(tmp_path)
    assert [variant.name for variant in plan.variants] == ["plain", "multiscale", "additive+softmax"]
    config = DEFAULT_COMPARISON.with_settings(precision="float32")
    assert (plan.config, plan.seeds, plan.margin, plan.costs) == (config, 3, 0.02, True)
    assert plan_of(tmp_path, command_line._config(parser().parse_args(["compare"]))) == plan


@pytest.mark.parametrize(("setting", "value"), [("seed", 7), ("data_dir", "elsewhere"), ("precision", "float32")])
def test_other_seeds_ask_the_same_question(setting, value, tmp_path):
    assert plan_of(tmp_path, dataclasses.replace(DEFAULT_COMPARISON, **{setting: value})).margin == 0.02


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="bfloat16 was measured with TensorFlow alone")
def test_all_runs_have_the_precision_of_the_first_ones(tmp_path, monkeypatch):
    config = TrainConfig(data="photos", freeze="all", weights="imagenet")
    (tmp_path / "cpuinfo").write_text("flags : amx_bf16\n")
    with monkeypatch.context() as patch:
        seams.place_of_the_processor(patch, tmp_path / "cpuinfo")
        comparison, plan = claim(config, None, tmp_path / "it", False, False, NOTHING)
        assert plan.config.precision == "mixed_bfloat16"
    comparison.begin(plan)
    for asked in (config, None, plan.config):
        resumed = claim(asked, None, tmp_path / "it", True, False, NOTHING | {"seeds": 9})[1]
        assert (resumed.config.precision, resumed.seeds) == ("mixed_bfloat16", 9)
    with pytest.raises(ValueError, match=r"`precision` differs"):
        claim(config.with_settings(precision="float32"), None, tmp_path / "it", True, False, NOTHING)


def test_a_comparison_of_an_earlier_version_keeps_the_precision_of_its_runs(tmp_path):
    comparison, plan = claim(None, None, tmp_path / "it", False, False, NOTHING)
    old = dataclasses.replace(plan, config=plan.config.with_settings(precision="auto"))
    comparison.begin(old)
    assert claim(None, None, tmp_path / "it", True, False, NOTHING)[1].config.precision == "float32"
    run = comparison.run("plain", 0)
    run.begin(old.config)
    run.finish({"precision": "mixed_bfloat16"})
    assert claim(None, None, tmp_path / "it", True, False, NOTHING)[1].config.precision == "mixed_bfloat16"


@pytest.mark.parametrize(
    "config", [TrainConfig(), TrainConfig(data="photos"), DEFAULT_COMPARISON.with_settings(epochs=9)]
)
def test_other_data_and_settings_have_a_margin_if_they_ask_for_one(config, tmp_path):
    assert plan_of(tmp_path, config).margin is None
    assert plan_of(tmp_path, config, margin=0.01).margin == 0.01


def test_a_margin_that_is_asked_for_counts(tmp_path):
    assert plan_of(tmp_path, margin=0.005).margin == 0.005


@pytest.mark.parametrize(
    ("asked", "seeds"), [({}, 3), ({"choose": 1}, 7), ({"max_seeds": 20}, 3), ({"folds": 4}, 4), ({"seeds": 2}, 2)]
)
def test_how_many_seeds(asked, seeds, tmp_path):
    assert plan_of(tmp_path, variants=["additive+softmax", "dot+softmax"], **asked).seeds == seeds


def test_many_variants_are_chosen_from_unless_it_is_said_how_many_seeds_they_get(tmp_path):
    many = ["all-scores"]
    assert sum(not variant.is_control for variant in make_variants(many)) == MANY + 1
    plan = plan_of(tmp_path, variants=many)
    assert (plan.choose, plan.seeds) == (4, 7)
    for asked in ({"seeds": 3}, {"folds": 3}, {"max_seeds": 8}, {"choose": 2}):
        assert plan_of(tmp_path, variants=many, **asked).choose == asked.get("choose")
    fewer = [variant for variant in make_variants(many) if variant.name != "dot+softmax"]
    assert plan_of(tmp_path, variants=fewer).choose is None


def judged(folder, plan, **looks):
    """A comparison that was begun with a plan and judged: number of seeds → level."""
    comparison = Comparison(folder / "it")
    comparison.begin(plan, resume=False)
    write_json(folder / "it" / "looks.json", [{"seeds": int(n[1:]), "level": level} for n, level in looks.items()])


def resumed(folder, **asked):
    return claim(None, None, folder / "it", True, False, NOTHING | asked)[1]


def test_a_margin_is_not_chosen_after_the_figures(tmp_path):
    judged(tmp_path, plan_of(tmp_path, TrainConfig()))
    assert resumed(tmp_path, margin=0.01).margin == 0.01  # nothing was seen yet
    judged(tmp_path, resumed(tmp_path), n3=0.04)
    assert resumed(tmp_path, seeds=5).margin is None
    with pytest.raises(ValueError, match=r"^A margin must be chosen before the figures are seen\."):
        resumed(tmp_path, margin=0.01)


def test_no_seeds_are_added_until_a_verdict_for_which_no_level_is_left(tmp_path):
    judged(tmp_path, plan_of(tmp_path, TrainConfig()), n3=0.04)
    assert resumed(tmp_path, max_seeds=9).max_seeds == 9
    judged(tmp_path, resumed(tmp_path, max_seeds=4), n3=0.028, n4=0.022)
    with pytest.raises(ValueError, match=r"^The verdicts so far have used up the level of 5%, so that more seeds can"):
        resumed(tmp_path, max_seeds=9)


def test_settings_are_a_config(tmp_path):
    with pytest.raises(TypeError, match=r"^`config` must hold settings\. Expected a TrainConfig\. Received: config=\{"):
        plan_of(tmp_path, {"data": "photos"})


def test_several_data_sets_are_resumed_in_a_folder_of_all_their_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "runs/a+b-compare"):
        (tmp_path / name).mkdir(parents=True)
    command_line.check(parser().parse_args(["compare", "--data", "a,b", "--resume"]))
    with pytest.raises(ValueError, match=r"^runs/a-compare holds no comparison\."):
        command_line.check(parser().parse_args(["compare", "--data", "a", "--resume"]))


def test_settings_to_resume_with_are_checked_against_the_saved_ones_alone(tmp_path, monkeypatch):
    """`--unfreeze-after` needs `--freeze`, which the comparison or the search that is resumed may have."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "begun").mkdir()
    given = ["--resume", "--run", "begun", "--unfreeze-after", "2"]
    command_line.check(parser().parse_args(["compare", *given, "--variants", "dot+softmax@layer_of_another"]))
    search_command.check(parser().parse_args(["search", *given]))
    for command in (command_line, search_command):
        with pytest.raises(ValueError, match=r"^`epochs` is out of range"):
            command.check(parser().parse_args([command.__name__.split(".")[-1], *given, "--epochs", "0"]))

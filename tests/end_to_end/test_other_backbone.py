"""A second backbone, registered by a test alone, through everything that the first one goes through."""

import json
import shlex

import keras
import numpy as np
import pytest
import seams

from keras_attention import load_predictor, train
from keras_attention.cli import compare, main, parser, search
from keras_attention.cli import train as train_command
from keras_attention.comparison import Variant, make_variants
from keras_attention.comparison.plan import Plan
from keras_attention.comparison.repeat import command
from keras_attention.comparison.tasks import foreign_members, register_members
from keras_attention.maps import attention_maps, grad_cam
from keras_attention.models import BACKBONES
from keras_attention.own_process import call_in_own_process
from keras_attention.runs import Run, load_data
from keras_attention.tuning.space import Space

pytestmark = pytest.mark.usefixtures("small_cnn")
ATTENDED = ("stage2_relu", "stage3_relu")


@pytest.fixture
def small(tiny):
    """Makes a `TrainConfig` of a tiny run of the second backbone."""
    return lambda **changes: tiny(**{"backbone": "small_cnn", "width": 0.2} | changes)


@pytest.fixture
def weights(tmp_path):
    keras.utils.set_random_seed(2)
    path = tmp_path / "small.weights.h5"
    BACKBONES.make("small_cnn", 32, 0.2).save_weights(path)
    return str(path)


def options_of(*arguments):
    return parser().parse_args(arguments)


@pytest.mark.long
def test_train_explain_export_and_resume(small, tmp_path, monkeypatch, capsys):
    config = small()
    assert config.name == "cluttered_digits-small_cnn-additive-softmax"
    with monkeypatch.context() as patched:
        seams.interrupt_in_epoch(patched, 1)
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "run", verbose=2)
    assert "model   small_cnn, width 0.2, additive + softmax on stage2_relu and stage3_relu" in capsys.readouterr().out
    assert main(["train", "--resume", "--run", str(tmp_path / "run")]) == 0
    run = Run(tmp_path / "run")
    assert (run.config, len(run.history()), run.finished) == (config, 2, True)
    assert set(run.metrics["pointing_game"]) == {*ATTENDED, "joint"}
    card = json.loads((run.export_path / "card.json").read_text("utf-8"))
    assert card["training"]["backbone"] == "small_cnn"
    # The maps and Grad-CAM of the saved model, and the same numbers from the export, whose normalizations are folded.
    model, images = (
        keras.models.load_model(run.model_path),
        next(load_data(config).batches("test", 3).as_numpy_iterator())[0],
    )
    assert list(attention_maps(model, images)) == list(ATTENDED)
    assert grad_cam(model, images).shape == (3, 2, 2)
    exported, saved = (load_predictor(path)(images) for path in (run.export_path, run.folder))
    assert set(exported) == {"probabilities", "logits", *(f"attention_{name}" for name in ATTENDED)}
    for name, values in exported.items():
        np.testing.assert_allclose(values, saved[name], atol=1e-4)
    explain = ["explain", str(run.folder), "--maps", "grad_cam@stage1_relu", "--out", str(tmp_path / "maps")]
    assert main([*explain, "--limit", "2"]) == 0


@pytest.mark.usefixtures("only_training")
@pytest.mark.long
def test_a_frozen_backbone_trains_from_a_cache_of_its_own(small, weights, tmp_path):
    given = {"weights": weights, "cache_dir": str(tmp_path / "cache"), "augment": "none", "epochs": 1}
    run = train(small(freeze="all", **given), tmp_path / "run", verbose=0)
    folders = {path.name.rsplit("-", 2)[0] for path in (tmp_path / "cache").iterdir() if path.is_dir()}
    assert folders == {"small_cnn"}
    before = BACKBONES.make("small_cnn", 32, 0.2)
    BACKBONES["small_cnn"].load(before, weights)

    def moved(run):
        after = keras.models.load_model(run.model_path)
        pairs = [
            (layer.name, layer.get_weights(), after.get_layer(layer.name).get_weights()) for layer in before.layers
        ]
        return {
            name[: len("stage1")] for name, *both in pairs if any((a != b).any() for a, b in zip(*both, strict=True))
        }

    assert moved(run) == set()
    part = train(small(freeze="stage2_relu", warmup_epochs=0.0, **given), tmp_path / "part", verbose=0)
    assert moved(part) == {"stage3", "stage4"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"attend": "stage9_relu"},
            "Unknown layer 'stage9_relu'.*Expected one of: .*stage4_relu.*attend='stage9_relu'",
        ),
        ({"freeze": "stage9"}, "Unknown layer 'stage9'.*Expected one of: .*stage4_relu.*freeze='stage9'"),
        ({"weights": "imagenet"}, "There are no ImageNet weights for the backbone 'small_cnn'. Expected the path of"),
    ],
)
def test_what_the_backbone_does_not_have_is_refused_before_anything_is_written(
    settings, message, small, weights, tmp_path
):
    with pytest.raises(ValueError, match=f"^{message}"):
        train(small(**{"weights": weights} | settings), tmp_path / "run", verbose=0)
    assert not (tmp_path / "run").exists()


def test_the_command_line_finds_it(capsys):
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    assert "small_cnn  Four convolutions of stride 2, each with batch normalization and ReLU." in printed
    assert "attend=stage2_relu,stage3_relu query=stage4_relu" in printed
    config = train_command._config(options_of("train", "--backbone", "small_cnn"))
    folder = train_command._folder(options_of("train", "--backbone", "small_cnn"), config)
    assert (config.attend, folder.name) == (ATTENDED, config.name)
    config = compare._config(options_of("compare", "--backbone", "small_cnn"))
    assert (config.backbone, config.attend) == ("small_cnn", ATTENDED)
    options = options_of("search", "--backbone", "small_cnn")
    assert search._hypermodel(options).config.attend == ATTENDED
    assert search._folder(options) == "runs/cluttered_digits-small_cnn-search"
    assert main(["train", "--backbone", "small_cn"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert (
        "Unknown backbone 'small_cn' (did you mean 'small_cnn'?). Expected one of: vgg16_bn, small_cnn, or" in errors[0]
    )


def test_a_comparison_of_it_is_repeated_by_its_command(small, tmp_path):
    plan = Plan(small(), make_variants(["dot+softmax@stage1_relu"], "small_cnn"), 2)
    assert all(variant.config(plan.config).backbone == "small_cnn" for variant in plan.variants)
    again = options_of(*shlex.split(command(plan, tmp_path))[1:])
    assert compare._config(again) == plan.config
    assert Variant("other", {"backbone": "vgg16_bn"}).config(plan.config).attend == ("block3_pool", "block4_pool")
    assert [(family, name) for family, name, _ in foreign_members()] == [("backbone", "small_cnn")]


def names_with(members):
    """The backbones that a process knows after it was given those of another."""
    register_members(members)
    return list(BACKBONES)


@pytest.mark.long
def test_it_travels_to_other_processes():
    assert call_in_own_process(names_with, foreign_members()) == ["vgg16_bn", "small_cnn"]


def test_a_search_tries_its_layers_and_the_heads_that_divide_their_channels(small):
    space = Space(small(width=0.125))  # 8 and 12 channels
    assert space.values("attend") == ("stage2_relu+stage3_relu", "stage2_relu", "stage3_relu")
    assert space.values("num_heads") == (1, 2, 4)
    assert Space(small(width=0.125), fix={"attend": "stage1_relu"}).values("attend") == ("stage1_relu",)
    with pytest.raises(ValueError, match=r"^`attend` cannot be 'stage9_relu'\. Unknown layer 'stage9_relu'"):
        Space(small(), fix={"attend": "stage9_relu"})

"""Files of older versions, with the names that settings and classes had, load with the values that they hold."""

import json
import shutil
import types
import zipfile

import keras
import keras_tuner
import numpy as np
import pytest
import seams

from keras_attention import Comparison, Run, Search, TrainConfig, attention_classifier, attention_outputs
from keras_attention.cli.train import settings_from
from keras_attention.comparison import Variant
from keras_attention.comparison.plan import Plan as ComparisonPlan
from keras_attention.evaluation.saved import OF_THE_DATA, _settings
from keras_attention.files import read_json, write_json
from keras_attention.layers import MapDisagreement, MapSpread
from keras_attention.models import mask_losses
from keras_attention.tuning import trials
from keras_attention.tuning.folder import Plan as SearchPlan
from keras_attention.tuning.trials import TrialResult, TrialRunner
from keras_attention.tuning.winner import winning_config

CONFIG = TrainConfig(
    data_options={"count": 90},
    image_size=32,
    width=0.05,
    units=16,
    epochs=3,
    flips="both",
    map_regularizers={"spread": 0.01, "entropy": 0.02, "disagreement": -0.1},
    normalize="none",
)
OLDER_REGULARIZERS = {"spread": "sparsity", "disagreement": "agreement"}
# The order in which older files have the settings that have moved since.
MOVED = ("augment", "flips", "sampling", "weights", "freeze", "unfreeze_after", "backbone_rate", "cache_features")
MEASURES = ("val_loss", "val_accuracy", "val_macro_f1", "val_roc_auc", "val_average_precision")
OLDER_HISTORY = f"""\
epoch,accuracy,loss,{",".join(MEASURES)},learning_rate
1,0.25,2.32158184,2.30965505,0.133333333,0.0681818182,0.462637363,0.262831752,0.000300000014
2,0.5,2.3211782,2.30926766,0.266666667,0.0222222222,nan,0.216826507,0.000149999993
"""


def older_regularizers(rates):
    return {OLDER_REGULARIZERS.get(name, name): rate for name, rate in rates.items()}


def older(config):
    """The settings as older files have them."""
    settings = config.to_dict()
    settings |= {name: settings.pop(name) for name in MOVED}
    settings["test_flips"] = settings.pop("flips")
    del settings["normalize"]
    settings["map_regularizers"] = older_regularizers(settings["map_regularizers"])
    return settings


def write_older_run(folder, config=CONFIG):
    write_json(folder / "config.json", older(config))
    return Run(folder)


def rewrite_archive(path, change):
    """Changes the text of the config.json in a `.keras` file."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files["config.json"] = change(files["config.json"].decode()).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def with_older_classes(text):
    """A config.json with the names that the classes had."""
    for new, old in (("MapSpread", "MapSparsity"), ("MapDisagreement", "MapAgreement")):
        assert f'"class_name": "{new}"' in text
        assert f'"registered_name": "keras_attention>{new}"' in text
        text = text.replace(new, old)
    return text


def try_settings(config, folder, monkeypatch, executions=1):
    """Runs a trial of these settings; gives its result, and the names of the networks that it had to train."""
    trained = []

    def fit(runner, run, config, epochs):
        trained.append(run.folder.parent.name)
        return [dict.fromkeys(MEASURES, 0.75) | {"epoch": 1}], {"parameters": 5, "seconds": 1.0, "ended": True}

    seams.fit_of_a_trial(monkeypatch, fit)
    hypermodel = types.SimpleNamespace(
        config=config,
        space=lambda hp: {"score": config.score},
        configure=lambda hp, execution: config.with_settings(seed=execution),
    )
    shutil.rmtree(folder / "trials", ignore_errors=True)
    (folder / "trials").mkdir()
    trial = keras_tuner.engine.trial.Trial(keras_tuner.HyperParameters(), "1")
    return TrialRunner(hypermodel, folder, executions)(trial), trained


def test_the_settings_of_a_run(tmp_path):
    run = write_older_run(tmp_path)
    assert run.config == CONFIG
    assert run.claim(CONFIG, resume=True) == CONFIG
    run.begin(run.config)
    assert read_json(tmp_path / "config.json") == CONFIG.to_dict()


@pytest.mark.parametrize("name", ["test_flip", "sparsity", "objective"])
def test_a_setting_that_never_was_is_refused(name, tmp_path):
    write_json(tmp_path / "config.json", older(CONFIG) | {name: "both"})
    with pytest.raises(ValueError, match=f"Unknown setting '{name}'"):
        _ = Run(tmp_path).config


def test_the_history_of_a_run_goes_on_in_its_order(tmp_path):
    run = write_older_run(tmp_path)
    (tmp_path / "history.csv").write_text(OLDER_HISTORY)
    (tmp_path / "backup").mkdir()
    (tmp_path / "backup" / "epoch-000002.weights.h5").write_text("")
    write_json(tmp_path / "backup" / "seconds.json", 12.5)
    rows, seconds = run.progress()
    assert seconds == 12.5
    assert [row["val_accuracy"] for row in rows] == [0.133333333, 0.266666667]
    # Today's columns come in another order.
    new = {"epoch": 3, **dict.fromkeys(sorted(MEASURES), 0.5), "loss": 2.0, "accuracy": 0.75, "learning_rate": 0.0}
    run.write_history([*rows, new])
    lines = (tmp_path / "history.csv").read_text().splitlines()
    assert lines[:3] == OLDER_HISTORY.splitlines()
    assert lines[3:] == ["3,0.75,2,0.5,0.5,0.5,0.5,0.5,0"]


def test_the_plan_of_a_comparison(tmp_path):
    own = {"score": "dot", "attend": ["block3_pool", "block4_pool"], "map_regularizers": {"spread": 0.5}}
    variants = {"plain": {"attend": []}, "multiscale": {"score": None}, "dot+softmax": {"score": "dot"}, "own": own}
    older_own = own | {"map_regularizers": older_regularizers(own["map_regularizers"])}
    plan = {"config": older(CONFIG), "variants": variants | {"own": older_own}, "seeds": 2, "costs": False}
    write_json(tmp_path / "comparison.json", plan)
    comparison = Comparison(tmp_path)
    own = own | {"attend": ("block3_pool", "block4_pool")}
    variants = (
        Variant("plain", {"attend": ()}),
        Variant("multiscale", {"score": None}),
        Variant("dot+softmax", {"score": "dot"}),
        Variant("own", own),
    )
    expected = ComparisonPlan(CONFIG, variants, 2, False)
    assert comparison.plan == expected
    assert variants[-1].config(comparison.plan.config).map_regularizers == {"spread": 0.5}
    more = ComparisonPlan(CONFIG, variants, 3, False)
    assert comparison.claim(more, resume=True) == more


GLOROT = {"kernel_initializer": "glorot_uniform"}
STARTS = {
    "cosine": {"temperature": 1.0},
    "general": GLOROT,
    "biased_general": GLOROT,
    "activated_general": GLOROT,
    "scaled_dot": {},
}


@pytest.mark.parametrize("score", STARTS)
def test_a_score_begins_as_it_did(score, tmp_path):
    run = write_older_run(tmp_path / "run", CONFIG.with_settings(score=score))
    assert (run.config.score_options, run.config.normalize) == (STARTS[score], "none")
    plan = {"config": older(CONFIG), "variants": {"one": {"score": score}}, "seeds": 2, "costs": False}
    write_json(tmp_path / "comparison" / "comparison.json", plan)
    (variant,) = Comparison(tmp_path / "comparison").plan.variants
    assert variant.config(CONFIG).score_options == STARTS[score]
    # What people write by hand is as they would write it today.
    assert TrainConfig.from_dict({"score": score}).score_options == {}


def test_an_option_of_a_score_in_an_older_file_stays(tmp_path):
    given = CONFIG.with_settings(score="cosine", score_options={"temperature": 4.0})
    assert write_older_run(tmp_path, given).config.score_options == {"temperature": 4.0}


def test_the_plan_and_the_winner_of_a_search(tmp_path):
    space = [{"class_name": "Choice", "config": {"name": "score", "values": ["dot", "cosine"]}}]
    plan = SearchPlan(CONFIG, {"units": 64}, {"score": ["dot"]}, "random", 4, space=space, data={"name": "mine"})
    write_json(tmp_path / "search.json", plan.to_dict() | {"config": older(CONFIG)})
    winner = winning_config(plan, TrialResult("2", "completed", {"score": "dot"}, best_epoch=2.0))
    best = {"trial": "2", "objective": "val_loss", "figures": {"val_loss": 2.5}, "settings": {"score": "dot"}}
    write_json(tmp_path / "best.json", best | {"config": older(winner)})
    search = Search(tmp_path)
    assert search.plan == plan
    assert search.claim(SearchPlan(CONFIG, plan.fix, plan.choose, "random", 9), resume=True).max_trials == 9
    assert search.best["monitor"] == "val_loss"
    assert "objective" not in search.best
    assert settings_from(tmp_path) == settings_from(tmp_path / "best.json") == winner
    assert (winner.stop_after, winner.train_on_validation) == (2, True)


def test_the_settings_in_a_run_and_in_a_card_are_those_to_begin_with(tmp_path):
    write_older_run(tmp_path)
    assert settings_from(tmp_path / "config.json") == CONFIG
    of_the_data = TrainConfig(**{name: getattr(CONFIG, name) for name in OF_THE_DATA})
    assert _settings(tmp_path) == (of_the_data, tmp_path / "config.json")
    write_json(tmp_path / "card.json", {"training": older(CONFIG)})
    assert _settings(tmp_path) == (of_the_data, tmp_path / "card.json")


def test_a_search_finds_the_networks_that_have_a_digest_of_older_settings(tmp_path, monkeypatch):
    config = CONFIG.with_settings(map_regularizers={"spread": 0.01}, score="dot")
    networks = tmp_path / "networks"
    for seed in (0, 1):
        run = write_older_run(networks / "dot+softmax-0123abcd" / f"seed-{seed}", config.with_settings(seed=seed))
        (run.folder / "history.csv").write_text(OLDER_HISTORY)
        write_json(run.folder / "network.json", {"parameters": 1234, "seconds": 4.0, "ended": True})
    (networks / "dot+softmax-00000000" / "seed-0").mkdir(parents=True)
    (networks / "dot+softmax-00000000" / "seed-0" / "config.json").write_text("{")
    found, trained = try_settings(config, tmp_path, monkeypatch, executions=2)
    assert found.folders == ("networks/dot+softmax-0123abcd/seed-0", "networks/dot+softmax-0123abcd/seed-1")
    assert (found.status, found.parameters, found.best_epoch, found.seconds) == ("completed", 1234, 2, 0)
    assert found.figures["val_accuracy"] == 0.266666667
    assert trained == []
    _, (trained,) = try_settings(config.with_settings(units=8), tmp_path, monkeypatch)
    assert trained not in ("dot+softmax-0123abcd", "dot+softmax-00000000")


def test_a_search_with_disagreement_may_be_won_by_one_layer():
    plan = SearchPlan(CONFIG, {}, {}, "random", 1)
    one = winning_config(plan, TrialResult("0", "completed", {"attend": ("block4_pool",)}, best_epoch=1.0))
    assert one.map_regularizers == {"spread": 0.01, "entropy": 0.02}
    none = winning_config(plan, TrialResult("0", "completed", {"score": None}, best_epoch=1.0))
    assert none.map_regularizers == {}


def regularized():
    """A classifier over three convolutions, with all regularizers whose names have changed."""
    x = images = keras.Input((16, 16, 3))
    for name in ("first", "second", "third"):
        x = keras.layers.Conv2D(4, 3, 2, "same", activation="relu", name=name)(x)
    backbone, options = keras.Model(images, x), {"map_regularizer": ["entropy", "spread"], "disagreement": 0.1}
    return attention_classifier(backbone, 3, attend=("first", "second"), query="third", units=4, **options)


def test_a_model_with_the_older_names_of_classes(rng, tmp_path):
    model, images = regularized(), rng.uniform(size=(2, 16, 16, 3)).astype("float32")
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
    path = tmp_path / "model.keras"
    model.save(path)
    rewrite_archive(path, with_older_classes)
    loaded = keras.models.load_model(path)
    np.testing.assert_array_equal(loaded(images), model(images))
    attention = loaded.get_layer("attention_first")
    assert type(attention.map_regularizers[-1]) is MapSpread
    assert type(loaded.get_layer("agreement")) is MapDisagreement
    assert loaded.get_layer("agreement").rate == 0.1
    labels = np.eye(3, dtype="float32")[:2]
    assert loaded.evaluate(images, labels, verbose=0) == pytest.approx(model.evaluate(images, labels, verbose=0))
    loaded.save(tmp_path / "again.keras")
    with zipfile.ZipFile(tmp_path / "again.keras") as archive:
        again = json.loads(archive.read("config.json"))
    names = {layer["registered_name"] for layer in again["config"]["layers"]}
    assert "keras_attention>MapDisagreement" in names
    keras.models.load_model(tmp_path / "again.keras")


def test_the_weights_of_a_backup_with_the_older_names(rng, tmp_path):
    """Weights are saved by the names of the layers; the classes that were renamed have none."""
    model = regularized()
    model.save(tmp_path / "model.keras")
    rewrite_archive(tmp_path / "model.keras", with_older_classes)
    older_one, newer = keras.models.load_model(tmp_path / "model.keras", compile=False), regularized()
    supervised = []
    for each in (older_one, newer):
        network = attention_outputs(each)
        network.compile("adam", {"logits": "mse", **mask_losses(network)})
        network.optimizer.build(network.trainable_variables)
        supervised.append(network)
    supervised[0].optimizer.iterations.assign(7)
    run = Run(tmp_path / "run")
    (run.folder / "backup").mkdir(parents=True)
    supervised[0].save_weights(run.folder / "backup" / "epoch-000003.weights.h5")
    run.load_backup(supervised[1])
    assert int(supervised[1].optimizer.iterations) == 7
    images = rng.uniform(size=(2, 16, 16, 3)).astype("float32")
    np.testing.assert_array_equal(newer(images), older_one(images))


def test_the_result_of_a_trial(tmp_path):
    result = {
        "trial": "0",
        "status": "completed",
        "settings": {"score": "dot", "attend": ["block4_pool"], "units": 64},
        "figures": dict.fromkeys(MEASURES, 0.5),
        "best_epoch": 1.0,
        "epochs": 1,
        "parameters": 53066,
        "seconds": 14.77,
        "repeats": None,
        "folders": ["networks/dot+softmax-d7d6a737/seed-0"],
        "error": None,
        "worker": None,
    }
    write_json(tmp_path / "0.json", result)
    loaded = TrialResult.load(tmp_path / "0.json")
    assert loaded.settings["attend"] == ("block4_pool",)
    assert trials.MONITORS.keys() == loaded.figures.keys()

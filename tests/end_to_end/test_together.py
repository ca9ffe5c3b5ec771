"""Runs that are trained together are what each is alone: every epoch, every weight, every figure."""

import keras
import numpy as np
import pytest
import seams

from keras_attention import VGG16BN, Run, TrainConfig, train
from keras_attention.memory import free_memory
from keras_attention.training import train_together, what_is_shared
from keras_attention.variants import make_variants, named_variant

NAMES = ["additive+softmax@block2_pool", "additive+reinforced"]
BASELINES = ["simpool", "cbam"]  # one of each kind that has a map


@pytest.fixture(scope="module")
def config(tmp_path_factory, data_dir):
    folder = tmp_path_factory.mktemp("together")
    keras.utils.set_random_seed(1)
    VGG16BN((32, 32, 3), width=0.05).save_weights(folder / "small.weights.h5")
    return TrainConfig(
        data_options={"count": 90},
        data_dir=data_dir,
        image_size=32,
        width=0.05,
        units=7,
        epochs=2,
        batch_size=16,
        dropout=0.2,
        attention_dropout=0.1,
        class_weights="balanced",
        weights=folder / "small.weights.h5",
        freeze="all",
        cache_dir=folder / "cache",
    )


@pytest.fixture(scope="module")
def configs(config):
    return {variant.name: variant.config(config) for variant in make_variants(NAMES)}


@pytest.fixture(scope="module")
def alone(configs, tmp_path_factory):
    """Each run trained by itself, once."""
    folder, done = tmp_path_factory.mktemp("alone"), {}

    def run(config):
        key = config.to_json()
        if key not in done:
            done[key] = train(config, folder / str(len(done)), verbose=0, export=False, pictures=False)
        return done[key]

    return run


def require_same(run, other):
    """Two runs differ by rounding alone, in all that their folders hold."""
    assert sorted(path.name for path in run.folder.iterdir()) == sorted(path.name for path in other.folder.iterdir())
    for row, its in zip(run.history(), other.history(), strict=True):
        assert row == pytest.approx(its, abs=1e-5)
    arrays, others = run.arrays(), other.arrays()
    assert arrays.keys() == others.keys()
    for name in arrays:
        # Pixels of nearly equal weight may swap their places in the ranking that average precision is of.
        places = 1e-3 if "pixel_average_precision" in name else 1e-5
        np.testing.assert_allclose(arrays[name], others[name], atol=places, err_msg=name)
    models = [keras.models.load_model(each.model_path, compile=False) for each in (run, other)]
    for weight, its in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_allclose(weight, its, atol=1e-5)
    assert run.metrics["best_epoch"] == other.metrics["best_epoch"]
    assert run.metrics.keys() == other.metrics.keys()
    for layer, entropy in other.metrics["map_entropy"].items():
        assert run.metrics["map_entropy"][layer] == pytest.approx(entropy, abs=2e-4)


def trained(configs, folder):
    """The runs of these settings trained together, by the name of each."""
    errors = train_together(list(configs.values()), [folder / name for name in configs])
    assert errors == [None] * len(configs)
    return {name: Run(folder / name) for name in configs}


@pytest.mark.parametrize("names", [pytest.param(None, marks=pytest.mark.long), ("plain", NAMES[1])], ids=["all", "two"])
def test_each_run_is_what_it_is_alone(names, configs, alone, tmp_path):
    configs = {name: configs[name] for name in names or configs}
    runs = trained(configs, tmp_path)
    for name, config in configs.items():
        require_same(runs[name], alone(config))
        assert not (runs[name].folder / "backup").exists()


@pytest.mark.long
def test_each_is_what_it_is_alone_in_bfloat16(configs, alone, tmp_path):
    several = {name: configs[name].with_settings(precision="mixed_bfloat16") for name in NAMES[:1]}
    for name, run in trained(several, tmp_path).items():
        assert run.metrics["precision"] == "mixed_bfloat16"
        require_same(run, alone(several[name]))
        model = keras.models.load_model(run.model_path, compile=False)
        assert {layer.compute_dtype for layer in model._flatten_layers(include_self=False)} == {"float32"}


@pytest.mark.long
def test_baselines_are_what_they_are_alone(config, alone, tmp_path):
    """And each has the map of what it is, measured as that of attention is."""
    several = {name: named_variant(name).config(config) for name in BASELINES}
    for name, run in trained(several, tmp_path).items():
        require_same(run, alone(several[name]))
        assert list(run.metrics["pointing_game"])[:2] == ["block3_pool", "block4_pool"]
        assert run.config.kind == name


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:The maps of")  # those of `dot` begin as a single 1
@pytest.mark.parametrize("family", ["all-scores", "all-alignments", "all-poolings"])
def test_every_member_is_what_it_is_alone(family, config, alone, tmp_path):
    configs = {variant.name: variant.config(config) for variant in make_variants([family])}
    if "ep" in configs:  # the channels of the narrow network have no common divisor
        configs["ep"] = configs["ep"].with_settings(pooling_options={"queries": 1})
    for name, run in trained(configs, tmp_path).items():
        require_same(run, alone(configs[name]))


@pytest.mark.long
def test_each_ends_on_its_own(config, alone, tmp_path):
    several = {
        "long": config.with_settings(epochs=3),
        "short": config.with_settings(epochs=1, learning_rate=1e-3),
        "impatient": config.with_settings(epochs=3, learning_rate=3e-2, patience=1),
        "cut": config.with_settings(epochs=3, stop_after=1, optimizer="sgd", loss="focal"),
    }
    runs = trained(several, tmp_path)
    for name, each in several.items():
        require_same(runs[name], alone(each))
    assert [len(run.history()) for run in runs.values()][0:2] == [3, 1]


@pytest.mark.long
def test_what_was_cut_off_goes_on_from_its_last_epoch(configs, alone, tmp_path, monkeypatch):
    """A kill in the middle of an epoch's end leaves some of the runs an epoch behind."""
    keep, names = seams.end_of_an_epoch(), list(configs)

    def cut(keeper, epoch, logs, seconds):
        if epoch == 1 and keeper.run.folder.name == names[2]:
            raise KeyboardInterrupt
        keep(keeper, epoch, logs, seconds)

    with monkeypatch.context() as patch:
        seams.end_of_an_epoch(patch, cut)
        with pytest.raises(KeyboardInterrupt):
            train_together(list(configs.values()), [tmp_path / name for name in names])
    epochs = {name: len(Run(tmp_path / name).progress()[0]) for name in names}
    assert list(epochs.values()) == [2, 2, 1, 1]
    for some in (names[:2], names[2:]):
        for name, run in trained({name: configs[name] for name in some}, tmp_path).items():
            require_same(run, alone(configs[name]))


@pytest.mark.long
def test_a_run_that_diverges_stops_none_of_the_others(config, configs, alone, tmp_path):
    several = {"good": configs["plain"], "bad": config.with_settings(learning_rate=1e30, warmup_epochs=0.0)}
    good, bad = train_together(list(several.values()), [tmp_path / name for name in several])
    assert good is None
    assert bad.startswith("FloatingPointError: The loss became nan")
    assert not Run(tmp_path / "bad").finished
    require_same(Run(tmp_path / "good"), alone(several["good"]))


@pytest.mark.long
def test_more_than_the_memory_takes_are_trained_in_groups(configs, alone, tmp_path, monkeypatch):
    """A step of two heads over 1 + 4 + 16 positions and one over 1 + 64, with 16 images and 7 units, keeps 383 kB."""
    seams.free_memory(monkeypatch, lambda: 600_000)
    some = {name: config for name, config in configs.items() if name != "plain"}
    with pytest.warns(UserWarning, match=r"^3 runs at once .* 0\.4 MB .* they are trained in 2 groups\.$"):
        runs = trained(some, tmp_path)
    for name, each in some.items():
        require_same(runs[name], alone(each))


def test_where_the_system_does_not_say_what_is_free(monkeypatch, tmp_path):
    assert free_memory() > 1_000_000
    for text in ("MemTotal: 8 kB\n", "MemAvailable: much\n", ""):
        (tmp_path / "meminfo").write_text(text)
        seams.place_of_the_memory(monkeypatch, tmp_path / "meminfo")
        assert free_memory() is None
    seams.place_of_the_memory(monkeypatch, tmp_path / "nowhere")
    assert free_memory() is None


def test_what_runs_must_share(config):
    shared = what_is_shared(config)
    for own in ({"learning_rate": 1.0}, {"score": "dot"}, {"attend": ("block2_pool",)}, {"patience": 3}, {"epochs": 9}):
        assert what_is_shared(config.with_settings(**own)) == shared
    for other in (
        {"seed": 1},
        {"batch_size": 8},
        {"data_options": {"count": 60}},
        {"split_seed": 1},
        {"augment": "shift"},
    ):
        found = what_is_shared(config.with_settings(**other))
        assert found is not None
        assert found != shared


@pytest.mark.parametrize(
    "settings",
    [
        {"freeze": None},
        {"freeze": "block3"},
        {"cache_features": False},
        {"unfreeze_after": 1},
        {"supervise_attention": 0.1},
        {"train_on_validation": True},
    ],
    ids=str,
)
def test_what_is_trained_alone(settings, config):
    assert what_is_shared(config.with_settings(**settings)) is None

"""One tiny run, trained once, that the tests of this folder read."""

import json

import keras
import pytest
import seams

from keras_attention import TrainConfig, train

TINY = {
    "data_options": {"count": 90, "clutter": 2},
    "image_size": 32,
    "width": 0.05,
    "units": 7,
    "epochs": 2,
    "batch_size": 16,
    "dropout": 0.2,
    "attention_dropout": 0.1,
    "augment": "shift",
}


@pytest.fixture(scope="session", autouse=True)
def _tensorflow():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("runs and exports need the TensorFlow backend")


@pytest.fixture(autouse=True)
def _shallow_backbone(monkeypatch):
    """One convolution in each block: a network of the same layout that is traced in a third of the time."""
    seams.shallow_backbone(monkeypatch)


@pytest.fixture(scope="session")
def digits():
    """The embedded data sets that were loaded, by their options."""
    return {}


@pytest.fixture(autouse=True)
def _digits_are_read_once(digits, monkeypatch):
    """Reading them takes as long as the few steps of a training."""
    load = seams.loading_of_the_data_of_a_run()

    def load_once(source, **options):
        if source != "cluttered_digits":
            return load(source, **options)
        key = json.dumps(options, sort_keys=True)
        digits[key] = digits.get(key) or load(source, **options)
        return digits[key]

    seams.loading_of_the_data_of_a_run(monkeypatch, load_once)


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    return str(tmp_path_factory.mktemp("datasets"))


@pytest.fixture(scope="session")
def tiny(data_dir):
    """Makes a `TrainConfig` of a tiny run, with changes."""

    def make(**changes):
        return TrainConfig(**TINY | {"data_dir": data_dir} | changes)

    return make


@pytest.fixture(scope="session")
def finished(tiny, tmp_path_factory):
    """A finished tiny run; tests only read it."""
    with pytest.MonkeyPatch.context() as patched:
        seams.shallow_backbone(patched)
        return train(tiny(), tmp_path_factory.mktemp("runs") / "finished", verbose=0)


@pytest.fixture
def no_pictures(monkeypatch):
    """Leaves out the pictures of a run, which have tests of their own."""
    seams.without_pictures(monkeypatch)


@pytest.fixture
def only_training(monkeypatch):
    """Leaves out what follows the training, for tests that do not look at it."""
    seams.only_training(monkeypatch)

"""One tiny run, trained once, that the tests of this folder read."""

import keras
import pytest

from keras_attention import TrainConfig, train
from keras_attention.models import layout
from keras_attention.training.callbacks import StopOnNaN

FULL_BLOCKS = layout.BLOCKS
SHALLOW_BLOCKS = tuple((1, filters) for _, filters in FULL_BLOCKS)
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
    monkeypatch.setattr(layout, "BLOCKS", SHALLOW_BLOCKS)


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
        patched.setattr(layout, "BLOCKS", SHALLOW_BLOCKS)
        return train(tiny(), tmp_path_factory.mktemp("runs") / "finished", verbose=0)


@pytest.fixture
def no_pictures(monkeypatch):
    """Leaves out the pictures of a run, which have tests of their own."""
    monkeypatch.setattr("keras_attention.training.results._draw", lambda *_: None)


@pytest.fixture
def only_training(monkeypatch):
    """Leaves out what follows the training, for tests that do not look at it."""
    monkeypatch.setattr("keras_attention.training.job.write_results", lambda run, *_: run.finish({}))


@pytest.fixture
def interrupt_in_epoch():
    """`interrupt_in_epoch(monkeypatch, epoch, error)`: training raises at the second step of that epoch."""
    original = StopOnNaN.on_train_batch_end

    def interrupt(monkeypatch, epoch, error=KeyboardInterrupt):
        def interrupting(self, batch, logs=None):
            original(self, batch, logs)
            if self.epoch == epoch and batch == 1:
                raise error

        monkeypatch.setattr(StopOnNaN, "on_train_batch_end", interrupting)

    return interrupt

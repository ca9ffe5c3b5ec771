"""Callbacks of a run: exact validation, the choice of the best epoch, backups, seeds."""

import math
import time
import warnings

import keras
import numpy as np

from keras_attention.arguments import invalid
from keras_attention.evaluation.figures import predict_split
from keras_attention.metrics import MONITORS
from keras_attention.metrics.answers import Answers
from keras_attention.models.outputs import LOGITS
from keras_attention.training.hooks import AsValidation


class ValidationMetrics(keras.callbacks.Callback):
    """Adds the exact figures of the validation split to the logs of each epoch, as `val_…`.

    Args:
        network: the network that predicts, which shares its weights with the one that is trained.
        dataset: the images or their features.
        watch: a `MapWatch`, which gets the outputs before training and after each epoch.
        callbacks: the callbacks whose hooks of a validation, `on_test_…`, are called meanwhile.
    """

    def __init__(self, network, dataset, watch, callbacks=()):
        super().__init__()
        self.network, self.dataset, self.watch, self.validation = network, dataset, watch, AsValidation(callbacks)

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 0 and isinstance(self.network.output, dict):
            self.watch.begin(predict_split(self.network, self.dataset, "validation")[0])

    def on_epoch_end(self, epoch, logs=None):
        outputs, labels = predict_split(self.network, self.dataset, "validation", callbacks=[self.validation])
        logs.update(validation_figures(outputs, labels))
        self.validation.end({name.removeprefix("val_"): logs[name] for name in MONITORS})
        if isinstance(outputs, dict):
            self.watch(epoch, outputs)


def validation_figures(outputs, labels):
    """`val_<metric>` → its value for the outputs of a network for the validation split; NaN where it is not defined."""
    answers = Answers(outputs[LOGITS] if isinstance(outputs, dict) else outputs, labels)
    values = {name: metric.of(answers) for name, metric in MONITORS.items()}
    return {name: math.nan if value is None else value for name, value in values.items()}


def best_row(rows, monitor):
    """The index of the best row of a history, the first of equal ones; a row without a figure is the worst."""
    values = [-MONITORS[monitor].sign * row[monitor] for row in rows]
    return min(range(len(values)), key=lambda index: (math.isnan(values[index]), values[index], index))


def require_monitor(config, dataset):
    """Raises `ValueError` unless the validation split defines the figure by which the best epoch is chosen."""
    if config.train_on_validation:
        return
    labels, classes = dataset.validation.labels(), len(dataset.class_names)
    if MONITORS[config.monitor].of(Answers(np.zeros((len(labels), classes)), labels)) is None:
        there = ", ".join(dataset.class_names[label] for label in np.unique(labels))
        raise invalid(
            f"The validation images do not define {config.monitor}.",
            "images of at least two classes, or another `monitor`, such as val_accuracy",
            f"images of {there} alone, monitor={config.monitor!r}",
        )


class Keeper(keras.callbacks.Callback):
    """Writes the history, keeps the best model, stops early, and backs the run up.

    Which epoch is best and when to stop depend only on the rows of the history, so that a resumed run decides as an
    uninterrupted run does.

    Args:
        run: the `Run`.
        config: its `TrainConfig`.
        save: called with the trained network after its best epoch so far, to save it; if `None`, nothing is saved.
        rows: the rows of the epochs before a resumption.
        seconds: the seconds that these epochs took.
        copies_best: whether the backup of the best epoch so far is copied, for `Run.load_best`.
    """

    def __init__(self, run, config, save=None, rows=(), seconds=0.0, copies_best=False):
        super().__init__()
        self.run, self.config, self.save, self.rows = run, config, save, list(rows)
        self.copies_best = copies_best
        self.seconds = seconds  # of training up to the last epoch, also before a resumption

    @property
    def best_row(self):
        """The index of the best epoch so far, the first of equal ones; without validation images, of the last epoch."""
        return len(self.rows) - 1 if self.config.train_on_validation else best_row(self.rows, self.config.monitor)

    @property
    def should_stop(self):
        """Whether all epochs are done, or `patience` epochs have passed without a better one."""
        waited = len(self.rows) - 1 - self.best_row if self.rows else 0
        return len(self.rows) >= self.config.last_epoch or (self.config.patience or math.inf) <= waited

    def on_train_begin(self, logs=None):
        self.began = time.monotonic() - self.seconds

    def on_epoch_end(self, epoch, logs=None):
        self.keep(epoch, logs, time.monotonic() - self.began)
        self.model.stop_training = self.should_stop

    def keep(self, epoch, logs, seconds):
        """Writes the row of an epoch, the best network and the backup; `seconds` are those of all epochs so far."""
        self.seconds = seconds
        # Keras puts the name of the output before a metric if there are several outputs.
        logs = {"accuracy" if name == f"{LOGITS}_accuracy" else name: value for name, value in logs.items()}
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        # As the file has them, so that a resumed run finds the same row best.
        self.rows = self.run.write_history([*self.rows, {"epoch": epoch + 1, **logs, "learning_rate": rate}])
        if not self.config.train_on_validation and math.isnan(self.rows[-1][self.config.monitor]):
            warnings.warn(f"Epoch {epoch + 1} has no {self.config.monitor}, and cannot be the best one.", stacklevel=2)
        is_best = self.best_row == len(self.rows) - 1
        if self.save is not None and is_best:
            self.save(self.model)
        self.run.back_up(self.model, len(self.rows), self.seconds, self.copies_best and is_best)


class SeedEpochs(keras.callbacks.Callback):
    """Seeds each layer that draws random numbers, such as dropout, from the seed of the run and the epoch.

    The counters of these layers are not saved with a model, so a resumed run would draw other numbers.
    """

    def __init__(self, seed):
        super().__init__()
        self.seed = seed

    def on_epoch_begin(self, epoch, logs=None):
        layers = self.model._flatten_layers(include_self=False)
        generators = [layer.seed_generator for layer in layers if hasattr(layer, "seed_generator")]
        for number, generator in enumerate(generators):
            generator.state.assign([(self.seed * 1009 + number) % 2**31, epoch * 1_000_000])


class StopOnNaN(keras.callbacks.Callback):
    """Raises `FloatingPointError` at the first step whose loss is not finite."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        require_finite(logs["loss"], batch, self.epoch, self.model)


def require_finite(loss, step, epoch, network):
    """Raises `FloatingPointError` if the loss of a step is not finite; steps and epochs count from 0."""
    if not math.isfinite(loss):
        raise FloatingPointError(
            f"The loss became {loss} at step {step + 1} of epoch {epoch + 1}. "
            "Expected a finite loss; a lower learning rate, a longer warm-up or float32 often helps. "
            f"Received: learning_rate={float(keras.ops.convert_to_numpy(network.optimizer.learning_rate)):.3g}."
        )

"""What happens between the epochs of a run: exact validation, the choice of the best epoch, backups, seeds."""

import math
import time

import keras

from keras_attention.evaluation.figures import predict_split
from keras_attention.metrics import MONITORS, classification_metrics
from keras_attention.models.outputs import LOGITS


class ValidationMetrics(keras.callbacks.Callback):
    """Adds the exact figures of the validation split to the logs of each epoch, as `val_…`."""

    def __init__(self, dataset):
        super().__init__()
        self.dataset = dataset

    def on_epoch_end(self, epoch, logs=None):
        outputs, labels = predict_split(self.model, self.dataset, "validation")
        logits = outputs[LOGITS] if isinstance(outputs, dict) else outputs
        figures = classification_metrics(logits, labels, self.dataset.class_names)
        for name in MONITORS:
            value = figures[name.removeprefix("val_")]
            logs[name] = math.nan if value is None else value


def best_row(rows, monitor):
    """The number of the best row of a history, the first of equals; a row without a figure is the worst."""
    values = [-MONITORS[monitor].sign * row[monitor] for row in rows]
    return min(range(len(values)), key=lambda index: (math.isnan(values[index]), values[index], index))


class Keeper(keras.callbacks.Callback):
    """Writes down each epoch, keeps the best model, stops early, and backs the run up.

    Which epoch is best, and when to stop, follows from the rows of the history alone, so that a run that was
    interrupted decides as an undisturbed one does.

    Args:
        run: the `Run`.
        config: its `TrainConfig`.
        classifier: what is kept: the whole model, of which `fit` may train a part; `None` keeps none.
        rows: the rows of the epochs that were done before.
        seconds: what they took.
    """

    def __init__(self, run, config, classifier, rows=(), seconds=0.0):
        super().__init__()
        self.run, self.config, self.classifier, self.rows = run, config, classifier, list(rows)
        self.seconds = seconds  # of training, over all parts of the run, up to the last epoch

    @property
    def best_row(self):
        """The row of the best epoch so far, the first of equals; the last where no validation images tell."""
        return len(self.rows) - 1 if self.config.train_on_validation else best_row(self.rows, self.config.monitor)

    @property
    def should_stop(self):
        """Whether all epochs are done, or `patience` of them without a better one."""
        waited = len(self.rows) - 1 - self.best_row if self.rows else 0
        return len(self.rows) >= self.config.last_epoch or (self.config.patience or math.inf) <= waited

    def on_train_begin(self, logs=None):
        self.began = time.monotonic() - self.seconds

    def on_epoch_end(self, epoch, logs=None):
        self.seconds = time.monotonic() - self.began
        # Keras names a metric by its output where there are several.
        logs = {"accuracy" if name == f"{LOGITS}_accuracy" else name: value for name, value in logs.items()}
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        # As the file holds them: a run that reads its rows back must find the same one best.
        self.rows = self.run.write_history([*self.rows, {"epoch": epoch + 1, **logs, "learning_rate": rate}])
        if self.classifier is not None and self.best_row == len(self.rows) - 1:
            self.run.save_model(self.classifier)
        self.run.back_up(self.model, len(self.rows), self.seconds)
        self.model.stop_training = self.should_stop


class SeedEpochs(keras.callbacks.Callback):
    """Gives each layer that draws random numbers, such as dropout, a seed that follows from the run's and the epoch.

    Their own counters are not part of a saved model, so a run that is continued would draw other numbers.
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
        if not math.isfinite(logs["loss"]):
            raise FloatingPointError(
                f"The loss became {logs['loss']} at step {batch + 1} of epoch {self.epoch + 1}. "
                "Expected a finite loss; a lower learning rate, a longer warm-up or float32 often helps. "
                f"Received: learning_rate={float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)):.3g}."
            )

"""The hooks of Keras's callbacks in a training of several stages, and in a validation that only predicts."""

import keras

FORWARDED = [f"{moment}_{end}" for moment in ("epoch", "train_batch", "test", "test_batch") for end in ("begin", "end")]


class WholeTraining(keras.callbacks.Callback):
    """Runs callbacks as one `Model.fit` of the whole model does, while stages train parts of it one after another.

    The callbacks see the whole model, and the epochs and the steps of all stages. If one sets `stop_training`, the
    stage ends where `Model.fit` would end, and `model.stop_training` stays true, so that no other should begin.

    Args:
        model: the whole model; it gets `History`, and a new training resets its `stop_training`.
        callbacks: Keras callbacks, or `None`.
        epochs: the epochs of all stages together.
        steps: the steps of an epoch.
        verbose: as in `keras.Model.fit`; the bar belongs to all stages.
    """

    def __init__(self, model, callbacks, epochs, steps, verbose):
        super().__init__()
        model.stop_training = False
        params = {"epochs": epochs, "steps": steps, "verbose": verbose}
        self.seen = keras.callbacks.CallbackList(
            callbacks, add_history=True, add_progbar=verbose != 0, model=model, **params
        )
        self.whole, self.history = model, model.history
        self.begun, self.last_logs = False, None
        for moment in FORWARDED:
            setattr(self, f"on_{moment}", getattr(self.seen, f"on_{moment}"))
        self.on_train_batch_end, self.on_epoch_end = self._end_batch, self._end_epoch

    def on_train_begin(self, logs=None):
        if not self.begun:
            self.begun = True
            self.seen.on_train_begin()

    def _end_batch(self, batch, logs=None):
        self.seen.on_train_batch_end(batch, logs)
        self._pass_on()

    def _end_epoch(self, epoch, logs=None):
        self.last_logs = logs
        self.seen.on_epoch_end(epoch, logs)
        self._pass_on()

    def _pass_on(self):
        """Stops the trained part if a callback has stopped the model that it sees."""
        self.model.stop_training = self.model.stop_training or self.whole.stop_training

    def end(self):
        """Ends the training after its last stage; returns the `History` of all epochs."""
        self.on_train_begin()  # if no stage had anything to do
        self.seen.on_train_end(self.last_logs)
        self.whole.history = self.history
        return self.history


class AsValidation(keras.callbacks.Callback):
    """Calls the hooks of a validation, as `Model.fit` does, while a model predicts; but for the last, `on_test_end`.

    Args:
        callbacks: the callbacks whose `on_test_…` are called.
    """

    def __init__(self, callbacks):
        super().__init__()
        told = keras.callbacks.CallbackList(list(callbacks))
        self.on_predict_begin = lambda logs=None: told.on_test_begin()
        self.on_predict_batch_begin = lambda batch, logs=None: told.on_test_batch_begin(batch)
        self.on_predict_batch_end = lambda batch, logs=None: told.on_test_batch_end(batch)
        self.end = told.on_test_end

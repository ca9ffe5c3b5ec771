"""`AttentionHyperModel`: what KerasTuner builds and trains; also for tuners of one's own."""

import dataclasses
import functools
import weakref

import keras
import keras_tuner

from keras_attention.arguments import invalid, unknown
from keras_attention.config import TrainConfig
from keras_attention.runs import load_data
from keras_attention.training import build_networks, compile_network, fit_stage, make_stages
from keras_attention.tuning.space import Space


class AttentionHyperModel(keras_tuner.HyperModel):
    """Classifiers with attention, over which any tuner of KerasTuner can search.

    What is searched is the score and the alignment with their options, from the registries; the attended blocks, the
    units in which query and features are compared and the heads; dropout and learning rate. Everything else is that of
    `config`. Options are hyperparameters of their member, such as `cosine.temperature`, and active with it alone.

    KerasTuner clears Keras's state before each model: precision and seed are set in `build`, from `config`. The
    executions of a trial get one seed after the other; all trials begin with the same, so that they are compared under
    equal conditions. With a backbone that is frozen as a whole, `fit` trains from the cached features.

    Args:
        config: the `TrainConfig` of everything that is not searched; `TrainConfig()` where it is `None`.
        dataset: the `ImageDataset`; that of `config` where it is `None`.
        fix: hyperparameter → its value, such as `{"score": "additive", "additive.activation": "relu"}`.
        choose: hyperparameter → the values to choose from, such as `{"alignment": ["softmax", "sparsemax"]}`. Besides
            the members of the registries a score may be `"none"` and `"uniform"`, the controls.

    Raises:
        ValueError: a hyperparameter that is none, or a value that it cannot have.

    Example:

    >>> import keras_tuner
    >>> from keras_attention.tuning import AttentionHyperModel
    >>> hypermodel = AttentionHyperModel(fix={"score": "cosine", "units": 64})
    >>> hypermodel.space(keras_tuner.HyperParameters())["score_options"]
    {'temperature': 1.0, 'learned': False}
    """

    def __init__(self, config=None, dataset=None, fix=None, choose=None):
        super().__init__()
        self.config = config or TrainConfig()
        self.searched = Space(self.config, fix, choose)
        self._dataset = dataset
        # Of each hyperparameters object how many models were built, and of each model its backbone.
        self._executions, self._backbones = weakref.WeakKeyDictionary(), weakref.WeakKeyDictionary()

    @functools.cached_property
    def dataset(self):
        """The images, loaded when they are first wanted."""
        return self._dataset or load_data(self.config)

    def space(self, hp):
        """Declares the hyperparameters, and gives the settings of `TrainConfig` that they make.

        Override it to search over more: draw from `hp`, and return the settings of `super().space(hp)` with your own.

        Args:
            hp: a `keras_tuner.HyperParameters`.

        Returns:
            A dictionary of settings, without those of inactive hyperparameters.
        """
        return self.searched.settings(hp)

    def configure(self, hp, execution=0):
        """The `TrainConfig` of a trial; of a further execution, with the next seed.

        Raises:
            ValueError: settings of `space` that do not exist, or that cannot be.
            TypeError: a `space` that gives no settings.
        """
        settings = self.space(hp)
        if not isinstance(settings, dict):
            raise invalid("`space` gives no settings.", "a dictionary", f"space(hp)={settings!r}", TypeError)
        known = [field.name for field in dataclasses.fields(self.config)]
        for name in settings:
            if name not in known:
                raise unknown("setting", name, known, "space")
        return self.config.as_variant(**settings, seed=self.config.seed + execution)

    def build(self, hp):
        """The compiled classifier of a trial, over images."""
        execution = self._executions.get(hp, 0)
        self._executions[hp] = execution + 1
        config = self.configure(hp, execution)
        backbone, model = build_networks(config, self.dataset)
        self._backbones[model] = backbone
        make_stages(config, self.dataset, model, backbone)[0].prepare()  # freezes
        compile_network(model, config, self.dataset.steps_per_epoch(config.batch_size), backbone)
        return model

    def fit(self, hp, model, *data, callbacks=None, epochs=None, initial_epoch=0, verbose="auto", **options):
        """Trains a model that `build` made: on the images of `config`, or, as `Model.fit`, on data that are given.

        Args:
            hp: the hyperparameters of the trial.
            model: the classifier.
            *data, **options: of `keras.Model.fit`, to train on something else.
            callbacks: see the classifier, also where a part of it is trained from cached features.
            epochs, initial_epoch: as in `fit`; those of `config` where they are left out.
            verbose: as in `fit`.

        Returns:
            Keras's `History`, with exact figures of the validation split for each epoch: `val_accuracy` and others.
        """
        epochs = epochs or self.config.last_epoch
        common = {"initial_epoch": initial_epoch, "verbose": verbose}
        if data or options:
            return model.fit(*data, callbacks=callbacks, epochs=epochs, **common, **options)
        config = self.configure(hp, max(0, self._executions.get(hp, 1) - 1))
        history = keras.callbacks.History()
        parts = make_stages(config, self.dataset, model, self._backbones[model])
        watching = [_OnBehalf(model, [*(callbacks or ()), history])]
        first = initial_epoch
        for stage in parts:
            until = epochs if stage is parts[-1] else min(stage.until, epochs)
            if first < until:
                network = self._network(stage, model, config, first, is_first=stage is parts[0])
                fit_stage(network, config, self.dataset, stage, watching, first, until, verbose)
                first = until
        return history

    def _network(self, stage, model, config, first, is_first):
        """What a stage trains, compiled as the model is, or, for a later stage, anew, its schedule gone on."""
        network, steps = stage.prepare(), self.dataset.steps_per_epoch(config.batch_size)
        if network is not model or not is_first:
            optimizer = model.optimizer if is_first else None
            compile_network(network, config, steps, stage.backbone, optimizer)
        network.optimizer.iterations.assign(first * steps)
        return network


class _OnBehalf(keras.callbacks.Callback):
    """Callbacks that see one model while another, a part of it, is trained."""

    def __init__(self, model, callbacks):
        super().__init__()
        self.seen = keras.callbacks.CallbackList(callbacks, model=model)
        self.seen_model = model
        for moment in ("train_begin", "train_end", "epoch_begin", "train_batch_begin", "train_batch_end"):
            setattr(self, f"on_{moment}", getattr(self.seen, f"on_{moment}"))

    def on_epoch_end(self, epoch, logs=None):
        self.seen.on_epoch_end(epoch, logs)
        # A callback stops the training that it knows.
        self.model.stop_training = self.model.stop_training or bool(getattr(self.seen_model, "stop_training", False))

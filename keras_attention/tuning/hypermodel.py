"""`AttentionHyperModel`: the classifiers that KerasTuner builds and trains; also for custom tuners."""

import dataclasses
import functools
import weakref

import keras_tuner

from keras_attention.arguments import invalid, unknown
from keras_attention.config import TrainConfig
from keras_attention.memory import released
from keras_attention.runs import load_data
from keras_attention.training import MapWatch, WholeTraining, build_networks, compile_network, fit_stage, make_stages
from keras_attention.tuning.space import Space


class AttentionHyperModel(keras_tuner.HyperModel):
    """Classifiers with attention, over which any tuner of KerasTuner can search.

    The search covers the score and the alignment with their options, from the registries; the attended layers; the
    units in which the query and the features are compared; the heads; dropout and learning rate. Everything else comes
    from `config`. An option is a hyperparameter named after its score or alignment, such as `cosine.temperature`, and
    is active only with it.

    KerasTuner clears Keras's state before each model, so `build` sets precision and seed again, from `config`. The
    executions of a trial use consecutive seeds. All trials begin with the same seed, so that they are compared under
    equal conditions. If the whole backbone is frozen, `fit` trains from the cached features.

    Args:
        config: the `TrainConfig` with the settings that are not searched; `TrainConfig()` if `None`.
        dataset: the `ImageDataset`; the data of `config` if `None`.
        fix: hyperparameter → its value, such as `{"score": "additive", "additive.activation": "relu"}`.
        choose: hyperparameter → the values to choose from, such as `{"alignment": ["softmax", "sparsemax"]}`. A score
            may be a member of the registry, or one of the controls `"none"` and `"uniform"`.

    Raises:
        ValueError: a hyperparameter does not exist, or cannot have the value.

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
        # The number of models built for each hyperparameters object, and the backbone of each model.
        self._executions, self._backbones = weakref.WeakKeyDictionary(), weakref.WeakKeyDictionary()

    @functools.cached_property
    def dataset(self):
        """The images, loaded at the first access."""
        return self._dataset or load_data(self.config)

    def space(self, hp):
        """Declares the hyperparameters, and returns the resulting settings of `TrainConfig`.

        Override it to search over more: draw from `hp`, and add your settings to those of `super().space(hp)`.

        Args:
            hp: a `keras_tuner.HyperParameters`.

        Returns:
            A dictionary of settings, without the settings of inactive hyperparameters.
        """
        return self.searched.settings(hp)

    def configure(self, hp, execution=0):
        """The `TrainConfig` of a trial; each further execution has the next seed.

        Raises:
            ValueError: `space` returns settings that do not exist, or values that are not possible.
            TypeError: `space` does not return a dictionary.
        """
        settings = self.space(hp)
        if not isinstance(settings, dict):
            raise invalid("`space` must return settings.", "a dictionary", f"space(hp)={settings!r}", TypeError)
        known = [field.name for field in dataclasses.fields(self.config)]
        for name in settings:
            if name not in known:
                raise unknown("setting", name, known, "space")
        return self.config.as_variant(**settings, seed=self.config.seed + execution)

    def build(self, hp):
        """The compiled classifier of a trial, which takes images."""
        execution = self._executions.get(hp, 0)
        self._executions[hp] = execution + 1
        config = self.configure(hp, execution)
        backbone, model = build_networks(config, self.dataset)
        self._backbones[model] = backbone
        make_stages(config, self.dataset, model, backbone)[0].prepare()  # freezes layers
        compile_network(model, config, self.dataset.steps_per_epoch(config.batch_size), backbone)
        return model

    @released()
    def fit(self, hp, model, *data, callbacks=None, epochs=None, initial_epoch=0, verbose="auto", **options):
        """Trains a model that `build` made, on the images of `config`, or on other data as `Model.fit` does.

        The stages of `unfreeze_after` are one training: callbacks are called as one `Model.fit` over all epochs calls
        them, and one that stops the training ends it in whichever stage it is.

        Args:
            hp: the hyperparameters of the trial.
            model: the classifier.
            *data, **options: arguments of `keras.Model.fit`, to train on other data.
            callbacks: Keras callbacks; they see the classifier even if only a part of it is trained, from cached
                features.
            epochs, initial_epoch: as in `keras.Model.fit`; by default, all epochs of `config`.
            verbose: as in `keras.Model.fit`.

        Returns:
            Keras's `History` of all epochs, with exact figures of the validation split for each: `val_accuracy` and
            others.
        """
        epochs = self.config.last_epoch if epochs is None else epochs
        if data or options:
            common = {"callbacks": callbacks, "epochs": epochs, "initial_epoch": initial_epoch, "verbose": verbose}
            return model.fit(*data, **common, **options)
        config = self.configure(hp, max(0, self._executions.get(hp, 1) - 1))
        steps = self.dataset.steps_per_epoch(config.batch_size)
        watch = MapWatch()
        watching = WholeTraining(model, callbacks, epochs=epochs, steps=steps, verbose=verbose)
        parts, first = make_stages(config, self.dataset, model, self._backbones[model]), initial_epoch
        for stage in parts:
            until = epochs if stage is parts[-1] else min(stage.until, epochs)
            if first < until and not model.stop_training:
                network = self._network(stage, model, config, first, is_first=stage is parts[0])
                fit_stage(network, config, self.dataset, stage, [watching], first, until, watch)
                first = until
        return watching.end()

    def _network(self, stage, model, config, first, is_first):
        """The network that a stage trains, compiled; the classifier has its optimizer, for callbacks that change it.

        The first stage uses the optimizer of the model, a later stage a new one whose schedule continues.
        """
        network, steps = stage.prepare(), self.dataset.steps_per_epoch(config.batch_size)
        if not is_first:
            compile_network(model, config, steps, stage.backbone)
        if network is not model:
            compile_network(network, config, steps, stage.backbone, model.optimizer, model)
        network.optimizer.iterations.assign(first * steps)
        return network

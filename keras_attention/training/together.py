"""Runs that see the same images in the same order, trained at once: features are read once, and one step is traced.

Each run stays what it is alone: its network, its gradients, its optimizer, its best epoch, and when it ends.
"""

import dataclasses
import math
import random
import time
import warnings

import keras
import tensorflow as tf

from keras_attention.arguments import named_line
from keras_attention.config import TrainConfig
from keras_attention.evaluation.figures import predict_split
from keras_attention.features import FeatureCache
from keras_attention.memory import free_memory, released
from keras_attention.models import attention_outputs, over_features
from keras_attention.precision import compute_in_float32, precision_of
from keras_attention.runs import Run, load_data
from keras_attention.runs.data import read_split, write_split
from keras_attention.seeding import kept, seeded
from keras_attention.text import counted
from keras_attention.training.callbacks import Keeper, SeedEpochs, require_finite, require_monitor, validation_figures
from keras_attention.training.fitting import make_keeper, prepared
from keras_attention.training.map_watch import MapWatch
from keras_attention.training.networks import build_backbone, build_model
from keras_attention.training.results import TestImages, write_results
from keras_attention.training.stages import CachedStage, features_of

KEPT_TENSORS = 8  # of one number for each position and unit, in float32, that a step of a head has in memory at once
SHARE_OF_MEMORY = 0.5  # of what is free, for the steps of all heads
# Settings that change neither which images a step sees, in which order, nor their features.
OWN = (
    *("score", "alignment", "score_options", "alignment_options", "attend", "units", "num_heads", "pool_query"),
    *("pooling", "pooling_options", "feature_gate", "feature_gate_options"),
    *("normalize", "map_regularizers", "attention_dropout", "dropout", "epochs", "stop_after", "learning_rate"),
    *("optimizer", "weight_decay", "schedule", "step_epochs", "step_factor", "warmup_epochs", "clip_norm", "loss"),
    *("focal_gamma", "class_weights", "label_smoothing", "monitor", "patience", "flips"),
)


def what_is_shared(config):
    """What runs that are trained together have in common, as plain data; `None` for a run that is trained alone.

    Alone is trained what learns from more than cached features.
    """
    if not config.learns_from_features or config.supervise_attention is not None or config.train_on_validation:
        return None
    return {name: value for name, value in config.to_dict().items() if name not in OWN}


@dataclasses.dataclass(eq=False)
class Member:
    """One of the runs that are trained together.

    Args:
        name: its name among them.
        run: the `Run`.
        config: its `TrainConfig`.
        stage: its `CachedStage`.
        network: what it trains: its compiled network over features.
        keeper: its `Keeper`.
        watch: its `MapWatch`.
        places: the numbers of its features among those of all.
        error: why it was left out, in one line; `None` if it goes on.
    """

    name: str
    run: Run
    config: TrainConfig
    stage: CachedStage
    network: keras.Model
    keeper: Keeper
    watch: MapWatch
    places: tuple
    error: str | None = None

    @property
    def goes_on(self):
        """Whether it has epochs left."""
        return self.error is None and not self.keeper.should_stop

    def pick(self, features):
        """Its features among those of all."""
        return tuple(features[place] for place in self.places)

    @property
    def bytes_of_a_step(self):
        """About how much memory a training step of its network takes."""
        positions = [(math.prod(each.shape[1:3]), each.shape[3]) for each in self.network.inputs]
        numbers = sum(count * (self.config.units or channels) for count, channels in positions)
        return 4 * KEPT_TENSORS * self.config.batch_size * numbers

    @property
    def layers(self):
        """The names of the layers whose features it takes."""
        return self.config.network_layers

    def check(self, loss, step, epoch):
        """Leaves the run out if the loss of a step is not finite."""
        try:
            require_finite(loss, step, epoch, self.network)
        except FloatingPointError as error:
            self.error = named_line(error)

    def begin(self, epoch, seeds):
        """Begins an epoch."""
        seeds.set_model(self.network)
        seeds.on_epoch_begin(epoch)
        self.network.reset_metrics()

    def end(self, epoch, outputs, labels, seconds):
        """Ends an epoch that took so many seconds, with its outputs for the validation split."""
        logs = {name: float(value) for name, value in self.network.get_metrics_result().items()}
        logs |= validation_figures(outputs, labels)
        self.keeper.keep(epoch, logs, self.keeper.seconds + seconds)
        if isinstance(outputs, dict):
            self.watch(epoch, outputs)


class Together:
    """Several runs over the same features.

    Args:
        members: the `Member`s, all at the same epoch.
        features: the `FeatureDataset` with all of their features.
        steps: the steps of an epoch.
    """

    def __init__(self, members, features, steps):
        self.members, self.features, self.steps = members, features, steps
        self.seeds = SeedEpochs(members[0].config.seed)
        self.trained = []

    def fit(self):
        """Trains until each run has ended or failed."""
        config, first = self.members[0].config, len(self.members[0].keeper.rows)
        stream = iter(self.features.training_batches(config.batch_size, config.seed, first, config.sampling))
        for epoch in range(first, max(member.config.last_epoch for member in self.members)):
            going = [member for member in self.members if member.goes_on]
            if not going:
                break
            # Those that have ended are trained on, in vain, until it pays to trace a step without them.
            if not self.trained or 2 * len(going) <= len(self.trained):
                self._trace(going)
            if epoch == 0:
                self._look_before()
            began = time.monotonic()
            self._steps(epoch, stream)
            found, labels = predict_split(self.observed, self.features, "validation")
            seconds = (time.monotonic() - began) / len(going)
            for member in going:
                if member.error is None:
                    member.end(epoch, found[member.name], labels, seconds)

    def _trace(self, members):
        def step(features, labels):
            parts = [(member.pick(features), labels, *member.stage.weights(labels)) for member in members]
            return tf.stack([each.network.train_step(part)["loss"] for each, part in zip(members, parts, strict=True)])

        self.trained, self.step = members, tf.function(step, autograph=False, reduce_retracing=True)
        self.observed = Joined({member: member.stage.observed for member in members})

    def _look_before(self):
        found, _ = predict_split(self.observed, self.features, "validation")
        for member in self.trained:
            if isinstance(found[member.name], dict):
                member.watch.begin(found[member.name])

    def _steps(self, epoch, stream):
        for member in self.trained:
            member.begin(epoch, self.seeds)
        for number in range(self.steps):
            losses = self.step(*next(stream)).numpy()
            for member, loss in zip(self.trained, losses, strict=True):
                if member.goes_on:
                    member.check(loss, number, epoch)

    def predict_test(self):
        """Member → the outputs of its best epoch for the test split; and the labels. From now on all is in float32."""
        members = [member for member in self.members if member.error is None]
        for member in members:
            member.run.load_best(member.network)
            compute_in_float32(member.stage.model)
        heads = {member: over_features(attention_outputs(member.stage.model), member.layers) for member in members}
        joined = Joined(heads)
        joined.compile(run_eagerly=True)  # for a single pass, a graph takes longer to trace than it saves
        found, labels = predict_split(joined, self.features, "test")
        return {member: found[member.name] for member in members}, labels


class Joined(keras.Model):
    """Networks of several members as one, from all features to the outputs of each by its name.

    It is a subclass, because the layers of a functional model must have different names.

    Args:
        networks: `Member` → its network.
    """

    def __init__(self, networks):
        super().__init__()
        self.networks = list(networks.values())
        self.members = list(networks)

    def call(self, features):
        return {
            member.name: network(member.pick(features), training=False)
            for member, network in zip(self.members, self.networks, strict=True)
        }


@kept()
@released()
def train_together(configs, folders):
    """Trains runs at once, from the last epoch that all of them have, and writes their results, without pictures.

    Args:
        configs: the `TrainConfig` of each run, with the same `what_is_shared`.
        folders: the folder of each, new or of an unfinished run; all are at the same epoch.

    Returns:
        For each run why it failed, in one line, or `None`. A run that fails does not stop the others.

    Warns:
        UserWarning: the memory that is free does not take so many at once; they are trained in several groups.
    """
    runs = [Run(folder) for folder in folders]
    dataset = load_data(configs[0], next((run.folder for run in runs if read_split(run.folder)), None))
    backbone, models = _networks(configs, dataset)
    layers = tuple(dict.fromkeys(layer for config in configs for layer in config.network_layers))
    features = features_of(configs[0], dataset, FeatureCache(configs[0].cache_dir, backbone, layers))
    members = [
        _member(str(number), *each, backbone, dataset, layers)
        for number, each in enumerate(zip(runs, configs, models, strict=True))
    ]
    for group in _that_fit(members):
        together = Together(group, features, dataset.steps_per_epoch(configs[0].batch_size))
        together.fit()
        _write_results(together, dataset)
    return [member.error for member in members]


def _that_fit(members):
    """The members in groups whose steps take about half of the free memory, with one in each at least."""
    free, needed = free_memory(), sum(member.bytes_of_a_step for member in members)
    if free is None or needed <= SHARE_OF_MEMORY * free:
        return [members]
    size = max(1, int(len(members) * SHARE_OF_MEMORY * free / needed))
    groups = [members[start : start + size] for start in range(0, len(members), size)]
    warnings.warn(
        f"{len(members)} runs at once would take about {needed / 1e6:,.1f} MB of memory, and {free / 1e6:,.1f} MB "
        f"are free: they are trained in {counted(len(groups), 'group')}.",
        stacklevel=3,
    )
    return groups


def _networks(configs, dataset):
    """The backbone, and the network of each run with the weights that it has alone."""
    models = []
    with seeded(configs[0].seed):
        backbone = build_backbone(configs[0], dataset)
        after_the_backbone = random.getstate()
        for config in configs:
            require_monitor(config, dataset)
            random.setstate(after_the_backbone)
            models.append(build_model(config, dataset, backbone))
    return backbone, models


def _member(name, run, config, model, backbone, dataset, layers):
    if not run.begun:
        run.begin(config)
        write_split(run.folder, dataset)
    stage = CachedStage(config, dataset, model, backbone, config.epochs)
    keeper = make_keeper(run, config, [stage])
    network = prepared(run, config, dataset, stage, 0, bool(keeper.rows))
    keeper.set_model(network)
    places = tuple(layers.index(layer) for layer in config.network_layers)
    return Member(name, run, config, stage, network, keeper, MapWatch(run.map_warnings_path), places)


def _write_results(together, dataset):
    """Writes the results of each run that has not failed."""
    if all(member.error for member in together.members):
        return
    test = TestImages(dataset)
    outputs, labels = together.predict_test()
    for member, found in outputs.items():
        given = {"export": False, "pictures": False, "found": (found, labels), "test": test}
        precision = precision_of(member.config)
        try:
            write_results(member.run, member.config, dataset, member.stage.model, member.keeper, precision, **given)
        except Exception as error:  # a diverged run, or a full disk; the others are not lost
            member.error = named_line(error)

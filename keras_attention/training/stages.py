"""The stages of a run, with a frozen backbone and without; each has its network and its data."""

import functools

import tensorflow as tf

from keras_attention.config import VIEWS
from keras_attention.features import FeatureCache, FeatureDataset
from keras_attention.models import attention_outputs, freeze, mask_losses, over_features, unfreeze
from keras_attention.models.extremes import with_extremes
from keras_attention.models.outputs import LOGITS
from keras_attention.training.networks import class_weights, frozen_up_to


class Stage:
    """Successive epochs in which one network is trained on one data set.

    Args:
        config: the `TrainConfig`.
        dataset: the `ImageDataset`.
        model: the classifier.
        backbone: the backbone of the classifier, which shares its layers.
        until: the number of epochs of the run at the end of the stage.
        verbose: as in `train`.
    """

    def __init__(self, config, dataset, model, backbone, until, verbose=0):
        self.config, self.images, self.model, self.backbone = config, dataset, model, backbone
        self.until, self.verbose = until, verbose
        self.class_weights = class_weights(config, dataset)

    def prepare(self):
        """Freezes or unfreezes the backbone for this stage, and returns the network to train.

        It is the classifier, or if masks teach its attention, the same layers with the maps among the outputs.
        """
        unfreeze(self.backbone)
        return self.outputs

    @property
    def supervised(self):
        """Whether masks teach the attention."""
        return self.config.supervise_attention is not None

    @property
    def outputs(self):
        """The model from images to the outputs that have a loss."""
        return attention_outputs(self.model) if self.supervised else self.model

    @property
    def observed(self):
        """The network that is validated: its logits, and what its maps are watched for."""
        return with_extremes(self.model)

    @property
    def data(self):
        """The data on which the network is validated."""
        return self.images

    @property
    def features(self):
        """The cached features of the images, or `None`."""
        return None

    def make_features(self):
        """Computes the features that are to be cached and are not yet."""

    def training_batches(self, first_epoch):
        """The stream for `fit`: inputs, targets and, if classes are weighed, weights."""
        return self.with_targets(self.batches(first_epoch))

    def batches(self, first_epoch):
        """The stream of inputs, labels and, if they teach attention, masks."""
        config = self.config
        return self.images.training_batches(
            config.batch_size, config.augment, config.seed, first_epoch, self.supervised, config.sampling
        )

    def with_targets(self, batches):
        """Each batch as `fit` takes it: inputs, and for every output a target and, if classes are weighed, weights."""
        maps = list(mask_losses(self.model)) if self.supervised else []

        def supervised(batch):
            labels = batch["labels"]
            # Class weights apply to the classification loss only.
            even = dict.fromkeys(maps, tf.ones(tf.shape(labels)[:1]))
            targets = {LOGITS: labels, **dict.fromkeys(maps, batch["masks"])}
            inputs = batch["images"] if "images" in batch else batch["features"]
            return inputs, targets, *({LOGITS: weight, **even} for weight in self.weights(labels))

        def plain(inputs, labels):
            return inputs, labels, *self.weights(labels)

        return batches.map(supervised if self.supervised else plain, num_parallel_calls=tf.data.AUTOTUNE)

    def weights(self, labels):
        """The weights of the images with these one-hot labels, as the only entry of a tuple; `()` if all are equal."""
        return () if self.class_weights is None else (tf.linalg.matvec(labels, self.class_weights),)


class FrozenStage(Stage):
    """The backbone is frozen, in part or whole; its features are computed at each step."""

    def prepare(self):
        freeze(self.backbone, frozen_up_to(self.config, self.backbone))
        return self.outputs


class CachedStage(FrozenStage):
    """The whole backbone is frozen; the layers after it are trained from cached features."""

    def prepare(self):
        return over_features(super().prepare(), self.config.network_layers)

    @property
    def observed(self):
        return over_features(super().observed, self.config.network_layers)

    @property
    def data(self):
        return self.features

    @functools.cached_property
    def features(self):
        config = self.config
        cache = FeatureCache(config.cache_dir, self.backbone, config.network_layers, self.verbose)
        return features_of(config, self.images, cache)

    def make_features(self):
        _ = self.features

    def batches(self, first_epoch):
        config = self.config
        return self.features.training_batches(config.batch_size, config.seed, first_epoch, config.sampling)


def fill_cache(config, layers, dataset, backbone, verbose):
    """Fills the cache with the features of a frozen backbone, for all networks that attend to any of `layers`.

    With `verbose` it prints lines, no bar, as the work that it is for does.
    """
    cache = FeatureCache(config.cache_dir, backbone, config.layers_for(layers), 2 if verbose else 0)
    features_of(config, dataset, cache)


def features_of(config, dataset, cache):
    """The `FeatureDataset` of a frozen backbone, as a configuration says."""
    supervised = config.supervise_attention is not None
    return FeatureDataset(dataset, cache, config.augment, config.views or VIEWS, supervised)


def make_stages(config, dataset, model, backbone, verbose=0):
    """The stages of a run, in order."""
    parts = []
    if config.freeze:
        kind = CachedStage if config.caches else FrozenStage
        parts.append((kind, config.unfreeze_after or config.epochs))
    if not config.freeze or config.unfreeze_after:
        parts.append((Stage, config.epochs))
    return [kind(config, dataset, model, backbone, until, verbose) for kind, until in parts]

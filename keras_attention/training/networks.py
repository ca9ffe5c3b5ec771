"""The network, the loss and the optimizer of a run, as its settings say."""

import keras
import numpy as np

from keras_attention.arguments import invalid
from keras_attention.features import calibrate_once
from keras_attention.models import BACKBONES, FocalCrossentropy, attention_classifier, mask_losses
from keras_attention.models.backbone import find_map
from keras_attention.models.nested import matching
from keras_attention.models.outputs import LOGITS
from keras_attention.precision import dtype_policy, precision_of
from keras_attention.seeding import seeded
from keras_attention.training.optimizers import make_optimizer


def make_backbone(config, image_size):
    """The backbone that a configuration names, with random weights.

    If its features are cached to the end of the run, it is in float32, so that they are the same in every precision.
    """
    with dtype_policy("float32" if config.learns_from_features else precision_of(config)):
        return BACKBONES.make(config.backbone, image_size, config.network_width)


def build_backbone(config, dataset):
    """The backbone that a configuration names, with its weights.

    If the weights have no batch normalization, it is calibrated on training images.

    Raises:
        ValueError: the weights do not load, or the backbone does not have the part to freeze.
    """
    backbone = make_backbone(config, dataset.image_size)
    if config.freeze:
        frozen_up_to(config, backbone)
    if config.weights is not None and not BACKBONES[config.backbone].load(backbone, config.weights).has_batch_norm:
        calibrate_once(backbone, dataset.train, config.cache_dir if config.cache_features else False)
    return backbone


def frozen_up_to(config, backbone):
    """The name of the last layer of a backbone that a configuration freezes; `None` if it freezes all."""
    if config.freezes_all:
        return None
    pool = f"{config.freeze}_pool"
    if not matching(backbone, pool):
        find_map(backbone, config.freeze, "freeze")  # raises if the backbone has no such layer
        return config.freeze
    return pool


def build_model(config, dataset, backbone=None):
    """The classifier that a configuration names, for the images and classes of a data set, in its precision."""
    map_regularizers, disagreement = config.make_map_regularizers()
    backbone = backbone or build_backbone(config, dataset)
    with dtype_policy(precision_of(config)):
        return attention_classifier(
            backbone,
            len(dataset.class_names),
            attend=config.attend,
            query=BACKBONES[config.backbone].query,
            score=config.make_score(),
            alignment=config.make_alignment(),
            units=config.units,
            normalize=config.normalize if config.attends else "none",
            num_heads=config.num_heads,
            pool_query=config.pool_query,
            attention_dropout=config.attention_dropout,
            dropout=config.dropout,
            map_regularizer=map_regularizers,
            disagreement=disagreement,
            pooling=config.make_pooling(),
            feature_gate=config.make_feature_gate(),
            gate_backbone=config.freeze is None,
            name=f"{config.backbone}_attention",
        )


def build_networks(config, dataset):
    """The backbone of a run and the classifier over it, with the seed and the precision of the run."""
    with seeded(config.seed):
        backbone = build_backbone(config, dataset)
        return backbone, build_model(config, dataset, backbone)


def compile_network(network, config, steps_per_epoch, backbone=None, optimizer=None, classifier=None):
    """Compiles a network as a configuration says.

    Args:
        network: a classifier, or to teach its attention, the model that `attention_outputs` makes from it.
        config: the `TrainConfig`.
        steps_per_epoch: the steps of an epoch of training.
        backbone: the part that learns at `config.backbone_rate` times the rate.
        optimizer: the optimizer to continue with; if `None`, a new one.
        classifier: the classifier over images, if the network is the part of it after the backbone; it knows where its
            maps lie in the images.
    """
    optimizer = optimizer or make_optimizer(config, steps_per_epoch, backbone)
    loss = _classification_loss(config)
    if not isinstance(network.output, dict):
        network.compile(optimizer, loss, metrics=["accuracy"])
        return
    maps = mask_losses(classifier or network)
    weights = {LOGITS: 1.0, **dict.fromkeys(maps, config.supervise_attention)}
    network.compile(optimizer, {LOGITS: loss, **maps}, loss_weights=weights, metrics={LOGITS: ["accuracy"]})


def make_variables(network):
    """Makes the variables of the optimizer and the metrics of a compiled network.

    Otherwise the first step would make them, and TensorFlow traces a step twice if it makes variables.
    """
    network.optimizer.build(network.trainable_variables)
    if not isinstance(network.output, dict):
        logits = keras.ops.zeros((1, *network.output_shape[1:]))
        network.compute_metrics(None, logits, logits)
        network.reset_metrics()


def _classification_loss(config):
    if config.loss == "focal":
        return FocalCrossentropy(config.focal_gamma, config.label_smoothing)
    return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=config.label_smoothing)


def class_weights(config, dataset):
    """The weight of each class, float32 `(classes,)`, 1 on average over the images; `None` if all are equal."""
    if config.class_weights == "none":
        return None
    counts = np.bincount(dataset.trained.labels(), minlength=len(dataset.class_names))
    if not counts.all():
        empty = [name for name, count in zip(dataset.class_names, counts, strict=True) if not count]
        what = f"Classes without training images have no weight: {', '.join(empty)}."
        raise invalid(
            what, "images of each class, or `class_weights='none'`", f"class_weights={config.class_weights!r}"
        )
    return (counts.sum() / (len(counts) * counts)).astype("float32")

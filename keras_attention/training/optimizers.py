"""Optimizers, with a lower learning rate for pretrained weights."""

from keras_attention.models.rates import NOT_DECAYED, TwoRateAdamW, TwoRateSGD
from keras_attention.training.schedules import learning_rate


def make_optimizer(config, steps_per_epoch, backbone=None):
    """The optimizer that `config` names, for a run of `config.epochs` epochs of `steps_per_epoch` steps.

    Args:
        config: a `TrainConfig`.
        steps_per_epoch: the steps of an epoch of training.
        backbone: the model whose weights learn at `config.backbone_rate` times the rate; if `None`, no weights do.
    """
    slow = backbone.variables if backbone is not None and config.backbone_rate != 1 else []
    settings = {"weight_decay": config.weight_decay, "global_clipnorm": config.clip_norm}
    settings |= {"slow_paths": [variable.path for variable in slow], "slow_factor": config.backbone_rate}
    rate = learning_rate(config, steps_per_epoch)
    if config.optimizer == "adamw":
        optimizer = TwoRateAdamW(rate, **settings)
    else:
        optimizer = TwoRateSGD(rate, momentum=0.9, nesterov=True, **settings)
    optimizer.exclude_from_weight_decay(var_list=slow, var_names=list(NOT_DECAYED))
    return optimizer

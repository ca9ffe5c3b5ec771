"""Optimizers, with a lower learning rate for pretrained weights."""

import keras
from keras import ops

from keras_attention.registry import PACKAGE
from keras_attention.training.schedules import learning_rate

NOT_DECAYED = ("bias", "gamma", "beta")


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


class _TwoRates:
    """A mixin for Keras optimizers that gives some variables a lower learning rate.

    Args:
        slow_paths: the `path` of each variable with the lower rate.
        slow_factor: the factor on their rate, and so on their decoupled weight decay.
    """

    def __init__(self, learning_rate, slow_paths=(), slow_factor=1.0, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.slow_paths, self.slow_factor = frozenset(slow_paths), slow_factor

    def build(self, variables):
        super().build(variables)
        self.factors = [self.slow_factor if variable.path in self.slow_paths else 1.0 for variable in variables]
        # Keras would decay the slow variables at the full rate, so they are excluded there and decayed here.
        decayed = [self.weight_decay and variable.name not in NOT_DECAYED for variable in variables]
        self.decays = [bool(decay) and factor != 1 for decay, factor in zip(decayed, self.factors, strict=True)]

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)  # on TensorFlow a bare variable, without a path
        rate = ops.multiply(learning_rate, self.factors[index])
        if self.decays[index]:
            shrink = ops.cast(1 - self.weight_decay * rate, variable.dtype)
            self.assign(variable, ops.multiply(variable, shrink))
        super().update_step(gradient, variable, rate)

    def get_config(self):
        return super().get_config() | {"slow_paths": sorted(self.slow_paths), "slow_factor": self.slow_factor}


@keras.saving.register_keras_serializable(package=PACKAGE)
class TwoRateAdamW(_TwoRates, keras.optimizers.AdamW):
    """AdamW with a lower rate for some variables."""


@keras.saving.register_keras_serializable(package=PACKAGE)
class TwoRateSGD(_TwoRates, keras.optimizers.SGD):
    """SGD with a lower rate for some variables."""

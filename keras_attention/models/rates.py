"""What sets the rate of learning in a saved model: optimizers with two rates, and a schedule."""

import keras
from keras import ops

from keras_attention.registry import PACKAGE

NOT_DECAYED = ("bias", "gamma", "beta")


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
    """AdamW with a lower rate for some variables.

    Args:
        learning_rate, **kwargs: as for `keras.optimizers.AdamW`.
        slow_paths: the `path` of each variable with the lower rate.
        slow_factor: the factor on their rate, and so on their decoupled weight decay.

    Example:

    >>> from keras_attention.models import TwoRateAdamW
    >>> optimizer = TwoRateAdamW(1e-3, slow_paths=["block1_conv1/kernel"], slow_factor=0.1)
    >>> optimizer.get_config()["slow_factor"]
    0.1
    """


@keras.saving.register_keras_serializable(package=PACKAGE)
class TwoRateSGD(_TwoRates, keras.optimizers.SGD):
    """SGD with a lower rate for some variables.

    Args:
        learning_rate, **kwargs: as for `keras.optimizers.SGD`.
        slow_paths, slow_factor: as for `TwoRateAdamW`.

    Example:

    >>> from keras_attention.models import TwoRateSGD
    >>> TwoRateSGD(0.1, momentum=0.9, slow_factor=0.5).slow_factor
    0.5
    """


@keras.saving.register_keras_serializable(package=PACKAGE)
class StepDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise from 0, then a constant rate, which may be multiplied by a factor at regular intervals.

    Args:
        rate: the rate after the warm-up.
        every: steps between two multiplications, counted from the first step; `None` for a constant rate.
        factor: the factor of each multiplication.
        warmup_steps: steps of the rise.

    Example:

    >>> from keras_attention.models import StepDecay
    >>> decay = StepDecay(0.5, every=2, factor=0.5)
    >>> [float(decay(step)) for step in range(4)]
    [0.5, 0.5, 0.25, 0.25]
    """

    def __init__(self, rate, every=None, factor=0.1, warmup_steps=0):
        self.rate, self.every, self.factor, self.warmup_steps = rate, every, factor, warmup_steps

    def __call__(self, step):
        step = ops.cast(step, "float32")
        rate = ops.convert_to_tensor(self.rate, "float32")
        if self.every:
            rate = rate * ops.power(self.factor, ops.floor(step / self.every))
        return rate * ops.minimum(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else rate

    def get_config(self):
        return {"rate": self.rate, "every": self.every, "factor": self.factor, "warmup_steps": self.warmup_steps}

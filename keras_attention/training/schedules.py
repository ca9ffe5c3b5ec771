"""Schedules of the learning rate."""

import keras
from keras import ops

from keras_attention.registry import PACKAGE


def learning_rate(config, steps_per_epoch):
    """The schedule that `config` names, for a run of `config.epochs` epochs of `steps_per_epoch` steps."""
    warmup = round(min(config.warmup_epochs, config.epochs / 2) * steps_per_epoch)
    if config.schedule == "cosine":
        falling = max(1, config.epochs * steps_per_epoch - warmup)
        if not warmup:
            return keras.optimizers.schedules.CosineDecay(config.learning_rate, falling)
        return keras.optimizers.schedules.CosineDecay(
            0.0, falling, warmup_target=config.learning_rate, warmup_steps=warmup
        )
    every = config.step_epochs * steps_per_epoch if config.schedule == "step" else None
    return StepDecay(config.learning_rate, every, config.step_factor, warmup)


@keras.saving.register_keras_serializable(package=PACKAGE)
class StepDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise from 0, then a constant rate, which may be multiplied by a factor at regular intervals.

    Args:
        rate: the rate after the warm-up.
        every: steps between two multiplications, counted from the first step; `None` for a constant rate.
        factor: the factor of each multiplication.
        warmup_steps: steps of the rise.
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

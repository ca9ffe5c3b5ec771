"""Schedules of the learning rate."""

import keras

from keras_attention.models.rates import StepDecay


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

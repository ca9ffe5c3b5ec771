"""Training of attention that samples, with the loss of the task as its reward."""

import types

import keras
from keras import ops

from keras_attention.arguments import invalid
from keras_attention.layers.alignment import SampledAlignment
from keras_attention.layers.alignment.sampled import mean_examples
from keras_attention.registry import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class ReinforceModel(keras.Model):
    """A functional model whose sampled attention learns from the loss of the task, under ordinary `compile` and `fit`.

    For each example i with loss L_i, and each alignment that samples, it adds to the loss a term whose value is 0 and
    whose gradient is that of REINFORCE, −(R_i − b) ∇log p(sample) − λ_H ∇H, with R_i = −L_i − cost. The reported loss
    is therefore that of the task alone. For several outputs L_i is the sum of their losses, each multiplied by its
    `loss_weights`. `predict`, `evaluate` and exports do not sample.

    `attention_classifier` builds such a model if its alignment needs one. A custom model is built from inputs and
    outputs, like a `keras.Model`.

    Args:
        inputs, outputs, name: as for `keras.Model`.

    Raises:
        ValueError: a model that was compiled without a loss; raised in the first training step.

    Example:

    >>> import keras
    >>> from keras_attention.layers import Attention, HardAlignment
    >>> from keras_attention.models import ReinforceModel
    >>> positions = keras.Input((6, 4))
    >>> context = Attention("general", HardAlignment("reinforce"))(positions, positions)
    >>> pooled = keras.layers.GlobalAveragePooling1D()(context)
    >>> model = ReinforceModel(positions, keras.layers.Dense(3)(pooled))
    >>> model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))

    Reference:
        Williams, *Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement Learning*, Machine
        Learning 8, 1992; Xu et al., *Show, Attend and Tell*, ICML 2015, arXiv 1502.03044, eqs. 11 and 12.
    """

    def __init__(self, inputs, outputs, name=None, **kwargs):
        super().__init__(inputs, outputs, name=name, **kwargs)
        self.sampled = [layer for layer in self._flatten_layers(include_self=False) if needs_reward(layer)]
        for alignment in self.sampled:
            alignment.is_rewarded = True

    def compile(self, optimizer="rmsprop", loss=None, loss_weights=None, metrics=None, **kwargs):
        super().compile(optimizer, loss, loss_weights, metrics, **kwargs)
        # In a plain namespace, so that Keras does not track it as state to save.
        self._untracked = types.SimpleNamespace(loss_weights=loss_weights)

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:
            self.optimizer.build(self.trainable_variables)

    def call(self, inputs, training=None, mask=None, **kwargs):
        for alignment in self.sampled:
            alignment.forget_sample()  # left by an earlier call without a loss
        return super().call(inputs, training=training, mask=mask, **kwargs)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        sampled = [alignment for alignment in self.sampled if alignment.has_sample] if training else []
        if not sampled:
            return loss
        several = isinstance(sample_weight, (dict, list, tuple))
        if several or (sample_weight is not None and len(sample_weight.shape) > 1):
            task_loss, weight = _example_losses(self.loss, y, y_pred, self._untracked.loss_weights, sample_weight), 1.0
        else:
            task_loss = _example_losses(self.loss, y, y_pred, self._untracked.loss_weights)
            weight = 1.0 if sample_weight is None else mean_examples(sample_weight)
        return loss + sum(ops.mean(alignment.reinforce_loss(task_loss, weight)) for alignment in sampled)


def needs_reward(layer):
    """Whether a layer is an alignment that is trained by REINFORCE."""
    return isinstance(layer, SampledAlignment) and layer.needs_reward


def _example_losses(loss, y, y_pred, loss_weight=None, sample_weight=None):
    """The loss of each example, `(B,)`; for several outputs the sum of their losses, each times its weight."""
    if isinstance(y_pred, (dict, list, tuple)):
        return sum(
            _example_losses(*(_of_output(name, part) for part in (loss, y, y_pred, loss_weight, sample_weight)))
            for name in (y_pred if isinstance(y_pred, dict) else range(len(y_pred)))
            if _of_output(name, loss) is not None
        )
    if loss_weight is not None:
        return loss_weight * _example_losses(loss, y, y_pred, None, sample_weight)
    if loss is None:
        raise invalid("Attention that samples needs a loss as its reward.", "`compile(loss=…)`", "loss=None")
    loss = keras.losses.get(loss)
    values = loss.call(y, y_pred) if isinstance(loss, keras.losses.Loss) else loss(y, y_pred)
    if sample_weight is None:
        return mean_examples(values)
    weight = ops.cast(sample_weight, values.dtype)
    if len(weight.shape) == len(values.shape):  # a weight for each position of an example
        return mean_examples(values * weight)
    return mean_examples(values) * mean_examples(weight)


def _of_output(name, part):
    """The entry of one output, or the part itself if it is for all outputs."""
    if isinstance(part, dict):
        return part.get(name)
    return part[name] if isinstance(part, (list, tuple)) else part

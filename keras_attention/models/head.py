"""The head of a classifier: from contexts to logits, and from logits to probabilities."""

import keras
from keras import layers

from keras_attention.arguments import require_choice
from keras_attention.layers.heads import FloatEinsumDense
from keras_attention.models.outputs import LOGITS, PROBABILITIES

ACTIVATIONS = ("softmax", "sigmoid")


def join(contexts, dropout):
    """Contexts `(B, ..., C₁)`, `(B, ..., C₂)`, … → one tensor `(B, ..., C₁ + C₂ + …)`, with dropout."""
    features = layers.Concatenate(name="contexts")(contexts) if len(contexts) > 1 else contexts[0]
    return layers.Dropout(dropout, name="head_dropout")(features) if dropout else features


def joint_logits(features, num_classes):
    """`(B, C)` → `(B, K)`: each logit is computed from all features."""
    # Logits in float32 under any policy: the loss and comparisons of logits need the digits.
    dense = layers.Dense(num_classes, kernel_initializer=_small(), dtype="float32", name=LOGITS)
    return dense(features)


def class_logits(features, num_classes):
    """`(B, K, C)` → `(B, K)`: the logit of each class is computed from its features, with separate weights."""
    dense = FloatEinsumDense(
        "bkc,kc->bk",
        output_shape=(num_classes,),
        bias_axes="k",
        kernel_initializer=_small(),
        dtype="float32",
        name=LOGITS,
    )
    return dense(features)


def activate(logits, activation):
    """Probabilities in float32, or the logits themselves if there is no activation."""
    if activation is None:
        return logits
    require_choice("activation", activation, ACTIVATIONS)
    return layers.Activation(activation, dtype="float32", name=PROBABILITIES)(logits)


def _small():
    return keras.initializers.RandomNormal(stddev=0.01)

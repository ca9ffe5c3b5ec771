"""Attention: query, key and value → context and weights, with any score and any alignment."""

import keras
from keras import ops

from keras_attention.arguments import invalid, require_number
from keras_attention.layers.alignment import ALIGNMENTS
from keras_attention.layers.score import SCORES
from keras_attention.registry import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class Attention(keras.layers.Layer):
    """e = score(q, k); a = align(e); c = Σ a·v, or the mean of a·v where the weights do not sum to 1.

    The call is that of `keras.layers.MultiHeadAttention`. Nothing is projected but what the score itself projects.

    Args:
        score: a name in `SCORES`, a score layer, or its config.
        alignment: a name in `ALIGNMENTS`, an alignment layer, or its config.
        dropout: share of the weights dropped in training, at least 0 and below 1.
        seed: of the dropout.

    Call arguments:
        query: `(B, ..., Tq, dq)`.
        value: `(B, ..., Tk, dv)`.
        key: `(B, ..., Tk, dk)`; `value` where it is left out.
        query_mask: `(B, ..., Tq)` boolean; a masked query gets weights and a context of 0.
        value_mask, key_mask: `(B, ..., Tk)` boolean; a masked key has weight 0.
        attention_mask: boolean, broadcastable to `(B, ..., Tq, Tk)`.
        return_attention_scores: whether to give the weights too.
        training: whether dropout is on.

    Returns:
        The context `(B, ..., Tq, dv)` in the compute dtype; with `return_attention_scores`, the pair of it and the
        weights `(B, ..., Tq, Tk)` in float32, before dropout.

    Raises:
        ValueError: keys and values that differ in number, or what the score cannot compare.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import Attention
    >>> query, key, value = np.eye(2)[None], np.array([[[0.0, 1], [1, 0]]]), np.array([[[1.0, 2], [3, 4]]])
    >>> context, weights = Attention("dot")(query, value, key, return_attention_scores=True)
    >>> np.asarray(context[0, 0]).round(4), np.asarray(weights[0, 0]).round(4)
    (array([2.4621, 3.4621], dtype=float32), array([0.2689, 0.7311], dtype=float32))

    Reference:
        Brauwers, Frasincar, *A General Survey on Attention Mechanisms in Deep Learning*, TKDE 35(4), 2023, eqs. 2–5.
    """

    def __init__(self, score="scaled_dot", alignment="softmax", dropout=0.0, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.score = SCORES.get(score, dtype=self.dtype_policy.name)
        self.alignment = ALIGNMENTS.get(alignment, dtype=self.dtype_policy.name)
        self.dropout = require_number("dropout", dropout, at_least=0, below=1)
        self.seed = seed
        self.dropout_layer = keras.layers.Dropout(dropout, seed=seed, dtype=self.dtype_policy)
        self.supports_masking = True

    def build(self, query_shape, value_shape, key_shape=None):
        key_shape = key_shape or value_shape
        check_shapes(query_shape, value_shape, key_shape)
        if not self.score.built:
            self.score.build(query_shape, key_shape)

    def call(
        self,
        query,
        value,
        key=None,
        query_mask=None,
        value_mask=None,
        key_mask=None,
        attention_mask=None,
        return_attention_scores=False,
        training=None,
    ):
        key = value if key is None else key
        mask = join_masks(query_mask, value_mask, key_mask, attention_mask)
        weights = self.alignment(self.score(query, key), mask=mask, training=training)
        shares = weights if self.alignment.normalized else mean_shares(weights, mask)
        dropped = self.dropout_layer(ops.cast(shares, self.compute_dtype), training=training)
        context = ops.matmul(dropped, value)
        return (context, weights) if return_attention_scores else context

    def compute_output_spec(
        self,
        query,
        value,
        key=None,
        query_mask=None,
        value_mask=None,
        key_mask=None,
        attention_mask=None,
        return_attention_scores=False,
        training=None,
    ):
        context = keras.KerasTensor((*query.shape[:-1], value.shape[-1]), dtype=self.compute_dtype)
        weights = keras.KerasTensor((*query.shape[:-1], value.shape[-2]), dtype=self._weights_dtype)
        return (context, weights) if return_attention_scores else context

    def compute_output_shape(self, query_shape, value_shape, key_shape=None):
        return (*query_shape[:-1], value_shape[-1])

    @property
    def _weights_dtype(self):
        return keras.backend.result_type(self.compute_dtype, "float32")

    def get_config(self):
        return {
            **super().get_config(),
            "score": keras.saving.serialize_keras_object(self.score),
            "alignment": keras.saving.serialize_keras_object(self.alignment),
            "dropout": self.dropout,
            "seed": self.seed,
        }


def join_masks(query_mask, value_mask, key_mask, attention_mask):
    """All masks as one boolean mask that broadcasts to `(B, ..., Tq, Tk)`, or `None` where there are none."""
    masks = [ops.expand_dims(ops.cast(mask, "bool"), -2) for mask in (value_mask, key_mask) if mask is not None]
    masks += [] if query_mask is None else [ops.expand_dims(ops.cast(query_mask, "bool"), -1)]
    masks += [] if attention_mask is None else [ops.cast(attention_mask, "bool")]
    joined = None
    for mask in masks:
        joined = mask if joined is None else ops.logical_and(joined, mask)
    return joined


def mean_shares(weights, mask=None):
    """Weights `(..., Tq, Tk)` over the number of visible keys: Σ of them times the values is then the mean of a·v.

    In the precision of the weights, before they meet the values: in half precision the sum would overflow.
    """
    if mask is None:
        return weights / ops.cast(ops.shape(weights)[-1], weights.dtype)
    visible = ops.cast(ops.broadcast_to(mask, ops.shape(weights)), weights.dtype)
    return weights / ops.maximum(ops.sum(visible, axis=-1, keepdims=True), 1)


def check_shapes(query_shape, value_shape, key_shape):
    """Raises `ValueError` unless query, value and key have one rank, one batch, and a value for every key."""
    shapes = {"query": tuple(query_shape), "value": tuple(value_shape), "key": tuple(key_shape)}
    received = ", ".join(f"{name} shape={shape}" for name, shape in shapes.items())
    if any(len(shape) < 3 for shape in shapes.values()) or len({len(shape) for shape in shapes.values()}) > 1:
        raise invalid(
            "Attention got tensors of the wrong rank.", "(batch, ..., positions, dimension) for each", received
        )
    if len({shape[0] for shape in shapes.values()} - {None}) > 1:
        raise invalid("The batch sizes of attention differ.", "one batch size", received)
    if value_shape[-2] != key_shape[-2]:
        raise invalid("Keys and values differ in number.", "one value for every key", received)

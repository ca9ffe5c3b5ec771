"""Attention: query, key and value → context and weights, with any score and any alignment."""

import keras
from keras import ops

from keras_attention.arguments import invalid, require_number, require_truth
from keras_attention.layers.alignment import ALIGNMENTS, PerHead
from keras_attention.layers.heads import Heads
from keras_attention.layers.masks import check_masks, join_masks
from keras_attention.layers.score import SCORES
from keras_attention.registry import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class Attention(keras.layers.Layer):
    """e = score(q, k); a = align(e); c = Σ a·v, or the mean of a·v if the weights do not sum to 1.

    It is called like `keras.layers.MultiHeadAttention`. Without heads, only the score projects query and key, if at
    all.

    With `num_heads`, query, key and value are projected for each head, each head has its own score parameters, and the
    contexts of all heads are projected back to the dimension of the query. With `feature_wise`, a key gets a weight
    for each dimension of its value, and c_j = Σ a_j·v_j.

    Args:
        score: a name in `SCORES`, a score layer, or its config.
        alignment: a name in `ALIGNMENTS`, an alignment layer, or its config; or a list of several, such as
            `["softmax", "sigmoid"]` or `"softmax/sigmoid"`, of which each has a part of the heads.
        dropout: share of the weights dropped in training, at least 0 and below 1.
        seed: seed of the dropout, and of an alignment that samples if it is given by its name or class.
        num_heads: number of heads h, at least 1; `None` projects nothing.
        key_dim, value_dim: dimensions of each head; see `Heads`.
        use_bias: whether the projections of the heads have biases.
        feature_wise: whether each dimension of the value has separate weights; only for the scores `additive` and
            `concat`, which can have several `features`.

    Call arguments:
        query: `(B, ..., Tq, dq)`.
        value: `(B, ..., Tk, dv)`.
        key: `(B, ..., Tk, dk)`; `value` if `None`.
        query_mask: `(B, ..., Tq)` boolean; a masked query has weights of 0, and a context of 0 before heads are joined.
        value_mask, key_mask: `(B, ..., Tk)` boolean; a masked key has weight 0.
        attention_mask: boolean, broadcastable to `(B, ..., Tq, Tk)`.
        return_attention_scores: whether to return the weights too.
        training: whether dropout is on, and whether an alignment that samples may do so.
        grid: `(H, W)`, if the keys are the positions of a map, row by row; for the local alignments.

    Returns:
        The context in the compute dtype, `(B, ..., Tq, dv)`, or with heads `(B, ..., Tq, dq)`. With
        `return_attention_scores`, a pair of the context and the weights in float32, before dropout: `(B, ..., Tq, Tk)`,
        or with heads `(B, ..., h, Tq, Tk)`; feature-wise weights have one more axis, of length dv, at the end.

    Raises:
        ValueError: different numbers of keys and values, a query and key that the score cannot compare, a mask that
            does not fit, `key_dim` or `value_dim` without `num_heads`, or `feature_wise` with a score that gives only
            one number for each pair.
        TypeError: a mask that is not boolean or integer.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import Attention
    >>> query, key, value = np.eye(2)[None], np.array([[[0.0, 1], [1, 0]]]), np.array([[[1.0, 2], [3, 4]]])
    >>> context, weights = Attention("dot")(query, value, key, return_attention_scores=True)
    >>> np.asarray(context[0, 0]).round(4), np.asarray(weights[0, 0]).round(4)
    (array([2.4621, 3.4621], dtype=float32), array([0.2689, 0.7311], dtype=float32))

    Reference:
        Brauwers, Frasincar, *A General Survey on Attention Mechanisms in Deep Learning*, TKDE 35(4), 2023, eqs. 2–5;
        sec. 3.2 for feature-wise weights ("multi-dimensional").
    """

    def __init__(
        self,
        score="scaled_dot",
        alignment="softmax",
        dropout=0.0,
        seed=None,
        num_heads=None,
        key_dim=None,
        value_dim=None,
        use_bias=True,
        feature_wise=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.score = SCORES.get(score, dtype=self.dtype_policy.name)
        head_axis = -4 if feature_wise else -3
        options = {"dtype": self.dtype_policy.name, "seed": another_seed(seed), "head_axis": head_axis}
        self.alignment = ALIGNMENTS.get(alignment, **options)
        self.dropout = require_number("dropout", dropout, at_least=0, below=1)
        self.seed = seed
        self.dropout_layer = keras.layers.Dropout(dropout, seed=seed, dtype=self.dtype_policy)
        self.num_heads, self.key_dim, self.value_dim, self.use_bias = num_heads, key_dim, value_dim, use_bias
        self.heads = self._make_heads()
        if self.heads is None and isinstance(self.alignment, PerHead):
            name = ALIGNMENTS.name_of(self.alignment)
            raise invalid("Several alignments need heads.", "`num_heads`", f"alignment={name!r}, num_heads=None")
        self.feature_wise = require_truth("feature_wise", feature_wise)
        if feature_wise and not hasattr(self.score, "units"):
            raise invalid(
                "`feature_wise=True` needs a score with an output for each dimension of the value.",
                "`additive` or `concat`",
                f"score={SCORES.name_of(self.score)!r}, feature_wise=True",
            )
        if self.score.features is not None and not feature_wise:
            raise invalid(
                "A score with several outputs needs `feature_wise=True`.",
                "`feature_wise=True`, or a score with `features=None`",
                f"features={self.score.features}, feature_wise={feature_wise}",
            )
        self.supports_masking = True

    def _make_heads(self):
        if self.num_heads is not None:
            return Heads(self.num_heads, self.key_dim, self.value_dim, self.use_bias, dtype=self.dtype_policy)
        if self.key_dim is not None or self.value_dim is not None:
            raise invalid(
                "`key_dim` and `value_dim` need `num_heads`.",
                "a number of heads, or neither `key_dim` nor `value_dim`",
                f"num_heads=None, key_dim={self.key_dim}, value_dim={self.value_dim}",
            )
        return None

    def build(self, query_shape, value_shape, key_shape=None):
        key_shape = key_shape or value_shape
        check_shapes(query_shape, value_shape, key_shape)
        shapes = query_shape, value_shape, key_shape
        if self.heads is not None:
            self.heads.build(*shapes)
            shapes = self.heads.split_shapes(*shapes)
        query_shape, value_shape, key_shape = shapes
        if self.feature_wise:
            self._set_features(value_shape[-1])
        if not self.score.built:
            self.score.build(query_shape, key_shape)
        self.head_scores = self._make_head_scores(query_shape, key_shape)
        if not self.alignment.built:
            features = [self.score.features] if self.feature_wise else []
            self.alignment.build((*query_shape[:-2], *features, query_shape[-2], key_shape[-2]), query_shape)

    def _set_features(self, count):
        if self.score.features is None:
            self.score.features = count
        if self.score.features != count:
            raise invalid(
                "`features` of the score must be the dimension of the value.",
                f"features={count}, or `None`",
                f"features={self.score.features}",
            )

    def _make_head_scores(self, query_shape, key_shape):
        """A score for each head, or one for all heads if it has no parameters that could differ."""
        if self.heads is None or not self.score.variables:
            return [self.score]
        others = [type(self.score).from_config(self.score.get_config()) for _ in range(self.num_heads - 1)]
        for score in others:
            score.build(query_shape, key_shape)
        return [self.score, *others]

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
        grid=None,
    ):
        key = value if key is None else key
        check_masks(query.shape, value.shape, query_mask, value_mask, key_mask, attention_mask)
        mask = join_masks(query_mask, value_mask, key_mask, attention_mask, self._inner_axes)
        if self.heads is not None:
            query, value, key = self.heads.split(query, value, key)
        scores, alignment_query = self._scores(query, key), query
        if self.feature_wise:
            scores, alignment_query = ops.moveaxis(scores, -1, -3), ops.expand_dims(query, -3)
        weights = self.alignment(
            scores, mask=mask, training=training, grid=grid, query=alignment_query, finite=self.score.finite
        )
        shares = self.alignment.shares(weights, mask)
        dropped = self.dropout_layer(ops.cast(shares, self.compute_dtype), training=training)
        context = self._context(dropped, value)
        if not return_attention_scores:
            return context
        return context, ops.moveaxis(weights, -3, -1) if self.feature_wise else weights

    @property
    def _inner_axes(self):
        return (self.heads is not None) + bool(self.feature_wise)

    def _scores(self, query, key):
        """Scores `(..., Tq, Tk)`, or `(..., Tq, Tk, features)` if feature-wise."""
        if len(self.head_scores) == 1:
            return self.score(query, key)
        heads = [score(query[..., h, :, :], key[..., h, :, :]) for h, score in enumerate(self.head_scores)]
        return ops.stack(heads, axis=-4 if self.feature_wise else -3)

    def _context(self, weights, value):
        if self.feature_wise:
            columns = ops.expand_dims(ops.swapaxes(value, -1, -2), -1)  # (..., dv, Tk, 1)
            context = ops.swapaxes(ops.squeeze(ops.matmul(weights, columns), -1), -1, -2)
        else:
            context = ops.matmul(weights, value)
        return context if self.heads is None else self.heads.join(context)

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
        grid=None,
    ):
        check_masks(query.shape, value.shape, query_mask, value_mask, key_mask, attention_mask)
        context = keras.KerasTensor(self.compute_output_shape(query.shape, value.shape), dtype=self.compute_dtype)
        shape = (*query.shape[:-2], *self._head_axis, query.shape[-2], value.shape[-2])
        features = (self.score.features,) if self.feature_wise else ()
        weights = keras.KerasTensor((*shape, *features), dtype=self._weights_dtype)
        return (context, weights) if return_attention_scores else context

    def compute_output_shape(self, query_shape, value_shape, key_shape=None):
        return tuple(query_shape) if self.heads is not None else (*query_shape[:-1], value_shape[-1])

    @property
    def _head_axis(self):
        return () if self.heads is None else (self.num_heads,)

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
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "value_dim": self.value_dim,
            "use_bias": self.use_bias,
            "feature_wise": self.feature_wise,
        }


def another_seed(seed):
    """A seed for a second stream of random numbers, different from that of `seed`; `None` stays `None`.

    With the same seed the alignment would draw the same numbers as the dropout, and the keys that it samples would
    always be dropped, or never.
    """
    return seed if seed is None else (seed + 1) % 2**32


def check_shapes(query_shape, value_shape, key_shape):
    """Raises `ValueError` unless query, value and key have the same rank and batch size, and every key has a value."""
    shapes = {"query": tuple(query_shape), "value": tuple(value_shape), "key": tuple(key_shape)}
    received = ", ".join(f"{name} shape={shape}" for name, shape in shapes.items())
    if any(len(shape) < 3 for shape in shapes.values()) or len({len(shape) for shape in shapes.values()}) > 1:
        raise invalid(
            "Query, value and key must have the same rank, at least 3.",
            "(batch, ..., positions, dimension) for each",
            received,
        )
    if len({shape[0] for shape in shapes.values()} - {None}) > 1:
        raise invalid("Query, value and key must have the same batch size.", "one batch size", received)
    if value_shape[-2] != key_shape[-2]:
        raise invalid("There must be as many values as keys.", "one value for every key", received)

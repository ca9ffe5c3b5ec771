"""SpatialAttention: where in a feature map to look."""

import keras
from keras import ops

from keras_attention.arguments import invalid, require_integer, require_number
from keras_attention.layers.alignment import ALIGNMENTS
from keras_attention.layers.attention import mean_shares
from keras_attention.layers.score import SCORES
from keras_attention.registry import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class SpatialAttention(keras.layers.Layer):
    """Attention over the positions of a feature map; the weights, laid out as (H, W), are a picture of where it looks.

    Keys and values are the features at each position. The query is either a vector, one question for all positions, or
    a map, a question for each position. A query map is projected on its own grid and then resized bilinearly
    (half-pixel centres) to that of the features: a projection commutes with the interpolation, and costs less there.

    Args:
        score: a name in `SCORES`, a score layer, or its config.
        alignment: a name in `ALIGNMENTS`, an alignment layer, or its config.
        units: dimension in which query and features are compared. A score that has `units` of its own, given by name
            or class, is made with it; for any other score both are projected to it first. `None` leaves the score its
            default and projects nothing.
        dropout: share of the positions dropped in training, at least 0 and below 1.
        num_heads: h. Each head compares in `units` dimensions of its own, with a score of its own, and weighs its own
            C/h of the channels, so that the context keeps its size.
        seed: of the dropout, and of an alignment that samples and is given by its name or class.

    Call arguments:
        query: `(B, dq)`, or `(B, h, w, dq)`.
        features: `(B, H, W, C)`.
        return_attention_scores: whether to give the map too.
        training: whether dropout is on.

    Returns:
        The context `(B, C)`, in the compute dtype; with `return_attention_scores`, the pair of it and the map
        `(B, H, W)` in float32, before dropout; with several heads a map for each, `(B, h, H, W)`.

    Raises:
        ValueError: features that are no map, a query of another rank, a query map over a feature map of unknown size;
            channels that the heads do not divide, or heads that nothing would tell apart.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import SpatialAttention
    >>> layer = SpatialAttention("additive", "softmax", units=16)
    >>> query, features = np.ones((2, 3, 3, 8), "float32"), np.ones((2, 7, 5, 4), "float32")
    >>> context, attention_map = layer(query, features, return_attention_scores=True)
    >>> context.shape, attention_map.shape
    (TensorShape([2, 4]), TensorShape([2, 7, 5]))

    Reference:
        Query map: Yan, Kawahara, Hamarneh, *Melanoma Recognition via Visual Attention*, IPMI 2019. Query vector:
        Jetley et al., *Learn to Pay Attention*, ICLR 2018.
    """

    def __init__(
        self, score="additive", alignment="softmax", units=None, dropout=0.0, num_heads=1, seed=None, **kwargs
    ):
        super().__init__(**kwargs)
        self.num_heads = require_integer("num_heads", num_heads, at_least=1)
        self.units = None if units is None else require_integer("units", units, at_least=1)
        defaults = {"dtype": self.dtype_policy.name} | ({} if units is None else {"units": units})
        self.score = SCORES.get(score, **defaults)
        if self.score.features is not None:
            raise invalid(
                "The score gives several numbers for a pair.", "`features=None`", f"features={self.score.features}"
            )
        self.alignment = ALIGNMENTS.get(alignment, dtype=self.dtype_policy.name, seed=seed, axes=2)
        self.dropout = require_number("dropout", dropout, at_least=0, below=1)
        self.seed = seed
        self.dropout_layer = keras.layers.Dropout(dropout, seed=seed, dtype=self.dtype_policy)
        projects = units is not None and not (hasattr(self.score, "units") or self.score.blind)
        self.query_projection = self._projection("query_projection") if projects else None
        self.key_projection = self._projection("key_projection") if projects else None

    def _projection(self, name):
        return keras.layers.Dense(self.num_heads * self.units, use_bias=False, name=name, dtype=self.dtype_policy)

    def build(self, query_shape, features_shape):
        _check_shapes(query_shape, features_shape)
        key_shape = (features_shape[0], None, features_shape[-1])
        asking_shape = (query_shape[0], 1, query_shape[-1])
        query_shape = (query_shape[0], None, query_shape[-1])
        if self.query_projection is not None:
            self.query_projection.build(query_shape)
            self.key_projection.build(key_shape)
            query_shape, key_shape = (*query_shape[:-1], self.units), (*key_shape[:-1], self.units)
        if not self.score.built:
            self.score.build(query_shape, key_shape)
        self.head_scores = self._make_head_scores(query_shape, key_shape)
        self._check_heads(features_shape[-1])
        if not self.alignment.built:
            self.alignment.build((features_shape[0], self.num_heads, 1, None), asking_shape)

    def _make_head_scores(self, query_shape, key_shape):
        """A score for each head; the same one for all, where it has no parameters that could differ."""
        if not self.score.variables:
            return [self.score] * self.num_heads
        others = [type(self.score).from_config(self.score.get_config()) for _ in range(self.num_heads - 1)]
        for score in others:
            score.build(query_shape, key_shape)
        return [self.score, *others]

    def _check_heads(self, channels):
        if channels is not None and channels % self.num_heads:
            raise invalid(
                "The heads do not divide the channels.",
                f"a divisor of {channels}",
                f"num_heads={self.num_heads}",
            )
        alike = self.query_projection is None and not self.score.variables and not self.score.blind
        if self.num_heads > 1 and alike:
            name = SCORES.name_of(self.score)
            raise invalid(
                f"All heads of `{name}` would be alike.",
                "`units`, to which each projects",
                f"score={name!r}, units=None",
            )

    def call(self, query, features, return_attention_scores=False, training=None):
        batch, height, width, channels = ops.shape(features)
        # A query map asks at every position; an alignment that needs to know who asks gets its average.
        asking = ops.mean(query, axis=(1, 2)) if len(query.shape) == 4 else query
        weights = self.alignment(
            self._scores(query, features),
            training=training,
            grid=(height, width),
            query=asking[:, None, None],
            finite=self.score.finite,
        )
        shares = mean_shares(weights) if self.alignment.averages else weights
        dropped = self.dropout_layer(ops.cast(shares, self.compute_dtype), training=training)
        context = ops.reshape(ops.matmul(dropped, self._values(features)), (batch, channels))
        if not return_attention_scores:
            return context
        heads = () if self.num_heads == 1 else (self.num_heads,)
        return context, ops.reshape(weights, (batch, *heads, height, width))

    def _values(self, features):
        """What each head weighs, `(B, h, H·W, C/h)`."""
        batch, height, width, channels = ops.shape(features)
        groups = (batch, height * width, self.num_heads, channels // self.num_heads)
        return ops.moveaxis(ops.reshape(features, groups), 2, 1)

    def _scores(self, query, features):
        """Scores of every position for each head, `(B, h, 1, H·W)`."""
        queries, keys = [query] * self.num_heads, [features] * self.num_heads
        if self.query_projection is not None:
            queries = ops.split(self.query_projection(query), self.num_heads, axis=-1)
            keys = ops.split(self.key_projection(features), self.num_heads, axis=-1)
        heads = [self._scores_of_head(*head) for head in zip(self.head_scores, queries, keys, strict=True)]
        return ops.stack(heads, axis=1)

    def _scores_of_head(self, score, query, key):
        """`(B, 1, H·W)`."""
        batch, height, width, dimension = ops.shape(key)
        if len(query.shape) == 2:
            return score(ops.expand_dims(query, 1), ops.reshape(key, (batch, height * width, dimension)))
        query = _resize(score.project_query(query), key.shape[1:3])
        return ops.reshape(score.pair(query, score.project_key(key)), (batch, 1, height * width))

    def compute_output_spec(self, query, features, return_attention_scores=False, training=None):
        batch, height, width, channels = features.shape
        context = keras.KerasTensor((batch, channels), dtype=self.compute_dtype)
        map_dtype = keras.backend.result_type(self.compute_dtype, "float32")
        heads = () if self.num_heads == 1 else (self.num_heads,)
        attention_map = keras.KerasTensor((batch, *heads, height, width), dtype=map_dtype)
        return (context, attention_map) if return_attention_scores else context

    def compute_output_shape(self, query_shape, features_shape):
        return (features_shape[0], features_shape[-1])

    def get_config(self):
        return {
            **super().get_config(),
            "score": keras.saving.serialize_keras_object(self.score),
            "alignment": keras.saving.serialize_keras_object(self.alignment),
            "units": self.units,
            "dropout": self.dropout,
            "num_heads": self.num_heads,
            "seed": self.seed,
        }


def _resize(query_map, size):
    if tuple(query_map.shape[1:3]) == tuple(size):
        return query_map
    return ops.image.resize(query_map, size, interpolation="bilinear", data_format="channels_last")


def _check_shapes(query_shape, features_shape):
    received = f"query shape={tuple(query_shape)}, features shape={tuple(features_shape)}"
    if len(features_shape) != 4:
        raise invalid("The features are no map.", "features of shape (batch, height, width, channels)", received)
    if len(query_shape) not in (2, 4):
        raise invalid(
            "The query is neither a vector nor a map.",
            "a query of shape (batch, dimension) or (batch, height, width, dimension)",
            received,
        )
    if None not in (query_shape[0], features_shape[0]) and query_shape[0] != features_shape[0]:
        raise invalid("The batch sizes of query and features differ.", "one batch size", received)
    if len(query_shape) == 4 and None in (*query_shape[1:3], *features_shape[1:3]):
        raise invalid("A query map cannot be resized to an unknown size.", "known heights and widths", received)

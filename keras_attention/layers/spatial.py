"""SpatialAttention: attention over the positions of a feature map."""

import keras
from keras import ops

from keras_attention.arguments import invalid, require_integer, require_number
from keras_attention.layers.alignment import ALIGNMENTS, SampledAlignment
from keras_attention.layers.attention import another_seed
from keras_attention.layers.map_layer import MapLayer
from keras_attention.layers.normalization import make_normalizations, normalization_for
from keras_attention.layers.query_shapes import check_shapes, resize, single
from keras_attention.layers.registers import Registers
from keras_attention.layers.regularization import map_regularizers
from keras_attention.layers.score import SCORES
from keras_attention.registry import PACKAGE

PROJECTIONS = ("query_projection", "key_projection")


@keras.saving.register_keras_serializable(package=PACKAGE)
class SpatialAttention(MapLayer):
    """Attention over the positions of a feature map; its weights, laid out as (H, W), show where it looks.

    Keys and values are the features at each position. The query is one vector for all positions; or K vectors, each of
    which gets a separate map and context; or a map, with one query for each position. A query map is projected on its
    own grid and then resized bilinearly (half-pixel centres) to the grid of the features: the projection commutes with
    the interpolation, and costs less on the smaller grid.

    If an alignment learns by REINFORCE, its gradient trains the score, the projections to `units`, and K query vectors.
    It does not flow further, into the layers that give the maps, unless this layer has no weights to train.

    Args:
        score: a name in `SCORES`, a score layer, or its config.
        alignment: a name in `ALIGNMENTS`, an alignment layer, or its config; or a list of several, such as
            `["softmax", "sigmoid"]` or `"softmax/sigmoid"`, of which each has a part of the heads.
        units: dimension in which query and features are compared. A score that has an argument `units`, and is given by
            name or class, gets this value; for any other score, query and features are projected to it first. `None`
            projects nothing and leaves the default of the score.
        dropout: share of the positions dropped in training, at least 0 and below 1.
        num_heads: number of heads h. Each head has a separate score, and a separate projection if there are `units`.
            It weighs its own C/h of the channels, so that the context keeps its size.
        seed: seed of the dropout, and of an alignment that samples if it is given by its name or class.
        map_regularizer: a `keras.regularizers.Regularizer` of the map, such as `MapEntropy`; a name in
            `MAP_REGULARIZERS`; its config; or a list of them. Each call adds its value for the returned maps to the
            loss.
        query_per_head: whether each of K query vectors is the query of one of K heads, and weighs that head's channels;
            otherwise each is compared by all heads.
        gate: whether the context is gated by the query: c ⊙ σ(W q + b), with the average of a query map, or of the
            queries of the heads.
        registers: number R of learned keys without a place, to which weight may go that no position deserves; each has
            a learned value too, 0 at the start. The keys are learned as they are compared, after `normalize`. Weights
            are aligned over positions and registers together, and the map is of the positions alone. The query of a
            register is the average of a query map.
        normalize: what gives queries and keys unit variance before the score, after the projection to `units` if there
            is one, for each head: `"layer"` over the dimensions of each vector, `"batch"` each dimension over the batch
            and its positions, with a learned factor for each dimension; `"none"` leaves them as they are. A query map
            is normalized on its own grid. `None` is `"layer"`, or `"none"` for a score that compares nothing.

    Call arguments:
        query: `(B, dq)`, or `(B, K, dq)`, or `(B, h, w, dq)`; with `query_per_head`, `(B, h, dq)` for h heads.
        features: `(B, H, W, C)`.
        return_attention_scores: whether to return the map too.
        training: whether dropout is on, and whether an alignment that samples may do so.

    Returns:
        The context `(B, C)`, in the compute dtype. With `return_attention_scores`, a pair of the context and the map
        `(B, H, W)` in float32, before dropout; with several heads a map for each, `(B, h, H, W)`. For K query vectors
        the context is `(B, K, C)`, and the map `(B, K, H, W)` or `(B, h, K, H, W)`.

    Raises:
        ValueError: features or a query of another rank, a query map over a feature map of unknown size, a number of
            channels that is not a multiple of `num_heads`, heads that would all be the same, `normalize` with a score
            that compares nothing, `registers` below 0 or with an alignment by places, or
            `query_per_head` and another number of queries than heads.

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
        Jetley et al., *Learn to Pay Attention*, ICLR 2018. Normalized queries and keys: Dehghani et al., *Scaling
        Vision Transformers to 22 Billion Parameters*, ICML 2023, sec. 2. Gate: Qiu et al., *Gated Attention for Large
        Language Models*, NeurIPS 2025, sec. 2.2, of the query, after the weighted sum. Registers: the
        persistent vectors of Sukhbaatar et al., *Augmenting Self-attention with Persistent Memory*, 2019, arXiv
        1907.01470, for the purpose of Darcet et al., *Vision Transformers Need Registers*, ICLR 2024.
    """

    def __init__(
        self,
        score="additive",
        alignment="softmax",
        units=None,
        dropout=0.0,
        num_heads=1,
        seed=None,
        map_regularizer=None,
        normalize=None,
        query_per_head=False,
        gate=False,
        registers=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_heads = require_integer("num_heads", num_heads, at_least=1)
        self.units = None if units is None else require_integer("units", units, at_least=1)
        defaults = {"dtype": self.dtype_policy.name} | ({} if units is None else {"units": units})
        self.score = SCORES.get(score, **defaults)
        if self.score.features is not None:
            raise invalid(
                "The score must give one number for each pair.", "`features=None`", f"features={self.score.features}"
            )
        self.alignment = ALIGNMENTS.get(alignment, dtype=self.dtype_policy.name, seed=another_seed(seed), axes=2)
        self.dropout = require_number("dropout", dropout, at_least=0, below=1)
        self.seed = seed
        self.map_regularizers = map_regularizers(map_regularizer)
        self.dropout_layer = keras.layers.Dropout(dropout, seed=seed, dtype=self.dtype_policy)
        self.query_projection = self.key_projection = None
        self.normalize = normalization_for(self.score, normalize)
        self.query_normalizations, self.key_normalizations = [], []
        self.query_per_head = bool(query_per_head)
        self.gate, self.registers = bool(gate), require_integer("registers", registers, at_least=0)
        if self.registers and self.alignment.placed:
            name = ALIGNMENTS.name_of(self.alignment)
            raise invalid(
                f"`{name}` weighs by places, which registers lack.", "`registers=0`", f"registers={registers}"
            )

    @property
    def kind(self):
        return {"score": SCORES.name_of(self.score), "alignment": ALIGNMENTS.name_of(self.alignment)}

    @property
    def averages(self):
        """Whether each weight is from 0 to 1 by itself, as the alignment says; `None` if that differs among heads."""
        return self.alignment.averages

    @property
    def varies(self):
        """Whether the map follows from a score, and may have any weights."""
        return not (self.score.blind or self.alignment.chooses)

    @property
    def maps_each_class(self):
        """Whether the query is several vectors for each head, such as those of the classes."""
        return len(self.input[0].shape) == 3 and not self.query_per_head

    @property
    def projects(self):
        """Whether query and features are projected to `units` before the score."""
        return self.units is not None and not (hasattr(self.score, "units") or self.score.blind)

    def _build_projections(self, **shapes):
        for name, shape in shapes.items():
            if getattr(self, name) is None:
                options = {"use_bias": False, "name": name, "dtype": self.dtype_policy}
                setattr(self, name, keras.layers.Dense(self.num_heads * self.units, **options))
            if not getattr(self, name).built:
                getattr(self, name).build(shape)

    def build(self, query_shape, features_shape):
        check_shapes(query_shape, features_shape)
        self._check_queries(query_shape)
        key_shape = (features_shape[0], None, features_shape[-1])
        single_query_shape = (query_shape[0], 1, query_shape[-1])
        given = query_shape, features_shape
        query_shape = (query_shape[0], None, query_shape[-1])
        if self.projects:
            self._build_projections(query_projection=query_shape, key_projection=key_shape)
            query_shape, key_shape = (*query_shape[:-1], self.units), (*key_shape[:-1], self.units)
        self._build_normalizations(*((*shape[:-1], self.units if self.projects else shape[-1]) for shape in given))
        if not self.score.built:
            self.score.build(query_shape, key_shape)
        self.head_scores = self._make_head_scores(query_shape, key_shape)
        self._check_heads(features_shape[-1])
        if not self.alignment.built:
            places = None if None in features_shape[1:3] else features_shape[1] * features_shape[2]
            keys = places and places + self.registers
            self.alignment.build((features_shape[0], self.num_heads, 1, keys), single_query_shape)
        self._build_registers(key_shape, features_shape)
        self._build_gate(single_query_shape[-1], features_shape[-1])

    def _build_gate(self, dimension, channels):
        if self.gate:
            options = {"activation": "sigmoid", "name": "context_gate", "dtype": self.dtype_policy}
            self.context_gate = keras.layers.Dense(channels, **options)
            self.context_gate.build((None, dimension))

    def _build_registers(self, key_shape, features_shape):
        if self.registers:
            options = {"name": "register", "dtype": self.dtype_policy}
            self.register_layer = Registers(self.registers, self.num_heads, **options)
            self.register_layer.build(key_shape, features_shape)

    def _build_normalizations(self, query_shape, key_shape):
        """One of the queries and one of the keys; for each head, if each has a projection."""
        count, options = self.num_heads if self.projects else 1, {"dtype": self.dtype_policy}
        self.query_normalizations = make_normalizations(self.normalize, count, name="query_normalization", **options)
        self.key_normalizations = make_normalizations(self.normalize, count, name="key_normalization", **options)
        for layers, shape in ((self.query_normalizations, query_shape), (self.key_normalizations, key_shape)):
            for layer in layers:
                layer.build(shape)

    def _make_head_scores(self, query_shape, key_shape):
        """A score for each head, or the same for all heads if it has no parameters that could differ."""
        if not self.score.variables:
            return [self.score] * self.num_heads
        others = [type(self.score).from_config(self.score.get_config()) for _ in range(self.num_heads - 1)]
        for score in others:
            score.build(query_shape, key_shape)
        return [self.score, *others]

    def _check_heads(self, channels):
        if channels is not None and channels % self.num_heads:
            raise invalid(
                "The number of channels must be a multiple of `num_heads`.",
                f"a divisor of {channels}",
                f"num_heads={self.num_heads}",
            )
        alike = not (self.projects or self.score.variables or self.score.blind or self.query_per_head)
        if self.num_heads > 1 and alike:
            name = SCORES.name_of(self.score)
            raise invalid(
                f"Several heads of `{name}` need `units`, or they would all be the same.",
                "`units`, the dimension to which each head projects",
                f"score={name!r}, units=None",
            )

    def _check_queries(self, query_shape):
        if self.query_per_head and (len(query_shape) != 3 or query_shape[1] != self.num_heads):
            expected = f"a query of shape (batch, {self.num_heads}, dimension)"
            raise invalid("Each head must have one query.", expected, f"query shape={tuple(query_shape)}")

    def call(self, query, features, return_attention_scores=False, training=None):
        weights = self.alignment(
            self._scores(query, features),
            training=training,
            grid=ops.shape(features)[1:3],
            query=self._alignment_query(query),
            finite=self.score.finite,
            **self._policy_scores(query, features, training),
        )
        attention_map = self._as_map(weights, query, features)
        for regularizer in self.map_regularizers:
            self.add_loss(regularizer(attention_map))
        shares = self.alignment.shares(weights)
        dropped = self.dropout_layer(ops.cast(shares, self.compute_dtype), training=training)
        context = self._context(dropped, query, features)
        if self.gate:
            context = context * self.context_gate(ops.mean(query, axis=1) if self.query_per_head else single(query))
        return (context, attention_map) if return_attention_scores else context

    def policy(self, query, features):
        """The probabilities from which an alignment samples, and its most probable sample, as maps; draws no sample.

        For `hard` these are softmax(e), and 1 at the largest score. For `reinforced` they are the probability
        σ(s·e + b) that a position is kept, and 1 at each position where this is above ½, or, if there is none, at the
        largest score. Registers take part like positions.

        Args:
            query, features: as in a call.

        Returns:
            A pair of maps in float32, each in the shape of the attention map.

        Raises:
            ValueError: an alignment that does not sample.

        Example:

        >>> import numpy as np
        >>> from keras_attention.layers import SpatialAttention
        >>> layer = SpatialAttention("dot", "hard", normalize="none")
        >>> features = np.eye(3, dtype="float32").reshape(1, 1, 3, 3)
        >>> probabilities, choice = layer.policy(np.array([[1.0, 3.0, 2.0]], "float32"), features)
        >>> np.asarray(probabilities).round(2), np.asarray(choice)
        (array([[[0.09, 0.67, 0.24]]], dtype=float32), array([[[0., 1., 0.]]], dtype=float32))
        """
        _require_sampled(self.alignment)
        query, features = (ops.cast(tensor, self.compute_dtype) for tensor in (query, features))
        if not self.built:
            self.build(query.shape, features.shape)
        scores = self._scores(query, features)
        parts = (self.alignment.probabilities, self.alignment.choice)
        found = (self.alignment.over_visible(part, scores, finite=self.score.finite) for part in parts)
        return tuple(self._as_map(weights, query, features) for weights in found)

    def _as_map(self, weights, query, features):
        """Weights `(B, h, [K,] 1, H·W)` → `(B, [h,] [K,] H, W)`."""
        batch, height, width, _ = ops.shape(features)
        heads = () if self.num_heads == 1 else (self.num_heads,)
        if self.registers:
            weights = weights[..., : -self.registers]
        return ops.reshape(weights, (batch, *heads, *self._query_axis(query), height, width))

    def _query_axis(self, query):
        """`(K,)` for a query of K vectors for each head, else `()`."""
        return (ops.shape(query)[1],) if len(query.shape) == 3 and not self.query_per_head else ()

    def _alignment_query(self, query):
        """For alignments that depend on the query: `(B, 1 or h, 1, dq)`, or for K query vectors `(B, 1, K, 1, dq)`."""
        if self.query_per_head:
            return query[:, :, None]
        return query[:, None, :, None] if len(query.shape) == 3 else single(query)[:, None, None]

    def _context(self, shares, query, features):
        """Shares `(B, h, [K,] 1, H·W)` → `(B, [K,] C)`."""
        batch, height, width, channels = ops.shape(features)
        query_axis = self._query_axis(query)
        shares = ops.reshape(shares, (batch, self.num_heads, *(query_axis or (1,)), height * width + self.registers))
        parts = ops.swapaxes(ops.matmul(shares, self._values(features)), 1, 2)  # (B, K, h, C/h)
        return ops.reshape(parts, (batch, *query_axis, channels))

    def _values(self, features):
        """The values of each head, `(B, h, H·W + R, C/h)`."""
        batch, height, width, channels = ops.shape(features)
        values = ops.reshape(features, (batch, height * width, channels))
        if self.registers:
            values = self.register_layer.append_values(values)
        groups = (batch, height * width + self.registers, self.num_heads, channels // self.num_heads)
        return ops.moveaxis(ops.reshape(values, groups), 2, 1)

    def _scores(self, query, features):
        """Scores of all keys for each head, `(B, h, 1, H·W + R)`, or for K query vectors `(B, h, K, 1, H·W + R)`."""
        queries = self._for_heads(query, self.query_projection, self.query_normalizations)
        keys = self._for_heads(features, self.key_projection, self.key_normalizations)
        if self.query_per_head:
            queries = [query[:, head] for head, query in enumerate(queries)]
        heads = [self._scores_of_head(*head) for head in zip(self.head_scores, queries, keys, strict=True)]
        if self.registers:
            each = enumerate(zip(self.head_scores, queries, strict=True))
            others = [self.register_layer.scores(head, *score_and_query) for head, score_and_query in each]
            heads = [ops.concatenate(pair, -1) for pair in zip(heads, others, strict=True)]
        return ops.stack(heads, axis=1)

    def _for_heads(self, tensor, projection, normalizations):
        """What each head compares: its part of the projection, normalized."""
        parts = [tensor] if projection is None else ops.split(projection(tensor), self.num_heads, axis=-1)
        if normalizations:
            parts = [normalize(part) for normalize, part in zip(normalizations, parts, strict=True)]
        return parts * (self.num_heads if projection is None else 1)

    def _policy_scores(self, query, features, training):
        """Keyword argument with the scores that REINFORCE trains: they train this layer, not the layers before it.

        The gradient of REINFORCE has much variance, and a backbone that also gets it learns next to nothing. K query
        vectors get it, because they are usually weights. If the layer has no weights, the maps are all that it can
        train.
        """
        has_weights = self.projects or self.score.variables
        rewarded = getattr(self.alignment, "needs_reward", False)
        if not (training and rewarded and has_weights):
            return {}
        query = query if len(query.shape) == 3 else ops.stop_gradient(query)
        return {"policy_scores": self._scores(query, ops.stop_gradient(features))}

    def _scores_of_head(self, score, query, key):
        """`(B, 1, H·W)`, or for K query vectors `(B, K, 1, H·W)`."""
        batch, height, width, dimension = ops.shape(key)
        if len(query.shape) == 4:
            query = resize(score.project_query(query), key.shape[1:3])
            return ops.reshape(score.pair(query, score.project_key(key)), (batch, 1, height * width))
        keys = ops.reshape(key, (batch, height * width, dimension))
        if len(query.shape) == 2:
            return score(ops.expand_dims(query, 1), keys)
        # One table for all K queries. The alignment then treats each as a single query, which is in the middle.
        return ops.expand_dims(score(query, keys), -2)

    def compute_output_spec(self, query, features, return_attention_scores=False, training=None):
        batch, height, width, _ = features.shape
        context_shape = self.compute_output_shape(query.shape, features.shape)
        context = keras.KerasTensor(context_shape, dtype=self.compute_dtype)
        map_dtype = keras.backend.result_type(self.compute_dtype, "float32")
        heads = () if self.num_heads == 1 else (self.num_heads,)
        attention_map = keras.KerasTensor((batch, *heads, *context_shape[1:-1], height, width), dtype=map_dtype)
        return (context, attention_map) if return_attention_scores else context

    def compute_output_shape(self, query_shape, features_shape):
        query_axis = (query_shape[1],) if len(query_shape) == 3 and not self.query_per_head else ()
        return (features_shape[0], *query_axis, features_shape[-1])

    def get_config(self):
        return {
            **super().get_config(),
            "score": keras.saving.serialize_keras_object(self.score),
            "alignment": keras.saving.serialize_keras_object(self.alignment),
            "units": self.units,
            "dropout": self.dropout,
            "num_heads": self.num_heads,
            "seed": self.seed,
            "map_regularizer": [keras.saving.serialize_keras_object(one) for one in self.map_regularizers],
            "normalize": self.normalize,
            "query_per_head": self.query_per_head,
            "gate": self.gate,
            "registers": self.registers,
            **{
                name: keras.saving.serialize_keras_object(getattr(self, name)) for name in self._quantized_projections()
            },
        }

    def _quantized_projections(self):
        """The names of the projections that `Model.quantize` has changed, which `units` alone cannot make again."""
        return [name for name in PROJECTIONS if getattr(getattr(self, name), "quantization_mode", None)]

    @classmethod
    def from_config(cls, config):
        config = {"normalize": "none", **config}  # files of earlier versions lack it
        layer = super().from_config({name: value for name, value in config.items() if name not in PROJECTIONS})
        for name in PROJECTIONS:
            if name in config:
                setattr(layer, name, keras.saving.deserialize_keras_object(config[name]))
        return layer


def _require_sampled(alignment):
    if not isinstance(alignment, SampledAlignment):
        name = ALIGNMENTS.name_of(alignment)
        sampled = ", ".join(name for name, cls in ALIGNMENTS.items() if issubclass(cls, SampledAlignment))
        raise invalid("The alignment must be one that samples.", f"one of: {sampled}", f"alignment={name!r}")

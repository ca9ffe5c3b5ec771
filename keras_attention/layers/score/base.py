"""What all score functions share: the table of all pairs, precision, and weights with initializers as in Keras."""

import keras
from keras import ops

from keras_attention.arguments import invalid, keras_object
from keras_attention.compiled import compiling_values
from keras_attention.layers.score.tiling import fits_at_once, table_in_tiles
from keras_attention.layers.wide import WideLayer
from keras_attention.registry import Registry

SCORES = Registry("score")


class Score(WideLayer):
    """Base of the score functions: computes the table of `pair` for every query and every key.

    A subclass overrides `pair`, and `project_query` and `project_key` if it projects. If a matrix product gives all
    pairs at once, it overrides `table` too. Scores are computed in float32 under any dtype policy (in float64
    under a float64 policy), because half precision cannot hold the differences that softmax turns into weights. Only
    `projected`, the product of queries or keys with a kernel, is in bfloat16 if the policy is, as in a `Dense` layer;
    float16 would not hold large products.

    For all pairs at once, `pair` would need tensors `(..., Tq, Tk, d)`. They are never held in memory: the table is
    computed in tiles of a few queries, one after the other, and the gradient computes each tile again. In training on
    TensorFlow, XLA compiles large tables.

    `finite` says that finite vectors get finite scores, so that no alignment has to search for a score of −∞.
    `blind` says that the score depends on neither query nor key, so that nothing is projected for it.
    `search_space` maps the options that a search varies to their `Choices` or `Range`.
    `features` is the number of scores for each pair; `None` means one score, without an extra axis.

    Call arguments:
        query: `(..., Tq, dq)`.
        key: `(..., Tk, dk)`, whose leading axes are those of `query` or broadcast to them.

    Returns:
        Scores `(..., Tq, Tk)`, float32; with `features`, `(..., Tq, Tk, features)`.

    Raises:
        ValueError: a query or key of rank below 2, or with an unknown last dimension.

    Example:

    >>> import keras, numpy as np
    >>> from keras_attention.layers import Score
    >>> class ManhattanScore(Score):
    ...     def pair(self, query, key):
    ...         return -keras.ops.sum(keras.ops.abs(query - key), axis=-1)
    >>> np.asarray(ManhattanScore()(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0], [1.0, 2.0]])))
    array([[-2., -2.]], dtype=float32)
    """

    finite = False
    blind = False
    search_space = {}
    features = None

    def build(self, query_shape, key_shape):
        for name, shape in (("query", query_shape), ("key", key_shape)):
            if len(shape) < 2 or shape[-1] is None:
                raise invalid(
                    f"The {name} of a score must have positions and a known dimension.",
                    "a shape (..., positions, dimension)",
                    f"{name} shape={tuple(shape)}",
                )
        self.built = True

    def call(self, query, key, training=None):
        with compiling_values(training):
            return self.table(self.project_query(query), self.project_key(key))

    def project_query(self, query):
        """`(..., dq)` → the query as `pair` takes it; must be affine, to commute with bilinear interpolation."""
        return self.in_score_dtype(query)

    def project_key(self, key):
        """`(..., dk)` → the key as `pair` takes it."""
        return self.in_score_dtype(key)

    def pair(self, query, key):
        """Projected query and key, broadcast against each other, `(..., d)` → scores `(...)`."""
        raise NotImplementedError(f"{type(self).__name__} must define `pair`, the score of one query and one key.")

    def table(self, query, key):
        """Projected queries `(..., Tq, d)` and keys `(..., Tk, d)` → scores `(..., Tq, Tk)`."""
        if fits_at_once(query.shape, key.shape):
            return self.pair_table(query, key)
        return table_in_tiles(self, query, key)

    def pair_table(self, query, key):
        """The table by `pair`, for all pairs at once."""
        return self.pair(ops.expand_dims(query, -2), ops.expand_dims(key, -3))

    def in_score_dtype(self, tensor):
        """`tensor` in float32, or wider if the policy is."""
        return ops.cast(tensor, self.wide_dtype)

    def projected(self, tensor, kernel):
        """`(..., d)` times a kernel `(d, units)`, multiplied in bfloat16 if the policy computes in it."""
        dtype = self.compute_dtype if self.compute_dtype == "bfloat16" else self.wide_dtype
        return self.in_score_dtype(ops.matmul(ops.cast(tensor, dtype), ops.cast(kernel, dtype)))

    def compute_output_shape(self, query_shape, key_shape):
        features = () if self.features is None else (self.features,)
        return (*query_shape[:-1], key_shape[-2], *features)

    def compute_output_spec(self, query, key, training=None):
        return keras.KerasTensor(self.compute_output_shape(query.shape, key.shape), dtype=self.wide_dtype)

    def compute_mask(self, inputs, previous_mask=None):
        # The table has another shape than the mask of the queries; attention layers apply masks after the score.
        return None

    def require_one_dimension(self, query_shape, key_shape):
        """Raises `ValueError` unless query and key have the same dimension."""
        if query_shape[-1] != key_shape[-1]:
            raise invalid(
                f"`{SCORES.name_of(self)}` needs a query and a key of the same dimension.",
                "the same dimension; or `additive`, `concat` or `general`, which take any two dimensions; or `units` "
                "of `SpatialAttention` or `attention_classifier`, to which both are projected",
                f"query dimension {query_shape[-1]} and key dimension {key_shape[-1]}",
            )


class WithKernels(Score):
    """A mixin for scores with kernels.

    Args:
        kernel_initializer, kernel_regularizer, kernel_constraint: for every kernel.
    """

    def __init__(self, kernel_initializer="glorot_uniform", kernel_regularizer=None, kernel_constraint=None, **kwargs):
        super().__init__(**kwargs)
        self.kernel_initializer = keras_object(keras.initializers, kernel_initializer)
        self.kernel_regularizer = keras_object(keras.regularizers, kernel_regularizer)
        self.kernel_constraint = keras_object(keras.constraints, kernel_constraint)

    def add_kernel(self, name, shape):
        """Adds a weight as the `kernel_…` arguments say."""
        # A copy for each kernel: an initializer draws its seed when it is made, and would give the same values twice.
        copies = isinstance(self.kernel_initializer, keras.initializers.Initializer)
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=self.kernel_initializer.clone() if copies else self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
        }


class WithBiases(Score):
    """A mixin for scores with biases.

    Args:
        bias_initializer, bias_regularizer, bias_constraint: for every bias.
    """

    def __init__(self, bias_initializer="zeros", bias_regularizer=None, bias_constraint=None, **kwargs):
        super().__init__(**kwargs)
        self.bias_initializer = keras_object(keras.initializers, bias_initializer)
        self.bias_regularizer = keras_object(keras.regularizers, bias_regularizer)
        self.bias_constraint = keras_object(keras.constraints, bias_constraint)

    def add_bias(self, name, shape):
        """Adds a weight as the `bias_…` arguments say."""
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=self.bias_initializer,
            regularizer=self.bias_regularizer,
            constraint=self.bias_constraint,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
            "bias_constraint": keras.constraints.serialize(self.bias_constraint),
        }

"""Alignments that look near one position: that of the query, or one that the query predicts."""

import math

import keras
from keras import ops

from keras_attention.arguments import invalid, keras_object, require_integer, require_number
from keras_attention.layers.alignment.base import ALIGNMENTS, Alignment, check_mask
from keras_attention.layers.alignment.soft import softmax
from keras_attention.layers.domains import Choices


@ALIGNMENTS.register("local_monotonic")
class LocalMonotonicAlignment(Alignment):
    """a = softmax(e) inside a window around the position of the query, 0 outside.

    If there are as many queries as keys, each query has the position of its key. Otherwise the queries are spread
    evenly over the keys, so that a single query is in the middle. A window cannot be centred if its size is even and
    the query is at a key, or if its size is odd and the query is between two keys; it then reaches one key further
    towards the end. Windows are cut at the border. Masked keys and queries have no position: the others are counted as
    if they were alone.

    Args:
        window: number of keys across, at least 1; or one number for each axis of the grid.

    Raises:
        ValueError: a window below 1, or with a different number of axes than the grid; a number of queries that does
            not fit the grid.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import LocalMonotonicAlignment
    >>> np.asarray(LocalMonotonicAlignment(3)(np.zeros((4, 4)))).round(2)
    array([[0.5 , 0.5 , 0.  , 0.  ],
           [0.33, 0.33, 0.33, 0.  ],
           [0.  , 0.33, 0.33, 0.33],
           [0.  , 0.  , 0.5 , 0.5 ]], dtype=float32)

    Reference:
        Luong, Pham, Manning, *Effective Approaches to Attention-based Neural Machine Translation*, EMNLP 2015,
        sec. 3.2 ("local-m").
    """

    search_space = {"window": Choices((3, 5, 7))}

    placed = True

    def __init__(self, window=7, **kwargs):
        super().__init__(**kwargs)
        for size in window if isinstance(window, (tuple, list)) else (window,):
            require_integer("window", size, at_least=1)
        self.window = window

    def call(self, scores, mask=None, training=None, grid=None, query=None, finite=False):
        if mask is not None:
            check_mask(mask, scores.shape)
        window = self._windows(scores, grid, mask)
        mask = window if mask is None else ops.logical_and(window, ops.cast(mask, "bool"))
        return super().call(scores, mask=mask, training=training, finite=finite)

    def align(self, scores, training=None):
        return softmax(scores)

    def _windows(self, scores, grid, mask):
        """`(Tq, Tk)`, or with a mask `(..., Tq, Tk)`: whether a key is in the window of a query."""
        grid = _grid(scores, grid)
        sizes = self.window if isinstance(self.window, (tuple, list)) else (self.window,) * len(grid)
        if len(sizes) != len(grid):
            raise invalid("`window` must fit the axes of the grid.", f"{len(grid)} sizes", f"window={self.window}")
        if mask is not None and len(grid) == 1:
            keys = VisibleKeys(mask, scores)
            return _in_window(keys.ranks, keys.query_places(), sizes[0])
        inside = True
        for size, place, key in zip(sizes, _query_places(scores, grid), _key_places(grid), strict=True):
            inside = ops.logical_and(inside, _in_window(key, place[:, None], size))
        return inside if len(scores.shape) > 1 else inside[0]

    def get_config(self):
        return {**super().get_config(), "window": self.window}


@ALIGNMENTS.register("local_predictive")
class LocalPredictiveAlignment(Alignment):
    """a = softmax(e) · exp(−‖l − p‖² / 2σ²): the query predicts the position p to look at; σ = D/2.

    On each axis p = S·σ(Vᵀ tanh(Wq)), with the number S of keys along it; on a map the Gaussian is round. Positions are
    counted from 0. Masked keys of a line have none: S and the positions are those of the visible keys. As in the paper,
    the weights are not divided by their sum again. They therefore sum to less than 1,
    and the context is still Σ a·v.

    Args:
        window: D, at least 1: twice the standard deviation, in keys.
        units: size of the hidden layer that predicts the position, at least 1.
        axes: number of axes of the grid, 1 or 2; `SpatialAttention` sets it to 2.
        kernel_initializer: initializer of W and V.

    Call arguments:
        query: `(..., Tq, dq)`, which is required.

    Raises:
        ValueError: no query; a grid with a number of axes other than `axes`; a number out of range.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import LocalPredictiveAlignment
    >>> alignment = LocalPredictiveAlignment(window=2, kernel_initializer="zeros")  # predicts the middle, 2.5
    >>> np.asarray(alignment(np.zeros((1, 5)), query=np.ones((1, 3)))).round(4)
    array([[0.0088, 0.0649, 0.1765, 0.1765, 0.0649]], dtype=float32)

    Reference:
        Luong, Pham, Manning, *Effective Approaches to Attention-based Neural Machine Translation*, EMNLP 2015,
        eqs. 9 and 10 ("local-p").
    """

    placed = True
    normalized = False
    averages = False

    search_space = {"window": Choices((3, 5, 7))}

    def __init__(self, window=7, units=64, axes=1, kernel_initializer="glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        self.window = require_number("window", window, at_least=1)
        self.units = require_integer("units", units, at_least=1)
        self.axes = require_integer("axes", axes, at_least=1, at_most=2)
        self.kernel_initializer = keras_object(keras.initializers, kernel_initializer)

    def build(self, scores_shape, query_shape=None):
        if query_shape is None or query_shape[-1] is None:
            raise invalid(
                "`local_predictive` needs a query to predict from.",
                "`query` with a known dimension, as `Attention` and `SpatialAttention` pass it",
                f"query shape={query_shape}",
            )
        super().build(scores_shape, query_shape)
        self.hidden_kernel = self._kernel("hidden_kernel", (query_shape[-1], self.units))
        self.place_kernel = self._kernel("place_kernel", (self.units, self.axes))

    def _kernel(self, name, shape):
        return self.add_weight(name=name, shape=shape, initializer=self.kernel_initializer.clone())

    def call(self, scores, mask=None, training=None, grid=None, query=None, finite=False):
        weights = super().call(scores, mask=mask, training=training, finite=finite)
        grid = _grid(scores, grid)
        if len(grid) != self.axes:
            raise invalid(
                "`axes` of `local_predictive` must be the number of axes of the grid.",
                f"axes={len(grid)}",
                f"axes={self.axes}",
            )
        return weights * self._nearness(ops.cast(query, weights.dtype), grid, mask, scores)

    def align(self, scores, training=None):
        return softmax(scores)

    def places(self, query, grid):
        """The positions that the queries look at, `(..., Tq, axes)`, in keys from the first one."""
        hidden = ops.tanh(ops.matmul(query, self.hidden_kernel))
        return ops.cast(ops.stack(grid, axis=-1), query.dtype) * ops.sigmoid(ops.matmul(hidden, self.place_kernel))

    def _nearness(self, query, grid, mask, scores):
        """`(..., Tq, Tk)`: the Gaussian around the position that each query predicts."""
        keys = _key_places(grid)
        if mask is not None and len(grid) == 1:
            visible = VisibleKeys(mask, scores)
            grid, keys = (visible.count[..., 0],), (visible.ranks,)
        places, squares = self.places(query, grid), 0.0
        for axis, key in enumerate(keys):
            squares = squares + ops.square(ops.cast(key, query.dtype) - places[..., axis : axis + 1])
        return ops.exp(-2 * squares / self.window**2)

    def get_config(self):
        return {
            **super().get_config(),
            "window": self.window,
            "units": self.units,
            "axes": self.axes,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


class VisibleKeys:
    """The visible keys of a line, counted as if the masked ones were not there.

    Args:
        mask: as an alignment takes it.
        scores: `(..., Tq, Tk)` or `(Tk,)`, whose shape counts.

    Attributes:
        ranks: the position of each key among the visible ones, from 0, `(..., Tq, Tk)`; that of a masked key is between
            those of its neighbours.
        count: the number of visible keys of each query, `(..., Tq, 1)`.
    """

    def __init__(self, mask, scores):
        self.queries, self.keys = scores.shape[-2] if len(scores.shape) > 1 else 1, scores.shape[-1]
        self.visible = ops.cast(ops.broadcast_to(ops.cast(mask, "bool"), ops.shape(scores)), "float32")
        self.ranks = ops.cumsum(self.visible, axis=-1) - (1 + self.visible) / 2
        self.count = ops.sum(self.visible, axis=-1, keepdims=True)

    def query_places(self):
        """The position of each query among the visible keys, `(..., Tq, 1)`."""
        if self.queries == 1:
            return self.count / 2 - 0.5
        if self.queries is not None and self.queries == self.keys:
            return self._own_places()
        spread = self._spread_places()
        if None not in (self.queries, self.keys):
            return spread
        queries, keys = ops.shape(self.visible)[-2:]
        return ops.where(ops.equal(queries, keys), self._own_places(), spread)

    def _own_places(self):
        """The rank of the key of the same number, if there are as many queries as keys."""
        queries, keys = ops.shape(self.visible)[-2:]
        own = ops.cast(ops.arange(queries)[:, None] == ops.arange(keys), "float32")
        return ops.sum(own * self.ranks, axis=-1, keepdims=True)

    def _spread_places(self):
        """The centres of equal parts of the line, one for each query that sees any key."""
        sees = ops.cast(self.count > 0, "float32")
        parts = ops.sum(sees, axis=-2, keepdims=True)
        return (ops.cumsum(sees, axis=-2) - 0.5) * self.count / ops.maximum(parts, 1) - 0.5


def _in_window(key, place, size):
    first = ops.ceil(place - (size - 1) / 2)
    return ops.logical_and(key >= first, key < first + size)


def _grid(scores, grid):
    """How the keys are laid out; checked against the number of keys if both are known."""
    keys = scores.shape[-1]
    grid = (ops.shape(scores)[-1],) if grid is None else tuple(grid)
    known = all(isinstance(size, int) for size in grid)
    if known and keys is not None and math.prod(grid) != keys:
        raise invalid("`grid` must have a position for every key.", f"sizes whose product is {keys}", f"grid={grid}")
    return grid


def _key_places(grid):
    """For each axis of the grid, the position of every key along it, `(Tk,)`."""
    axes = [ops.cast(ops.arange(size), "float32") for size in grid]
    return [ops.reshape(place, (-1,)) for place in ops.meshgrid(*axes, indexing="ij")]


def _query_places(scores, grid):
    """For each axis of the grid, the position of every query along it, `(Tq,)`."""
    queries, keys = scores.shape[-2] if len(scores.shape) > 1 else 1, scores.shape[-1]
    if queries == 1:
        return [ops.cast(ops.reshape(size, (1,)), "float32") / 2 - 0.5 for size in grid]
    if len(grid) == 1:
        # The centres of Tq equal parts of the line, as when an image is resized.
        queries = ops.shape(scores)[-2]
        ratio = ops.cast(grid[0], "float32") / ops.cast(queries, "float32")
        return [(ops.cast(ops.arange(queries), "float32") + 0.5) * ratio - 0.5]
    if None not in (queries, keys) and queries != keys:
        raise invalid(
            "The number of queries must fit the grid.",
            f"one query, or as many as there are keys: {keys}",
            f"{queries} queries on the grid {grid}",
        )
    return _key_places(grid)

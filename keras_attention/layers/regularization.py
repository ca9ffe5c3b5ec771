"""Regularizers of attention maps: how even, how rough and how spread out a map is, and how much two maps disagree."""

from itertools import combinations

import keras
from keras import ops

from keras_attention.arguments import invalid, require_number
from keras_attention.layers.wide import WideLayer
from keras_attention.registry import PACKAGE, Registry

MAP_REGULARIZERS = Registry("map regularizer", keras.regularizers.Regularizer)

# A map with a smaller total counts as zeros: its shares would be rounding errors, and their gradient could overflow.
SMALLEST_TOTAL = 1e-30


class MapRegularizer(keras.regularizers.Regularizer):
    """Base of the regularizers of maps: rate · (mean of `measure` over all maps); a subclass overrides `measure`.

    A map a ≥ 0 of n positions enters as its shares p = a / Σ a, so that maps with different sums are treated alike. A
    map of zeros counts 0. The loss is computed in float32, or wider if the maps are.

    Args:
        rate: any finite number; a rate below 0 rewards what a rate above 0 punishes.

    Call arguments:
        maps: `(..., H, W)`.

    Returns:
        The loss, a number.

    Raises:
        ValueError: a rate that is not a finite number.

    Example:

    >>> import keras, numpy as np
    >>> from keras_attention.layers import MapRegularizer
    >>> class MapPeak(MapRegularizer):
    ...     def measure(self, shares):
    ...         return keras.ops.max(shares, axis=(-2, -1))
    >>> float(MapPeak(rate=0.1)(np.array([[[3.0, 1.0], [1.0, 1.0]]])))
    0.05
    """

    def __init__(self, rate=0.01):
        self.rate = require_number("rate", rate)

    def __call__(self, maps):
        return self.rate * ops.mean(self.measure(map_shares(maps)))

    def measure(self, shares):
        """Shares `(..., H, W)` → a number for each map, `(...)`."""
        raise NotImplementedError(f"{type(self).__name__} must define `measure`, the figure of a map.")

    def get_config(self):
        return {"rate": self.rate}


@MAP_REGULARIZERS.register("entropy")
class MapEntropy(MapRegularizer):
    """rate · H(p) / log n, with H(p) = −Σ p log p: 1 for a constant map, 0 for all weight on one position.

    A map that has only one position counts 0.

    Args:
        rate: see `MapRegularizer`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import MapEntropy
    >>> float(MapEntropy(1.0)(np.array([[[0.5, 0.5], [0.0, 0.0]]])))
    0.5
    """

    def measure(self, shares):
        # At p = 0 the derivative of p log p is infinite; 0 · log 1 is 0, and so is its gradient.
        logarithms = ops.log(ops.where(shares > 0, shares, 1.0))
        return -_sum(shares * logarithms) / ops.log(ops.maximum(_positions(shares), 2.0))


@MAP_REGULARIZERS.register("total_variation")
class MapTotalVariation(MapRegularizer):
    """rate · (Σ |p(i,j) − p(i+1,j)| + Σ |p(i,j) − p(i,j+1)|): 0 for a constant map, small for one smooth region.

    Args:
        rate: see `MapRegularizer`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import MapTotalVariation
    >>> float(MapTotalVariation(1.0)(np.array([[[1.0, 0.0], [0.0, 0.0]]])))
    2.0

    Reference:
        Rudin, Osher, Fatemi, *Nonlinear Total Variation Based Noise Removal Algorithms*, Physica D 60, 1992, eq. 2.2,
        with the absolute differences along each axis added.
    """

    def measure(self, shares):
        down = _sum(ops.abs(shares[..., 1:, :] - shares[..., :-1, :]))
        return down + _sum(ops.abs(shares[..., 1:] - shares[..., :-1]))


@MAP_REGULARIZERS.register("spread")
class MapSpread(MapRegularizer):
    """rate · (Σ a)² / (n Σ a²): the share of the positions that the weight is spread over.

    It is 1 for a constant map, k/n for k equal weights, 1/n for all weight on one position.

    Args:
        rate: see `MapRegularizer`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import MapSpread
    >>> float(MapSpread(1.0)(np.array([[[3.0, 3.0], [0.0, 0.0]]])))
    0.5

    Reference:
        Hoyer, *Non-negative Matrix Factorization with Sparseness Constraints*, JMLR 5, 2004, sec. 3.1, which compares
        the same two norms.
    """

    def measure(self, shares):
        squares = _sum(ops.square(shares))
        return ops.square(_sum(shares)) / (_positions(shares) * ops.where(squares > 0, squares, 1.0))


@keras.saving.register_keras_serializable(package=PACKAGE)
class MapDisagreement(WideLayer):
    """Adds rate · (mean of 1 − Σ min(p, q) over all pairs of maps) to the loss; its output is its input `context`.

    p and q are the shares of two maps of the same image. The disagreement 1 − Σ min(p, q) is 0 for equal shares, and 1
    for shares that do not overlap. Along each axis the two are compared on the coarser of their grids: the weight of
    the finer map is summed over the cells of the coarser grid, and the weight of a position that is in two cells is
    divided between them.

    Args:
        rate: any finite number; a rate below 0 rewards maps that look at different positions.

    Call arguments:
        context: any tensor, which is returned unchanged.
        maps: at least two maps, `(..., H, W)` each, which may differ in H and W only.

    Returns:
        `context`.

    Raises:
        ValueError: a rate that is not a finite number; fewer than two maps, or maps whose leading axes differ.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import MapDisagreement
    >>> layer = MapDisagreement(1.0)
    >>> fine = np.array([[[0.5, 0.5, 0.0, 0.0]]], "float32")
    >>> context = layer(np.zeros((1, 3)), [fine, np.array([[[0.25, 0.75]]], "float32")])
    >>> [float(loss) for loss in layer.losses]
    [0.75]
    """

    def __init__(self, rate=0.01, **kwargs):
        super().__init__(**kwargs)
        self.rate = require_number("rate", rate)

    def build(self, context_shape, maps_shape):
        shapes = [tuple(shape) for shape in maps_shape]
        if len(shapes) < 2 or len({shape[:-2] for shape in shapes}) > 1:
            raise invalid(
                "A disagreement needs at least two maps of the same image.",
                "two or more maps (..., height, width) with the same leading axes",
                f"maps of shape {shapes}",
            )
        self.built = True

    def call(self, context, maps):
        differences = [_difference(*pair) for pair in combinations([map_shares(values) for values in maps], 2)]
        self.add_loss(self.rate * sum(differences) / len(differences))
        return context

    def compute_output_spec(self, context, maps):
        return keras.KerasTensor(context.shape, dtype=context.dtype)

    def compute_output_shape(self, context_shape, maps_shape):
        return context_shape

    def get_config(self):
        return {**super().get_config(), "rate": self.rate}


# Files saved with older names of these classes load too.
for _old, _class in (("MapSparsity", MapSpread), ("MapAgreement", MapDisagreement)):
    keras.saving.get_custom_objects()[f"{PACKAGE}>{_old}"] = _class


def map_regularizers(identifier):
    """A list of regularizers from a name in `MAP_REGULARIZERS`, a class, an instance, a config, or a list of them."""
    several = identifier if isinstance(identifier, (list, tuple)) else [] if identifier is None else [identifier]
    return [MAP_REGULARIZERS.get(one) for one in several]


def map_shares(maps):
    """p = a / Σ a of maps `(..., H, W)`, in float32 or wider; zeros for a map of zeros."""
    maps = ops.convert_to_tensor(maps)
    maps = ops.cast(maps, keras.backend.result_type(maps.dtype, "float32"))
    total = ops.sum(maps, axis=(-2, -1), keepdims=True)
    small = total <= SMALLEST_TOTAL  # false for NaN, which must stay NaN
    return ops.where(small, 0.0, maps / ops.where(small, 1.0, total))


def _sum(values):
    return ops.sum(values, axis=(-2, -1))


def _positions(shares):
    height, width = ops.shape(shares)[-2:]
    return ops.cast(height * width, shares.dtype)


def _difference(first, second):
    """The mean of 1 − Σ min(p, q) over all pairs of corresponding maps."""
    for axis in (-2, -1):
        first, second = _on_one_grid(first, second, axis)
    return ops.mean(1 - _sum(ops.minimum(first, second)))


def _on_one_grid(first, second, axis):
    """Both maps, as shares, on the coarser of their grids along an axis."""
    sizes = ops.shape(first)[axis], ops.shape(second)[axis]
    known = all(isinstance(size, int) for size in sizes)
    if known and sizes[0] == sizes[1]:
        return first, second
    # Known sizes stay numbers, because a compiled function of JAX cannot make a range of a tensor.
    smaller = min(sizes) if known else ops.minimum(*sizes)
    return tuple(cell_sums(shares, size, smaller, axis) for shares, size in zip((first, second), sizes, strict=True))


def cell_sums(shares, size, cells, axis):
    """Sums values along an axis of `size` positions into a smaller number of cells of equal length.

    The value of a position that is in two cells is divided between them. The axis is −2 or −1; its size may be
    symbolic.
    """
    ratio = ops.cast(size, shares.dtype) / ops.cast(cells, shares.dtype)
    edges = ratio * ops.cast(ops.arange(cells), shares.dtype)[:, None]
    places = ops.cast(ops.arange(size), shares.dtype)
    overlap = ops.relu(ops.minimum(edges + ratio, places + 1) - ops.maximum(edges, places))
    return ops.matmul(overlap, shares) if axis == -2 else ops.matmul(shares, ops.transpose(overlap))

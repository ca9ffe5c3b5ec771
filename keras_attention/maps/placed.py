"""Maps that know where their positions lie in the image, and how they are resized there."""

import keras
import numpy as np

from keras_attention.arguments import invalid
from keras_attention.models.grids import Grid


class PlacedMaps(np.ndarray):
    """An array of maps with their grid, which `resize_maps` and every picture and measure use.

    It is an ordinary array `(..., H, W)` in every other respect. What is computed from it, such as a part of the maps
    or their mean, keeps the grid; `numpy.asarray` and files lose it, and such maps are taken to cover the whole image
    evenly.

    Args:
        values: `(..., H, W)`.
        grid: the `Grid`; `None` if the maps cover the whole image evenly.

    Raises:
        ValueError: a grid of another shape than the maps.

    Example:

    >>> import numpy as np
    >>> from keras_attention.maps import PlacedMaps, resize_maps
    >>> from keras_attention.models import Axis, Grid
    >>> first = Axis(start=1.0, step=2.0, count=2, side=8)  # two positions of 2 pixels; the last 4 pixels have none
    >>> maps = PlacedMaps([[[1.0, 0.0]]], Grid(Axis.even(1), first))
    >>> resize_maps(maps, (1, 8))[0, 0].tolist()
    [1.0, 0.75, 0.25, 0.0, 0.0, 0.0, 0.0, 0.0]
    >>> resize_maps(np.asarray(maps), (1, 8))[0, 0].tolist()  # without the grid
    [1.0, 1.0, 0.875, 0.625, 0.375, 0.125, 0.0, 0.0]
    """

    def __new__(cls, values, grid=None):
        placed = np.asarray(values).view(cls)
        if grid is not None and placed.shape[-2:] != grid.shape:
            raise invalid("The grid must have the shape of the maps.", f"a grid of {placed.shape[-2:]}", grid.shape)
        placed.grid = grid
        return placed

    def __array_finalize__(self, source):
        grid = getattr(source, "grid", None)
        self.grid = grid if grid is not None and self.shape[-2:] == grid.shape else None

    def __array_wrap__(self, array, context=None, return_scalar=False):
        # What has no positions any more, such as a sum over them, is an ordinary array or number.
        if return_scalar:
            return array[()]
        return array if self.grid is None or array.shape[-2:] != self.grid.shape else PlacedMaps(array, self.grid)

    def __array_function__(self, function, types, args, kwargs):
        # Functions such as `numpy.concatenate` make their results without a source.
        found = super().__array_function__(function, types, args, kwargs)
        if type(found) in (np.ndarray, PlacedMaps) and self.grid is not None and found.shape[-2:] == self.grid.shape:
            return PlacedMaps(found, self.grid)
        return found

    def __reduce__(self):
        return PlacedMaps, (np.asarray(self), self.grid)


def grid_of(maps):
    """The grid of some maps `(..., H, W)`; if they have none, that of maps which cover the whole image evenly."""
    grid = getattr(maps, "grid", None)
    return grid if grid is not None else Grid.even(maps.shape[-2:])


def place(maps, grids):
    """Maps by layer with their grids, where these are known and fit.

    Args:
        maps: attended layer → `(..., H, W)`.
        grids: attended layer → `Grid`.
    """
    fits = {name: name in grids and grids[name].shape == np.shape(values)[-2:] for name, values in maps.items()}
    return {name: PlacedMaps(values, grids[name] if fits[name] else None) for name, values in maps.items()}


def resize_maps(maps, size):
    """Maps at the resolution of the image or of a mask: bilinear between the centres of the positions.

    Beyond the outermost centres a map has the value of the nearest position.

    Args:
        maps: `(..., H, W)`, with their grid, as `attention_maps` and `grad_cam` give them; see `PlacedMaps`. Other
            arrays are taken to cover the whole image evenly (half-pixel centres).
        size: (height, width), or one number for both.

    Returns:
        float32 `(..., height, width)`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.maps import resize_maps
    >>> resize_maps(np.array([[[0.0, 1.0]]]), (1, 4))
    array([[[0.  , 0.25, 0.75, 1.  ]]], dtype=float32)
    """
    maps = np.asanyarray(maps)
    return keras.ops.convert_to_numpy(resized(_plain(maps), _pair(size), grid_of(maps)))


def joint_map(maps, size=None):
    """The joint map: the product of the resized maps of all attended layers, each divided by its largest value.

    Args:
        maps: name → `(n, H, W)`, as `attention_maps` gives them.
        size: (height, width) of the result, or one number for both; if `None`, the positions of the finest map.

    Returns:
        float32 `(n, height, width)` from 0 to 1; without `size`, with the grid of the finest map.

    Example:

    >>> import numpy as np
    >>> from keras_attention.maps import joint_map
    >>> np.asarray(joint_map({"fine": np.array([[[4.0, 2.0, 2.0, 4.0]]]), "coarse": np.array([[[0.0, 0.5]]])}))
    array([[[0.   , 0.125, 0.375, 1.   ]]], dtype=float32)
    """
    maps = {name: np.asanyarray(values) for name, values in maps.items()}
    grids = {name: grid_of(values) for name, values in maps.items()}
    found = joint({name: _plain(values) for name, values in maps.items()}, grids, size and _pair(size))
    return PlacedMaps(keras.ops.convert_to_numpy(found), finest(grids.values()) if size is None else None)


def at_positions(maps, grid):
    """Maps `(n, H, W)` at the positions of a grid, float32 `(n, *grid.shape)`."""
    maps = np.asanyarray(maps)
    return keras.ops.convert_to_numpy(_read(_plain(maps), grid_of(maps), grid))


def finest(grids):
    """The grid with the most positions."""
    return max(grids, key=lambda grid: np.prod(grid.shape))


def resized(maps, size, grid):
    """`resize_maps` for tensors of one grid, also inside a graph; `size` is (height, width)."""
    return _read(maps, grid, Grid.even(size))


def joint(maps, grids, size=None):
    """`joint_map` for tensors with their grids, also inside a graph."""
    target, product = finest(grids.values()) if size is None else Grid.even(size), 1.0
    for name, values in maps.items():
        values = _read(values, grids[name], target)
        largest = keras.ops.max(values, axis=(1, 2), keepdims=True)
        product = product * (values / keras.ops.where(largest > 0, largest, 1.0))
    return product


def _read(maps, grid, target):
    """The values of maps `(..., H, W)` at the positions of another grid."""
    maps = keras.ops.convert_to_tensor(maps)
    if grid != target:
        maps = _along(_along(maps, grid.columns, target.columns, -1), grid.rows, target.rows, -2)
    return maps


def _along(maps, axis, target, number):
    # Rounded, so that a position which lies on another one has its very value.
    places = (target.centres * axis.side - axis.start) / axis.step
    places = np.clip(np.round(places, 9), 0, axis.count - 1)
    low = np.minimum(places.astype("int32"), max(axis.count - 2, 0))
    high = np.minimum(low + 1, axis.count - 1)
    share = (places - low).astype("float32").reshape(-1, *(1,) * (-1 - number))
    lower, upper = keras.ops.take(maps, low, axis=number), keras.ops.take(maps, high, axis=number)
    # Two equal values give exactly the same value between them, so that ties stay ties.
    return lower + (upper - lower) * keras.ops.cast(share, lower.dtype)


def _plain(maps):
    return np.asarray(maps, "float32")


def _pair(size):
    return (size, size) if isinstance(size, int) else tuple(size)

"""Where the positions of a feature map lie in the image: `Grid`, and the grids of all layers of a model."""

import dataclasses

import keras
import numpy as np

from keras_attention.models.nested import graph_of, has_graph, places
from keras_attention.models.outputs import attention_layers


@dataclasses.dataclass(frozen=True)
class Axis:
    """Positions along one side of an image: the centre of position i, from 0 to `count` − 1, is at start + step · i.

    Args:
        start, step: in pixels from the edge of the image; a pixel k covers k to k + 1.
        count: the number of positions.
        side: the length of the side of the image in pixels.

    Example:

    >>> from keras_attention.models import Axis
    >>> axis = Axis(start=8.0, step=16.0, count=4, side=75)  # the last 11 pixels belong to no position
    >>> axis.centres.round(3)  # as shares of the side
    array([0.107, 0.32 , 0.533, 0.747])
    """

    start: float
    step: float
    count: int
    side: int

    @property
    def centres(self):
        """The centres of the positions as shares of the side, `(count,)`."""
        return (self.start + self.step * np.arange(self.count)) / self.side

    @classmethod
    def even(cls, count, side=None):
        """The axis of positions that divide a whole side evenly; without a side, each position is a pixel."""
        side = side or count
        step = side / count
        return cls(step / 2, step, count, side)

    def windows(self, size, stride, padding, dilation=1):
        """The axis after a convolution or a pooling, whose positions have the centres of their windows."""
        reach = (size - 1) * dilation + 1
        count, before = (self.count - reach) // stride + 1, 0
        if padding == "same":
            count = -(-self.count // stride)
            before = max((count - 1) * stride + reach - self.count, 0) // 2
        return self._replaced(((reach - 1) / 2 - before), stride, count)

    def padded(self, before, after):
        """The axis with further positions before and after it; with negative numbers, without some of its positions."""
        return self._replaced(-before, 1, self.count + before + after)

    def resized(self, count, ratio=None):
        """The axis after scaling about its middle by a ratio, which is that of the counts if it is `None`."""
        step = self.step / (ratio or count / self.count)
        middle = self.start + self.step * (self.count - 1) / 2
        return dataclasses.replace(self, start=middle - step * (count - 1) / 2, step=step, count=count)

    def _replaced(self, offset, stride, count):
        start, step = self.start + self.step * offset, self.step * stride
        return dataclasses.replace(self, start=start, step=step, count=count)


@dataclasses.dataclass(frozen=True)
class Grid:
    """Where the positions of a map lie in the image: one `Axis` down the image and one across it.

    Args:
        rows, columns: the two axes.

    Example:

    >>> from keras_attention.models import Grid
    >>> Grid.even((2, 4), (64, 64)).columns
    Axis(start=8.0, step=16.0, count=4, side=64)
    """

    rows: Axis
    columns: Axis

    @property
    def shape(self):
        """`(H, W)` of the map."""
        return self.rows.count, self.columns.count

    @classmethod
    def even(cls, shape, size=None):
        """The grid of a map `(H, W)` that divides an image of `size`, `(height, width)`, evenly."""
        return cls(*map(Axis.even, shape, size or shape))

    def get_config(self):
        """The grid as plain data, from which `from_config` makes it again."""
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config):
        """The grid of a configuration."""
        return cls(**{name: Axis(**axis) for name, axis in config.items()})


def as_config(grids):
    """Grids by name as plain data."""
    return {name: grid.get_config() for name, grid in grids.items()}


def from_config(grids):
    """Grids by name from plain data, as `as_config` gives them."""
    return {name: Grid.from_config(config) for name, config in grids.items()}


def layer_grids(model, size=None):
    """The grid of each layer of a model that gives a map: positions lie where the centres of their windows do.

    Convolutions and poolings without padding leave out what does not fill a window: after four poolings of 2, an image
    of 75 pixels has 4 positions of 16 pixels, and 11 pixels are left out at its end. A layer of an unknown kind that
    changes the size is taken to scale its whole input.

    Args:
        model: a functional model over images `(B, height, width, channels)`.
        size: (height, width) of the images, if the model takes any size.

    Returns:
        Name of a layer, as in `feature_layers`, → its `Grid`; layers that are called several times are left out.

    Example:

    >>> from keras_attention.models import VGG16BN, layer_grids
    >>> layer_grids(VGG16BN((75, 75, 3), width=0.05))["block4_pool"].rows
    Axis(start=8.0, step=16.0, count=4, side=75)
    """
    grids = _all_grids(model, size)
    maps = {place.name: place.output for place in places(model) if _is_map(place.output)}
    return {name: grids[id(output)] for name, output in maps.items() if grids.get(id(output))}


def map_grids(model, size=None):
    """The grid of each attention map of a model, which is that of the attended features.

    Args:
        model, size: as in `layer_grids`.

    Returns:
        Name of each attended layer → its `Grid`.

    Example:

    >>> from keras_attention.models import VGG16BN, attention_classifier, map_grids
    >>> model = attention_classifier(VGG16BN((75, 75, 3), width=0.05), 3, units=8)
    >>> {name: grid.shape for name, grid in map_grids(model).items()}
    {'block3_pool': (9, 9), 'block4_pool': (4, 4)}
    """
    grids = _all_grids(model, size)
    attended = {name: layer.attended for name, layer in attention_layers(model).items()}
    return {name: grids[id(features)] for name, features in attended.items() if grids.get(id(features))}


def _all_grids(model, size):
    image = model.inputs[0]
    if not _is_map(image):
        return {}
    sides = [known or given for known, given in zip(image.shape[1:3], size or (None, None), strict=True)]
    return _grids_of_tensors(model, {} if None in sides else {id(image): Grid.even(sides)})


def _is_map(tensor):
    return len(getattr(tensor, "shape", None) or ()) == 4


def _grids_of_tensors(model, grids):
    """Identity of each symbolic tensor of a model → the grid of the map that it is, or was made from.

    Args:
        model: a functional model.
        grids: identity of each of its inputs → grid; `None` if it is not known.
    """
    graph = graph_of(model)
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if node.is_input:
                continue
            inputs = [(tensor, grids.get(id(tensor))) for tensor in node.input_tensors]
            if has_graph(node.operation):
                found = _grids_inside(node.operation, inputs, grids)
            else:
                found = _grids_after(node, inputs)
            grids |= {id(tensor): grid for tensor, grid in zip(node.output_tensors, found, strict=True)}
    return grids


def _grids_inside(model, inputs, grids):
    """The grids of the outputs of a model inside the model; those of its tensors are added to `grids`."""
    own = {id(tensor): grid for tensor, (_, grid) in zip(model.inputs, inputs, strict=True)}
    grids |= _grids_of_tensors(model, own)
    return [grids.get(id(tensor)) for tensor in model.outputs]


def _grids_after(node, inputs):
    """The grids of the outputs of a call of a layer, from pairs of each input and its grid."""
    layer = node.operation
    known = [grid for _, grid in inputs if grid is not None]
    if not known:
        return [None] * len(node.output_tensors)
    moved = _moved(layer, known[0])
    if moved is not None and _fits(moved, node.output_tensors[0].shape):
        return [moved]
    return [_grid_of_unknown(known, shape) for shape in _shapes_after(node, inputs)]


def _fits(grid, shape):
    return all(side in (None, count) for side, count in zip(shape[1:3], grid.shape, strict=True))


def _shapes_after(node, inputs):
    """The shapes of the outputs of a call; if the model takes any size, those for the sizes of the grids."""
    shapes = [tensor.shape for tensor in node.output_tensors]
    if not any(len(shape) == 4 and None in shape[1:3] for shape in shapes):
        return shapes
    given = {
        id(tensor): keras.KerasTensor((1, *grid.shape, tensor.shape[-1]), tensor.dtype)
        if _is_map(tensor) and grid is not None
        else tensor
        for tensor, grid in inputs
    }
    arguments, options = node.arguments.fill_in(given)
    return [tensor.shape for tensor in keras.tree.flatten(node.operation.compute_output_spec(*arguments, **options))]


def _grid_of_unknown(grids, shape):
    """The grid of an output of a layer that does not move positions as far as is known, from those of its inputs."""
    if len(shape) != 4:
        return grids[0]  # kept, because it may become a map again
    same = [grid for grid in grids if grid.shape == tuple(shape[1:3])]
    if same:
        return Grid(*(_mean([getattr(grid, axis) for grid in same]) for axis in ("rows", "columns")))
    return Grid(grids[0].rows.resized(shape[1]), grids[0].columns.resized(shape[2])) if None not in shape[1:3] else None


def _mean(axes):
    """The axis of maps that are added or joined; paths with other windows may have other centres."""
    if len({axis.step for axis in axes}) > 1:
        return axes[0]
    return dataclasses.replace(axes[0], start=sum(axis.start for axis in axes) / len(axes))


def _moved(layer, grid):
    """The grid after a layer whose geometry is known; `None` for any other."""
    axes = grid.rows, grid.columns
    if isinstance(layer, (keras.layers.ZeroPadding2D, keras.layers.Cropping2D)):
        sign, amounts = (1, layer.padding) if isinstance(layer, keras.layers.ZeroPadding2D) else (-1, layer.cropping)
        return Grid(
            *(axis.padded(sign * first, sign * last) for axis, (first, last) in zip(axes, amounts, strict=True))
        )
    if isinstance(layer, keras.layers.CenterCrop):
        return _cropped(axes, (layer.height, layer.width))
    if isinstance(layer, keras.layers.Resizing):
        wanted = layer.height, layer.width
        return Grid(
            *(axis.resized(count, _ratio(layer, wanted, axes)) for axis, count in zip(axes, wanted, strict=True))
        )
    size = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)
    windowed = hasattr(layer, "strides") and not isinstance(layer, keras.layers.Conv2DTranspose)
    if not windowed or size is None or len(_pair(size)) != 2:
        return None
    windows = zip(_pair(size), _pair(layer.strides or size), _pair(getattr(layer, "dilation_rate", 1)), strict=True)
    return Grid(*(axis.windows(*two, layer.padding, one) for axis, (*two, one) in zip(axes, windows, strict=True)))


def _cropped(axes, wanted):
    """The grid of the middle of a map; a map that is smaller is scaled first, as `CenterCrop` does."""
    ratio = max(1.0, *(count / axis.count for axis, count in zip(axes, wanted, strict=True)))
    if ratio > 1:
        return Grid(*(axis.resized(count, ratio) for axis, count in zip(axes, wanted, strict=True)))
    rest = [axis.count - count for axis, count in zip(axes, wanted, strict=True)]
    return Grid(*(axis.padded(-(more // 2), more // 2 - more) for axis, more in zip(axes, rest, strict=True)))


def _ratio(layer, wanted, axes):
    """How much a layer scales both sides alike; `None` if each side has a ratio of its own."""
    ratios = [count / axis.count for axis, count in zip(axes, wanted, strict=True)]
    if layer.crop_to_aspect_ratio:
        return max(ratios)
    return min(ratios) if layer.pad_to_aspect_ratio else None


def _pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)

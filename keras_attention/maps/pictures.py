"""Pictures of where a model looks."""

import dataclasses
import functools
import textwrap

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from keras_attention.arguments import invalid
from keras_attention.maps.placed import resize_maps

COLOURS = "inferno"  # perceptually uniform
OPACITY = 0.6
CELL = 1.5  # inches: the longer side of an image in a figure
LETTERS = 24  # letters of a title that fit above a cell
FRAME, MARGIN = 2, 24  # pixels between the squares of a strip, and their grey level


@dataclasses.dataclass(frozen=True)
class MapScale:
    """How the maps of one column become colours, the same for every image.

    A value v is shown as `factor` · v, from `low` in the darkest to `high` in the brightest colour.

    Args:
        factor: the number of positions for weights that sum to 1, otherwise 1.
        unit: the unit of the shown numbers.
        low, high: the ends of the colours, in that unit.
        clipped: whether some values are above `high`; they have its colour.

    Example:

    >>> from keras_attention.maps import MapScale
    >>> scale = MapScale(factor=16, unit="weight / even weight", low=0, high=4)  # of a map of 4 × 4 weights
    >>> float(scale.norm(scale.factor * 0.125))  # twice 1/16, the even weight, has the middle colour
    0.5
    """

    factor: float
    unit: str
    low: float
    high: float
    clipped: bool = False

    @functools.cached_property
    def norm(self):
        """The scale as a Matplotlib norm."""
        return Normalize(self.low, self.high)


def map_scales(maps):
    """One colour scale for each column of maps, over all of its images.

    Weights that sum to 1 are shown as multiples of the even weight 1/n, other values as they are. The colours go from
    0, or from the smallest value if that is negative, to the value that 99.5 % of the positions do not exceed. NaN and
    maps that are 0 everywhere are ignored; if there is nothing else, the scale goes from 0 to 1.

    Args:
        maps: title of a column → `(n, H, W)`.

    Returns:
        The same titles → their `MapScale`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.maps import map_scales
    >>> map_scales({"block4_pool": np.array([[[0.5, 0.5], [0.0, 0.0]]])})["block4_pool"]
    MapScale(factor=4.0, unit='weight / even weight', low=0.0, high=2.0, clipped=False)
    """
    return {title: _scale(np.asarray(values)) for title, values in maps.items()}


def _scale(values):
    finite = np.where(np.isfinite(values), values, 0)
    sums = finite.sum(axis=(1, 2), dtype="float64")[finite.any(axis=(1, 2))]
    if len(sums) and np.allclose(sums, 1, atol=1e-3):
        factor, unit = float(values.shape[1] * values.shape[2]), "weight / even weight"
    else:
        factor, unit = 1.0, "value"
    known = values[np.isfinite(values)]
    if not len(known):
        return MapScale(factor, unit, 0.0, 1.0)
    low, high = min(float(known.min()), 0.0), float(np.quantile(known, 0.995))
    if high <= low:  # sparse weights: nearly all of them are 0
        high = float(known.max())
    clipped = bool(high < known.max())
    return MapScale(factor, unit, factor * low, factor * high if high > low else factor * low + 1.0, clipped)


def attention_figure(images, maps, titles, per_row=2, masks=None, scales=None):
    """A grid with each image beside its maps, drawn over the image, and a bar for each colour scale below the grid.

    Args:
        images: `(n, H, W, 3)` from 0 to 255.
        maps: title of a column → `(n, h, w)`, each at any resolution; NaN has no colour.
        titles: for each image the line above it, `(text, colour)`.
        per_row: images in a row.
        masks: `(n, H, W, 1)` or `None`; their outline is drawn on the image and, thinner, on its maps.
        scales: title of a column → `MapScale`, to share scales between figures; by default the scales of these maps.

    Returns:
        A `matplotlib.figure.Figure`, which `figure.savefig(path)` writes.

    Raises:
        ValueError: no images, no maps, or maps, titles, masks or scales that do not fit the images.

    Example:

    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from keras_attention.maps import attention_figure
    >>> generator = np.random.default_rng(0)
    >>> images, maps = generator.integers(0, 256, (2, 32, 32, 3)), {"block4_pool": generator.random((2, 4, 4))}
    >>> figure = attention_figure(images, maps, [("cat", "green"), ("dog, taken for a cat", "red")])
    >>> figure.savefig(pathlib.Path(tempfile.mkdtemp()) / "attention.png")
    """
    images = np.asarray(images)
    _check(images, maps, titles, masks)
    scales = map_scales(maps) if scales is None else _scales_of(maps, scales)
    per_row = min(per_row, len(images))
    figure, grid, bars = _canvas(images.shape[1:3], len(maps), per_row, -(-len(images) // per_row))
    for index, image in enumerate(images):
        row, place = divmod(index, per_row)
        cells = grid[row, place * (1 + len(maps)) :]
        own = {title: values[index] for title, values in maps.items()}
        mask = None if masks is None else np.asarray(masks[index])
        _draw_row(cells, image, own, scales, titles[index], mask, labelled=row == 0)
    for axes, title in zip(bars, maps, strict=True):
        _draw_bar(figure, axes, title, scales[title])
    return figure


def _check(images, maps, titles, masks):
    if not len(images):
        raise invalid("`images` must hold at least one image.", "one image or more", f"images of shape {images.shape}")
    if not maps:
        raise invalid("`maps` must hold at least one column.", "one map or more for each image", f"maps={maps!r}")
    lengths = {title: len(values) for title, values in maps.items()} | {"titles": len(titles)}
    if set(lengths.values()) != {len(images)}:
        raise invalid(
            "Every image must have its maps and a title.", f"{len(images)} of each, one for each image", f"{lengths}"
        )
    if masks is not None:
        _check_mask(np.shape(masks), images.shape)


def _check_mask(mask, image):
    if mask != (*image[:-1], 1):
        raise invalid("The masks must fit the images.", f"masks of shape {(*image[:-1], 1)}", f"{mask}")


def _scales_of(maps, scales):
    missing = [title for title in maps if title not in scales]
    if missing:
        raise invalid(
            "Every map must have a colour scale.", f"a scale for each of {', '.join(maps)}", f"{list(scales)}"
        )
    return scales


def _canvas(size, columns, per_row, rows):
    """The figure, the axes of its pictures, and the axes of its bars."""
    height, width = (max(CELL * side / max(size), CELL / 2) for side in size)
    tall = (height + 0.25) * rows
    figure = Figure(figsize=(max(width * (1 + columns) * per_row, 1.5 * columns, 3), tall + 0.9), layout="constrained")
    pictures, bars = figure.subfigures(2, 1, height_ratios=(tall, 0.9))
    grid = pictures.subplots(rows, (1 + columns) * per_row, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    if per_row > 1:
        return figure, grid, bars.subplots(1, columns, squeeze=False)[0]
    # With one image in a row, each bar is below its column, and there is none below the image.
    first, *others = bars.subplots(1, 1 + columns, squeeze=False)[0]
    first.axis("off")
    return figure, grid, others


def _draw_row(cells, image, maps, scales, title, mask, labelled):
    """Draws an image and its maps in the cells of its row; only the first row has the titles of the columns."""
    text, colour = title
    cells[0].set_title(_wrapped(text), fontsize=8, color=colour, parse_math=False)
    _draw_cell(cells[0], image.astype("uint8"), mask, 0.8)
    for axes, (column, values) in zip(cells[1:], maps.items(), strict=False):
        _draw_cell(axes, overlay(image, values, scales[column]), mask, 0.5)
        if labelled:
            axes.set_title(_wrapped(column), fontsize=8, parse_math=False)


def _draw_cell(axes, pixels, mask, width):
    axes.imshow(pixels)
    inside = None if mask is None else mask[..., 0] > 0
    if inside is not None and inside.any() and not inside.all():
        axes.contour(inside, levels=[0.5], colors="white", linewidths=width)


def _draw_bar(figure, axes, title, scale):
    extend = "max" if scale.clipped else "neither"
    bar = figure.colorbar(ScalarMappable(scale.norm, COLOURS), cax=axes, orientation="horizontal", extend=extend)
    bar.ax.tick_params(labelsize=7)
    bar.locator = MaxNLocator(3)
    axes.set_title(f"{_wrapped(title)}\n{scale.unit}", fontsize=7, parse_math=False)
    axes.set_box_aspect(0.06)


def _wrapped(text, letters=LETTERS):
    return "\n".join(textwrap.fill(line, letters) for line in str(text).splitlines())


def attention_strip(image, maps, scales, mask=None, side=160):
    """An image and its maps side by side in squares, as an array of pixels: fast enough for thousands of images.

    Each square has a thin dark frame. An image that is not square keeps its shape, between dark bars.

    Args:
        image: `(H, W, 3)` from 0 to 255.
        maps: title of a column → `(h, w)`, each at any resolution; NaN has no colour.
        scales: title of a column → `MapScale`, as `map_scales` gives them for all images.
        mask: `(H, W, 1)` or `None`; its outline is drawn in white on every square.
        side: the side of a square in pixels.

    Returns:
        `(side, side · (1 + number of maps), 3)`, uint8: the image, then the image in grey under each map.

    Raises:
        ValueError: a map without a scale, or a mask that does not have the shape of the image.

    Example:

    >>> import numpy as np
    >>> from keras_attention.maps import attention_strip, map_scales
    >>> generator = np.random.default_rng(0)
    >>> images, maps = generator.integers(0, 256, (5, 32, 32, 3)), {"block4_pool": generator.random((5, 4, 4))}
    >>> scales = map_scales(maps)
    >>> attention_strip(images[0], {"block4_pool": maps["block4_pool"][0]}, scales).shape
    (160, 320, 3)
    """
    image = np.asarray(image)
    _scales_of(maps, scales)
    ratio = (side - 2 * FRAME) / max(image.shape[:2])
    height, width = (max(1, round(ratio * length)) for length in image.shape[:2])
    small = np.asarray(Image.fromarray(image.astype("uint8")).resize((width, height), Image.Resampling.BICUBIC))
    cells = [small, *(overlay(small, values, scales[title]) for title, values in maps.items())]
    if mask is not None:
        _check_mask(np.shape(mask), image.shape)
        inside = Image.fromarray(np.asarray(mask)[..., 0] > 0).resize((width, height), Image.Resampling.NEAREST)
        cells = [outlined(cell, np.asarray(inside)[..., None]) for cell in cells]
    strip = np.full((side, len(cells), side, 3), MARGIN, "uint8")
    top, left = (side - height) // 2, (side - width) // 2
    strip[top : top + height, :, left : left + width] = np.stack(cells, axis=1)
    return strip.reshape(side, -1, 3)


def overlay(image, values, scale, opacity=OPACITY):
    """A map in colour over its image in grey.

    Args:
        image: `(H, W, 3)` from 0 to 255.
        values: the map, `(h, w)`; at NaN only the grey image is seen.
        scale: the `MapScale` of the map.
        opacity: opacity of the colours, from 0, only the image, to 1, only the colours.

    Returns:
        `(H, W, 3)`, uint8.
    """
    grey = np.asarray(image, "float32").mean(-1, keepdims=True)
    shown = scale.factor * resize_maps(values, grey.shape[:2])
    colours = colormaps[COLOURS](scale.norm(shown))
    opacity = opacity * colours[..., 3:]  # the colour of NaN is transparent
    return ((1 - opacity) * grey + opacity * 255 * colours[..., :3]).round().astype("uint8")


def outlined(pixels, mask):
    """A copy of pixels `(H, W, 3)` with the inner edge of a mask `(H, W, 1)` in white."""
    inside = np.asarray(mask)[..., 0] > 0
    padded = np.pad(inside, 1, mode="edge")
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    drawn = np.array(pixels, "uint8")
    drawn[inside & ~inner] = 255
    return drawn


def scale_colours(count):
    """The colours of every scale at `count` even steps, from the lowest to the highest, as `#rrggbb`."""
    return [to_hex(colour) for colour in colormaps[COLOURS](np.linspace(0, 1, count))]

"""Pictures of where a model looks."""

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from keras_attention.explain.maps import resize_maps

COLOURS = "inferno"  # perceptually uniform
OPACITY = 0.6


def attention_figure(images, maps, titles, per_row=2, masks=None):
    """A grid: each image beside the same image under the map of each attended block.

    Weights that sum to 1 are shown as multiples of the even weight 1/n, others as they are. Each block has one colour
    scale for all images, with its bar.

    Args:
        images: `(n, S, S, 3)` from 0 to 255.
        maps: name of the attention layer → `(n, H, W)`.
        titles: a line above each image, `(text, colour)`.
        per_row: images in a row.
        masks: `(n, S, S, 1)` or `None`; their outline is drawn on the image.

    Returns:
        A `matplotlib.figure.Figure`; `figure.savefig(path)` writes it.
    """
    blocks = {name: scaled_maps(values) for name, values in maps.items()}
    per_row = min(per_row, len(images))
    cells, rows = 1 + len(blocks), -(-len(images) // per_row)
    figure = Figure(figsize=(1.5 * cells * per_row, 1.75 * rows + 0.9), layout="constrained")
    pictures, bars = figure.subfigures(2, 1, height_ratios=(1.75 * rows, 0.9))
    grid = pictures.subplots(rows, cells * per_row, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for index, image in enumerate(images):
        row, first = index // per_row, cells * (index % per_row)
        _draw_row(grid[row, first : first + cells], index, image, blocks, titles[index], masks, labelled=row == 0)
    for axes, (name, (_, scale, unit)) in zip(
        bars.subplots(1, len(blocks), squeeze=False)[0], blocks.items(), strict=True
    ):
        bar = figure.colorbar(ScalarMappable(scale, COLOURS), cax=axes, orientation="horizontal")
        bar.ax.tick_params(labelsize=7)
        axes.set_title(f"{name.removeprefix('attention_')}: {unit}", fontsize=8)
        axes.set_box_aspect(0.06)
    return figure


def _draw_row(cells, index, image, blocks, title, masks, labelled):
    pixels = np.asarray(image).astype("uint8")
    cells[0].imshow(pixels)
    inside = None if masks is None else np.asarray(masks[index])[..., 0] > 0
    if inside is not None and inside.any() and not inside.all():
        cells[0].contour(inside, levels=[0.5], colors="white", linewidths=0.8)
    text, colour = title
    cells[0].set_title(text, fontsize=8, color=colour)
    for axes, (name, (values, scale, _)) in zip(cells[1:], blocks.items(), strict=True):
        axes.imshow(pixels.mean(-1), cmap="gray", vmin=0, vmax=255)
        overlay = resize_maps(values[index : index + 1], len(pixels))[0]
        axes.imshow(overlay, cmap=COLOURS, norm=scale, alpha=OPACITY)
        if labelled:
            axes.set_title(name.removeprefix("attention_"), fontsize=8)


def overlay(image, values, scale):
    """An image in grey under a map in colour.

    Args:
        image: `(S, S, 3)` from 0 to 255.
        values: `(H, W)`, as `scaled_maps` gives them.
        scale: their colour scale.

    Returns:
        `(S, S, 3)`, uint8.
    """
    grey = np.asarray(image, "float64").mean(-1, keepdims=True)
    colours = 255 * ScalarMappable(scale, COLOURS).to_rgba(resize_maps(values[None], len(grey))[0])[..., :3]
    return ((1 - OPACITY) * grey + OPACITY * colours).round().astype("uint8")


def scaled_maps(values):
    """Maps `(n, H, W)` as they are shown, their one colour scale, and its unit."""
    values = np.asarray(values, "float64")
    positions = values.shape[1] * values.shape[2]
    sums_to_one = np.allclose(values.sum(axis=(1, 2)), 1, atol=1e-3)
    shown, unit = (values * positions, "weight / even weight") if sums_to_one else (values, "weight")
    low, high = float(shown.min()), float(np.quantile(shown, 0.995))
    return shown, Normalize(min(low, 0.0), max(high, low + 1e-6)), unit

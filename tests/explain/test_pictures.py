"""The picture of where a model looks: its grid, its titles, and one colour scale for each block."""

import io

import numpy as np
import pytest
from PIL import Image

from keras_attention.explain import attention_figure, resize_maps

COUNT, SIDE = 5, 16


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (COUNT, SIDE, SIDE, 3)).astype("uint8")


@pytest.fixture
def maps(rng):
    """One block whose weights sum to 1, and one whose weights do not."""
    weights = rng.random((COUNT, 3, 3))
    return {
        "attention_a": weights / weights.sum((1, 2), keepdims=True),
        "attention_b": 0.1 + 0.8 * rng.random((COUNT, 4, 4)),
    }


TITLES = [(f"title {number}", "crimson" if number == 2 else "black") for number in range(COUNT)]


def saved(figure):
    """The pixels of what is written."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=60)
    return np.asarray(Image.open(file).convert("RGB"))


def cells(figure, blocks):
    """The cells of each image, itself and its maps, and the bars."""
    axes = figure.axes
    grid, bars = axes[:-blocks], axes[-blocks:]
    rows = [grid[start : start + blocks + 1] for start in range(0, len(grid), blocks + 1)]
    return [row for row in rows if row[0].images], bars


@pytest.mark.parametrize(("per_row", "columns", "rows"), [(1, 1, 5), (2, 2, 3), (3, 3, 2), (9, 5, 1)])
def test_the_grid(per_row, columns, rows, images, maps):
    figure = attention_figure(images, maps, TITLES, per_row)
    assert len(figure.axes) == rows * columns * 3 + 2
    shown, _ = cells(figure, 2)
    assert len(shown) == COUNT
    for number, (picture, *overlays) in enumerate(shown):
        np.testing.assert_array_equal(picture.images[0].get_array(), images[number])
        title = picture.title
        assert (title.get_text(), title.get_color()) == TITLES[number]
        above = ["a", "b"] if number < columns else ["", ""]
        assert [axes.get_title() for axes in overlays] == above
        assert not any(axes.axison for axes in (picture, *overlays))
    if columns == 3:
        assert saved(figure).std() > 10


def test_the_maps_lie_on_the_image_on_one_scale_for_each_block(images, maps):
    shown, bars = cells(attention_figure(images, maps, TITLES), 2)
    assert [bar.get_title() for bar in bars] == ["a: weight / even weight", "b: weight"]
    values = {"attention_a": 9 * maps["attention_a"], "attention_b": maps["attention_b"]}
    for block, name in enumerate(maps, start=1):
        scales = {id(row[block].images[1].norm) for row in shown}
        assert len(scales) == 1
        scale = shown[0][block].images[1].norm
        assert scale.vmin == 0
        assert scale.vmax == pytest.approx(np.quantile(values[name], 0.995))
        assert bars[block - 1].get_xlim() == pytest.approx((scale.vmin, scale.vmax))
        for number, row in enumerate(shown):
            below, above = row[block].images
            np.testing.assert_allclose(below.get_array(), images[number].mean(-1))
            np.testing.assert_allclose(above.get_array(), resize_maps(values[name], SIDE)[number], rtol=1e-5)
            assert above.get_cmap().name == "inferno"
            assert 0 < above.get_alpha() < 1


def test_masks_are_outlined_on_the_image_alone(images, maps):
    masks = np.zeros((COUNT, SIDE, SIDE, 1), "uint8")
    masks[:, 3:9, 5:12] = 1
    masks[1], masks[2] = 0, 1  # none and all of it: nothing to outline
    with_masks = attention_figure(images, maps, TITLES, masks=masks)
    shown, _ = cells(with_masks, 2)
    outlined = [sum(len(path.vertices) for lines in row[0].collections for path in lines.get_paths()) for row in shown]
    assert [count > 0 for count in outlined] == [True, False, False, True, True]
    assert not any(axes.collections for row in shown for axes in row[1:])
    without = attention_figure(images, maps, TITLES)
    assert not any(axes.collections for row in cells(without, 2)[0] for axes in row)
    assert (saved(with_masks) != saved(without)).any()


@pytest.mark.parametrize("value", [0, 1 / 9, 1])
def test_constant_maps(value, images):
    figure = attention_figure(images, {"attention_a": np.full((COUNT, 3, 3), value)}, TITLES)
    shown, (bar,) = cells(figure, 1)
    overlay = shown[0][1].images[1]
    even = value == 1 / 9
    assert bar.get_title() == ("a: weight / even weight" if even else "a: weight")
    np.testing.assert_allclose(overlay.get_array(), 1 if even else value, rtol=1e-6)
    assert overlay.norm.vmin == 0 < overlay.norm.vmax
    assert saved(figure).std() > 10


def test_one_float_image_with_a_long_title(maps):
    image = np.full((1, SIDE, SIDE, 3), 99.0, "float32")
    titles = [("seborrheic_keratosis → seborrheic_keratosis", "black")]
    figure = attention_figure(image, {name: values[:1] for name, values in maps.items()}, titles)
    assert len(figure.axes) == 3 + 2
    assert saved(figure).shape[2] == 3

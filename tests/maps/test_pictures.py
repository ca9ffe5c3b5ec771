"""Pictures of where a model looks: the grid, the strip, the titles, and one colour scale for each column."""

import dataclasses
import io
import re

import matplotlib
import numpy as np
import pytest
from PIL import Image

from keras_attention.maps import MapScale, attention_figure, attention_strip, map_scales, resize_maps
from keras_attention.maps.pictures import outlined, overlay, scale_colours

COUNT, HEIGHT, WIDTH = 5, 13, 19


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (COUNT, HEIGHT, WIDTH, 3)).astype("uint8")


@pytest.fixture
def maps(rng):
    """A column whose weights sum to 1, and one whose values do not."""
    weights = rng.random((COUNT, 3, 5))
    return {
        "block3_pool": weights / weights.sum((1, 2), keepdims=True),
        "Grad-CAM block5_relu3": 0.1 + 0.8 * rng.random((COUNT, 4, 2)),
    }


@pytest.fixture
def masks():
    """Two masks with an edge, an empty one, a full one, and one of a single pixel."""
    masks = np.zeros((COUNT, HEIGHT, WIDTH, 1), "uint8")
    masks[:2, 3:9, 5:12] = 1
    masks[3] = 1
    masks[4, 6, 7] = 1
    return masks


TITLES = [(f"title {number}", "crimson" if number == 2 else "black") for number in range(COUNT)]
OUTLINED = [True, True, False, False, True]


def saved(figure, form="png"):
    """The pixels of the saved figure, or its text for SVG."""
    file = io.BytesIO()
    figure.savefig(file, format=form, dpi=60)
    return np.asarray(Image.open(file).convert("RGB")) if form == "png" else file.getvalue().decode()


def cells(figure, columns=2):
    """For each image the cells of the image and its maps; and the bars."""
    axes = figure.axes
    grid, bars = axes[:-columns], axes[-columns:]
    if len(grid) % (columns + 1):  # with one image in a row there is no bar below the image
        assert not grid[-1].axison
        grid = grid[:-1]
    rows = [grid[start : start + columns + 1] for start in range(0, len(grid), columns + 1)]
    return [row for row in rows if row[0].images], bars


def expected_overlay(image, values, low, high):
    """0.6 of the colour over 0.4 of the grey, in float64; `values` are as shown."""
    shown = np.asarray(resize_maps(values[None], image.shape[:2])[0], "float64")
    places = np.clip(np.floor(256 * (shown - low) / (high - low)), 0, 255).astype(int)
    colours = np.asarray(matplotlib.colormaps["inferno"].colors)[places]
    return 0.4 * image.mean(-1, keepdims=True) + 0.6 * 255 * colours


def test_scales(maps):
    scales = map_scales(maps)
    shown = [15 * maps["block3_pool"], maps["Grad-CAM block5_relu3"]]
    assert [(scale.factor, scale.unit) for scale in scales.values()] == [(15, "weight / even weight"), (1, "value")]
    for scale, values in zip(scales.values(), shown, strict=True):
        assert scale.low == 0
        assert scale.high == pytest.approx(np.quantile(values, 0.995))
        assert (scale.norm.vmin, scale.norm.vmax) == (scale.low, scale.high)
    assert scales == map_scales(maps)
    with pytest.raises(dataclasses.FrozenInstanceError):
        scale.high = 2


SPARSE = np.zeros((3, 20, 20))
SPARSE[0, 4, 5] = 0.4


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.zeros((2, 3, 3)), MapScale(1, "value", 0, 1)),
        (np.full((2, 3, 3), np.nan), MapScale(1, "value", 0, 1)),
        (np.full((2, 3, 3), 1 / 9), MapScale(9, "weight / even weight", 0, 1)),
        (np.full((2, 3, 3), 2.0), MapScale(1, "value", 0, 2)),
        (np.full((2, 3, 3), -2.0), MapScale(1, "value", -2, -1)),
        (SPARSE, MapScale(1, "value", 0, 0.4)),
        (np.array([[[0.25, 0.75]], [[np.nan, np.nan]], [[0, 0]]]), MapScale(2, "weight / even weight", 0, 1.485, True)),
        (np.array([[[np.inf, 3.0]]]), MapScale(1, "value", 0, 3)),
        (np.ones((2, 3, 3), "int32"), MapScale(1, "value", 0, 1)),
    ],
    ids=["zero", "nan", "even", "constant", "negative", "sparse", "some maps empty", "infinite", "integers"],
)
def test_scales_of_maps_that_have_no_range(values, expected, images):
    (found,) = map_scales({"a": values}).values()
    assert dataclasses.astuple(found) == pytest.approx(dataclasses.astuple(expected))
    assert found.low < found.high
    pixels = overlay(images[0], values[0], found)
    assert (pixels.shape, pixels.dtype) == (images[0].shape, "uint8")


def test_an_overlay_is_the_grey_image_under_colours(images, maps):
    for title, scale in map_scales(maps).items():
        found = overlay(images[1].astype("float32"), maps[title][1], scale)
        expected = expected_overlay(images[1], scale.factor * maps[title][1], scale.low, scale.high)
        close = np.abs(found - expected) < 1  # near a step between two colours float32 may give the next one
        assert close.mean() > 0.99
        np.testing.assert_allclose(found, expected, atol=8)


def test_nan_is_left_without_colour(images, maps):
    (scale, _) = map_scales(maps).values()
    found = overlay(images[0], np.full((3, 5), np.nan), scale)
    np.testing.assert_allclose(found, np.repeat(images[0].mean(-1, keepdims=True), 3, -1), atol=0.51)


def test_the_colours_of_a_bar():
    colours = scale_colours(5)
    assert (colours[0], colours[-1], len(set(colours))) == ("#000004", "#fcffa4", 5)


@pytest.mark.parametrize(("per_row", "columns", "rows"), [(1, 1, 5), (2, 2, 3), (3, 3, 2), (9, 5, 1)])
def test_the_grid(per_row, columns, rows, images, maps):
    figure = attention_figure(images, maps, TITLES, per_row)
    assert len(figure.axes) == rows * columns * 3 + 2 + (per_row == 1)
    shown, bars = cells(figure)
    scales = map_scales(maps)
    assert len(shown) == COUNT
    for number, (picture, *overlays) in enumerate(shown):
        np.testing.assert_array_equal(picture.images[0].get_array(), images[number])
        title = picture.title
        assert (title.get_text(), title.get_color()) == TITLES[number]
        assert [axes.get_title() for axes in overlays] == (list(maps) if number < columns else ["", ""])
        assert not any(axes.axison for axes in (picture, *overlays))
        for axes, (column, values) in zip(overlays, maps.items(), strict=True):
            np.testing.assert_array_equal(
                axes.images[0].get_array(), overlay(images[number], values[number], scales[column])
            )
    assert [bar.get_title() for bar in bars] == ["block3_pool\nweight / even weight", "Grad-CAM block5_relu3\nvalue"]
    for bar, scale in zip(bars, scales.values(), strict=True):
        assert bar.get_xlim() == pytest.approx((scale.low, scale.high))
    if columns == 3:
        assert saved(figure).std() > 10


def test_figures_drawn_one_by_one_share_their_scales(images, maps):
    together, _ = cells(attention_figure(images, maps, TITLES))
    for number in range(2):
        one = slice(number, number + 1)
        own = {title: values[one] for title, values in maps.items()}
        (row,), _ = cells(attention_figure(images[one], own, TITLES[one], scales=map_scales(maps)))
        for axes, whole in zip(row, together[number], strict=True):
            np.testing.assert_array_equal(axes.images[0].get_array(), whole.images[0].get_array())


def test_masks_are_outlined_on_the_image_and_thinner_on_its_maps(images, maps, masks):
    with_masks = attention_figure(images, maps, TITLES, masks=masks)
    shown, _ = cells(with_masks)
    for row, drawn in zip(shown, OUTLINED, strict=True):
        lines = [[path for lines in axes.collections for path in lines.get_paths()] for axes in row]
        assert [sum(len(path.vertices) for path in paths) > 0 for paths in lines] == 3 * [drawn]
        if drawn:
            image, *others = (axes.collections[0].get_linewidths()[0] for axes in row)
            assert max(others) < image
    without = attention_figure(images, maps, TITLES)
    assert not any(axes.collections for row in cells(without)[0] for axes in row)
    assert (saved(with_masks) != saved(without)).any()


def test_one_float_image_with_titles_that_are_long_or_look_like_formulas(maps):
    image = np.full((1, HEIGHT, WIDTH, 3), 99.0, "float32")
    first = {name: values[:1] for name, values in maps.items()}
    figure = attention_figure(image, first, [("seborrheic_keratosis → cheap $x_$ and $y", "black")])
    assert figure.axes[0].get_title() == "seborrheic_keratosis →\ncheap $x_$ and $y"
    assert len(figure.axes) == 3 + 3
    assert saved(figure).shape[2] == 3
    assert "<svg" in saved(figure, "svg")


def rejects(message, call):
    with pytest.raises(ValueError, match=rf"^{re.escape(message)} Expected .+\. Received: .+\.$"):
        call()


def test_what_a_figure_refuses(images, maps, masks):
    rejects("`images` must hold at least one image.", lambda: attention_figure(images[:0], maps, []))
    rejects("`maps` must hold at least one column.", lambda: attention_figure(images, {}, TITLES))
    rejects("Every image must have its maps and a title.", lambda: attention_figure(images, maps, TITLES[1:]))
    rejects("Every image must have its maps and a title.", lambda: attention_figure(images[1:], maps, TITLES[1:]))
    rejects("The masks must fit the images.", lambda: attention_figure(images, maps, TITLES, masks=masks[:, 1:]))
    rejects("Every map must have a colour scale.", lambda: attention_figure(images, maps, TITLES, scales={}))


def of_one(maps, number=0):
    return {title: values[number] for title, values in maps.items()}


def test_a_strip_is_the_image_and_its_maps_in_framed_squares(images, maps):
    scales = map_scales(maps)
    strip = attention_strip(images[0], of_one(maps), scales, side=23)  # the wider side of 19 fits the frame of 2
    assert (strip.shape, strip.dtype) == ((23, 69, 3), "uint8")
    inside = [strip[5:18, 23 * cell + 2 : 23 * cell + 21] for cell in range(3)]
    np.testing.assert_array_equal(inside[0], images[0])
    for found, (title, values) in zip(inside[1:], of_one(maps).items(), strict=True):
        np.testing.assert_array_equal(found, overlay(images[0], values, scales[title]))
    framed = np.ones((23, 69), bool)
    for cell in range(3):
        framed[5:18, 23 * cell + 2 : 23 * cell + 21] = False
    assert np.unique(strip[framed]).tolist() == [24]


def test_a_strip_outlines_the_mask_in_white_on_every_square(images, maps, masks):
    scales = map_scales(maps)
    for number, drawn in enumerate(OUTLINED):
        plain = attention_strip(images[number], of_one(maps, number), scales)
        found = attention_strip(images[number], of_one(maps, number), scales, masks[number])
        changed = (plain != found).any(-1)
        assert [part.any() for part in np.split(changed, 3, axis=1)] == 3 * [drawn]
        assert (found[changed] == 255).all()
    assert plain.shape == (160, 480, 3)


def test_what_a_strip_refuses(images, maps, masks):
    scales = map_scales(maps)
    rejects("Every map must have a colour scale.", lambda: attention_strip(images[0], of_one(maps), {}))
    rejects("The masks must fit the images.", lambda: attention_strip(images[0], of_one(maps), scales, masks[0, 1:]))


def test_an_outline_is_the_inner_edge():
    mask = np.zeros((7, 7, 1), "uint8")
    mask[1:6, 0:5] = 1
    found = outlined(np.zeros((7, 7, 3), "uint8"), mask)[..., 0] == 255
    expected = np.zeros((7, 7), bool)
    expected[1, 0:5] = expected[5, 0:5] = expected[1:6, 4] = True  # no edge at the border of the image
    np.testing.assert_array_equal(found, expected)


def test_maps_take_a_size_that_is_not_square(rng):
    values = rng.random((2, 3, 5))
    assert resize_maps(values, (7, 11)).shape == (2, 7, 11)
    np.testing.assert_array_equal(resize_maps(values, (6, 6)), resize_maps(values, 6))

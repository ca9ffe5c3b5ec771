"""The measures of a map: computed by hand, equal to chance for constant maps, and the same in pieces as at once."""

import json
import re

import numpy as np
import pytest
import seams
from sklearn.metrics import average_precision_score

from keras_attention.maps import (
    MEASURES,
    energy_inside,
    jaccard,
    joint_map,
    mean_figures,
    measure_maps,
    measures,
    pixel_average_precision,
    pointing_game,
    resize_maps,
)
from keras_attention.maps.mask_measures import MaskedMap
from keras_attention.maps.measures import OF_PIXELS, measure_pixels

# Each measure as a function that also gives chance.
SINGLE = {
    "pointing_game": pointing_game,
    "energy_inside": energy_inside,
    "jaccard": jaccard,
    "pixel_average_precision": pixel_average_precision,
}
every_measure = pytest.mark.parametrize("name", SINGLE)
most_measures = pytest.mark.parametrize("measure", [energy_inside, jaccard])


@pytest.fixture
def masks():
    """Five masks of 5×7, with 6 of 35 pixels inside."""
    masks = np.zeros((5, 5, 7))
    masks[:, 1:3, 2:5] = 1
    return masks


def test_perfect_and_inverted(masks):
    share = 6 / 35
    assert pointing_game(masks, masks) == {"score": 1, "chance": pytest.approx(share), "count": 5}
    assert pointing_game(1 - masks, masks) == {"score": 0, "chance": pytest.approx(share), "count": 5}
    assert pointing_game(-masks, masks)["score"] == 0


@pytest.mark.parametrize("value", [0, 1 / 35, 0.1])
def test_a_constant_map_scores_what_chance_does(value, masks):
    result = pointing_game(np.full(masks.shape, value), masks)
    assert result["score"] == pytest.approx(result["chance"]) == pytest.approx(6 / 35)


def test_one_pixel_decides(masks):
    maps = np.full(masks.shape, 0.5)
    maps[0, 1, 2] = maps[1, 2, 4] = 0.50001  # the first and the last pixel inside
    maps[2, 0, 2] = maps[3, 3, 4] = maps[4, 1, 5] = 0.50001  # just outside
    assert pointing_game(maps, masks)["score"] == pytest.approx(2 / 5)


def test_ties_count_by_the_share_of_them_inside(masks):
    maps = np.zeros(masks.shape)
    maps[:, 1, 2] = maps[:, 0, 0] = maps[:, 4, 6] = 3  # one of three inside
    maps[0, 2, 2] = 3  # two of four
    maps[1, 0, 0] = 2  # one of two
    assert pointing_game(maps, masks)["score"] == pytest.approx((1 / 2 + 1 / 2 + 3 * 1 / 3) / 5)


def test_images_without_a_mask_are_left_out(masks):
    maps = masks.copy()
    maps[1] = 1 - masks[1]
    masks[[0, 3]] = 0
    assert pointing_game(maps, masks) == {"score": pytest.approx(2 / 3), "chance": pytest.approx(6 / 35), "count": 3}
    assert pointing_game(maps, 0 * masks) == {"score": None, "chance": None, "count": 0}


def test_chance_is_the_mean_over_the_images(masks):
    masks[0] = 1
    assert pointing_game(masks, masks)["chance"] == pytest.approx((1 + 4 * 6 / 35) / 5)


def test_kinds_of_masks(masks):
    maps = masks + 0.5 * np.roll(masks, 1, 2)
    expected = pointing_game(maps, masks)
    for given in (masks > 0, masks.astype("uint8") * 255, masks[..., None], masks.tolist()):
        assert pointing_game(maps, given) == expected
    assert pointing_game(maps.tolist(), masks) == expected
    assert json.loads(json.dumps(expected, allow_nan=False)) == expected


SHAPES = [((5, 5, 7), (5, 7, 5)), ((5, 5, 7), (4, 5, 7)), ((5, 7), (5, 7)), ((5, 5, 7, 1), (5, 5, 7, 1))]


@pytest.mark.parametrize(("maps", "masks"), SHAPES, ids=str)
def test_shapes_that_do_not_fit(maps, masks):
    shown = masks[:3] if len(masks) == 4 else masks
    message = f"The maps must match the masks. Expected both (n, H, W). Received: maps {maps}, masks {shown}."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        pointing_game(np.ones(maps), np.ones(masks))


@pytest.fixture
def many(rng):
    maps = {"attention_a": rng.random((23, 3, 3)), "attention_b": rng.random((23, 5, 5))}
    masks = np.zeros((23, 16, 16, 1), "uint8")
    for mask in masks:
        top, left = rng.integers(0, 11, 2)
        mask[top : top + 5, left : left + 3] = 1
    masks[[2, 3, 11, 12, 13, 14, 22]] = 0
    return maps, masks


def figures(maps, masks):
    """`{measure: {attended layer: {score, chance, count}}}`."""
    found, chance = measure_maps(maps, masks)
    return {
        measure: {block: mean_figures(values, chance) for block, values in blocks.items()}
        for measure, blocks in found.items()
    }


def test_energy_and_overlap_by_hand():
    mask = np.array([[[1, 1, 0, 0]]])
    maps = np.array([[[0.4, 0.1, 0.3, 0.2]]])
    assert energy_inside(maps, mask)["score"] == pytest.approx(0.5)
    # Scaled to 0…1: 1, 0, 2/3, 1/3, of which two are above .5, one of them inside; three pixels are in either.
    assert jaccard(maps, mask)["score"] == pytest.approx(1 / 3)
    assert jaccard(maps, mask, threshold=0.7)["score"] == pytest.approx(1 / 2)
    assert jaccard(maps, mask, threshold=0.2)["score"] == pytest.approx(1 / 4)
    # Neither a shift nor a factor changes the Jaccard index; a factor does not change the energy.
    assert jaccard(5 * maps - 2, mask)["score"] == pytest.approx(1 / 3)
    assert energy_inside(5 * maps, mask)["score"] == pytest.approx(0.5)


@most_measures
def test_perfect_inverted_and_constant_maps(measure, masks):
    share = 6 / 35
    assert measure(masks, masks) == {"score": 1, "chance": pytest.approx(share), "count": 5}
    assert measure(1 - masks, masks)["score"] == 0
    for value in (0, 1 / 35, 0.1):
        assert measure(np.full(masks.shape, value), masks)["score"] == pytest.approx(share)


@most_measures
def test_other_measures_leave_out_what_the_pointing_game_does(measure, masks):
    maps = masks.copy()
    maps[1] = 1 - masks[1]
    masks[[0, 3]] = 0
    assert measure(maps, masks) == {"score": pytest.approx(2 / 3), "chance": pytest.approx(6 / 35), "count": 3}
    assert measure(maps, 0 * masks) == {"score": None, "chance": None, "count": 0}


def test_each_block_and_the_joint_map(many):
    maps, masks = many
    results = figures(maps, masks)
    assert list(results) == list(OF_PIXELS)
    assert set(SINGLE) <= set(OF_PIXELS)
    scaled = {name: resize_maps(values, 16) for name, values in (maps | {"joint": joint_map(maps)}).items()}
    for measure, function in SINGLE.items():
        assert list(results[measure]) == ["attention_a", "attention_b", "joint"]
        assert results[measure] == {name: function(values, masks) for name, values in scaled.items()}
        assert len({result["score"] for result in results[measure].values()}) > 1
        assert results[measure]["joint"]["count"] == 16
    assert figures(maps, masks[..., 0]) == results


def test_what_is_measured_of_each_image(many):
    maps, masks = many
    found, chance = measure_maps(maps, masks)
    empty = ~masks.any(axis=(1, 2, 3))
    for values in (chance, *(values for blocks in found.values() for values in blocks.values())):
        assert values.shape == (23,)
        assert (np.isnan(values) == empty).all()
    assert chance[~empty] == pytest.approx(15 / 256)


@pytest.mark.parametrize("piece", [1, 4, 7, 22, 23])
def test_pieces_give_what_the_whole_gives(piece, many, monkeypatch):
    maps, masks = many
    whole = figures(maps, masks)
    seams.values_in_a_piece(monkeypatch, piece)
    for measure, blocks in figures(maps, masks).items():
        for name, result in blocks.items():
            assert result == pytest.approx(whole[measure][name], rel=1e-12)
            assert isinstance(result["count"], int)
    assert figures(maps, 0 * masks)["jaccard"]["joint"] == {"score": None, "chance": None, "count": 0}


def test_maps_of_even_weights_score_what_chance_does(many):
    _, masks = many
    maps = {"a": np.full((23, 7, 7), 1 / 49, "float32"), "b": np.full((23, 3, 3), 1 / 9, "float32")}
    for blocks in figures(maps, masks).values():
        for result in blocks.values():
            assert result["score"] == pytest.approx(result["chance"]) == pytest.approx(15 / 256)


def test_a_map_that_looks_at_the_object_is_far_above_chance(many):
    _, masks = many
    maps = {"a": masks[..., 0].reshape(23, 8, 2, 8, 2).mean((2, 4))}
    for blocks in figures(maps, masks).values():
        assert blocks["a"]["score"] > 0.6
        assert blocks["a"]["chance"] == pytest.approx(15 / 256)


def pointing_by_hand(values, inside):
    at_top = [mask for value, mask in zip(values, inside, strict=True) if value == max(values)]
    return sum(at_top) / len(at_top)


def energy_by_hand(values, inside):
    weight = sum(value for value in values if value > 0)
    found = sum(value for value, mask in zip(values, inside, strict=True) if mask and value > 0)
    return found / weight if weight else sum(inside) / len(inside)


def precision_by_hand(values, inside):
    pixels, precision = list(zip(values, inside, strict=True)), 0.0
    for level in set(values):
        above = [mask for value, mask in pixels if value >= level]
        here = sum(mask for value, mask in pixels if value == level)
        precision += here / sum(inside) * sum(above) / len(above)
    return precision


# Measure → its figure of one image, pixel by pixel, from what the measure says of itself.
BY_HAND = {
    "pointing_game": pointing_by_hand,
    "energy_inside": energy_by_hand,
    "jaccard": lambda values, inside: index_by_hand(values, inside, 0.5),
    "pixel_average_precision": precision_by_hand,
}


def by_hand(values, inside):
    values, inside = np.ravel(values).tolist(), np.ravel(inside).tolist()
    return {name: measure(values, inside) for name, measure in BY_HAND.items()}


def test_every_measure_against_a_mask_is_computed_by_hand():
    assert set(BY_HAND) == set(OF_PIXELS)
    assert all(MEASURES[name].against_mask for name in OF_PIXELS)


def index_by_hand(values, inside, threshold):
    low, high = min(values), max(values)
    scaled = [1.0 if high == low else (value - low) / (high - low) for value in values]
    above = {place for place, value in enumerate(scaled) if np.float32(value) > np.float32(threshold)}
    mask = {place for place, value in enumerate(inside) if value}
    return len(above & mask) / len(above | mask)


def random_images(rng, count):
    """Maps and masks of random size and random coverage; maps with many or few ties or negative values."""
    for number in range(count):
        size = tuple(rng.integers(1, 9, 2))
        kind = number % 4
        values = rng.integers(0, 4, size) / 4 if kind == 0 else rng.random(size)
        values = values - 0.5 if kind == 2 else values
        values = values.astype("float32") if kind == 3 else values
        inside = rng.random(size) < rng.random()
        inside[tuple(rng.integers(0, size))] = True
        yield values[None], inside[None]


def test_measures_of_random_images_agree_with_those_counted_pixel_by_pixel(rng):
    for values, inside in random_images(rng, 80):
        expected = by_hand(values, inside)
        for name, function in SINGLE.items():
            found = function(values, inside)
            assert found["score"] == pytest.approx(expected[name], rel=1e-6, abs=1e-9), (name, values, inside)
            assert found["chance"] == pytest.approx(inside.mean())
            assert 0 <= found["score"] <= 1


def test_the_curve_agrees_with_the_index_of_each_threshold(rng):
    for values, inside in random_images(rng, 24):
        found, _ = measure_pixels({"a": values.astype("float32")}, inside)
        listed = values.astype("float32").ravel().tolist()
        expected = [index_by_hand(listed, inside.ravel().tolist(), threshold) for threshold in measures.THRESHOLDS]
        assert found["a"]["curve"].shape == (1, 100)
        assert found["a"]["curve"][0] == pytest.approx(expected)
        assert found["a"]["jaccard"][0] == found["a"]["curve"][0, 50] == pytest.approx(expected[50])
        separately = [jaccard(values.astype("float32"), inside, threshold)["score"] for threshold in (0, 0.37, 0.99)]
        assert found["a"]["curve"][0, [0, 37, 99]] == pytest.approx(separately)


def test_a_value_at_the_threshold_is_not_above_it():
    # Of the values 0, .01, …, 1, exactly 100 − k are above k/100, in either precision of the map.
    inside = np.zeros((1, 1, 101), bool)
    inside[0, 0, -1] = True
    for dtype in ("float32", "float64"):
        maps = (np.arange(101) / 100).astype(dtype)[None, None]
        curve = [jaccard(maps, inside, threshold)["score"] for threshold in measures.THRESHOLDS]
        assert curve == pytest.approx(1 / (100 - np.arange(100)))
        assert measure_pixels({"a": maps}, inside)[0]["a"]["curve"][0] == pytest.approx(curve)


MAPS = {
    "distinct": lambda rng, size: rng.random(size),
    "many ties": lambda rng, size: rng.integers(0, 5, size) / 5,
    "negative": lambda rng, size: rng.normal(size=size),
    "negative with ties": lambda rng, size: rng.integers(-3, 3, size),
    "tiny": lambda rng, size: 1e-30 * rng.random(size),
    "huge": lambda rng, size: 1e30 * rng.normal(size=size),
    "tiny beside one": lambda rng, size: np.where(rng.random(size) < 0.1, 1.0, 1e-20 * rng.random(size)),
    "tiny beside minus one": lambda rng, size: np.where(rng.random(size) < 0.1, -1.0, 1e-20 * rng.random(size)),
    "close to one": lambda rng, size: 1 + 1e-6 * rng.random(size),
    "zeros of both signs": lambda rng, size: rng.choice([-0.0, 0.0, 1.0], size),
    "one pixel": lambda rng, size: np.arange(np.prod(size)).reshape(size) % np.prod(size[1:]) == 5,
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", MAPS)
def test_average_precision_is_that_of_scikit_learn(kind, dtype, rng):
    maps = MAPS[kind](rng, (4, 11, 13)).astype(dtype)
    masks = rng.random(maps.shape) < 0.3
    scores = [average_precision_score(mask.ravel(), values.ravel()) for values, mask in zip(maps, masks, strict=True)]
    alone = [pixel_average_precision(maps[[row]], masks[[row]])["score"] for row in range(4)]
    assert alone == pytest.approx(scores, rel=1e-12)
    assert pixel_average_precision(maps, masks)["score"] == pytest.approx(np.mean(scores), rel=1e-12)


def test_double_precision_tells_more_pixels_apart():
    maps = 1 + 1e-12 * np.arange(4.0)[None, None]
    for place in range(4):
        mask = np.arange(4)[None, None] == place
        assert pixel_average_precision(maps, mask)["score"] == pytest.approx(1 / (4 - place))


def single(size, place):
    maps = np.zeros((1, *size))
    maps[0][place] = 1
    return maps


#                          pointing_game, energy_inside, jaccard, average_precision
EXACT = {
    "perfect": (lambda mask: mask, (1, 1, 1, 1)),
    # All six pixels inside share the last rank, with precision 6/35.
    "inverted": (lambda mask: 1 - mask, (0, 0, 0, 6 / 35)),
    "uniform": (lambda mask: 0.25 + 0 * mask, (6 / 35, 6 / 35, 6 / 35, 6 / 35)),
    "zeros": (lambda mask: 0 * mask, (6 / 35, 6 / 35, 6 / 35, 6 / 35)),
    # One of six at precision 1, five at the precision of the whole image.
    "one inside": (lambda mask: single((5, 7), (2, 4)), (1, 1, 1 / 6, 1 / 6 + 5 / 6 * 6 / 35)),
    "one outside": (lambda mask: single((5, 7), (4, 4)), (0, 0, 0, 6 / 35)),
    # Twice the weight inside: 12 of 12 + 29; scaled, the same as perfect.
    "twice inside": (lambda mask: 1 + mask, (1, 12 / 41, 1, 1)),
    # Rows 1, 2 and 4, which hold the six.
    "too wide": (lambda mask: np.arange(35).reshape(1, 5, 7) // 7 % 3 > 0, (6 / 21, 6 / 21, 6 / 21, 6 / 21)),
}


@pytest.mark.parametrize("kind", EXACT)
def test_exact_figures(kind, masks):
    make, expected = EXACT[kind]
    maps = np.asarray(make(masks[:1]))
    found = [function(maps, masks[:1])["score"] for function in SINGLE.values()]
    assert found == pytest.approx(expected, rel=1e-12)


@every_measure
def test_a_mask_of_all_is_always_met(name, rng):
    for maps in (rng.random((1, 4, 6)), np.zeros((1, 4, 6))):
        found = SINGLE[name](maps, np.ones((1, 4, 6)))
        # For the Jaccard index only pixels above .5 of the scaled map count.
        share = np.mean(maps - maps.min() > np.ptp(maps) / 2) if name == "jaccard" and maps.any() else 1
        assert found == {"score": pytest.approx(share), "chance": 1, "count": 1}


@every_measure
def test_what_a_mask_is_made_of_does_not_matter(name, rng):
    maps = rng.random((3, 6, 5))
    soft = rng.random((3, 6, 5))
    soft[:, 2, 3] = 1
    hard = soft > 0.5
    expected = SINGLE[name](maps, hard)
    same = (hard.astype("uint8"), hard * np.uint8(255), hard.astype("float32"), hard[..., None], hard.tolist())
    for given in (soft, soft.astype("float32"), 1e-3 * soft, 255 * soft, *same):
        assert SINGLE[name](maps, given) == expected


def test_half_of_the_largest_value_is_outside():
    maps = np.array([[[4.0, 3.0, 2.0, 1.0]]])
    assert pointing_game(maps, np.array([[[127, 255, 0, 0]]], "uint8"))["score"] == 0
    assert pointing_game(maps, np.array([[[128, 255, 0, 0]]], "uint8"))["score"] == 1
    assert energy_inside(maps, np.array([[[0.5, 0, 0, 1.0]]]))["score"] == pytest.approx(1 / 10)


@every_measure
def test_kinds_of_maps(name, masks):
    maps = np.arange(175).reshape(masks.shape) % 11
    expected = SINGLE[name](maps.astype("float64"), masks)
    for dtype in ("int8", "uint8", "int64", "float16", "float32"):
        assert SINGLE[name](maps.astype(dtype), masks) == pytest.approx(expected, rel=1e-6)
    assert SINGLE[name](maps > 5, masks) == pytest.approx(SINGLE[name]((maps > 5) * 1.0, masks))
    assert SINGLE[name](np.array([[[-128, 127]]], "int8"), np.array([[[0, 1]]]))["score"] == 1


def test_weights_below_zero_are_none():
    maps = np.array([[[3.0, 1.0, -2.0, -5.0]]])
    assert energy_inside(maps, np.array([[[1, 0, 1, 0]]]))["score"] == pytest.approx(3 / 4)
    assert energy_inside(-np.abs(maps), np.array([[[1, 0, 0, 0]]]))["score"] == pytest.approx(1 / 4)


@every_measure
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_maps_that_are_not_finite_are_refused(name, bad, masks):
    maps = masks.copy()
    maps[0, 0, 0] = maps[4, 4, 6] = bad
    message = "The maps must be finite. Expected numbers. Received: 2 NaN or infinite."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        SINGLE[name](maps, masks)


@pytest.mark.parametrize("threshold", [-0.1, 1, np.nan, "half"])
def test_thresholds_outside_are_refused(threshold, masks):
    message = (
        f"`threshold` is out of range. Expected a number at least 0 and below 1. Received: threshold={threshold!r}."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        jaccard(masks, masks, threshold)


@pytest.mark.parametrize(("maps", "masks"), [((128, 3, 3), (64, 5, 5)), ((3, 5), (3, 5, 5)), ((3, 5, 5), (3, 5, 5, 3))])
def test_maps_of_a_model_that_do_not_fit_the_masks(maps, masks):
    # Also with as many masks as a piece has: the first 64 of 128 maps would pass for the maps of 64 masks.
    message = f"The maps must match the masks. Expected both (n, H, W). Received: maps {maps}, masks {masks}."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        measure_maps({"a": np.ones(maps)}, np.ones(masks))


def test_maps_and_masks_of_other_shapes(rng):
    maps = {"wide": rng.random((3, 2, 5)), "high": rng.random((3, 7, 3))}
    masks = rng.random((3, 11, 6)) < 0.4
    maps["joint"] = joint_map(maps)
    assert maps["joint"].shape == (3, 7, 3)  # the finest of the grids
    found = measure_pixels(maps, masks)[0]
    resized = {name: resize_maps(values, (11, 6)) for name, values in maps.items()}
    assert list(found) == ["wide", "high", "joint"]
    for name, values in resized.items():
        for row in range(3):
            expected = by_hand(values[row], masks[row])
            assert {measure: found[name][measure][row] for measure in OF_PIXELS} == pytest.approx(expected, rel=1e-5)


def test_a_ranking_by_hand():
    ranking = MaskedMap(np.array([0.1, 0.4, 0.4, 0.0]), np.array([False, True, False, False]))
    assert ranking.jaccard([0, 0.5]).tolist() == pytest.approx([1 / 3, 1 / 2])
    assert ranking.average_precision() == 1 / 2

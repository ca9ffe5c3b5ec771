"""The measures of a map: worked by hand, at chance where it should be, and the same in pieces as at once."""

import json
import re

import numpy as np
import pytest

from keras_attention.explain import (
    MEASURES,
    energy_inside,
    jaccard,
    joint_map,
    mean_figures,
    measure_maps,
    measures,
    pointing_game,
    resize_maps,
)


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
    message = f"Maps and masks do not fit. Expected both (n, H, W). Received: maps {maps}, masks {shown}."
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


BY_NAME = {"pointing_game": pointing_game, "energy_inside": energy_inside, "jaccard": jaccard}


def figures(maps, masks):
    """`{measure: {block: {score, chance, count}}}`."""
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
    # A shift changes what is outside, a factor nothing.
    assert jaccard(5 * maps - 2, mask)["score"] == pytest.approx(1 / 3)
    assert energy_inside(5 * maps, mask)["score"] == pytest.approx(0.5)


@pytest.mark.parametrize("measure", [energy_inside, jaccard])
def test_perfect_inverted_and_constant_maps(measure, masks):
    share = 6 / 35
    assert measure(masks, masks) == {"score": 1, "chance": pytest.approx(share), "count": 5}
    assert measure(1 - masks, masks)["score"] == 0
    for value in (0, 1 / 35, 0.1):
        assert measure(np.full(masks.shape, value), masks)["score"] == pytest.approx(share)


@pytest.mark.parametrize("measure", [energy_inside, jaccard])
def test_other_measures_leave_out_what_the_pointing_game_does(measure, masks):
    maps = masks.copy()
    maps[1] = 1 - masks[1]
    masks[[0, 3]] = 0
    assert measure(maps, masks) == {"score": pytest.approx(2 / 3), "chance": pytest.approx(6 / 35), "count": 3}
    assert measure(maps, 0 * masks) == {"score": None, "chance": None, "count": 0}


def test_each_block_and_the_joint_map(many):
    maps, masks = many
    results = figures(maps, masks)
    assert list(results) == list(MEASURES) == list(BY_NAME)
    scaled = {name: resize_maps(values, 16) for name, values in maps.items()} | {"joint": joint_map(maps, 16)}
    for measure, function in BY_NAME.items():
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
    monkeypatch.setattr(measures, "PIECE", piece)
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

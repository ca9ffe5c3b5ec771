"""Maps lie in the image where their positions do: resized, multiplied, compared, measured, drawn and served there."""

import pickle

import keras
import numpy as np
import pytest

from keras_attention.maps import (
    AttentionMaps,
    PlacedMaps,
    agreement,
    attention_maps,
    deletion_and_insertion,
    grad_cam,
    joint_map,
    map_scales,
    measure,
    measure_maps,
    resize_maps,
)
from keras_attention.maps.pictures import overlay
from keras_attention.maps.placed import place
from keras_attention.models import VGG16BN, Axis, Grid, attention_classifier, map_grids

pytestmark = pytest.mark.usefixtures("shallow_backbone")

SIDES = [75, 110, 127, 128]
every_side = pytest.mark.parametrize("side", SIDES)


def axis(side, stride):
    return Axis(stride / 2, float(stride), side // stride, side)


def grid(side, stride):
    return Grid(axis(side, stride), axis(side, stride))


def one_cell(side, stride, row, column):
    """A map with all its weight at one position, and the mask of the pixels of this position."""
    maps, mask = np.zeros((1, side // stride, side // stride), "float32"), np.zeros((1, side, side), "uint8")
    maps[0, row, column] = 1
    mask[0, row * stride : (row + 1) * stride, column * stride : (column + 1) * stride] = 1
    return PlacedMaps(maps, grid(side, stride)), mask


def between(maps, side, stride):
    """Bilinear between the centres of positions, in float64, by the formula."""
    maps, pixels = np.asarray(maps, "float64"), np.arange(side) + 0.5
    for number in (1, 2):
        centres = stride * (np.arange(maps.shape[number]) + 0.5)
        maps = np.apply_along_axis(lambda values, at=centres: np.interp(pixels, at, values), number, maps)
    return maps


@pytest.mark.portable
@every_side
def test_a_map_is_resized_between_the_centres_of_its_positions(side, rng):
    values = rng.random((2, side // 16, side // 16))
    found = resize_maps(PlacedMaps(values, grid(side, 16)), side)
    np.testing.assert_allclose(found, between(values, side, 16), rtol=1e-5, atol=1e-6)
    whole = resize_maps(values, side)
    assert np.allclose(found, whole) == (side % 16 == 0)


@every_side
def test_the_largest_value_is_in_the_middle_of_its_position(side):
    stride = 16
    for row, column in ((0, 0), (1, 2), (side // stride - 1, side // stride - 1)):
        maps, mask = one_cell(side, stride, row, column)
        # The last row and column keep their value until the border.
        largest = np.argwhere(resize_maps(maps, side)[0] > 0.9)
        assert mask[0][tuple(largest.T)].all() or row == side // stride - 1
        figures, _ = measure_maps({"block4_pool": maps}, mask)
        assert figures["pointing_game"]["block4_pool"] == 1 or row == side // stride - 1


@every_side
def test_a_perfect_map_scores_as_at_a_multiple_of_the_stride(side):
    """Of an object in the middle; .5625 is what bilinear interpolation leaves inside one position."""
    maps, mask = one_cell(side, 16, 1, 2)
    energy = measure_maps({"block4_pool": maps}, mask)[0]["energy_inside"]["block4_pool"][0]
    assert energy == pytest.approx(0.5625, abs=0.01)
    shifted = measure_maps({"block4_pool": np.asarray(maps)}, mask)[0]["energy_inside"]["block4_pool"][0]
    assert (shifted < 0.5) == (side % 16 != 0)


@every_side
def test_maps_of_one_object_have_the_joint_map_of_it(side):
    fine, _ = one_cell(side, 8, 3, 5)
    coarse, mask = one_cell(side, 16, 1, 2)
    joint = joint_map({"block3_pool": fine, "block4_pool": coarse})
    assert joint.grid == grid(side, 8)
    assert np.argwhere(np.asarray(joint[0]) > 0.5).tolist() == [[3, 5]]
    assert mask[0][tuple(np.argwhere(resize_maps(joint, side)[0] > 0.5).T)].all()
    large = joint_map({"block3_pool": fine, "block4_pool": coarse}, side)
    assert mask[0][tuple(np.argwhere(large[0] > 0.3).T)].all()


@every_side
def test_a_slope_agrees_with_itself_at_another_stride(side):
    def slope(stride):
        centres = axis(side, stride).centres
        return PlacedMaps((centres[:, None] + 3 * centres[None])[None], grid(side, stride))

    assert agreement(slope(8)[:, 1:-1, 1:-1], slope(8)[:, 1:-1, 1:-1]) == pytest.approx(1)
    fine, coarse = slope(8), slope(16)
    inside = np.asarray(resize_maps(coarse, side))[:, 8:-24, 8:-24]
    np.testing.assert_allclose(inside, resize_maps(fine, side)[:, 8:-24, 8:-24], atol=1e-5)
    assert agreement(fine, coarse) > 0.98


@every_side
def test_a_picture_shows_a_map_where_it_lies(side):
    maps, mask = one_cell(side, 16, 1, 2)
    drawn = overlay(np.full((side, side, 3), 128), maps[0], map_scales({"map": maps})["map"]).sum(-1)
    assert mask[0][np.unravel_index(drawn.argmax(), drawn.shape)]


def test_the_pixels_of_a_map_are_deleted_where_it_lies():
    """The class is that of the pixels of one position alone, so that deleting these first removes it at once."""
    side, (maps, mask) = 75, one_cell(75, 16, 2, 1)
    image = keras.Input((side, side, 3))
    position = keras.ops.convert_to_tensor(mask[0, :, :, None], "float32")
    seen = keras.layers.Lambda(lambda values: keras.ops.mean(values * position, axis=(1, 2, 3)), (1,))(image)
    two = keras.ops.stack([seen, 0 * seen], axis=-1)
    model = keras.Model(image, keras.layers.Reshape((2,))(two))
    images = np.where(mask[..., None], 255.0, 0.0).repeat(3, -1)
    placed, shifted = (
        deletion_and_insertion(model, images, each, class_index=0, steps=75)["deletion"][0]
        for each in (maps, np.asarray(maps))
    )
    assert placed < shifted


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    return attention_classifier(VGG16BN((75, 75, 3), width=0.05), 3, units=4, num_heads=1)


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (4, 75, 75, 3))


def test_the_maps_of_a_model_know_their_grids(model, images):
    maps = attention_maps(model, images)
    assert {name: values.grid for name, values in maps.items()} == {
        "block3_pool": grid(75, 8),
        "block4_pool": grid(75, 16),
    }
    assert grad_cam(model, images, "block4_pool").grid == grid(75, 16)
    for name, values in attention_maps(model, images, "image").items():
        np.testing.assert_array_equal(values, resize_maps(maps[name], 75))


def test_a_model_of_any_size_has_the_grid_of_its_images(rng):
    backbone = VGG16BN((None, None, 3), width=0.05)
    maps_of = AttentionMaps(attention_classifier(backbone, 3, pool_query=True, units=4))
    for side in (75, 128):
        maps = maps_of(rng.integers(0, 256, (1, side, side, 3)))
        assert maps["block4_pool"].grid == grid(side, 16)


@pytest.mark.long
def test_all_measures_use_the_grids(model, images):
    masks = np.zeros((4, 75, 75), "uint8")
    masks[:, 8:40, 16:56] = 1
    report = measure(model, (images, np.arange(4) % 3, masks), perturbed=0)
    maps = attention_maps(model, images)
    figures, _ = measure_maps(maps, masks)
    flat, _ = measure_maps({name: np.asarray(values) for name, values in maps.items()}, masks)
    for name in (*maps, "joint"):
        np.testing.assert_allclose(report.values[f"energy_inside/{name}"], figures["energy_inside"][name], rtol=1e-6)
        assert not np.allclose(figures["energy_inside"][name], flat["energy_inside"][name], rtol=1e-3)


def test_what_is_made_of_placed_maps_keeps_their_grid(rng):
    maps = PlacedMaps(rng.random((3, 4, 4)), grid(75, 16))
    for same in (
        maps[1:],
        maps[0],
        2 * maps,
        maps.astype("float64"),
        np.concatenate([maps[:1], maps[1:]]),
        np.stack([maps, maps], axis=1).mean(axis=1),
        np.where(maps > 0.5, maps, 0 * maps),
        pickle.loads(pickle.dumps(maps)),
    ):
        assert same.grid == maps.grid
        np.testing.assert_allclose(resize_maps(same, 75).shape[-2:], (75, 75))
    for number in (maps.max(), maps.sum((1, 2)), maps[0, 0, 0]):
        assert not isinstance(number, PlacedMaps)
    # A part of the positions has no grid that is known.
    np.testing.assert_array_equal(resize_maps(maps[:, 1:], 8), resize_maps(np.asarray(maps)[:, 1:], 8))


def test_a_grid_must_fit_its_maps():
    with pytest.raises(ValueError, match=r"The grid must have the shape of the maps\. Expected a grid of \(4, 5\)"):
        PlacedMaps(np.zeros((1, 4, 5)), grid(75, 16))
    assert place({"a": np.zeros((1, 4, 5)), "b": np.zeros((1, 4, 4))}, {"a": grid(75, 16)})["a"].grid is None


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="exports need TensorFlow")
@pytest.mark.long
def test_exports_say_where_their_maps_lie(model, images, tmp_path):
    from keras_attention.export import export_model, read_card
    from keras_attention.prediction import load_predictor

    export_model(model, tmp_path / "pets", ("a", "b", "c"), formats=("savedmodel", "onnx"))
    card = read_card(tmp_path / "pets")
    assert card["attention"][1]["grid"] == grid(75, 16).get_config()
    assert "row 8 + 16 · i, column 8 + 16 · j of the image" in card["outputs"]["attention_block4_pool"]
    alone = (tmp_path / "pets" / "model.onnx").rename(tmp_path / "alone.onnx")
    (tmp_path / "pets" / "model.onnx").write_bytes(alone.read_bytes())
    for path in (tmp_path / "pets", alone):
        outputs = load_predictor(path)(images)
        assert outputs["attention_block4_pool"].grid == map_grids(model)["block4_pool"]
    import tensorflow as tf

    explained = tf.saved_model.load(str(tmp_path / "pets")).signatures["explain"](images=tf.constant(images, "float32"))
    maps = attention_maps(model, images)
    for name, values in (maps | {"joint": joint_map(maps)}).items():
        np.testing.assert_allclose(explained[f"attention_{name}"], resize_maps(values, 75), rtol=1e-3, atol=1e-6)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="exports need TensorFlow")
def test_an_export_of_an_earlier_version_says_that_its_maps_may_be_shifted(model, images, tmp_path):
    from keras_attention.export import export_model
    from keras_attention.files import read_json, write_json
    from keras_attention.prediction import load_predictor

    export_model(model, tmp_path, ("a", "b", "c"), formats=("onnx",))
    card = read_json(tmp_path / "card.json")
    for part in card["attention"]:
        del part["grid"]
    write_json(tmp_path / "card.json", card)
    with pytest.warns(UserWarning, match=r"does not say where the positions of its map block\d_pool lie"):
        assert load_predictor(tmp_path)(images)["attention_block4_pool"].grid is None

"""Losses between maps and masks: computed by hand, and in ordinary `fit` by the names of the outputs."""

import re

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_attention.layers import HardAlignment
from keras_attention.models import (
    VGG16BN,
    Axis,
    Grid,
    MaskDice,
    MaskOverlap,
    ReinforceModel,
    attention_classifier,
    attention_outputs,
    mask_losses,
)
from keras_attention.models.supervision import pooled_masks

pytestmark = pytest.mark.usefixtures("shallow_backbone")

HEIGHT, WIDTH, CLASSES, IMAGES = 12, 10, 3, 8
LOSSES = {"dice": MaskDice, "overlap": MaskOverlap}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=list(LOSSES))


def value(loss, masks, maps):
    """The loss as `fit` takes it."""
    return float(loss(np.asarray(masks), np.asarray(maps, "float32")))


MASK = np.array([[[1, 1, 0, 0], [0, 0, 0, 0]]], "uint8")


def test_dice_by_hand():
    # Σ a·m = .5 + .25, Σ a = 1.75, Σ m = 2.
    maps = [[[0.5, 0.25, 0.5, 0.25], [0.25, 0, 0, 0]]]
    assert value(MaskDice(), MASK, maps) == pytest.approx(1 - 2 * 0.75 / 3.75)
    assert value(MaskDice(), MASK, MASK) == pytest.approx(0, abs=1e-6)
    assert value(MaskDice(), MASK, 1 - MASK) == pytest.approx(1)
    # Weights that sum to 1 are far from the mask even at their best.
    assert value(MaskDice(), MASK, MASK / 2) == pytest.approx(1 - 2 / 3)


def test_overlap_by_hand():
    maps = [[[0.2, 0.6, 0.1, 0.1], [0, 0, 0, 0]]]  # .2 + .5 overlap in the two halves
    assert value(MaskOverlap(), MASK, maps) == pytest.approx(0.3)
    assert value(MaskOverlap(), MASK, MASK / 2) == pytest.approx(0, abs=1e-6)
    assert value(MaskOverlap(), MASK, 3.0 * MASK) == pytest.approx(0, abs=1e-6)
    assert value(MaskOverlap(), MASK, 1 - MASK) == pytest.approx(1)
    assert value(MaskOverlap(), MASK, np.full(MASK.shape, 1 / 8)) == pytest.approx(0.75)
    # Half of the L1 distance.
    first, second = np.array(maps), MASK / 2
    assert value(MaskOverlap(), MASK, maps) == pytest.approx(np.abs(first - second).sum() / 2)


@pytest.mark.portable
@every_loss
def test_masks_of_any_form(loss, rng):
    maps = rng.random((4, 3, 2)).astype("float32")
    small = rng.random((4, 3, 2)) > 0.5
    small[:, 0, 0] = True
    large = small.repeat(4, 1).repeat(5, 2)
    expected = value(loss(), small, maps)
    forms = [large, large[..., None], large.astype("uint8"), 255 * large.astype("uint8"), large.astype("float32")]
    for masks in forms:
        assert value(loss(), masks, maps) == pytest.approx(expected, rel=1e-5)


def test_masks_are_average_pooled(rng):
    masks = rng.random((2, 6, 4))
    expected = masks.reshape(2, 3, 2, 2, 2).mean((2, 4))
    found = ops.convert_to_numpy(pooled_masks(ops.convert_to_tensor(masks, "float32"), Grid.even((3, 2))))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    # 5 rows on 2 positions: the row in the middle is divided between them.
    column = np.array([1.0, 0, 1, 0, 0]).reshape(1, 5, 1)
    found = ops.convert_to_numpy(pooled_masks(ops.convert_to_tensor(column, "float32"), Grid.even((2, 1))))
    np.testing.assert_allclose(found[0, :, 0], [1.5 / 2.5, 0.5 / 2.5], rtol=1e-5)


@pytest.mark.portable
def test_masks_are_averaged_where_the_positions_lie():
    # Two positions of 2 pixels on a side of 5 pixels: the last pixel belongs to none of them.
    grid = Grid(Axis(1.0, 2.0, 2, 5), Axis.even(1, 1))
    column = np.array([0.0, 1, 1, 1, 1]).reshape(1, 5, 1)
    found = ops.convert_to_numpy(pooled_masks(ops.convert_to_tensor(column, "float32"), grid))
    np.testing.assert_allclose(found[0, :, 0], [0.5, 1.0])
    # A mask of twice the size, and a position of which a part lies before the edge.
    found = ops.convert_to_numpy(pooled_masks(ops.convert_to_tensor(np.repeat(column, 2, 1), "float32"), grid))
    np.testing.assert_allclose(found[0, :, 0], [0.5, 1.0])
    outside = Grid(Axis(0.5, 2.0, 2, 5), Axis.even(1, 1))
    found = ops.convert_to_numpy(pooled_masks(ops.convert_to_tensor(column, "float32"), outside))
    np.testing.assert_allclose(found[0, :, 0], [0.5 / 1.5, 1.0])


@pytest.mark.portable
@every_loss
def test_a_loss_keeps_its_grid(loss):
    grid = Grid(Axis(1.0, 2.0, 2, 5), Axis(1.0, 2.0, 2, 5))
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss(grid)))
    assert again.grid == grid
    assert loss.from_config({"name": "older"}).grid is None
    with pytest.raises(TypeError, match="`grid` must say where the maps lie"):
        loss("sum")


@pytest.mark.parametrize("side", [75, 110, 127, 128])
def test_a_perfect_map_has_no_loss_at_any_size(side):
    model = attention_classifier(VGG16BN((side, side, 3), width=0.05), 2, alignment="sigmoid", units=4)
    mask = np.zeros((1, side, side, 1), "uint8")
    mask[:, 16:32, 32:64] = 1  # two positions of the fourth pooling, and eight of the third
    for name, loss in mask_losses(model).items():
        stride = {"attention_block3_pool": 8, "attention_block4_pool": 16}[name]
        perfect = np.zeros((1, side // stride, side // stride), "float32")
        perfect[:, 16 // stride : 32 // stride, 32 // stride : 64 // stride] = 1
        assert value(loss, mask, perfect) == pytest.approx(0, abs=1e-6)


@pytest.mark.portable
@every_loss
def test_an_image_without_a_mask_has_no_say(loss, rng, gradients):
    maps = rng.random((3, 4, 4)).astype("float32")
    masks = np.zeros((3, 8, 8), "uint8")
    masks[0, :4, :4] = 1
    assert value(loss(), masks, maps) == pytest.approx(value(loss(), masks[:1], maps[:1]) / 3, rel=1e-5)
    (slope,) = gradients(lambda tensor: loss()(ops.convert_to_tensor(masks), tensor), maps)
    assert np.abs(slope[0]).max() > 0
    assert np.abs(slope[1:]).max() == 0
    assert value(loss(), 0 * masks, maps) == 0


@every_loss
def test_a_map_of_zeros_and_a_full_mask(loss, gradients):
    masks = np.ones((1, 4, 4), "uint8")
    maps = np.zeros((1, 2, 2), "float32")
    assert value(loss(), masks, maps) == pytest.approx(1)
    (slope,) = gradients(lambda tensor: loss()(ops.convert_to_tensor(masks), tensor), maps)
    assert np.isfinite(slope).all()
    assert value(loss(), masks, np.full((1, 2, 2), 1.0)) == pytest.approx(0, abs=1e-6)


@every_loss
def test_several_maps_of_an_image_meet_one_mask(loss, rng):
    maps = rng.random((2, 3, 4, 4)).astype("float32")
    masks = (rng.random((2, 8, 8)) > 0.5).astype("uint8")
    each = [value(loss(), masks, maps[:, number]) for number in range(3)]
    assert value(loss(), masks, maps) == pytest.approx(np.mean(each), rel=1e-5)


@pytest.mark.parametrize("shape", [(2, 2, 2), (2, 8, 8, 3), (2, 8), (2, 3, 8)])
def test_masks_that_do_not_fit(shape):
    message = "The masks must fit the map. Expected (B, S, S) or (B, S, S, 1) of at least (4, 4)."
    with pytest.raises(ValueError, match=re.escape(message)):
        pooled_masks(ops.ones(shape), Grid.even((4, 4)))


def network():
    """Two convolutions, whose maps have 12×10 and 4×4 positions."""
    inputs = keras.Input((HEIGHT, WIDTH, 3))
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="conv1")(inputs)
    x = layers.Conv2D(5, 3, strides=3, padding="same", activation="relu", name="conv2")(x)
    return keras.Model(inputs, x)


def classifier(alignment, **arguments):
    return attention_classifier(
        network(), CLASSES, ("conv1", "conv2"), "conv2", alignment=alignment, units=4, **arguments
    )


@pytest.fixture
def data(rng):
    """Bright squares on noise, with masks of the squares."""
    images, masks = rng.normal(size=(IMAGES, HEIGHT, WIDTH, 3)), np.zeros((IMAGES, HEIGHT, WIDTH), "uint8")
    for image, mask in zip(images, masks, strict=True):
        top, left = rng.integers(0, 7), rng.integers(0, 5)
        image[top : top + 5, left : left + 5] += 3
        mask[top : top + 5, left : left + 5] = 1
    return images.astype("float32"), np.arange(IMAGES) % CLASSES, masks


def compiled(model, attend=None, weight=1.0):
    supervised = attention_outputs(model)
    maps = mask_losses(model, attend)
    losses = {"logits": keras.losses.SparseCategoricalCrossentropy(from_logits=True), **maps}
    supervised.compile(keras.optimizers.Adam(0.02), losses, loss_weights={"logits": 1.0, **dict.fromkeys(maps, weight)})
    supervised.optimizer.build(supervised.trainable_variables)  # or TensorFlow traces the first step twice
    return supervised


@pytest.mark.parametrize("alignment", ["sigmoid", "softmax"])
@pytest.mark.long
def test_fit_by_the_names_of_the_outputs(alignment, data):
    images, labels, masks = data
    model = classifier(alignment)
    supervised = compiled(model)
    targets = {"logits": labels, "attention_conv1": masks, "attention_conv2": masks}
    history = supervised.fit(images, targets, epochs=30, batch_size=IMAGES, verbose=0).history
    for name in ("attention_conv1_loss", "attention_conv2_loss"):
        assert history[name][-1] < 0.75 * history[name][0]
    kind = MaskDice if alignment == "sigmoid" else MaskOverlap
    assert {type(loss) for loss in mask_losses(model).values()} == {kind}
    # The classifier shares the layers that were trained.
    np.testing.assert_array_equal(model.predict(images, verbose=0), supervised.predict(images, verbose=0)["logits"])


@pytest.mark.slow
def test_one_attended_layer_alone(data):
    images, labels, masks = data
    supervised = compiled(classifier("sigmoid"), attend=("conv1",))
    history = supervised.fit(images, {"logits": labels, "attention_conv1": masks}, epochs=2, verbose=0).history
    assert "attention_conv1_loss" in history
    assert "attention_conv2_loss" not in history


@pytest.mark.long
def test_a_compiled_model_is_saved_and_goes_on(data, reload):
    images, labels, masks = data
    supervised = compiled(classifier("softmax"))
    targets = {"logits": labels, "attention_conv1": masks, "attention_conv2": masks}
    supervised.fit(images, targets, verbose=0)
    loaded = reload(supervised)
    ends = [each.evaluate(images, targets, verbose=0, return_dict=True) for each in (supervised, loaded)]
    assert ends[0] == pytest.approx(ends[1], rel=1e-5)
    loaded.fit(images, targets, verbose=0)


@pytest.mark.long
def test_attention_that_samples_is_rewarded_for_its_map(data):
    """The loss of the maps, times its weight, is a part of the reward."""
    images, labels, masks = data
    supervised = compiled(classifier(HardAlignment("reinforce", seed=1)), weight=5.0)
    assert isinstance(supervised, ReinforceModel)
    targets = {"logits": labels, "attention_conv1": masks, "attention_conv2": masks}
    supervised.fit(images, targets, epochs=1, batch_size=IMAGES, verbose=0)
    baselines = [alignment.baseline for alignment in supervised.sampled]
    task = supervised.evaluate(images, targets, verbose=0)
    task = task[0] if isinstance(task, list) else task
    for baseline in baselines:  # a tenth of −(1.1 of cross-entropy + 5 · two losses near 1)
        assert -1.2 < float(ops.convert_to_numpy(baseline)) < -0.6
    assert task > 5


def test_which_losses_and_for_whom():
    model = classifier("softmax")
    assert list(mask_losses(model)) == ["attention_conv1", "attention_conv2"]
    assert list(mask_losses(attention_outputs(model), ["conv2"])) == ["attention_conv2"]
    with pytest.raises(
        ValueError, match=r"^Unknown attended layer 'conv3' \(did you mean 'conv2'\?\)\. Expected one of: conv1"
    ):
        mask_losses(model, ["conv3"])
    plain = attention_classifier(network(), CLASSES, (), "conv2", name="plain")
    message = "The model must have attention layers. Expected a model with `SpatialAttention` layers. Received: plain."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        mask_losses(plain)


@pytest.mark.long
def test_masks_whose_size_is_not_known_before_they_come(data):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the other backends know every size")
    import tensorflow as tf

    images, labels, masks = data
    supervised = compiled(classifier("sigmoid"))
    specs = [tf.TensorSpec(part.shape, part.dtype) for part in (images, labels)]
    signature = (*specs, tf.TensorSpec((None, None, None), tf.uint8))
    batches = tf.data.Dataset.from_generator(
        lambda: iter([(images, labels, masks), (images, labels, masks.repeat(2, 1).repeat(2, 2))]),
        output_signature=signature,
    )
    named = batches.apply(tf.data.experimental.assert_cardinality(2)).map(
        lambda images, labels, masks: (
            images,
            {"logits": labels, "attention_conv1": masks, "attention_conv2": masks},
        )
    )
    # The second batch has masks twice as large, which say the same.
    found = supervised.evaluate(named, verbose=0, return_dict=True)
    targets = {"logits": labels, "attention_conv1": masks, "attention_conv2": masks}
    assert found == pytest.approx(supervised.evaluate(images, targets, verbose=0, return_dict=True), rel=1e-4)

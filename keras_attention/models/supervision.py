"""Attention supervised by masks: losses that compare the map of an attended layer with a mask of the object."""

import keras
from keras import ops

from keras_attention.arguments import invalid, unknown
from keras_attention.layers.regularization import map_shares
from keras_attention.models.grids import Grid, map_grids
from keras_attention.models.outputs import map_output, require_attention_layers
from keras_attention.registry import PACKAGE

SMALL = 1e-12  # below every sum of weights other than 0


class MaskLoss(keras.losses.Loss):
    """Base of the losses between attention maps and masks; a subclass overrides `compare`.

    The masks are averaged over the area of each position of the map, so that m is the share of it that the object
    covers. What belongs to no position, such as a border that poolings leave out, does not count.
    A mask without any object does not say where to look: its loss is 0, without gradient. Give images without a mask a
    mask of zeros; they then count for the classification alone. The mean is over all images of the batch.

    Args:
        grid: the `Grid` of the maps, or its configuration; `None` if the maps cover the whole image evenly.
        reduction, name, dtype: as for `keras.losses.Loss`.

    Call arguments:
        y_true: masks `(B, S, S)` or `(B, S, S, 1)`, at least as large as the map: 0 outside the object; 1, 255 or
            `True` inside.
        y_pred: maps `(B, H, W)`, or `(B, h, H, W)` for several heads or classes, each compared with the same mask.

    Returns:
        The mean over the batch, a number from 0 to 1.

    Raises:
        ValueError: masks of another rank, or smaller than the map.
    """

    def __init__(self, grid=None, reduction="sum_over_batch_size", name=None, dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.grid = Grid.from_config(grid) if isinstance(grid, dict) else grid
        if not isinstance(self.grid, Grid | None):
            raise invalid("`grid` must say where the maps lie.", "a `Grid` or `None`", f"grid={grid!r}", TypeError)

    def get_config(self):
        return {**super().get_config(), "grid": self.grid and self.grid.get_config()}

    def call(self, y_true, y_pred):
        maps = ops.cast(y_pred, keras.backend.result_type(y_pred.dtype, "float32"))
        masks = pooled_masks(ops.cast(y_true, maps.dtype), self.grid or Grid.even(maps.shape[-2:]))
        masks = ops.reshape(masks, (-1, *(1 for _ in maps.shape[1:-2]), *masks.shape[1:]))
        values = self.compare(maps, masks)
        values = ops.where(ops.any(masks > 0, axis=(-2, -1)), values, 0.0)
        return ops.mean(values, axis=tuple(range(1, len(values.shape))))

    def compare(self, maps, masks):
        """Maps `(..., H, W)` and masks that broadcast to them, from 0 to 1 → a number for each map, `(...)`."""
        raise NotImplementedError(f"{type(self).__name__} must define `compare`, the loss of a map and its mask.")


@keras.saving.register_keras_serializable(package=PACKAGE)
class MaskDice(MaskLoss):
    """1 − 2 Σ a·m / (Σ a + Σ m), for weights that are independent of each other, as those of `sigmoid`.

    It is 0 if the weights equal the mask, and 1 if they do not overlap. It is called like `MaskLoss`. Weights that sum
    to 1 cannot equal a mask; use `MaskOverlap` for them.

    Args:
        grid, reduction, name, dtype: as for `MaskLoss`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.models import MaskDice
    >>> mask, weights = np.array([[[1, 1], [0, 0]]]), np.array([[[0.5, 0.5], [0.0, 0.0]]])
    >>> round(float(MaskDice()(mask, weights)), 4)
    0.3333

    Reference:
        Yan, Kawahara, Hamarneh, *Melanoma Recognition via Visual Attention*, IPMI 2019, eq. 4.
    """

    def __init__(self, grid=None, reduction="sum_over_batch_size", name="mask_dice", dtype=None):
        super().__init__(grid, reduction, name, dtype)

    def compare(self, maps, masks):
        both = _sums(maps * masks)
        return 1 - 2 * both / ops.maximum(_sums(maps) + _sums(masks), SMALL)


@keras.saving.register_keras_serializable(package=PACKAGE)
class MaskOverlap(MaskLoss):
    """1 − Σ min(p, t) with p = a/Σa and t = m/Σm, for weights that sum to 1, as those of `softmax`.

    Such weights are about 1/n each, so that no map of them is near a mask of zeros and ones: under Dice the best map
    puts all its weight on a single position. Therefore map and mask are both made distributions over the positions
    here. The loss is 1 − their overlap, which is the Dice loss between them (Σp + Σt = 2): 0 if the weight is spread
    evenly over the object and nowhere else, 1 if no weight is on the object. It is half their L1 distance (the total
    variation). It is bounded and, unlike their cross-entropy, finite for weights of exactly 0, as `sparsemax` gives
    them. It is called like `MaskLoss`.

    Args:
        grid, reduction, name, dtype: as for `MaskLoss`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.models import MaskOverlap
    >>> mask = np.array([[[1, 1], [0, 0]]])
    >>> [float(MaskOverlap()(mask, np.array([row]))) for row in ([[0.5, 0.5], [0, 0]], [[0.5, 0], [0.5, 0]])]
    [0.0, 0.5]
    """

    def __init__(self, grid=None, reduction="sum_over_batch_size", name="mask_overlap", dtype=None):
        super().__init__(grid, reduction, name, dtype)

    def compare(self, maps, masks):
        return 1 - _sums(ops.minimum(map_shares(maps), map_shares(masks)))


def mask_losses(model, attend=None):
    """A loss for the map of each attended layer: `MaskDice` for independent weights, else `MaskOverlap`.

    Each loss has the grid of its map, so that the masks are compared with it where its positions lie.

    Args:
        model: a classifier built by `attention_classifier`, or the result of `attention_outputs` for it.
        attend: names of attended layers, such as `"block3_pool"`; all of them if `None`.

    Returns:
        A dictionary for `compile(loss=…)`: the name of the output, `attention_<attended layer>` → a new loss.

    Raises:
        ValueError: a model without attention layers, a layer that is not attended, or one whose heads differ in whether
            their weights are independent.

    Example:

    >>> import keras
    >>> from keras_attention.models import VGG16BN, attention_classifier, attention_outputs, mask_losses
    >>> model = attention_classifier(VGG16BN((32, 32, 3), width=0.05), 3, alignment="sigmoid", units=8)
    >>> supervised = attention_outputs(model)  # the same layers, with the maps among the outputs
    >>> losses = {"logits": keras.losses.SparseCategoricalCrossentropy(from_logits=True), **mask_losses(model)}
    >>> supervised.compile("adam", losses, loss_weights=dict.fromkeys(losses, 0.1) | {"logits": 1.0})

    Then `supervised.fit(x, {"logits": y, "attention_block3_pool": mask, "attention_block4_pool": mask})` trains the
    classifier and its attention, whose layers it shares.
    """
    attention = require_attention_layers(model)
    for name in () if attend is None else attend:
        if name not in attention:
            raise unknown("attended layer", name, attention, "attend")
    wanted = {name: layer for name, layer in attention.items() if attend is None or name in attend}
    if mixed := [name for name, layer in wanted.items() if layer.averages is None]:
        kind = wanted[mixed[0]].kind["alignment"]
        what = f"The heads of {mixed[0]} have weights of two kinds, for which there is no one loss."
        raise invalid(what, "one alignment, or alignments of one kind", f"alignment={kind!r}")
    grids = map_grids(model)
    kinds = {name: MaskDice if layer.averages else MaskOverlap for name, layer in wanted.items()}
    return {map_output(name): kind(grids.get(name)) for name, kind in kinds.items()}


def pooled_masks(masks, grid):
    """Masks `(B, S, S)` or `(B, S, S, 1)` → the share of each position inside the object, `(B, *grid.shape)`."""
    masks = ops.squeeze(masks, -1) if len(masks.shape) == 4 and masks.shape[-1] == 1 else masks
    sides = masks.shape[1:]
    if len(sides) != 2 or any(side is not None and side < least for side, least in zip(sides, grid.shape, strict=True)):
        raise invalid("The masks must fit the map.", f"(B, S, S) or (B, S, S, 1) of at least {grid.shape}", masks.shape)
    # 0 and 255 become 0 and 1; values from 0 to 1 stay as they are.
    highest = ops.max(masks, axis=(1, 2), keepdims=True)
    masks = ops.where(highest > 1, masks / ops.maximum(highest, 1), masks)
    by_row = ops.matmul(_shares_of_pixels(masks, grid.rows, -2), masks)
    return ops.matmul(by_row, ops.transpose(_shares_of_pixels(masks, grid.columns, -1)))


def _shares_of_pixels(masks, axis, number):
    """The share that each pixel of a mask has in the area of each position along an axis, `(axis.count, pixels)`."""
    length = ops.shape(masks)[number]  # may be unknown until the masks arrive
    scale = ops.cast(length, masks.dtype) / axis.side
    first = scale * (axis.start - axis.step / 2 + axis.step * ops.cast(ops.arange(axis.count), masks.dtype)[:, None])
    low, high = ops.maximum(first, 0), ops.minimum(first + scale * axis.step, ops.cast(length, masks.dtype))
    pixels = ops.cast(ops.arange(length), masks.dtype)
    inside = ops.relu(ops.minimum(high, pixels + 1) - ops.maximum(low, pixels))
    return inside / ops.maximum(high - low, SMALL)


def _sums(values):
    return ops.sum(values, axis=(-2, -1))

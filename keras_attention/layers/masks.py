"""The masks of attention: checked one by one, and joined into one."""

from keras import ops

from keras_attention.arguments import invalid
from keras_attention.layers.alignment.base import broadcasts, require_booleans


def check_masks(query_shape, value_shape, query_mask, value_mask, key_mask, attention_mask):
    """Raises `ValueError` or `TypeError` for a mask of the wrong shape, or one that is not boolean or integer."""
    table = (*query_shape[:-1], value_shape[-2])
    for name, mask, shape in (
        ("query_mask", query_mask, query_shape[:-1]),
        ("value_mask", value_mask, value_shape[:-1]),
        ("key_mask", key_mask, value_shape[:-1]),
        ("attention_mask", attention_mask, table),
    ):
        if mask is None:
            continue
        require_booleans(name, mask)
        if not broadcasts(mask.shape, shape) or (name != "attention_mask" and len(mask.shape) != len(shape)):
            kind = "a shape that broadcasts to" if name == "attention_mask" else "the shape"
            raise invalid(
                f"`{name}` must fit the scores.", f"{kind} {tuple(shape)}", f"{name} shape={tuple(mask.shape)}"
            )


def join_masks(query_mask, value_mask, key_mask, attention_mask, inner_axes=0):
    """All masks as one boolean mask that broadcasts to `(B, ..., Tq, Tk)`, or `None` if there are none.

    `inner_axes` is the number of axes, of heads or features, between the batch axes and those of queries and keys.
    """
    masks = [ops.expand_dims(ops.cast(mask, "bool"), -2) for mask in (value_mask, key_mask) if mask is not None]
    masks += [] if query_mask is None else [ops.expand_dims(ops.cast(query_mask, "bool"), -1)]
    masks += [] if attention_mask is None else [ops.cast(attention_mask, "bool")]
    joined = None
    for mask in masks:
        joined = mask if joined is None else ops.logical_and(joined, mask)
    for _ in range(inner_axes if masks else 0):
        joined = ops.expand_dims(joined, -3)
    return joined

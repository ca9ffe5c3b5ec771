"""How good a map is, against masks of the object."""

import numpy as np

from keras_attention.arguments import invalid
from keras_attention.explain.maps import joint_map, resize_maps

PIECE = 256


def pointing_game(maps, masks):
    """Share of the images whose map has its largest value inside the mask.

    Images with an empty mask are left out. Where several pixels share the largest value, the share of them inside
    counts, so that a constant map scores what chance does.

    Args:
        maps: `(n, H, W)`, at the resolution of the masks.
        masks: `(n, H, W)` or `(n, H, W, 1)`, 0 outside.

    Returns:
        A dictionary: `score`; `chance`, the mean share of the image that the mask covers; both from 0 to 1, or `None`
        without any mask; and `count`, the images that were used.

    Raises:
        ValueError: maps and masks of different shapes.

    Example:

    >>> import numpy as np
    >>> from keras_attention.explain import pointing_game
    >>> maps, masks = np.zeros((1, 2, 2)), np.zeros((1, 2, 2))
    >>> maps[0, 1, 0] = masks[0, 1, 0] = 1
    >>> pointing_game(maps, masks)
    {'score': 1.0, 'chance': 0.25, 'count': 1}

    Reference:
        Zhang et al., *Top-Down Neural Attention by Excitation Backprop*, IJCV 2018, section 4.2.
    """
    maps, masks = np.asarray(maps), np.asarray(masks)
    masks = masks[..., 0] if masks.ndim == 4 else masks
    if maps.shape != masks.shape or maps.ndim != 3:
        raise invalid("Maps and masks do not fit.", "both (n, H, W)", f"maps {maps.shape}, masks {masks.shape}")
    inside = (masks > 0).reshape(len(masks), -1)
    used = inside.any(axis=1)
    if not used.any():
        return {"score": None, "chance": None, "count": 0}
    flat, inside = maps.reshape(len(maps), -1)[used], inside[used]
    largest = flat == flat.max(axis=1, keepdims=True)
    hits = (largest & inside).sum(axis=1) / largest.sum(axis=1)
    return {"score": float(hits.mean()), "chance": float(inside.mean()), "count": int(used.sum())}


def pointing_games(maps, masks):
    """`pointing_game` for each block of a model and for their `joint_map`, at the resolution of the masks.

    Args:
        maps: name → `(n, H, W)`, as `attention_maps` gives them.
        masks: `(n, S, S)` or `(n, S, S, 1)`.

    Returns:
        Name of the block, or `"joint"` → what `pointing_game` returns.
    """
    size, results = masks.shape[1], {}
    # In pieces: maps at the resolution of the images would fill the memory for a large split.
    for start in range(0, len(masks), PIECE):
        piece = {name: values[start : start + PIECE] for name, values in maps.items()}
        resized = {name: resize_maps(values, size) for name, values in piece.items()} | {
            "joint": joint_map(piece, size)
        }
        for name, values in resized.items():
            results.setdefault(name, []).append(pointing_game(values, masks[start : start + PIECE]))
    return {name: _pooled(pieces) for name, pieces in results.items()}


def _pooled(pieces):
    used = [piece for piece in pieces if piece["count"]]
    if not used:
        return pieces[0]
    counts = [piece["count"] for piece in used]
    means = {name: float(np.average([piece[name] for piece in used], weights=counts)) for name in ("score", "chance")}
    return {**means, "count": sum(counts)}

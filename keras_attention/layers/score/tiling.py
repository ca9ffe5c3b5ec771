"""The table of a score in tiles of a few queries, so that no tensor `(Tq, Tk, d)` is ever held in memory.

The tiles are computed one after the other in a loop, and computed again for the gradient. In parallel, or kept for the
gradient, they would together take as much memory as the whole tensor.
"""

import keras
from keras import ops

# Numbers in a tile, 4 MB in float32. Smaller tiles lose time in the loop, larger ones take memory and gain little time
# (benchmarks/additive_memory.py).
TILE_SIZE = 2**20


def fits_at_once(query_shape, key_shape):
    """Whether the pairs of one example fit in one tile. A single query always fits: it takes no more than the keys."""
    queries, keys, dimension = query_shape[-2], key_shape[-2], key_shape[-1]
    if queries == 1:
        return True
    return None not in (queries, keys) and queries * keys * dimension <= TILE_SIZE


def table_in_tiles(score, query, key):
    """Scores `(..., Tq, Tk)` of projected queries `(..., Tq, d)` and keys `(..., Tk, d)`, computed tile by tile."""
    queries = ops.shape(query)[-2]
    rows = _at_least_one(TILE_SIZE // ops.size(key))
    tiles = _split(query, rows)
    variables = score.variables
    # Tensors, because TensorFlow gives a wrong gradient if a recomputed function gets a variable as an argument.
    values = [ops.copy(variable) for variable in variables]

    def tile(query, key, *values):
        # The weights are arguments, so that the recomputation for the gradient sees everything the tile depends on.
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return score.pair_table(query, key)

    recomputed = keras.remat(tile)
    scores = ops.map(lambda query: recomputed(query, key, *values), tiles)
    return _join(scores, queries, 3 if score.features is None else 4)


def _split(query, rows):
    """`(..., Tq, d)` → `(tiles, ..., rows, d)`, the last tile padded with zeros."""
    *leading, queries, dimension = ops.shape(query)
    tiles = (queries + rows - 1) // rows
    filling = ops.zeros((*leading, tiles * rows - queries, dimension), query.dtype)
    filled = ops.concatenate([query, filling], axis=-2)
    return ops.moveaxis(ops.reshape(filled, (*leading, tiles, rows, dimension)), -3, 0)


def _join(scores, queries, axis):
    """`(tiles, ..., rows, Tk)` → `(..., Tq, Tk)`; `axis`, from the end, is where the tiles go, before the rows."""
    scores = ops.moveaxis(scores, 0, -axis)
    shape = ops.shape(scores)
    scores = ops.reshape(scores, (*shape[:-axis], shape[-axis] * shape[1 - axis], *shape[2 - axis :]))
    return scores[..., :queries, :] if axis == 3 else scores[..., :queries, :, :]


def _at_least_one(rows):
    return max(1, rows) if isinstance(rows, int) else ops.maximum(1, rows)

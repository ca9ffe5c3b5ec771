"""The table of a score in tiles of a few queries, so that no tensor `(Tq, Tk, d)` is ever held in memory.

The tiles are computed one after the other in a loop, and computed again for the gradient. In parallel, or kept for the
gradient, they would together take as much memory as the whole tensor. In a graph of TensorFlow, XLA compiles the loop
of the gradient, and in training that of the scores; JAX compiles both itself.
"""

import functools
import math

import keras
from keras import ops

from keras_attention.compiled import compiled, in_turn, xla_device

# Numbers in a tile, 4 MB in float32. Smaller tiles lose time in the loop, larger ones take memory and gain little time
# (benchmarks/additive_memory.py).
TILE_SIZE = 2**20
# A compiled loop costs next to nothing, so that a tile fits in the cache of a core; a GPU needs more numbers at once.
COMPILED_TILE_SIZES = {"CPU": 2**17, "GPU": 2**23}
# Numbers in the pairs of an example from which XLA is worth its one or two seconds, within some hundred examples.
COMPILED_FROM = 2**22


def fits_at_once(query_shape, key_shape):
    """Whether the pairs of one example fit in one tile. A single query always fits: it takes no more than the keys."""
    queries, keys, dimension = query_shape[-2], key_shape[-2], key_shape[-1]
    if queries == 1:
        return True
    return None not in (queries, keys) and queries * keys * dimension <= TILE_SIZE


def table_in_tiles(score, query, key):
    """Scores `(..., Tq, Tk)` of projected queries `(..., Tq, d)` and keys `(..., Tk, d)`, computed tile by tile."""
    variables = score.variables
    # Tensors, because TensorFlow gives a wrong gradient if a recomputed function gets a variable as an argument.
    values = [ops.copy(variable) for variable in variables]

    def tile(query, key, *values):
        # The weights are arguments, so that the recomputation for the gradient sees everything the tile depends on.
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return score.pair_table(query, key)

    join = functools.partial(_join, axis=3 if score.features is None else 4)
    table = functools.partial(_table, tile, join, _recomputed, TILE_SIZE)
    device = xla_device()
    if device is not None and _is_worth_compiling(query.shape, key.shape):
        of_example = functools.partial(_table, tile, join, in_turn, COMPILED_TILE_SIZES[device])
        table = compiled(functools.partial(_by_examples, of_example), plain=table)
    return table(query, key, *values)


def _is_worth_compiling(query_shape, key_shape):
    sizes = query_shape[-2], *key_shape[-2:]
    # A number of positions that is not known may differ from step to step, and XLA would compile in each.
    return None not in sizes and math.prod(sizes) >= COMPILED_FROM


def _table(tile, join, loop, size, query, key, *values):
    """The table in tiles of at most `size` numbers, or of one query; `loop` computes them one after the other."""
    queries = ops.shape(query)[-2]
    rows = _between_one_and(queries, size // ops.size(key))
    return join(loop(tile, [_split(query, rows)], [key, *values]), queries)


def _recomputed(function, pieces, shared):
    """`function(*piece, *shared)` for one piece after the other; the gradient computes each again."""
    recomputed = keras.remat(function)
    return ops.map(lambda piece: recomputed(*piece, *shared), tuple(pieces))


def _by_examples(table, query, key, *values):
    """The tables of all examples, one after the other, so that the keys of one stay in the cache."""
    leading = ops.shape(query[..., 0, 0] + key[..., 0, 0])
    if all(isinstance(length, int) and length == 1 for length in leading):
        return table(query, key, *values)
    examples = [_flat(tensor, leading) for tensor in (query, key)]
    tables = in_turn(table, examples, values)
    return ops.reshape(tables, (*leading, *tables.shape[1 + len(leading) :]))


def _flat(tensor, leading):
    """`(..., T, d)`, broadcast to the leading axes → `(n, ..., T, d)`, whose leading axes are of length 1 but for n."""
    last = tensor.shape[-2:]
    return ops.reshape(ops.broadcast_to(tensor, (*leading, *last)), (-1, *(1 for _ in leading), *last))


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


def _between_one_and(most, number):
    known = isinstance(number, int) and isinstance(most, int)
    return max(1, min(number, most)) if known else ops.maximum(1, ops.minimum(number, most))

"""The time of every alignment relative to softmax: forwards and backwards over 784 positions, batch 64.

    python benchmarks/alignments_against_softmax.py              # about two minutes on two cores

It is measured for one query over a map of 28 × 28 (scores of shape (64, 1, 784)), as in `SpatialAttention`, and for
self-attention with 28 queries (64, 28, 784), where arithmetic outweighs the overhead of the calls.
"""

import argparse

import numpy as np
from compiled_calls import compiled_gradient
from keras import ops

from keras_attention.layers import ALIGNMENTS, EntmaxAlignment, HardAlignment
from keras_attention.timing import medians

BATCH, SIDE, DIMENSION = 64, 28, 32


def members(queries):
    """Name → a layer: every registered alignment, and options that change the cost."""
    found = {name: ALIGNMENTS.get(name, axes=2 if queries == 1 else 1) for name in ALIGNMENTS}
    found["entmax, α = 1.3"] = EntmaxAlignment(1.3)
    found["entmax, α learned"] = EntmaxAlignment(learned=True)
    found["hard, reinforce"] = HardAlignment("reinforce")
    found["hard, reinforce"].is_rewarded = found["reinforced"].is_rewarded = True
    return found


def gradient_call(name, layer, queries):
    """A compiled gradient of a weighted sum of the weights that one layer gives."""
    generator = np.random.default_rng(0)
    shape = (BATCH, queries, SIDE * SIDE)
    scores, factors = (ops.convert_to_tensor(2 * generator.normal(size=shape).astype("float32")) for _ in range(2))
    query = ops.convert_to_tensor(generator.normal(size=(BATCH, queries, DIMENSION)).astype("float32"))
    arguments = {"grid": (SIDE, SIDE) if queries == 1 else None, "query": query}
    layer(scores, **arguments)  # builds it

    def value(scores):
        products = layer(scores, training=True, finite=True, **arguments) * factors
        total = ops.sum(products)
        if getattr(layer, "has_sample", False):  # as `ReinforceModel` does
            total = total + ops.sum(layer.reinforce_loss(ops.sum(products, axis=(1, 2))))
        return total

    return compiled_gradient(value, scores)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=40)
    options = parser.parse_args()
    for queries in (1, 28):
        functions = {name: gradient_call(name, layer, queries) for name, layer in members(queries).items()}
        for name, seconds in (times := medians(functions, options.repeats)).items():
            ratio = seconds / times["softmax"]
            print(f"({BATCH}, {queries:2}, 784) {name:20} {1e3 * seconds:8.2f} ms {ratio:6.2f}", flush=True)


if __name__ == "__main__":
    main()

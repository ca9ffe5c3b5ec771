"""The time of `Attention("dot")` and `Attention("scaled_dot")` relative to `keras.layers.Attention`.

    python benchmarks/products_against_keras.py                  # about a minute on two cores

Measured are one pass, and one pass with gradients, over 196, 784 and 3,136 positions: maps with sides of 14, 28 and 56
positions. The result is the ratio of the medians.
"""

import argparse

import keras
import numpy as np
from compiled_calls import compiled, compiled_gradient
from keras import ops

from keras_attention.layers import Attention
from keras_attention.timing import medians


def layers():
    """Name → a function of query and value. Keras's layer does not scale the product unless `use_scale` is set."""
    theirs, dot, scaled = keras.layers.Attention(), Attention("dot"), Attention("scaled_dot")
    return {
        "keras.layers.Attention": lambda query, value: theirs([query, value]),
        "dot": lambda query, value: dot(query, value),
        "scaled_dot": lambda query, value: scaled(query, value),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dimension", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=30)
    options = parser.parse_args()
    for positions, batch in ((196, 32), (784, 8), (3136, 1)):
        shape = (batch, positions, options.dimension)
        generator = np.random.default_rng(0)
        query, value = (ops.convert_to_tensor(generator.normal(size=shape).astype("float32")) for _ in range(2))
        calls = layers()
        forward = {name: compiled(call, query, value) for name, call in calls.items()}
        backward = {
            name: compiled_gradient(
                lambda query, value, call=call: ops.sum(ops.square(call(query, value))), query, value
            )
            for name, call in calls.items()
        }
        for kind, functions in (("forward", forward), ("gradient", backward)):
            times = medians(functions, options.repeats)
            base = times["keras.layers.Attention"]
            for name, seconds in times.items():
                print(
                    f"{positions:5} positions, batch {batch:2}, {kind:8} {name:23} {1e3 * seconds:8.2f} ms "
                    f"{seconds / base:6.3f}"
                )


if __name__ == "__main__":
    main()

"""Seconds that the measures of maps take besides the model: 1,000 images of 224 px, four maps and their joint map.

    python benchmarks/map_measures.py

Deletion and insertion use 100 of the images, as `measure` does by default, and a model that computes next to nothing.
"""

import statistics
import time

import keras
import numpy as np

from keras_attention.maps import agreement, deletion_and_insertion, entropy, joint_map, sparsity
from keras_attention.maps.measures import JOINT, measure_pixels

IMAGES, PERTURBED, SIDE, GRIDS, REPEATS = 1000, 100, 224, (56, 28, 14, 7), 3


def main():
    rng = np.random.default_rng(0)
    maps = {f"{side}×{side}": rng.random((IMAGES, side, side), dtype="float32") for side in GRIDS}
    masks = (rng.random((IMAGES, 7, 7)) > 0.8).repeat(SIDE // 7, 1).repeat(SIDE // 7, 2)
    images = rng.integers(0, 256, (PERTURBED, SIDE, SIDE, 3)).astype("uint8")
    every = maps | {JOINT: joint_map(maps, GRIDS[0])}
    tasks = {
        "against masks": lambda: measure_pixels(every, masks),
        "entropy and sparsity": lambda: [(entropy(values), sparsity(values)) for values in every.values()],
        "agreement of pairs": lambda: [agreement(maps[a], maps[b]) for a in maps for b in maps if a < b],
        "deletion and insertion": lambda: [
            deletion_and_insertion(model, images, values[:PERTURBED]) for values in every.values()
        ],
    }
    inputs = keras.Input((SIDE, SIDE, 3))
    small = keras.layers.AveragePooling2D(SIDE)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(small)))
    total = 0.0
    for name, task in tasks.items():
        seconds = [_timed(task) for _ in range(REPEATS)]
        total += statistics.median(seconds)
        print(
            f"{name:24}{statistics.median(seconds):6.1f} s  ({' '.join(f'{each:.1f}' for each in seconds)})", flush=True
        )
    print(f"{'all':24}{total:6.1f} s")


def _timed(task):
    began = time.perf_counter()
    task()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()

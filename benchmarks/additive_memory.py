"""Time and memory of self-attention over the positions of a map, relative to Keras's `AdditiveAttention`.

    python benchmarks/additive_memory.py                        # about 25 minutes on two cores, 6 GB
    python benchmarks/additive_memory.py --jit-compile          # the whole model compiled, Keras's as it is by default
    python benchmarks/additive_memory.py --processes 3 --scores additive --positions 784

One image, 256 units. Each figure is a median over fresh processes, which take turns: the time of a training step (in a
process the median of those after the second), that of the first, and the peak of memory above what the process held
before it (Linux). `additive` and `concat` have the weights W₁ and W₂, which Keras's layer lacks.
"""

import argparse
import json
import statistics
import subprocess
import sys
import threading
import time

import keras
import numpy as np

from keras_attention.layers import SCORES, Attention

UNITS = 256
KERAS = "keras"
SAME_SIZE = ("additive", "concat", "activated_general", "euclidean")


def model(kind, positions, jit_compile):
    """A compiled model of one attention layer."""
    inputs = keras.Input((positions, UNITS))
    if kind == KERAS:
        outputs = keras.layers.AdditiveAttention()([inputs, inputs])
    else:
        options = {"units": UNITS} if kind in ("additive", "concat") else {}
        outputs = Attention(SCORES[kind](**options))(inputs, inputs)
    built = keras.Model(inputs, outputs)
    built.compile("sgd", "mse", jit_compile=jit_compile and kind != KERAS)
    return built


def resident():
    """Megabytes that this process holds."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6


def measured(kind, positions, steps, jit_compile):
    """Seconds of a step and of the first one, and the peak of all in megabytes above what the process held before."""
    trained = model(kind, positions, jit_compile)
    images = np.random.default_rng(0).normal(size=(1, positions, UNITS)).astype("float32")
    base, peak, done, times = resident(), 0.0, threading.Event(), []

    def watch():
        nonlocal peak
        while not done.is_set():
            peak = max(peak, resident())
            time.sleep(0.001)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    for _ in range(steps + 2):
        began = time.perf_counter()
        trained.train_on_batch(images, images)
        times.append(time.perf_counter() - began)
    done.set()
    watcher.join()
    return statistics.median(times[2:]), times[0], peak - base


def in_a_fresh_process(kind, positions, options):
    flags = ["--steps", str(options.steps)] + ["--jit-compile"] * options.jit_compile
    command = [sys.executable, __file__, "--measure", kind, "--positions", str(positions), *flags]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--positions", type=int, nargs="+", default=[784, 1600])
    parser.add_argument("--scores", nargs="+", default=SAME_SIZE)
    parser.add_argument("--processes", type=int, default=10)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--jit-compile", action="store_true", help="compile our whole model")
    parser.add_argument("--measure", help="only measure one kind, in this process")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measured(options.measure, options.positions[0], options.steps, options.jit_compile)))
        return
    for positions in options.positions:
        found = {kind: [] for kind in (KERAS, *options.scores)}
        for _ in range(options.processes):
            for kind, figures in found.items():
                figures.append(in_a_fresh_process(kind, positions, options))
        medians = {kind: [statistics.median(each) for each in zip(*rows, strict=True)] for kind, rows in found.items()}
        for kind, (seconds, first, peak) in medians.items():
            ratio = seconds / medians[KERAS][0]
            print(
                f"{positions:5} {kind:18} {seconds:6.3f} s {ratio:5.2f}   first {first:5.2f} s {peak:6.0f} MB",
                flush=True,
            )


if __name__ == "__main__":
    main()

"""Time and memory of additive self-attention: `Attention("additive")` and Keras's `AdditiveAttention`.

    python benchmarks/additive_memory.py                         # about two minutes on two cores, 6 GB

Both run training steps over the positions of a map. Memory is the peak of a process above what it held before the first
step; each layer is measured in a separate process (Linux). Time is the median of steps that take turns in one process.
Our layer has the weights W₁ and W₂, which Keras's layer lacks.
"""

import argparse
import subprocess
import sys
import threading
import time

import keras
import numpy as np
from in_turn import medians

from keras_attention.layers import AdditiveScore, Attention

UNITS = 256


def model(kind, positions):
    """A compiled model of one attention layer."""
    inputs = keras.Input((positions, UNITS))
    if kind == "keras":
        outputs = keras.layers.AdditiveAttention()([inputs, inputs])
    else:
        outputs = Attention(AdditiveScore(UNITS))(inputs, inputs)
    built = keras.Model(inputs, outputs)
    built.compile("sgd", "mse")
    return built


def resident():
    """Megabytes that this process holds."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6


def peak_above_base(kind, positions):
    """The peak of four training steps, in megabytes above what the process held before."""
    trained, images = (
        model(kind, positions),
        np.random.default_rng(0).normal(size=(1, positions, UNITS)).astype("float32"),
    )
    base, peak, done = resident(), 0.0, threading.Event()

    def watch():
        nonlocal peak
        while not done.is_set():
            peak = max(peak, resident())
            time.sleep(0.001)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    for _ in range(4):
        trained.train_on_batch(images, images)
    done.set()
    watcher.join()
    return peak - base


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--positions", type=int, nargs="+", default=[784, 1600])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--peak-of", choices=["keras", "ours"], help="only measure the memory of one layer")
    options = parser.parse_args()
    if options.peak_of:
        print(f"{peak_above_base(options.peak_of, options.positions[0]):.0f}")
        return
    for positions in options.positions:
        images = np.random.default_rng(0).normal(size=(1, positions, UNITS)).astype("float32")
        models = {kind: model(kind, positions) for kind in ("keras", "ours")}
        steps = {kind: lambda m=built, x=images: m.train_on_batch(x, x) for kind, built in models.items()}
        times = medians(steps, options.repeats)
        for kind, seconds in times.items():
            command = [sys.executable, __file__, "--peak-of", kind, "--positions", str(positions)]
            peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]
            print(
                f"{positions:5} positions {kind:6} {seconds:6.3f} s {seconds / times['keras']:6.2f}   {peak:>5} MB",
                flush=True,
            )


if __name__ == "__main__":
    main()

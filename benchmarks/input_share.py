"""The time for which a model waits for its input: training steps fed by the pipeline, and steps fed from memory.

Both are measured in turn in one process; the steps from memory all use the same batch. The share is what the pipeline
adds to the median step. The pipeline is also measured alone.

    python benchmarks/input_share.py --augment photo
"""

import argparse
import statistics
import time

from keras_attention.config import TrainConfig
from keras_attention.runs import load_data
from keras_attention.training import build_model


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="cluttered_digits")
    parser.add_argument("--data-dir")
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--augment", default="none")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=40, help="steps measured in a row")
    parser.add_argument("--blocks", type=int, default=7, help="rows of steps of each kind")
    options = vars(parser.parse_args())
    steps, blocks = options.pop("steps"), options.pop("blocks")
    config = TrainConfig(**options)
    dataset = load_data(config)
    model = build_model(config, dataset)
    model.compile("adam", "categorical_crossentropy")
    stream = iter(dataset.training_batches(config.batch_size, config.augment))
    batch = next(stream)

    def block(next_batch, step):
        began = time.perf_counter()
        for _ in range(steps):
            step(*next_batch())
        return (time.perf_counter() - began) / steps

    kinds = {
        "pipeline": (lambda: next(stream), model.train_on_batch),
        "memory": (lambda: batch, model.train_on_batch),
        "pipeline alone": (lambda: next(stream), lambda *_: None),
    }
    times = {name: [] for name in kinds}
    block(*kinds["memory"])
    for _ in range(blocks):
        for name, kind in kinds.items():
            times[name].append(block(*kind))
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, median in medians.items():
        print(f"{name:15} {1000 * median:8.2f} ms a batch of {config.batch_size}")
    print(f"share of a step spent on data: {1 - medians['memory'] / medians['pipeline']:.1%}")


if __name__ == "__main__":
    main()

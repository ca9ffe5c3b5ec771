"""The cost of attention: a training step with two attended layers, relative to the same network with `score=None`.

Both are measured in turn in one process, so that drift of the machine cancels out. The result is the ratio of the
medians.

    python benchmarks/attention_step.py                         # width 1, 224 px, batch 4: about 4 minutes on two cores
    KERAS_BACKEND=jax python benchmarks/attention_step.py --batch-size 64 --precision mixed_bfloat16     # on a GPU
"""

import argparse
import statistics
import time

import keras
import numpy as np

from keras_attention.models import VGG16BN, attention_classifier
from keras_attention.precision import dtype_policy


def build(score, options):
    """A compiled classifier; `score=None` has no attention."""
    with dtype_policy(options.precision):
        backbone = VGG16BN((options.image_size, options.image_size, 3), width=options.width)
        model = attention_classifier(backbone, 10, score=score, alignment=options.alignment, units=options.units)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def seconds(model, images, labels):
    """The time of one step. It is complete, because `train_on_batch` returns the loss."""
    began = time.perf_counter()
    model.train_on_batch(images, labels)
    return time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--units", type=int, default=256)
    parser.add_argument("--score", default="additive")
    parser.add_argument("--alignment", default="softmax")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    shape = (options.batch_size, options.image_size, options.image_size, 3)
    images, labels = generator.integers(0, 256, shape).astype("float32"), generator.integers(0, 10, options.batch_size)
    models = {"attention": build(options.score, options), "without": build(None, options)}
    times = {name: [] for name in models}
    for repeat in range(options.repeats + 2):
        for name, model in models.items():
            taken = seconds(model, images, labels)
            if repeat >= 2:  # the first two trace and warm up
                times[name].append(taken)
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, values in times.items():
        print(f"{name:10} median {medians[name]:.3f} s a step ({min(values):.3f} to {max(values):.3f})")
    print(f"ratio      {medians['attention'] / medians['without']:.3f}")


if __name__ == "__main__":
    main()

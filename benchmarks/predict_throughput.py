"""Images per second of `predict` on JPEG files, relative to the model alone on images in memory.

Both are measured in turn in one process, with the same batches. The files are smooth noise of 500×375 pixels with a
finer grain, so that they are about as large as photographs. The stream cannot avoid the processor time of decoding an
image, which is printed too.

    python benchmarks/predict_throughput.py
    python benchmarks/predict_throughput.py --image-size 224 --width 0.25
"""

import argparse
import os
import pathlib
import tempfile
import time

import numpy as np
from PIL import Image

from keras_attention.models import VGG16BN, attention_classifier
from keras_attention.prediction import load_predictor, predict_files
from keras_attention.prediction.stream import even_batch_size
from keras_attention.timing import medians

WIDTH, HEIGHT, CLASSES, DECODED = 500, 375, 10, 100


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--width", type=float, default=1.0, help="factor on the filters of VGG16")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = write_files(pathlib.Path(folder), options.files)
        measure(pathlib.Path(folder), paths, options)


def write_files(folder, count):
    rng = np.random.default_rng(0)
    paths = [folder / f"{number:05}.jpg" for number in range(count)]
    for path in paths:
        coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3)).astype("uint8"))
        smooth = np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)).astype("float32")
        grain = rng.normal(0, 8, (HEIGHT, WIDTH, 1))
        Image.fromarray(np.clip(smooth + grain, 0, 255).astype("uint8")).save(path, quality=90)
    return paths


def measure(folder, paths, options):
    side = options.image_size
    model = attention_classifier(VGG16BN((side, side, 3), width=options.width), CLASSES, units=256)
    model.save(folder / "model.keras")
    predictor = load_predictor(folder / "model.keras")
    size = even_batch_size(len(paths), options.batch_size)
    images = np.random.default_rng(1).integers(0, 256, (size, side, side, 3)).astype("uint8")

    def alone():
        for _ in range(0, len(paths), size):
            predictor(images)

    def stream():
        for prediction in predict_files(predictor, paths, options.batch_size):
            if prediction.error:
                raise prediction.error

    predictor(images)  # the first call traces
    times = medians({"model alone": alone, "from files": stream}, options.repeats, warm_up=0)
    megabytes = sum(path.stat().st_size for path in paths) / 1e6
    print(
        f"{len(paths)} JPEG files of {WIDTH}×{HEIGHT}, {1000 * megabytes / len(paths):.0f} kB each; batches of {size}"
    )
    for name, seconds in times.items():
        print(f"{name:12} {len(paths) / seconds:8.1f} images/s")
    print(f"from files / model alone: {times['model alone'] / times['from files']:.1%}")
    for name, function in (("model alone", alone), ("from files", stream)):
        print(f"cores busy, {name}: {busy_cores(function):.2f} of {os.cpu_count()}")
    print(f"to decode an image: {1000 * decoding_seconds(predictor, paths):.2f} ms of a processor")


def busy_cores(function):
    """Processor seconds per second of a call."""
    began, used = time.perf_counter(), time.process_time()
    function()
    return (time.process_time() - used) / (time.perf_counter() - began)


def decoding_seconds(predictor, paths):
    """Processor seconds of decoding an image."""
    chosen = paths[:DECODED]
    began = time.process_time()
    for path in chosen:
        predictor.read(path)
    return (time.process_time() - began) / len(chosen)


if __name__ == "__main__":
    main()

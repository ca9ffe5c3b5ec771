"""Files in 8 bits and OpenVINO: their speed, and what 8 bits cost in accuracy and maps.

Both sides of each ratio take turns in one process, several times; told are the median ratio and its range.

    python benchmarks/exports.py                   # width 1, 224 px, two attended blocks: about 10 minutes
    python benchmarks/exports.py --run runs/photos # accuracy, ROC-AUC, pointing and maps of a run, on its test images
"""

import argparse
import functools
import pathlib
import statistics
import tempfile

import numpy as np
import scipy.ndimage
from scipy import stats

from keras_attention import VGG16BN, attention_classifier, evaluate, export_run, load_predictor
from keras_attention.export.formats import RUNTIMES, write_format
from keras_attention.export.graph import InferenceGraph
from keras_attention.export.int8 import INT8_WRITERS
from keras_attention.quiet import silenced
from keras_attention.runs import Run, load_data
from keras_attention.timing import medians

PAUSE = 0.2  # seconds: the threads of ONNX Runtime spin for a while after a call
# What is compared: the faster side, the slower side, and the sizes of the batches.
PAIRS = (("ONNX int8", "ONNX", (1, 32)), ("LiteRT int8", "LiteRT", (1, 32)), ("OpenVINO", "Keras", (1,)))
PART = "convolutions"  # what is in 8 bits
SHARE = 8  # pixels of one patch of the noise to calibrate on, which is as smooth as photographs are


def functions_of(size, width, folder):
    """Name → function of images; all of them give the same outputs."""
    model = attention_classifier(VGG16BN((size, size, 3), width=width), 10, units=128)
    graph = InferenceGraph(model, [str(number) for number in range(10)])
    made = {"Keras": graph.reference.predict_on_batch}
    made["OpenVINO"] = RUNTIMES["openvino"](write_format("openvino", graph, folder))
    for title, name, suffix in (("ONNX", "onnx", ".onnx"), ("LiteRT", "litert", ".tflite")):
        (folder / name).mkdir()
        writer = INT8_WRITERS[name](graph, smooth_noise(16, size), folder / name)
        writer.write(folder / f"int8{suffix}", PART)
        made[title] = RUNTIMES[name](writer.float_path)
        made[f"{title} int8"] = RUNTIMES[name](folder / f"int8{suffix}")
    return made


def smooth_noise(count, size):
    """Images of noise that is smooth over some pixels, `(count, size, size, 3)`."""
    noise = np.random.default_rng(0).uniform(0, 255, (count, size // SHARE, size // SHARE, 3))
    return scipy.ndimage.zoom(noise, (1, SHARE, SHARE, 1), order=1).astype("float32")


def tell_speed(options):
    """Prints how many times as fast the first of each of `PAIRS` is."""
    with tempfile.TemporaryDirectory() as folder:
        with silenced(tell_errors=True):
            made = functions_of(options.image_size, options.width, pathlib.Path(folder))
        for fast, slow, counts in PAIRS:
            for count in counts:
                images = smooth_noise(count, options.image_size)
                calls = {name: functools.partial(made[name], images) for name in (fast, slow)}
                calls_each = options.repeats if count == 1 else max(1, options.repeats // 5)
                rounds = [medians(calls, calls_each, 1, PAUSE) for _ in range(options.rounds)]
                ratios = [times[slow] / times[fast] for times in rounds]
                told = f"{statistics.median(ratios):.2f} times as fast ({min(ratios):.2f} to {max(ratios):.2f})"
                milliseconds = ", ".join(f"{1000 * min(times[name] for times in rounds):.1f} ms" for name in calls)
                print(f"{fast} against {slow}, batch of {count}: {told}; least {milliseconds}", flush=True)


def tell_quality(options):
    """Prints the figures of a run in float32 and in 8 bits on its test images."""
    run = Run(options.run)
    images = load_data(run.config, run.folder, "test").evenly("test", options.images)["image"]
    with tempfile.TemporaryDirectory() as folder:
        maps = {}
        for title, format_, quantize in (
            ("ONNX", "onnx", None),
            ("ONNX int8", "onnx", "int8"),
            ("LiteRT int8", "litert", "int8"),
        ):
            out = pathlib.Path(folder) / title
            card = export_run(run, out, format_, quantize)
            figures = evaluate(out)
            predictor = load_predictor(out)
            batches = [predictor(images[start : start + 32]) for start in range(0, len(images), 32)]
            maps[title] = {name: np.concatenate([b[name] for b in batches]) for name in predictor.grids}
            part = card["formats"][format_].get("int8", {}).get("part", "nothing")
            print(f"{title}, {part} in 8 bits: {told_of(figures)}; {order_of(maps[title], maps['ONNX'])}", flush=True)


def told_of(figures):
    pointing = {name: round(found["score"], 3) for name, found in figures.get("pointing_game", {}).items()}
    return f"accuracy {figures['accuracy']:.3f}, ROC-AUC {figures['roc_auc']:.3f}, pointing {pointing}"


def order_of(found, expected):
    """The mean of Spearman's rank correlation of the maps of each image."""
    means = {
        name: np.mean([stats.spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(found[name], maps, strict=True)])
        for name, maps in expected.items()
    }
    return f"rank correlation of the maps { ({name: round(float(value), 4) for name, value in means.items()}) }"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--run", help="the folder of a finished run, whose quality is told instead of the speed")
    parser.add_argument("--images", type=int, default=200, help="test images whose maps are compared")
    options = parser.parse_args()
    tell_quality(options) if options.run else tell_speed(options)


if __name__ == "__main__":
    main()

"""The speed of each exported format: the same model on the same images, measured in turn in one process.

Measured are `predict_on_batch` of the Keras model, its SavedModel with and without folded batch normalization, and ONNX
and LiteRT files with float32 and with quantized weights. Each of them gives probabilities, logits and both maps.
`exports.py` measures files that compute in 8 bits, and OpenVINO.

    python benchmarks/inference.py                        # width 1, 224 px, batches of 1 and 32: about 10 minutes
    python benchmarks/inference.py --width 0.25 --image-size 64
"""

import argparse
import functools
import pathlib
import tempfile

import numpy as np

from keras_attention.export import FORMATS
from keras_attention.export.formats import RUNTIMES, write_format
from keras_attention.export.graph import InferenceGraph
from keras_attention.models import VGG16BN, attention_classifier
from keras_attention.quiet import silenced
from keras_attention.timing import medians

# The threads of ONNX Runtime spin for a while after a call, and would slow down the next measurement.
PAUSE = 0.2


def calls(model, class_names, folder):
    """Name → function of images; all of them give the same outputs."""
    graph, unfolded = (InferenceGraph(model, class_names, fold=fold) for fold in (True, False))
    found = {"Keras": graph.reference.predict_on_batch}
    found["SavedModel, not folded"] = write_and_load(unfolded, "savedmodel", folder / "plain")
    found["SavedModel"] = write_and_load(graph, "savedmodel", folder / "folded")
    for name in ("onnx", "litert"):
        for quantize in (None, "float16", "dynamic"):
            title = f"{FORMATS[name].title}{f', {quantize}' if quantize else ''}"
            found[title] = write_and_load(graph, name, folder, quantize)
    return found


def write_and_load(graph, name, folder, quantize=None):
    """A format, written and loaded again."""
    folder.mkdir(parents=True, exist_ok=True)
    return RUNTIMES[name](write_format(name, graph, folder, quantize))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--repeats", type=int, nargs="+", default=[25, 5])
    options = parser.parse_args()
    size = options.image_size
    model = attention_classifier(VGG16BN((size, size, 3), width=options.width), 10, units=256)
    with tempfile.TemporaryDirectory() as folder, silenced(tell_errors=True):
        functions = calls(model, [str(number) for number in range(10)], pathlib.Path(folder))
        for batch_size, repeats in zip(options.batch_sizes, options.repeats, strict=True):
            images = np.random.default_rng(0).uniform(0, 255, (batch_size, size, size, 3)).astype("float32")
            on_images = {name: functools.partial(call, images) for name, call in functions.items()}
            times = medians(on_images, repeats, pause=PAUSE)
            print(f"batch of {batch_size}", flush=True)
            for name, seconds in times.items():
                per_image = f"{1000 * seconds / batch_size:8.2f} ms an image"
                print(f"  {name:26} {per_image}, {times['Keras'] / seconds:.2f} times as fast", flush=True)


if __name__ == "__main__":
    main()

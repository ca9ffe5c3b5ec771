"""The size, speed, accuracy and maps of each written format beside those of the Keras model."""

import functools

import numpy as np

from keras_attention.cards import FORMATS
from keras_attention.maps.mask_measures import pointing_game
from keras_attention.maps.placed import joint_map, place, resize_maps
from keras_attention.models.outputs import JOINT, attended_layer, maps_of
from keras_attention.text import columns, number
from keras_attention.timing import medians

KERAS = "Keras float32"
REPEATS = {1: 15, 32: 3}  # images in a batch → how many batches are timed
WARM_UP = {1: 3, 32: 1}
PAUSE = 0.1  # seconds between two calls: the threads of a runtime spin for a while after a call


def benchmark(graph, folder, written, examples):
    """Measures each written format and the Keras model, in turn in one process.

    Args:
        graph: the `InferenceGraph`.
        folder: the folder of the export.
        written: name of each format → what was `Written`.
        examples: the `Examples` they were compared on.

    Returns:
        A dictionary: `images`, how many images accuracy and pointing are of, `split`, and `rows`: name → `megabytes`,
        `milliseconds` for a batch of 1 and of 32 images, `accuracy` (`None` without labels) and `pointing_game` by
        attended layer (empty without masks).
    """
    functions = {KERAS: graph.reference.predict_on_batch}
    functions |= {title_of(name, each.quantize): each.runtime for name, each in written.items()}
    outputs = {KERAS: examples.expected(graph)}
    outputs |= {title_of(name, each.quantize): each.deviation.outputs for name, each in written.items()}
    sizes = {KERAS: sum(int(np.prod(weight.shape)) * 4 for weight in graph.reference.weights)}
    sizes |= {title_of(name, each.quantize): bytes_of(folder, name, each.quantize) for name, each in written.items()}
    times = {count: _times(functions, examples.images, count) for count in REPEATS}
    rows = {
        name: {
            "megabytes": sizes[name] / 1e6,
            "milliseconds": {str(count): 1000 * times[count][name] for count in times},
            "accuracy": examples.accuracy_of(outputs[name]),
            "pointing_game": _pointing(outputs[name], graph.grids, examples.masks),
        }
        for name in functions
    }
    labelled = examples.labels is not None
    return {"images": len(examples) if labelled else 0, "split": examples.split if labelled else None, "rows": rows}


def title_of(name, quantize):
    """A format with its quantization, as lines and tables name it."""
    return name if quantize is None else f"{name} {quantize}"


def bytes_of(folder, name, quantize):
    """The size of the files of a format."""
    return sum((folder / path).stat().st_size for path in FORMATS[name].files(folder, quantize))


def _times(functions, images, count):
    batch = np.resize(np.asarray(images, "float32"), (count, *np.shape(images)[1:]))
    calls = {name: functools.partial(function, batch) for name, function in functions.items()}
    return medians(calls, REPEATS[count], WARM_UP[count], PAUSE)


def _pointing(outputs, grids, masks):
    """Attended layer, and the joint map if there are several → the pointing game; empty without masks or maps."""
    if masks is None:
        return {}
    masks = np.asarray(masks)
    maps = place(maps_of(outputs), {attended_layer(name): grid for name, grid in grids.items()})
    maps |= {JOINT: joint_map(maps)} if len(maps) > 1 else {}
    return {name: pointing_game(resize_maps(values, masks.shape[1:3]), masks)["score"] for name, values in maps.items()}


def rows_of(figures):
    """The table of a benchmark as rows of text, the titles first."""
    first = next(iter(figures["rows"].values()))
    counts, layers = list(first["milliseconds"]), list(first["pointing_game"])
    accuracy = ["accuracy"] if figures["images"] else []
    yield [
        "format",
        "MB",
        *(f"ms, batch of {count}" for count in counts),
        *accuracy,
        *(f"pointing {x}" for x in layers),
    ]
    for name, row in figures["rows"].items():
        times = [number(row["milliseconds"][count], 1) for count in counts]
        quality = [number(row["accuracy"])] if accuracy else []
        pointing = [number(row["pointing_game"][layer]) for layer in layers]
        yield [name, number(row["megabytes"], 1), *times, *quality, *pointing]


def measured_on(figures):
    """A sentence about the images of a benchmark."""
    if not figures["images"]:
        return "Times and sizes only: without labelled images there is neither accuracy nor pointing."
    return f"Accuracy and pointing are of {figures['images']:,} images of the {figures['split'] or 'given'} split."


def table(figures):
    """The benchmark as text for a terminal."""
    return f"{columns(list(rows_of(figures)), right=True)}\n{measured_on(figures)}"

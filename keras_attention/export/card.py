"""Writes the card of an exported model: what it is, its training, its results, and its files."""

import datetime
import pathlib
import platform
from importlib import metadata

from scipy.stats import binomtest

from keras_attention import __version__
from keras_attention.cards import CARD, FORMATS, names_of, sha256
from keras_attention.export.benchmark import measured_on, rows_of
from keras_attention.export.decoding import SQUARES
from keras_attention.export.saved_model import ENDPOINTS
from keras_attention.export.writing import figures_of
from keras_attention.files import write_json
from keras_attention.models.grids import map_grids
from keras_attention.models.outputs import LABELS, LOGITS, PROBABILITIES, attended_layer, attention_layers
from keras_attention.report.rendering import load_template

PACKAGES = ("keras", "tensorflow", "numpy")
PACKAGES_OF = {
    "onnx": ("onnx", "tf2onnx", "onnxruntime"),
    "litert": ("ai-edge-litert",),
    "openvino": ("onnx", "tf2onnx", "onnxruntime", "openvino"),
}


def write_card(folder, name, graph, written, training=None, result=None, data=None, split=None, benchmark=None):
    """Writes `card.json` and `card.md` beside the files of an export; returns the content of `card.json`.

    Args:
        folder: folder of the export.
        name: name of the model, for people.
        graph: `InferenceGraph` of the model.
        written: name of each format → what was `Written`.
        training: the settings of its training.
        result: its results on the test split.
        data: what is known about the images: `name`, `images` of each split, `licence`.
        split: the split of the images that the formats were compared on, if they are of one.
        benchmark: the figures of `benchmark`.
    """
    folder = pathlib.Path(folder)
    card = {
        "name": name,
        "class_names": list(graph.class_names),
        "image_size": graph.image_shape[0],
        "resize": graph.resize,
        "input": f"RGB images from 0 to 255, (batch, {', '.join(map(str, graph.image_shape))})",
        "outputs": _outputs(graph, written),
        "parameters": int(graph.reference.count_params()),
        "attention": attention_of(graph.reference),
        "formats": {form: _format(folder, form, graph, found) for form, found in written.items()},
        "compared_split": split,
        "benchmark": benchmark,
        "training": training,
        "data": data,
        "result": result,
        "versions": _versions(written),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    write_json(folder / CARD, card)
    about = {"formats": FORMATS, "accuracy": _accuracy(result), "squares": _squares(graph), "names_of": names_of}
    about["compared"] = list(_compared(card["formats"]))
    if benchmark:
        about |= {"rows": list(rows_of(benchmark)), "measured_on": measured_on(benchmark)}
    text = load_template("card.md").render(card=card, **about)
    (folder / "card.md").write_text(text, "utf-8")
    return card


def _outputs(graph, written):
    outputs = {PROBABILITIES: "(batch, classes), from 0 to 1", LOGITS: "(batch, classes)"}
    if "savedmodel" in written:
        outputs[LABELS] = "(batch, classes), the class names in the order of the probabilities; SavedModel only"
    for name in graph.maps:
        shape = ", ".join(map(str, graph.model.output[name].shape[1:]))
        what = f"(batch, {shape}), the weight of each position of {attended_layer(name)}"
        outputs[name] = f"{what}, which lies at {_place(graph.grids[name])}"
    return outputs


def _place(grid):
    """Where the position (i, j) of a map lies, in words."""
    centres = [f"{axis.start:g} + {axis.step:g} · {letter}" for axis, letter in ((grid.rows, "i"), (grid.columns, "j"))]
    return f"row {centres[0]}, column {centres[1]} of the image, in pixels"


def attention_of(model):
    """The attended layer, the parts, the number of heads and the grid of each layer of a model with a map."""
    grids = map_grids(model)
    return [
        {
            "layer": name,
            **layer.kind,
            "heads": layer.num_heads,
            "grid": grids[name].get_config(),
        }
        for name, layer in attention_layers(model).items()
    ]


def _compared(forms):
    """Title, figures and number of images of each comparison: of OpenVINO there are two."""
    for name, form in forms.items():
        title, default = FORMATS[name].title, form.get("by_default")
        yield title + (" in float32" if default else ""), form, form["compared_images"]
        if default:
            yield f"{title} in {default['precision']}, its default here", default, form["compared_images"]


def _squares(graph):
    return SQUARES[graph.resize].format(graph.image_shape[0])


def _format(folder, name, graph, found):
    paths = FORMATS[name].files(folder, found.quantize)
    files = [{"path": str(p), "bytes": (folder / p).stat().st_size, "sha256": sha256(folder / p)} for p in paths]
    takes = ENDPOINTS | {"serve_bytes": f"{ENDPOINTS['serve_bytes']} Of any shape: {_squares(graph)}."}
    endpoints = {"endpoints": takes} if name == "savedmodel" else {}
    return endpoints | {
        "files": files,
        "bytes": sum(file["bytes"] for file in files),
        "quantized": found.quantize,
        **figures_of(found.deviation),
        "compared_images": found.deviation.images,
        **found.told,
    }


def _versions(written):
    names = [*PACKAGES, *(package for name in written for package in PACKAGES_OF.get(name, ()))]
    versions = {"python": platform.python_version(), "keras-spatial-attention": __version__}
    return versions | {name: version for name in names if (version := _version(name))}


def _version(package):
    """The version of a package; `None` if it was installed under another name, such as `tensorflow-cpu`."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _accuracy(result):
    """The accuracy on the test split with its 95 % Wilson interval; `None` if it is not known."""
    if not result or result.get("accuracy") is None or not result.get("count"):
        return None
    right, count = round(result["accuracy"] * result["count"]), result["count"]
    # A run of an earlier version has no interval.
    low, high = result.get("accuracy_interval") or binomtest(right, count).proportion_ci(0.95, method="wilson")
    about = {"count": count, "groups": result.get("group_count")}
    return {"value": result["accuracy"], "low": low, "high": high} | about

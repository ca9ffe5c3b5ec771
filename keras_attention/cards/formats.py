"""The formats of exported models: their names, their files, and what must be installed to write them."""

import dataclasses
import importlib.util
import pathlib

from keras_attention.arguments import invalid, require_choice, unknown

QUANTIZATIONS = ("float16", "dynamic", "int8")
STATIC = "int8"  # the quantization that needs images to calibrate on


@dataclasses.dataclass(frozen=True)
class Format:
    """One format of exported models.

    Args:
        title: the name of the format for people.
        packages: packages that must be importable to write it.
        suffix: suffix of its file; `None` for a format that fills the folder itself.
        weights: suffix of a second file beside it, with the weights; `None` if there is none.
        quantizations: how it can be made smaller.
    """

    title: str
    packages: tuple = ()
    suffix: str | None = None
    weights: str | None = None
    quantizations: tuple = ()

    def path(self, folder, quantize=None):
        """The path of the model in the folder of an export."""
        if self.suffix is None:
            return pathlib.Path(folder)
        return pathlib.Path(folder) / f"model{f'_{quantize}' if quantize else ''}{self.suffix}"

    def files(self, folder, quantize=None):
        """The files of the model, relative to the folder of an export."""
        folder = pathlib.Path(folder)
        if self.suffix is not None:
            path = self.path(folder, quantize).relative_to(folder)
            return [path] if self.weights is None else [path, path.with_suffix(self.weights)]
        inside = [path for part in ("variables", "assets") for path in sorted((folder / part).glob("*"))]
        lone = [folder / name for name in ("saved_model.pb", "fingerprint.pb") if (folder / name).is_file()]
        return [path.relative_to(folder) for path in (*lone, *inside)]


ONNX_PACKAGES = ("onnx", "tf2onnx", "onnxruntime")
FORMATS = {
    "savedmodel": Format("TensorFlow SavedModel"),
    "onnx": Format("ONNX", ONNX_PACKAGES, ".onnx", quantizations=QUANTIZATIONS),
    "litert": Format("LiteRT", ("ai_edge_litert",), ".tflite", quantizations=QUANTIZATIONS),
    # It is made of the ONNX file.
    "openvino": Format("OpenVINO", (*ONNX_PACKAGES, "openvino"), ".xml", ".bin", ("float16", STATIC)),
}


def format_of(path):
    """The name of the format of a single file, by its suffix; `None` if no format has this suffix."""
    suffix = pathlib.Path(path).suffix.lower()
    return next((name for name, form in FORMATS.items() if form.suffix == suffix), None)


def check_formats(formats, quantize=None):
    """The names of formats without repetition.

    Raises:
        ValueError: an unknown name, no name, missing packages, or a quantization that the formats do not have.
    """
    names = tuple(dict.fromkeys((formats,) if isinstance(formats, str) else formats))
    for name in names or ("",):
        if name not in FORMATS:
            raise unknown("format", name, FORMATS, "formats")
        needs(*FORMATS[name].packages)
    if quantize is not None:
        require_choice("quantize", quantize, QUANTIZATIONS)
        _check_quantization(names, quantize)
    return names


def _check_quantization(names, quantize):
    """Raises `ValueError` if a format lacks a quantization; a SavedModel beside other formats stays in float32."""
    able = [name for name, form in FORMATS.items() if quantize in form.quantizations]
    for name in names:
        form = FORMATS[name]
        if form.quantizations and quantize not in form.quantizations:
            expected = f"{_either(form.quantizations)}, or {_either(able)} for {quantize}"
            raise invalid(f"{form.title} has no {quantize} quantization.", expected, f"quantize={quantize!r}")
    if not set(able) & set(names):
        raise invalid("A SavedModel stays in float32.", f"{_either(able)} to quantize", f"quantize={quantize!r}")


def check_force(force, quantize):
    """Raises `ValueError` if a comparison is to be overruled that nothing can overrule."""
    if force and quantize != STATIC:
        expected = f"quantize={STATIC!r}, whose files may lose accuracy, or no `force`"
        raise invalid("`force` has no effect without int8.", expected, f"quantize={quantize!r}")


def _either(names):
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


def needs(*packages):
    """Raises a `ValueError` that says what to install if one of the packages cannot be imported."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        listed = " ".join(name.replace("_", "-") for name in missing)
        raise invalid(f"{', '.join(missing)} must be installed.", f"pip install {listed}", f"no {missing[0]}")

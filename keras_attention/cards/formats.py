"""The formats of exported models: their names, their files, and what must be installed to write them."""

import dataclasses
import importlib.util
import pathlib

from keras_attention.arguments import invalid, require_choice

QUANTIZATIONS = ("float16", "dynamic")


@dataclasses.dataclass(frozen=True)
class Format:
    """One format of exported models.

    Args:
        title: the name of the format for people.
        packages: packages that must be importable to write it.
        suffix: suffix of its file; `None` for a format that fills the folder itself.
    """

    title: str
    packages: tuple = ()
    suffix: str | None = None

    def path(self, folder, quantize=None):
        """The path of the model in the folder of an export."""
        if self.suffix is None:
            return pathlib.Path(folder)
        return pathlib.Path(folder) / f"model{f'_{quantize}' if quantize else ''}{self.suffix}"

    def files(self, folder, quantize=None):
        """The files of the model, relative to the folder of an export."""
        folder = pathlib.Path(folder)
        if self.suffix is not None:
            return [self.path(folder, quantize).relative_to(folder)]
        inside = [path for part in ("variables", "assets") for path in sorted((folder / part).glob("*"))]
        lone = [folder / name for name in ("saved_model.pb", "fingerprint.pb") if (folder / name).is_file()]
        return [path.relative_to(folder) for path in (*lone, *inside)]


FORMATS = {
    "savedmodel": Format("TensorFlow SavedModel"),
    "onnx": Format("ONNX", ("onnx", "tf2onnx", "onnxruntime"), ".onnx"),
    "litert": Format("LiteRT", ("ai_edge_litert",), ".tflite"),
}


def format_of(path):
    """The name of the format of a single file, by its suffix; `None` if no format has this suffix."""
    suffix = pathlib.Path(path).suffix.lower()
    return next((name for name, form in FORMATS.items() if form.suffix == suffix), None)


def check_formats(formats, quantize=None):
    """The names of formats without repetition.

    Raises:
        ValueError: an unknown name, no name, missing packages, or a quantization if none of the formats can have it.
    """
    names = tuple(dict.fromkeys((formats,) if isinstance(formats, str) else formats))
    for name in names or ("",):
        needs(*FORMATS[require_choice("format", name, FORMATS)].packages)
    if quantize is not None:
        require_choice("quantize", quantize, QUANTIZATIONS)
        if not any(FORMATS[name].suffix for name in names):
            raise invalid("A SavedModel stays in float32.", "onnx or litert to quantize", f"quantize={quantize!r}")
    return names


def needs(*packages):
    """Raises a `ValueError` that says what to install if one of the packages cannot be imported."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        listed = " ".join(name.replace("_", "-") for name in missing)
        raise invalid(f"{', '.join(missing)} must be installed.", f"pip install {listed}", f"no {missing[0]}")

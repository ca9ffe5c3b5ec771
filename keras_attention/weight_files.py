"""Files of weights → arrays by name: one reader per format, none of which executes code from the file."""

import io
import pathlib
import pickle
import re
import zipfile

import numpy as np

from keras_attention.arguments import invalid

ENDS_OF_NAMES = ("weight", "bias", "running_mean", "running_var")  # of the tensors of layers
MORE_THAN_TENSORS = (
    "it holds more than tensors, or is damaged; if you trust it, save its tensors alone with "
    "torch.save(torch.load(path, weights_only=False)['state_dict'], 'weights.pth')"
)


def read_weight_file(path):
    """Reads the arrays of a file of weights.

    A `.safetensors`, `.npz` or `.pth` file contains the names of its arrays. Those of a Keras file (`.keras`,
    `.weights.h5`, or an older `.h5`) are named `<layer>/<number>`, in the order in which the layer created them.

    Args:
        path: a file with the suffix of its format: `.safetensors`, `.npz`, `.keras`, `.h5`, or one of PyTorch: `.pth`,
            `.pt`, `.pth.tar`, `.ckpt`, `.bin`.

    Returns:
        Name → NumPy array, half precision as float32.

    Raises:
        ValueError: the path is not a file, the suffix is unknown, the file is damaged or has another format than its
            suffix says, or it is a PyTorch file and PyTorch is not installed.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise invalid(f"The file of weights {path} {what}.", "an existing file", f"weights={str(path)!r}")
    if path.suffix not in READERS:
        raise invalid(
            f"{path.name} must have the suffix of a file of weights.",
            f"one of: {', '.join(READERS)}",
            f"weights={str(path)!r}",
        )
    try:
        arrays = READERS[path.suffix](path)
    except ImportError as error:
        raise invalid(
            f"{path.name} needs PyTorch, which is not installed.",
            "PyTorch, or the same weights as .safetensors or .npz",
            f"weights={str(path)!r}",
        ) from error
    except Exception as error:  # each library raises different errors for a damaged file
        reason = (str(error).strip() or type(error).__name__).split("\n")[0].rstrip(".")
        raise invalid(
            f"{path.name} cannot be read as {path.suffix}: {reason}.",
            "a complete file of that format",
            f"weights={path}",
        ) from error
    return {name: _widened(array) for name, array in arrays.items()}


def _safetensors(path):
    from safetensors.numpy import load_file

    return load_file(path)


def _npz(path):
    if not zipfile.is_zipfile(path):
        raise ValueError("not a zip archive")  # NumPy would take it for a pickle, and advise loading it as one
    # Opened here, as NumPy would leave a damaged file open.
    with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
        try:
            return {name: file[name] for name in file.files}
        except ValueError as error:
            raise ValueError("it holds Python objects" if "pickle" in str(error) else str(error)) from error


def _keras(path):
    with zipfile.ZipFile(path) as archive:
        return _hdf5(io.BytesIO(archive.read("model.weights.h5")))


def _hdf5(path):
    import h5py

    arrays = {}

    def visit(name, group):
        if name.endswith("/vars") and "name" in group.attrs:
            arrays.update({f"{group.attrs['name']}/{number}": values[()] for number, values in group.items()})
        elif "weight_names" in getattr(group, "attrs", ()):  # the format before Keras 3
            weights = [group[_text(weight)] for weight in group.attrs["weight_names"]]
            arrays.update({f"{name.split('/')[-1]}/{number}": values[()] for number, values in enumerate(weights)})

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return arrays


def _torch(path):
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # its message advises loading the file unsafely
        raise ValueError(MORE_THAN_TENSORS) from error
    found = state_of(state, lambda value: isinstance(value, torch.Tensor))
    return {name: tensor.float().numpy() for name, tensor in found.items()}


def state_of(checkpoint, is_tensor):
    """The tensors of the network in a checkpoint of PyTorch: name → tensor.

    A checkpoint may hold the network itself or, somewhere in it, beside an optimizer, figures and averaged weights.
    Taken is the dictionary with the most tensors that are named like those of layers; of equal ones, that of averaged
    weights ("ema"), as they are those with which the network was measured.

    Args:
        checkpoint: what the file holds.
        is_tensor: whether a value is a tensor.

    Raises:
        ValueError: no such dictionary.
    """
    found = [
        (sum(name.endswith(ENDS_OF_NAMES) for name in tensors), "ema" in re.split(r"[/_.]", place), tensors)
        for place, tensors in _tensors_in(checkpoint, is_tensor)
    ]
    count, _, tensors = max(found, key=lambda each: each[:2], default=(0, False, {}))
    if not count:
        raise ValueError("it holds no weights of layers, such as features.0.weight")
    return tensors


def _tensors_in(value, is_tensor, place=""):
    """Yields the place of each dictionary in a checkpoint, and the tensors that it holds under names."""
    if isinstance(value, dict):
        yield place, {name: each for name, each in value.items() if isinstance(name, str) and is_tensor(each)}
        for name, each in value.items():
            yield from _tensors_in(each, is_tensor, f"{place}/{name}".lower())


def _text(name):
    return name.decode() if isinstance(name, bytes) else name


def _widened(array):
    """The array, in float32 if its type is narrower, such as bfloat16, with which NumPy cannot compute."""
    return np.asarray(array, "float32") if array.dtype.itemsize < 4 and array.dtype.kind in "fV" else np.asarray(array)


READERS = {
    **{".safetensors": _safetensors, ".npz": _npz, ".keras": _keras, ".h5": _hdf5},
    **dict.fromkeys((".pth", ".pt", ".tar", ".ckpt", ".bin"), _torch),  # .tar stands for .pth.tar
}

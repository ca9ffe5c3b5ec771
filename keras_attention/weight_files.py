"""Files of weights → arrays by name: one reader per format, none of which executes code from the file."""

import io
import pathlib
import pickle
import zipfile

import numpy as np

from keras_attention.arguments import invalid


def read_weight_file(path):
    """Reads the arrays of a file of weights.

    A `.safetensors`, `.npz` or `.pth` file contains the names of its arrays. Those of a Keras file (`.keras`,
    `.weights.h5`, or an older `.h5`) are named `<layer>/<number>`, in the order in which the layer created them.

    Args:
        path: a file with the suffix of its format: `.safetensors`, `.npz`, `.keras`, `.h5`, `.pth` or `.pt`.

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
        raise ValueError("it holds more than tensors, or is damaged") from error
    while isinstance(state, dict) and not any(isinstance(value, torch.Tensor) for value in state.values()):
        state = next(value for value in state.values() if isinstance(value, dict))  # such as {"state_dict": …}
    return {name: tensor.float().numpy() for name, tensor in state.items() if isinstance(tensor, torch.Tensor)}


def _text(name):
    return name.decode() if isinstance(name, bytes) else name


def _widened(array):
    """The array, in float32 if its type is narrower, such as bfloat16, with which NumPy cannot compute."""
    return np.asarray(array, "float32") if array.dtype.itemsize < 4 and array.dtype.kind in "fV" else np.asarray(array)


READERS = {".safetensors": _safetensors, ".npz": _npz, ".keras": _keras, ".h5": _hdf5, ".pth": _torch, ".pt": _torch}

"""Loads pretrained weights of VGG16, with or without batch normalization, into a `VGG16BN`."""

import dataclasses
import os
import re

import keras
import numpy as np

from keras_attention.arguments import invalid, require_path, require_truth
from keras_attention.models import layout
from keras_attention.models.backbone import require_functional
from keras_attention.weight_files import read_weight_file

# The VGG16 of Keras, trained by the authors of VGG16, without the classifier.
IMAGENET_FILE = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
IMAGENET_URL = f"https://storage.googleapis.com/tensorflow/keras-applications/vgg16/{IMAGENET_FILE}"
IMAGENET_MD5 = "6d6bbae143d832006294945121d1f1fc"

# The arrays of each kind of layer, in the order in which Keras writes them.
ARRAYS = {
    "conv": ("kernel", "bias"),
    "bn": ("gamma", "beta", "moving_mean", "moving_variance"),
    "preprocessing": ("mean", "std"),
}
STATISTICS = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
# `features.0.weight`, below any prefix; or `0.weight`, as the features alone are saved.
TORCH_NAME = re.compile(r"(?:(?:.*\.)?features\.)?(\d+)\.(weight|bias|running_mean|running_var)$")
KERAS_NAME = re.compile(r"(?:^|/)(block\d_(?:conv|bn)\d|preprocessing)/(\w+)$")


@dataclasses.dataclass(frozen=True)
class LoadedWeights:
    """What a weight file held.

    Args:
        layout: `"torch"` (torchvision, timm) or `"keras"`.
        has_batch_norm: whether the file held statistics of batch normalization. If not, each batch normalization was
            set to only add the bias of its convolution; `calibrate_batch_norm` prepares such a network for training.
        missing: layers of the network that the file lacks; they were left unchanged.

    Example:

    >>> import pathlib, tempfile
    >>> from keras_attention.models import VGG16BN, attention_classifier, load_pretrained
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "mine.weights.h5"
    >>> attention_classifier(VGG16BN((32, 32, 3), width=0.05), 10, units=8).save_weights(path)
    >>> load_pretrained(VGG16BN((64, 64, 3), width=0.05), path)
    LoadedWeights(layout='keras', has_batch_norm=True, missing=())
    """

    layout: str
    has_batch_norm: bool
    missing: tuple


def load_pretrained(model, source, strict=True):
    """Loads pretrained weights into a `VGG16BN`, or into a classifier built over one.

    The layout of a file is recognized by its names. Torch's layout has names such as `features.0.weight`, with batch
    normalization (`vgg16_bn` from torchvision and timm) or without it (`vgg16`). Keras's layout has names of layers
    such as `block1_conv1`; such a file was saved by this package or holds the weights of `keras.applications.VGG16`.
    Biases of convolutions are moved into the moving mean, which is exact. If the network includes preprocessing, that
    of the weights is set too: torch's (mean and standard deviation of ImageNet), Keras's (means only, BGR), or the
    preprocessing in a file of this package. A classifier in the file is ignored.

    Args:
        model: a model with the layers of `VGG16BN`.
        source: `"imagenet"`, which downloads Keras's VGG16 once, or the path of a `.safetensors`, `.npz`, `.keras`,
            `.weights.h5`, `.h5` or, if PyTorch is installed, `.pth`, `.pt`, `.pth.tar`, `.ckpt` or `.bin` file.
        strict: whether each layer must be in the file.

    Returns:
        A `LoadedWeights`.

    Raises:
        TypeError: a model that is not functional, or a source that is not a path.
        ValueError: a file that cannot be read or holds no VGG16, weights of another width, weights that are not finite,
            or, with `strict`, layers that the file lacks. The model is then left unchanged.

    Example:

    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from keras_attention.models import VGG16BN, load_pretrained
    >>> trained, path = VGG16BN((32, 32, 3), width=0.05), pathlib.Path(tempfile.mkdtemp()) / "mine.weights.h5"
    >>> trained.save_weights(path)
    >>> backbone = VGG16BN((64, 64, 3), width=0.05)  # images may have another size
    >>> load_pretrained(backbone, path).missing
    ()
    >>> np.array_equal(backbone.get_weights()[0], trained.get_weights()[0])
    True
    """
    require_truth("strict", strict)
    require_functional(model, "model")
    path = _download() if source == "imagenet" else os.fspath(require_path("weights", source))
    kind, layers, preprocessing = _recognize(read_weight_file(path), path)
    has_batch_norm = _has_batch_norm(layers)
    values = {name: _arrays_of(model.get_layer(name), layers, has_batch_norm) for name in _names_to_fill(model)}
    missing = [name for name, arrays in values.items() if arrays is None]
    values = {name: arrays for name, arrays in values.items() if arrays is not None}
    _check_arrays(model, values, path)
    if strict and missing:
        raise invalid(
            f"{path} lacks weights of {len(missing)} layers: {_listed(missing)}.",
            "weights of every layer, or `strict=False`, which leaves these as they are",
            f"weights={path!r}",
        )
    for name, arrays in values.items():
        model.get_layer(name).set_weights(arrays)
    if "preprocessing" in [layer.name for layer in model.layers]:
        model.get_layer("preprocessing").set_weights([np.asarray(values, "float32") for values in preprocessing])
    return LoadedWeights(kind, has_batch_norm, tuple(missing))


def _download():
    try:
        return keras.utils.get_file(IMAGENET_FILE, IMAGENET_URL, cache_subdir="models", file_hash=IMAGENET_MD5)
    except Exception as error:  # whatever the connection raises
        reason = str(error).strip().split("\n")[0].rstrip(".")
        raise invalid(
            f"The ImageNet weights could not be downloaded: {reason}.",
            "a network connection, or the path of a file with VGG16 weights",
            "weights='imagenet'",
        ) from error


def _recognize(arrays, path):
    """The layout, layer name → {array name: array} as in `VGG16BN`, and (mean, std) of the preprocessing."""
    for kind, convert in (("keras", _from_keras), ("torch", _from_torch)):
        layers = convert(arrays)
        if layers:
            is_caffe = kind == "keras" and not _has_batch_norm(layers)
            own = layers.pop("preprocessing", None)
            usual = layout.CAFFE_PREPROCESSING if is_caffe else layout.TORCH_PREPROCESSING
            return kind, layers, (own["mean"], own["std"]) if own and len(own) == 2 else usual
    raise invalid(
        f"{path} must hold weights of VGG16.",
        "arrays named as in torchvision (features.0.weight) or as in Keras (block1_conv1)",
        f"{len(arrays)} arrays: {_listed(arrays)}",
    )


def _from_keras(arrays):
    layers = {}
    for name, array in arrays.items():
        match = KERAS_NAME.search(name)
        if match:
            layer, key = match.groups()
            known = next(names for kind, names in ARRAYS.items() if kind in layer)
            if key.isdigit() and int(key) < len(known):
                key = known[int(key)]
            layers.setdefault(layer, {})[key] = array
    first = layers.get("block1_conv1", {})
    # Without preprocessing it is the file of keras.applications, whose first kernel takes BGR.
    if "preprocessing" not in layers and np.ndim(first.get("kernel")) == 4 and not _has_batch_norm(layers):
        first["kernel"] = first["kernel"][:, :, ::-1]
    return layers


def _has_batch_norm(layers):
    return any({"gamma", "moving_mean"} & set(arrays) for arrays in layers.values())


def _from_torch(arrays):
    found = {}
    for name, array in arrays.items():
        match = TORCH_NAME.match(name)
        if match:
            found.setdefault(int(match[1]), {})[match[2]] = array
    kernels = {number for number, parts in found.items() if np.ndim(parts.get("weight")) == 4}
    # A partial file may lack the statistics, but the numbers of its convolutions still tell which network it is.
    step = max((3, 2), key=lambda step: len(kernels & set(_places(step))))
    layers = {}
    for name, place in zip(layout.convolution_names(), _places(step), strict=True):
        if place in kernels:
            convolution = found[place]
            layers[name] = {"kernel": convolution["weight"].transpose(2, 3, 1, 0)}  # OIHW → HWIO
            layers[name] |= {"bias": convolution["bias"]} if "bias" in convolution else {}
        if step == 3 and place + 1 in found:
            layers[name.replace("conv", "bn")] = {STATISTICS[key]: value for key, value in found[place + 1].items()}
    return layers


def _places(step):
    """The numbers of the convolutions in torch's `features`: `step` layers each, and a pooling after each block."""
    place = 0
    for convolutions, _ in layout.BLOCKS:
        for _ in range(convolutions):
            yield place
            place += step
        place += 1


def _names_to_fill(model):
    known = {layer.name for layer in model.layers}
    pairs = [(name, name.replace("conv", "bn")) for name in layout.convolution_names() if name in known]
    if not pairs:
        raise invalid("The model must have layers of a `VGG16BN`.", "a `VGG16BN`, or a classifier over one", model.name)
    return [name for pair in pairs for name in pair]


def _arrays_of(layer, layers, has_batch_norm):
    """The arrays of a layer in the order of its weights, or `None` if the file lacks one of them."""
    own, convolution = layers.get(layer.name, {}), layers.get(layer.name.replace("bn", "conv"), {})
    if isinstance(layer, keras.layers.Conv2D):
        return [own["kernel"]] if "kernel" in own else None
    bias = convolution.get("bias", 0.0)
    if has_batch_norm:
        complete = all(name in own for name in ARRAYS["bn"])
        return [own["gamma"], own["beta"], own["moving_mean"] - bias, own["moving_variance"]] if complete else None
    if "kernel" not in convolution:
        return None
    # y = √(1 + ε) · (x + bias) / √(1 + ε): batch normalization that only adds the bias.
    ones = np.ones(convolution["kernel"].shape[-1], "float32")
    return [ones * np.sqrt(1 + layer.epsilon), 0 * ones, 0 * ones - bias, ones]


def _check_arrays(model, values, path):
    for name, arrays in values.items():
        if not all(np.isfinite(array).all() for array in arrays):
            raise invalid(f"The weights of {name} in {path} must be finite.", "finite numbers", "NaN or infinity")
        found = [tuple(np.shape(array)) for array in arrays]
        expected = [tuple(weight.shape) for weight in model.get_layer(name).weights]
        if found != expected:
            filters = layout.BLOCKS[int(name[len("block")]) - 1][1]
            widths = [shapes[0][-1] / filters if shapes[0] else 0 for shapes in (found, expected)]
            if widths[0] != widths[1]:
                raise invalid(
                    f"The width must be that of the weights in {path}.", f"width={widths[0]:g}", f"width={widths[1]:g}"
                )
            raise invalid(f"The arrays of {name} in {path} must fit the model.", f"shapes {expected}", f"{found}")


def _listed(names, most=5):
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")

"""The precision of the computation, and the way back to float32."""

import contextlib
import pathlib
import re

import keras

PROCESSOR = pathlib.Path("/proc/cpuinfo")
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}


def precision_of(config):
    """The dtype policy of what a run trains.

    `"auto"` is mixed bfloat16 on a GPU that supports it. On a processor that multiplies in bfloat16, it is mixed
    bfloat16 for the layers after a backbone whose features are cached, whose time goes into products. All else is
    float32.

    Args:
        config: the `TrainConfig` of the run.
    """
    if config.precision != "auto":
        return config.precision
    bfloat16 = _gpu_has_bfloat16() or (config.learns_from_features and _processor_has_bfloat16())
    return "mixed_bfloat16" if bfloat16 else "float32"


@contextlib.contextmanager
def dtype_policy(name):
    """Sets the global dtype policy inside the block, and restores the old one afterwards."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def in_float32(model):
    """Returns the model with the same weights in float32, or the model itself if it already computes in float32."""
    config = model.get_config()
    plain = _with_float32_policies(config)
    if plain == config:
        return model
    rebuilt = type(model).from_config(plain)
    rebuilt.set_weights(model.get_weights())
    return rebuilt


def compute_in_float32(model):
    """Turns a model that is trained into one that computes in float32; where `in_float32` would copy its weights."""
    for layer in model._flatten_layers():
        layer.dtype_policy = "float32"


def _with_float32_policies(config):
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return {**config, "config": {"name": "float32"}}
        return {key: _with_float32_policies(value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)(_with_float32_policies(value) for value in config)
    return config


def quantized_layers(model):
    """The layers that `Model.quantize` has changed: name → mode, such as `"int8"`."""
    layers = model._flatten_layers(include_self=False)
    return {layer.name: layer.quantization_mode for layer in layers if getattr(layer, "quantization_mode", None)}


def _processor_has_bfloat16():
    """Whether TensorFlow multiplies faster in bfloat16 on this processor; known of Linux on x86 only."""
    if keras.backend.backend() != "tensorflow" or not PROCESSOR.exists():
        return False
    flags = re.search(r"^flags\s*:(.*)$", PROCESSOR.read_text("utf-8", "replace"), re.MULTILINE)
    return bool(flags) and not BFLOAT16_FLAGS.isdisjoint(flags.group(1).split())


def _gpu_has_bfloat16():
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        capabilities = [tf.config.experimental.get_device_details(gpu).get("compute_capability", (0,)) for gpu in gpus]
        return bool(capabilities) and min(capabilities)[0] >= 8  # Ampere was the first with bfloat16
    if keras.backend.backend() == "torch":
        import torch

        return torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    import jax

    return any(
        float(getattr(device, "compute_capability", 0)) >= 8 for device in jax.devices() if device.platform == "gpu"
    )

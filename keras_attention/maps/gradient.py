"""The derivative of a scalar function, on each backend of Keras."""

import keras


def gradient(function, array):
    """The derivative of `function(tensor)`, a scalar, at `array`: a NumPy array of the same shape."""
    tensor = keras.ops.convert_to_tensor(array)
    return keras.ops.convert_to_numpy(_BACKENDS[keras.backend.backend()](function, tensor))


def _tensorflow(function, tensor):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(tensor)
        value = function(tensor)
    return tape.gradient(value, tensor)


def _jax(function, tensor):
    import jax

    return jax.grad(function)(tensor)


def _torch(function, tensor):
    import torch

    with torch.enable_grad():
        tensor = tensor.detach().requires_grad_()
        return torch.autograd.grad(function(tensor), tensor)[0]


_BACKENDS = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}

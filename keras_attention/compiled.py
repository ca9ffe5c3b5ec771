"""Loops whose gradient computes each piece again, and functions that XLA compiles inside a graph of TensorFlow.

Both are for TensorFlow alone: JAX compiles all that it runs, and nothing is compiled on PyTorch. `xla_device` is asked
first; it says whether there is something to compile for.
"""

import contextlib
import contextvars
import functools
import platform

import keras

_values_too = contextvars.ContextVar("values_too", default=False)
_for_xla = contextvars.ContextVar("for_xla", default=False)


def compiling_values(training):
    """Within this context `compiled` compiles values as well as gradients, if `training` is true.

    A model is exported without `training`, and its file must hold ordinary operations: ONNX, LiteRT and many servers
    have no functions of XLA.
    """
    return _set(_values_too, bool(training))


def traced_for_xla():
    """Whether the function that is being traced is one that `compiled` compiles."""
    return _for_xla.get()


@contextlib.contextmanager
def _set(variable, value):
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


def xla_device():
    """`"CPU"` or `"GPU"`, for which XLA can compile a part of the function that is being traced, or `None`.

    It is `None` on another backend, in eager calls, which would compile at each call, and where XLA is missing.
    """
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    if not tf.inside_function() or not tf.test.is_built_with_xla() or tf.config.list_logical_devices("TPU"):
        return None
    if not tf.config.list_logical_devices("GPU"):
        return "CPU"
    return None if platform.system() == "Darwin" else "GPU"  # Apple's plugin has no XLA


def compiled(function, plain):
    """`function`, tensors → one tensor, with a gradient that XLA compiles, and in training compiled values.

    XLA compiles for the sizes of a call, once for each, which takes a second or two: for the first batch, and for a
    last one that is smaller. Gradients of gradients are not compiled.

    Args:
        function: what is compiled; its loops are made by `in_turn`.
        plain: the same values, in the way that is fastest without XLA.
    """
    import tensorflow as tf

    def gradients(*arguments):
        return _gradients(function, arguments[:-1], arguments[-1])

    @tf.custom_gradient
    def compiled_gradients(*arguments):
        def gradient(*output_gradients):
            return _gradients(gradients, arguments, output_gradients)

        return _by_xla(gradients)(*arguments), gradient

    @tf.custom_gradient
    def values(*arguments):
        def gradient(output_gradient):
            return compiled_gradients(*arguments, output_gradient)

        return (_by_xla(function) if _values_too.get() else plain)(*arguments), gradient

    return values


def _by_xla(function):
    import tensorflow as tf

    @tf.function(jit_compile=True, autograph=False)
    def by_xla(*arguments):
        with _set(_for_xla, True):
            return function(*arguments)

    return by_xla


def in_turn(function, pieces, shared):
    """`function(*piece, *shared)` for one piece of `pieces` after the other, along their first axis, stacked.

    The gradient is one loop too. It computes a piece again and then its gradient, so that nothing of a piece is kept.
    """
    import tensorflow as tf

    @tf.custom_gradient
    def values(*arguments):
        pieces, shared = arguments[:count], arguments[count:]
        gradient = functools.partial(_gradients_in_turn, function, pieces, shared)
        return keras.ops.map(lambda piece: function(*piece, *shared), pieces), gradient

    count = len(pieces)
    return values(*pieces, *shared)


def _gradients_in_turn(function, pieces, shared, output_gradients):
    """The gradients of all pieces, stacked, and the sums of the gradients of what they share."""
    import tensorflow as tf

    count = tf.shape(output_gradients)[0]

    def step(number, of_pieces, of_shared):
        piece = tuple(tensor[number] for tensor in pieces)
        found = _gradients(function, (*piece, *shared), output_gradients[number])
        of_piece, more = found[: len(piece)], found[len(piece) :]
        written = tuple(array.write(number, each) for array, each in zip(of_pieces, of_piece, strict=True))
        return number + 1, written, tuple(a + b for a, b in zip(of_shared, more, strict=True))

    arrays = tuple(tf.TensorArray(tensor.dtype, count, element_shape=tensor.shape[1:]) for tensor in pieces)
    start = 0, arrays, tuple(tf.zeros_like(tensor) for tensor in shared)
    # XLA differentiates a loop only if it knows the greatest number of steps.
    _, of_pieces, of_shared = tf.while_loop(lambda number, *_: number < count, step, start, maximum_iterations=count)
    return *(array.stack() for array in of_pieces), *of_shared


def _gradients(function, arguments, output_gradients):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(arguments)
        values = function(*arguments)
    return tape.gradient(values, arguments, output_gradients, unconnected_gradients="zero")

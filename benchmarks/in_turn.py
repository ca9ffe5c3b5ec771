"""Measures several functions in turn in one process, so that drift of the machine cancels; compiles functions."""

import statistics
import time

import keras


def medians(functions, repeats, warm_up=3, pause=0.0):
    """Name → median seconds of `repeats` calls of functions that take turns; a call must return when its work is done.

    `pause` is the seconds between two calls, for libraries whose threads go on looking for work after a call.
    """
    times = {name: [] for name in functions}
    for repeat in range(repeats + warm_up):
        for name, function in functions.items():
            time.sleep(pause)
            began = time.perf_counter()
            function()
            if repeat >= warm_up:  # the first calls trace and warm up
                times[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in times.items()}


def compiled_gradient(function, *tensors):
    """A function without arguments that computes compiled gradients of a scalar function, and waits for them."""
    if keras.backend.backend() == "tensorflow":
        return _compiled_by_tensorflow(function, tensors)
    import jax

    gradient = jax.jit(jax.grad(function, argnums=tuple(range(len(tensors)))))
    return lambda: jax.block_until_ready(gradient(*tensors))


def _compiled_by_tensorflow(function, tensors):
    import tensorflow as tf

    @tf.function
    def gradients(*tensors):
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = function(*tensors)
        return tape.gradient(value, tensors)

    return lambda: [gradient.numpy() for gradient in gradients(*tensors)]


def compiled(function, *tensors):
    """A function without arguments that computes a compiled function, and waits for it."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        traced = tf.function(function)
        return lambda: traced(*tensors).numpy()
    import jax

    traced = jax.jit(function)
    return lambda: jax.block_until_ready(traced(*tensors))

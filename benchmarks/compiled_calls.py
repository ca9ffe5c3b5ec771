"""Functions and their gradients compiled on any backend, as calls that wait for the result, to be measured in turn."""

import keras


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

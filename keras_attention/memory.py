"""How much memory is free; and giving back that of a training that is over, so that any number fit into one process."""

import contextlib
import gc
import pathlib

MEMORY = pathlib.Path("/proc/meminfo")
CUSTOM = "CustomGradient-"  # how TensorFlow names the gradients that it notes while it traces


@contextlib.contextmanager
def released():
    """Frees the graphs that were traced inside it, once nothing else uses them; also a decorator, `@released()`.

    TensorFlow notes each custom gradient that it traces in a table of the process, for good
    (https://github.com/tensorflow/tensorflow/issues/97697). Such a gradient refers to its graph, and the graph to its
    variables. An optimizer of Keras has one for each network that it trains, of the sum of the gradients over all
    devices. This forgets those of the block, and the kernels that TensorFlow keeps for functions that were called.

    A model from the block can still be called, trained and differentiated, as that traces it anew. Only a function
    with a custom gradient that was first called inside, or that another thread traces while the block ends, may not
    be differentiated afterwards; TensorFlow then raises a `LookupError`.

    Example:

    >>> import tensorflow as tf
    >>> from keras_attention.memory import released
    >>> with released():
    ...     function = tf.function(tf.nn.silu)  # its gradient is a custom one
    ...     _ = function(tf.constant([1.0]))
    ...     del function
    """
    from tensorflow.python.eager import context
    from tensorflow.python.framework import ops

    noted = getattr(ops.gradient_registry, "_registry", {})  # there is no public way to take one out
    before = set(noted)
    try:
        yield
    finally:
        for name in set(noted) - before:
            if name.startswith(CUSTOM):
                noted.pop(name, None)
        context.context().clear_kernel_cache()
        gc.collect()


def free_memory():
    """The bytes that new work may take without swapping; `None` where the system does not say."""
    try:
        lines = dict(line.split(":", 1) for line in MEMORY.read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None

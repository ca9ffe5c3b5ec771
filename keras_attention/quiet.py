"""Loads and runs TensorFlow without its log messages, which no setting silences completely."""

import contextlib
import logging
import os
import sys
import tempfile

NOISY = ("absl", "tensorflow")


def import_tensorflow(threads=None):
    """Imports Keras and TensorFlow silently; what they print is shown only if the import fails.

    Args:
        threads: how many threads an operation may have; one for each core if `None`.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
    with silenced(tell_errors=True):
        import keras  # noqa: F401
        import tensorflow as tf
    if threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(threads)


@contextlib.contextmanager
def only_errors():
    """Logs only errors of TensorFlow and absl inside the block."""
    levels = {name: logging.getLogger(name).level for name in NOISY}
    try:
        for name in NOISY:
            logging.getLogger(name).setLevel(logging.ERROR)
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


@contextlib.contextmanager
def silenced(tell_errors=False):
    """Suppresses what is written to standard error inside the block, also by C++ libraries.

    Args:
        tell_errors: whether to print it after all if the block raises an error.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as notes:
        stderr = os.dup(2)
        os.dup2(notes.fileno(), 2)
        try:
            yield
        except Exception:  # Ctrl-C passes through: the block did not fail
            notes.seek(0)
            if tell_errors:
                os.write(stderr, notes.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)

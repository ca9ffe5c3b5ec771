"""Loads and runs TensorFlow without its notes, which no setting silences."""

import contextlib
import logging
import os
import sys
import tempfile

NOISY = ("absl", "tensorflow")


def import_tensorflow():
    """Imports Keras and TensorFlow in silence; what they print is shown only where they fail."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
    with silenced(tell_errors=True):
        import keras  # noqa: F401
        import tensorflow  # noqa: F401


@contextlib.contextmanager
def only_errors():
    """Keeps the warnings of TensorFlow and its kin out of the log inside."""
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
    """Keeps from standard error what is written there inside, by libraries in C++ too.

    Args:
        tell_errors: whether to write it after all where the block raises.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as notes:
        stderr = os.dup(2)
        os.dup2(notes.fileno(), 2)
        try:
            yield
        except Exception:  # Ctrl-C is no fault of what was run
            notes.seek(0)
            if tell_errors:
                os.write(stderr, notes.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)

"""Loads TensorFlow without its notes on the machine, which no setting silences."""

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
    sys.stderr.flush()
    with tempfile.TemporaryFile() as notes:
        stderr = os.dup(2)
        os.dup2(notes.fileno(), 2)
        try:
            import keras  # noqa: F401
            import tensorflow  # noqa: F401
        except BaseException:
            notes.seek(0)
            os.write(stderr, notes.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)

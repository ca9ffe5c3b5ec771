"""Paths on the command line: how they are declared, and checked before anything slow is loaded."""

import os

MODEL = "a run folder, an exported folder, or a .keras, .onnx or .tflite file"


def add_model(parser):
    """Declares MODEL, a saved model of any form."""
    parser.add_argument("model", metavar="MODEL", help=MODEL)


def require_path(path, expected):
    """Raises `ValueError` where there is nothing at a path."""
    from keras_attention.arguments import invalid

    if not os.path.lexists(path):
        raise invalid(f"There is nothing at {path or 'an empty path'}.", expected, repr(path))


def require_model(options):
    """Raises `ValueError` where there is nothing at the path of MODEL."""
    require_path(options.model, MODEL)


def require_run(options):
    """Raises `ValueError` where there is nothing at the path of RUN."""
    require_path(options.run, "the folder of a finished run")

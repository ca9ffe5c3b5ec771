"""Paths on the command line, which are checked before anything slow is imported."""

import os

from keras_attention.members import MODELS


def add_model(parser):
    """Declares MODEL, a saved model of any format."""
    parser.add_argument("model", metavar="MODEL", help=MODELS)


def require_path(path, expected):
    """Raises `ValueError` if a path does not exist."""
    from keras_attention.arguments import invalid

    if not os.path.lexists(path):
        raise invalid(f"{path or 'An empty path'} does not exist.", expected, repr(path))


def require_begun(options, folder, kind, plan):
    """Raises `ValueError` if work is to be resumed in a folder that does not exist.

    Args:
        options: the options of the command.
        folder: the folder.
        kind: what the work is called.
        plan: the name of the file that a folder with such work has.
    """
    from keras_attention.arguments import invalid

    if getattr(options, "resume", False) and not os.path.lexists(folder):
        raise invalid(f"{folder} holds no {kind}.", f"the folder of a {kind}, with {plan}", f"run={str(folder)!r}")


def require_model(options):
    """Raises `ValueError` if the path of MODEL does not exist."""
    require_path(options.model, MODELS)


def require_run(options):
    """Raises `ValueError` if the path of RUN does not exist."""
    require_path(options.run, "the folder of a finished run")

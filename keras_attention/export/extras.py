"""Packages that only some formats need."""

import importlib.util

from keras_attention.arguments import invalid


def needs(extra, *packages):
    """Raises `ValueError` that says what to install, where one of these packages is missing."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise invalid(
            f"{', '.join(missing)} is not installed.", f"pip install 'keras-attention[{extra}]'", f"no {missing[0]}"
        )

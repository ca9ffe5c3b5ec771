"""A check for packages that only some formats need."""

import importlib.util

from keras_attention.arguments import invalid


def needs(*packages):
    """Raises a `ValueError` that says what to install if one of the packages cannot be imported."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        listed = " ".join(name.replace("_", "-") for name in missing)
        raise invalid(f"{', '.join(missing)} must be installed.", f"pip install {listed}", f"no {missing[0]}")

"""What the package offers to its users: the one list that the tests of the documentation go by."""

import importlib
import inspect

import keras_attention


def public_names():
    """Dotted name, where the object lies in the package of its kind → object; each object once.

    These are the names of `keras_attention.__all__`, and of the `__all__` of every module that stands there.
    """
    homes = [
        *(f"keras_attention.{module}" for module in keras_attention._MODULES),
        *(f"keras_attention.{module}" for module in dict.fromkeys(keras_attention._HOME.values())),
    ]
    found = {}
    for home in dict.fromkeys(homes):
        module = importlib.import_module(home)
        wanted = [name for name, of in keras_attention._HOME.items() if home == f"keras_attention.{of}"]
        for name in dict.fromkeys([*getattr(module, "__all__", ()), *(wanted)]):
            if home.removeprefix("keras_attention.") in keras_attention._MODULES or name in wanted:
                found.setdefault(id(getattr(module, name)), (f"{home}.{name}", getattr(module, name)))
    return dict(found.values())


def callables():
    """The functions and classes among them: what can have an example."""
    return {name: each for name, each in public_names().items() if inspect.isclass(each) or inspect.isfunction(each)}

"""Checks of arguments, and the three-part messages they raise.

Every message says what is wrong, what was expected, and what was received, on one line, so that it reads the same in a
notebook and at a prompt.
"""

import difflib
import math
import numbers
import operator
import os
import re

LONGEST_REASON = 300  # letters
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def invalid(what, expected, received, error=ValueError):
    """An exception whose text has the three parts, ready to raise."""
    return error(f"{what} Expected {expected}. Received: {received}.")


def one_line(error):
    """What an exception says, on one line; the name of its class where it says nothing.

    Keras writes some of it in colours, which only a terminal shows.
    """
    return " ".join(COLOURS.sub("", str(error)).split()) or type(error).__name__


def named_line(error):
    """The class of an exception and what it says, on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def reason(error):
    """`one_line` of an exception, cut to 300 letters, as a part of a message."""
    return one_line(error)[:LONGEST_REASON]


def unknown(kind, name, choices, argument=None, also=""):
    """A `ValueError` for a name outside `choices`, with the nearest of them when one is near; `also` follows them."""
    choices = [str(choice) for choice in choices]
    near = difflib.get_close_matches(str(name), choices, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    listed = ", ".join(choices) if choices else "none"
    return invalid(f"Unknown {kind} {name!r}{hint}.", f"one of: {listed}{also}", f"{argument or kind}={name!r}")


def require_choice(argument, value, choices, also=""):
    """Returns `value` when it is one of `choices`; raises `ValueError` naming them otherwise."""
    if not isinstance(value, str) or value not in choices:
        raise unknown(argument.replace("_", " "), value, choices, argument, also)
    return value


def require_truth(argument, value):
    """Returns `value` when it is true or false; the text "false" would count as true."""
    if not isinstance(value, bool):
        raise invalid(f"`{argument}` is no truth value.", "true or false", f"{argument}={value!r}", TypeError)
    return value


def require_path(argument, value):
    """Returns `value` when it is a text or a path, and not empty."""
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
        raise invalid(f"`{argument}` is no path.", "a text or a path", f"{argument}={value!r}", TypeError)
    return value


def require_integer(argument, value, at_least=None, at_most=None):
    """Returns `value` when it is an integer inside the range; `bool` is no integer here."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    return _require(whole, "an integer", argument, value, at_least=at_least, at_most=at_most)


def require_number(argument, value, at_least=None, above=None, at_most=None, below=None):
    """Returns `value` when it is a finite real number inside the range; `bool` is no number here."""
    finite = isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
    return _require(finite, "a number", argument, value, at_least=at_least, above=above, at_most=at_most, below=below)


def _require(right_kind, kind, argument, value, **limits):
    limits = {name: limit for name, limit in limits.items() if limit is not None}
    if right_kind and all(_HOLDS[name](value, limit) for name, limit in limits.items()):
        return value
    bounds = " and ".join(f"{name.replace('_', ' ')} {limit}" for name, limit in limits.items())
    raise invalid(f"`{argument}` is out of range.", f"{kind} {bounds}".strip(), f"{argument}={value!r}")


_HOLDS = {"at_least": operator.ge, "above": operator.gt, "at_most": operator.le, "below": operator.lt}


def keras_object(module, identifier):
    """What `identifier` stands for in a module of Keras that has a `get`, such as `keras.activations`.

    Raises:
        ValueError: an identifier that the module does not know.
    """
    kind = module.__name__.split(".")[-1].removesuffix("s")
    try:
        return module.get(identifier)
    except (TypeError, ValueError) as error:
        functions = {"get", "serialize", "deserialize"}
        known = [name for name in dir(module) if name.lower() == name and name[0] != "_" and name not in functions]
        raise unknown(kind, identifier, [name for name in known if callable(getattr(module, name))]) from error

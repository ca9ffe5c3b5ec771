"""Checks of arguments, and the three-part messages of their errors.

Every message says on one line what is wrong, what was expected and what was received, so that it reads the same in a
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
    """Returns an exception whose message has the three parts, ready to raise."""
    return error(f"{what} Expected {expected}. Received: {received}.")


def one_line(error):
    """The message of an exception on one line, or the name of its class if the message is empty.

    Keras colours parts of its messages with escape codes that only a terminal shows; they are removed.
    """
    return " ".join(COLOURS.sub("", str(error)).split()) or type(error).__name__


def named_line(error):
    """The class and the message of an exception, on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def reason(error):
    """`one_line` of an exception, cut to 300 letters, for use inside another message."""
    return one_line(error)[:LONGEST_REASON]


def unknown(kind, name, choices, argument=None, also=""):
    """Returns a `ValueError` for a name outside `choices`.

    The message lists the choices, followed by `also`, and suggests the closest one if the name resembles it.
    """
    choices = [str(choice) for choice in choices]
    near = difflib.get_close_matches(str(name), choices, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    listed = ", ".join(choices) if choices else "none"
    return invalid(f"Unknown {kind} {name!r}{hint}.", f"one of: {listed}{also}", f"{argument or kind}={name!r}")


def require_choice(argument, value, choices, also=""):
    """Returns `value` if it is one of `choices`; otherwise raises a `ValueError` that lists them."""
    if not isinstance(value, str) or value not in choices:
        raise unknown(argument.replace("_", " "), value, choices, argument, also)
    return value


def require_option(family, name, option, options):
    """Raises a `ValueError` unless the member `name` of a family has the option."""
    if option not in options:
        raise unknown(f"option of the {family} {name!r}:", option, options, f"{family}_options")


def require_truth(argument, value):
    """Returns `value` if it is True or False; other objects are refused, as the string "false" would count as true."""
    if not isinstance(value, bool):
        raise invalid(f"`{argument}` must be True or False.", "a boolean", f"{argument}={value!r}", TypeError)
    return value


def require_path(argument, value):
    """Returns `value` if it is a string or a path, and not empty."""
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
        raise invalid(
            f"`{argument}` must be a path.", "a string or a path, not empty", f"{argument}={value!r}", TypeError
        )
    return value


def require_pixels(images, name="The images", are_many=False):
    """Returns an array of images if its values are from 0 to 255, and not all from 0 to 1.

    Values from 0 to 1 are those of images that were scaled for another model, and would all be black here. A few images
    of bytes may be that dark; of many, it is refused too.
    """
    if not images.size or (images.dtype.name == "uint8" and not are_many):
        return images
    low, high = images.min(), images.max()
    if not (low >= 0 and high <= 255 and not 0 < high <= 1):
        raise invalid(
            f"{name} must have values from 0 to 255.",
            "raw RGB, neither scaled nor standardised",
            f"{images.dtype} from {low:.4g} to {high:.4g}",
        )
    return images


def require_integer(argument, value, at_least=None, at_most=None):
    """Returns `value` if it is an integer inside the range; a `bool` is refused."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    return _require(whole, "an integer", argument, value, at_least=at_least, at_most=at_most)


def require_number(argument, value, at_least=None, above=None, at_most=None, below=None):
    """Returns `value` if it is a finite real number inside the range; a `bool` is refused."""
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
    """Returns the object that `identifier` names in a module of Keras with a `get`, such as `keras.activations`.

    Raises:
        ValueError: the module does not know the identifier.
    """
    kind = module.__name__.split(".")[-1].removesuffix("s")
    try:
        return module.get(identifier)
    except (TypeError, ValueError) as error:
        functions = {"get", "serialize", "deserialize"}
        known = [name for name in dir(module) if name.lower() == name and name[0] != "_" and name not in functions]
        raise unknown(kind, identifier, [name for name in known if callable(getattr(module, name))]) from error

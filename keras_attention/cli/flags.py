"""Messages of the library, with flags instead of arguments."""

import re

# `name`, `name=value` and `name['part']`, as messages of the library name arguments.
NAMED = re.compile(r"`(?P<name>\w+)(?:\[(?P<mark>['\"])(?P<part>.+?)(?P=mark)\])?(?:=(?P<value>[^`]+))?`")
# The same without backticks at the start of a part of a message: Expected name=value. Received: name=value.
GIVEN = re.compile(r"(?P<before>(?: Expected|Received:) )(?P<name>\w+)(?:\[(?P<mark>['\"])(?P<part>.+?)(?P=mark)\])?=")
VALUE = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|.*?(?=\.? Received:|\.?$)", re.S)


def flags_of(parser):
    """Argument of the library → the `argparse` action of its flag."""
    return {action.dest: action for action in parser._actions}


def in_flags(message, flags):
    """A message of the library with flags instead of arguments.

    Args:
        message: such as ``"`units` is out of range. Expected an integer at least 1. Received: units=0."``
        flags: the result of `flags_of`; arguments without a flag stay as they are.

    Example:

    >>> import argparse
    >>> from keras_attention.cli.flags import flags_of, in_flags
    >>> parser = argparse.ArgumentParser()
    >>> _ = parser.add_argument("--units", type=int)
    >>> in_flags("`units` is out of range. Expected an integer at least 1. Received: units=0.", flags_of(parser))
    '--units is out of range. Expected an integer at least 1. Received: --units 0.'
    """
    named = NAMED.sub(lambda found: _as_flag(found, found["value"], flags) or found.group(), message)
    parts, end = [], 0
    for found in GIVEN.finditer(named):
        value = VALUE.match(named, found.end())
        flag = _as_flag(found, value.group(), flags)
        if flag and found.start() >= end:
            parts += [named[end : found.start()], found["before"], flag]
            end = value.end()
    return "".join([*parts, named[end:]])


def _as_flag(found, value, flags):
    """`--flag value` for an argument; `None` if it has no flag."""
    action = flags.get(found["name"])
    if action is None:
        return None
    flag = action.option_strings[-1] if action.option_strings else str(action.metavar)
    if found["part"]:
        return f"{flag} {found['part']}" + ("" if value is None else f"={_plain(value)}")
    if value is None:
        return flag
    if action.nargs == 0:
        return flag if value == str(action.const) else f"no {flag}"
    return f"{flag} {_plain(value)}" if action.option_strings else _plain(value)


def _plain(value):
    """A value as it is typed: a string without quotes, `none` for `None`."""
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    if quoted and len(value) > 2:
        return value[1:-1].replace("\\\\", "\\")  # of Python's texts, in which a backslash is two
    return "none" if value == "None" else value

"""Checks of settings, as data: each refuses wrong values, and knows how a value is read from the command line.

Families that may have custom members, such as the scores, are looked up when a value is checked. Nothing here loads
Keras.
"""

import dataclasses
import json
import os
import re
from collections.abc import Callable

from keras_attention.arguments import (
    invalid,
    require_choice,
    require_integer,
    require_number,
    require_path,
    require_truth,
    unknown,
)
from keras_attention.members import members, parts_of
from keras_attention.patterns import COLUMN_ROLES

NONE = "none"  # on the command line
BETWEEN_COLUMNS = re.compile(rf",(?=(?:{'|'.join(COLUMN_ROLES)})=)")
CUSTOM = ", or a custom one, whose module must be imported first (by --plugin FILE on the command line)"


class Check:
    """A check that accepts any value. Every check has these parts:

    - `choices`, the names that the help lists;
    - `optional`, whether the value may be `None`;
    - `kind`, what a value must be, in words;
    - a call with the name of a setting and its value, which returns the value to keep, or raises;
    - `parse`, a text of the command line → a value, for `argparse`;
    - `words`, the inverse: a value → the texts of the command line.
    """

    choices, optional, kind = (), False, "a value"

    def __call__(self, name, value):
        return value

    def parse(self, text):
        """The value of a text of the command line."""
        return text

    def words(self, value):
        """The texts of a value on the command line."""
        return [NONE if value is None else value if isinstance(value, str) else json.dumps(value)]


@dataclasses.dataclass(frozen=True)
class Number(Check):
    """A number inside a range.

    Args:
        whole: whether it must be an integer.
        at_least, above, at_most, below: limits of the range.
        optional: whether it may be `None`, which is `none` on the command line.
    """

    whole: bool = False
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    optional: bool = False

    @property
    def kind(self):
        """What a value must be, in words."""
        return "a whole number" if self.whole else "a number"

    def __call__(self, name, value):
        if value is None and self.optional:
            return None
        if self.whole:
            return require_integer(name, value, self.at_least, self.at_most)
        return require_number(name, value, self.at_least, self.above, self.at_most, self.below)

    @property
    def parse(self):
        """A function that parses `none`, or an `int` or `float`; `argparse` shows its name if a text does not parse."""

        def parse(text):
            return None if self.optional and text == NONE else kind(text)

        kind = int if self.whole else float
        parse.__name__ = f"{kind.__name__} or {NONE}" if self.optional else kind.__name__
        return parse


def integer(at_least=None, at_most=None, optional=False):
    """A whole number inside a range."""
    return Number(whole=True, at_least=at_least, at_most=at_most, optional=optional)


def number(optional=False, **limits):
    """A finite number inside a range, given by `at_least`, `above`, `at_most` and `below`."""
    return Number(optional=optional, **limits)


class Path(Check):
    """A path, kept as a string; or `None`."""

    optional = True

    def __call__(self, name, value):
        return None if value is None else os.fspath(require_path(name, value))


@dataclasses.dataclass(frozen=True)
class Text(Check):
    """A text that a function accepts, or `None`; numbers become text.

    Args:
        accepts: text → anything; raises `ValueError` for a text that is not accepted.
    """

    accepts: Callable
    optional = True

    def __call__(self, name, value):
        if value is not None:
            self.accepts(value)
        return None if value is None else str(value)


class Source(Check):
    """A source of data: a name, or a path, which is kept as a string."""

    def __call__(self, name, value):
        return os.fspath(value) if isinstance(value, os.PathLike) else value


class Truth(Check):
    """True or False; on the command line a flag without a value."""

    def __call__(self, name, value):
        return require_truth(name, value)


@dataclasses.dataclass(frozen=True)
class OneOf(Check):
    """One of a few names.

    Args:
        choices: the names.
    """

    choices: tuple

    def __call__(self, name, value):
        return require_choice(name, value, self.choices)


@dataclasses.dataclass(frozen=True)
class MemberOf(Check):
    """The name of a member of a family.

    Args:
        family: the family, as in `keras_attention.members`.
        also: further names.
        optional: whether it may be `None`, which is `none` on the command line.
        several: whether it may be several names, joined by `/`.
    """

    family: str
    also: tuple = ()
    optional: bool = False
    several: bool = False

    def __call__(self, name, value):
        if value is None and self.optional:
            return None
        for part in parts_of(value) if self.several and isinstance(value, str) else [value]:
            require_choice(name, part, (*members(self.family), *self.also), CUSTOM)
        return value

    def parse(self, text):
        return None if self.optional and text == NONE else text


class Layers(Check):
    """Names of layers: several, one, or `None`; on the command line separated by commas, `none` for no layer."""

    optional = True

    def __call__(self, name, value):
        if value is None:
            return None
        layers = (value,) if isinstance(value, str) else tuple(value)
        if len(set(layers)) < len(layers):
            raise invalid("`attend` must name each layer once.", "different layers", f"{name}={', '.join(layers)}")
        return layers

    def parse(self, text):
        return tuple(name for name in text.split(",") if name and name != NONE)

    def words(self, value):
        return [",".join(value) or NONE]


class Part(Check):
    """A part of the backbone, named by the layer that ends it; or `None`."""

    optional = True

    def __call__(self, name, value):
        return value.removesuffix("_pool") if isinstance(value, str) else value


@dataclasses.dataclass(frozen=True)
class Options(Check):
    """A dictionary of names and values; on the command line one flag for each name.

    Args:
        names: the names that are allowed; any, if `None`.
        value: the check of each value.
        what: what an option is called in messages.
    """

    names: tuple | None = None
    value: Check = dataclasses.field(default_factory=Check)
    what: str = "option"

    def __call__(self, name, value):
        if not isinstance(value, dict):
            raise invalid(f"`{name}` must map names to values.", "option names with their values", f"{name}={value!r}")
        for option, given in value.items():
            if self.names is not None and option not in self.names:
                raise unknown(self.what, option, self.names, name)
            self.value(f"{name}[{option!r}]", given)
        return value

    def parse(self, text):
        option, equals, value = text.partition("=")
        if not option or not equals:
            raise ValueError(text)
        return {option: self.value.parse(value) if isinstance(self.value, Number) else plain_value(value)}

    def joined(self, parts):
        """The dictionary of all texts of the command line, each parsed; of one name that is given twice the last."""
        return {name: value for part in parts for name, value in part.items()}

    def words(self, value):
        if isinstance(self.value, Number):
            return [f"{name}={word}" for name, option in value.items() for word in self.value.words(option)]
        return [f"{name}={option if isinstance(option, str) else json.dumps(option)}" for name, option in value.items()]


class Columns(Options):
    """Which columns of a table are what: role → the name of a column; of labels also several."""

    def __init__(self):
        super().__init__(COLUMN_ROLES, what="column")

    def __call__(self, name, value):
        if isinstance(value, dict):
            for role, column in value.items():
                several = role == "label" and isinstance(column, (list, tuple)) and column
                if not all(isinstance(each, str) and each for each in (column if several else (column,))):
                    raise invalid("A column must be named.", "the name of a column", f"{name}[{role!r}]={column!r}")
            value = {role: list(each) if isinstance(each, tuple) else each for role, each in value.items()}
        return super().__call__(name, value)

    def parse(self, text):
        """The columns of a text such as `image=name,label=dx`; a comma may also be part of the name of a column."""
        found = [re.fullmatch(r"(\w+)=(.+)", part, re.DOTALL) for part in BETWEEN_COLUMNS.split(text)]
        if None in found:
            raise ValueError(text)
        return self.joined({each[1]: each[2]} for each in found)

    def joined(self, parts):
        """As of options, but names of several labels are kept."""
        found = {}
        for role, column in (pair for part in parts for pair in part.items()):
            several = [*_several(found.get(role, ())), *_several(column)]
            found[role] = several if role == "label" and len(several) > 1 else column
        return found

    def words(self, value):
        return [f"{role}={column}" for role, columns in value.items() for column in _several(columns)]


def _several(value):
    return (value,) if isinstance(value, str) else value


def plain_value(text):
    """The value of a text that is JSON, such as a number, true, false, null or a list; otherwise the text itself."""
    try:
        return json.loads(text) if isinstance(text, str) else text
    except json.JSONDecodeError:
        return text

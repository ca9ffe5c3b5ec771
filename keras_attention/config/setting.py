"""A setting, kept in its dataclass field; the parser and the docstring are made from it."""

import dataclasses
import functools
import textwrap

from keras_attention.arguments import invalid
from keras_attention.config.checks import NONE, Check, Options, Truth

WIDTH = 116  # of a docstring


@dataclasses.dataclass(frozen=True)
class Setting:
    """All that is known about one setting.

    Args:
        check: the check of its value.
        help: what it is, in words that suit Python and the command line; `{none}` becomes `None` or `none`.
        metavar: the name of its value on the command line.
        usual: what is used if it is `None`, in words.
        flag: its flag, if it does not follow from the name.
        bare: the value of the flag alone, if its value may be left out.
        name: the name of its field.
        default: the default of its field.
        group: the heading above its flag: `GROUP` of the class that has the field.
    """

    check: Check
    help: str
    metavar: str | None = None
    usual: str | None = None
    flag: str | None = None
    bare: str | None = None
    name: str = ""
    default: object = None
    group: str = ""

    @property
    def option(self):
        """The flag on the command line."""
        return self.flag or f"--{self.name.replace('_', '-')}"

    def described(self, none=NONE):
        """The help with the choices and the default."""
        return f"{self.help.format(none=none)}{self._choices_and_default(none)}"

    def _choices_and_default(self, none):
        if self.check.choices:
            marked = [f"{choice} (default)" if choice == self.default else choice for choice in self.check.choices]
            return f": {', '.join(marked)}"
        if isinstance(self.check, Options):
            return "; may be repeated" if none == NONE else ""
        if isinstance(self.check, Truth) or (self.default is None and self.usual is None):
            return ""
        return f" (default {self.usual if self.default is None else _shown(self.default)})"

    def add_to(self, group):
        """Declares the flag in a group of an `argparse` parser."""
        # In a help of argparse a percent sign stands for a value, unless it is doubled.
        texts = {"dest": self.name, "help": self.described().replace("%", "%%")}
        if isinstance(self.check, Truth):
            group.add_argument(self.option, action=f"store_{'false' if self.default else 'true'}", **texts)
            return
        how = {"nargs": "?", "const": self.bare} if self.bare is not None else {}
        # Options are parsed afterwards by `given`, so that an error says what is wrong with which option.
        how |= {"action": "append"} if isinstance(self.check, Options) else {"type": self.check.parse}
        group.add_argument(self.option, metavar=self.metavar, **how, **texts)

    def given(self, value):
        """The value of the setting, from what `argparse` found.

        Raises:
            ValueError: an option that is not a name and a value.
        """
        return self.check.joined(map(self._option, value or ())) if isinstance(self.check, Options) else value

    def _option(self, text):
        try:
            return self.check.parse(text)
        except ValueError as error:
            kind = f"{self.check.what} must be a name and {self.check.value.kind}"
            raise invalid(f"A {kind}.", f"{self.option} {self.metavar}", f"{self.option} {text}") from error

    def words(self, value):
        """The part of a command line that sets a value."""
        if isinstance(self.check, Truth):
            return [] if value == self.default else [self.option]
        return [word for text in self.check.words(value) for word in (self.option, text)]


def setting(default, check, help, metavar=None, **more):
    """A dataclass field that holds its `Setting`; `more` are further arguments of `Setting`."""
    metadata = {"setting": Setting(check, help, metavar, **more)}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=dict, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@functools.cache
def settings_of(cls):
    """Name → `Setting`, in the order of the fields of a dataclass."""
    return {field.name: _completed(cls, field) for field in dataclasses.fields(cls)}


def with_arguments(cls):
    """A decorator that replaces `{arguments}` in the docstring of a dataclass by its settings."""
    lines = []
    for name, each in settings_of(cls).items():
        entry = f"{name}: {each.described('`None`').rstrip('.')}."
        lines += textwrap.wrap(entry, WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 12, break_on_hyphens=False)
    cls.__doc__ = cls.__doc__.replace("{arguments}", "\n".join(lines).strip())
    return cls


def _completed(cls, field):
    home = next(base for base in reversed(cls.__mro__) if field.name in vars(base).get("__annotations__", {}))
    default = field.default if field.default is not dataclasses.MISSING else field.default_factory()
    return dataclasses.replace(field.metadata["setting"], name=field.name, default=default, group=home.GROUP)


def _shown(value):
    return f"{value:g}" if isinstance(value, float) else f"{value}"

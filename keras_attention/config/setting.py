"""A setting, told in the row of its field; the parser and the docstring follow from it."""

import dataclasses
import functools
import textwrap

from keras_attention.arguments import invalid
from keras_attention.config.checks import NONE, Check, Options, Truth

WIDTH = 116  # of a docstring


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is known of one setting.

    Args:
        check: what it may be.
        help: what it is, in words for Python and the command line alike; `{none}` stands for `None`, and `none` there.
        metavar: what its value is called on the command line.
        usual: what is taken if it is `None`, in words.
        flag: on the command line, if it does not follow from the name.
        bare: the value of the flag alone, for a flag whose value may be left out.
        name: that of its field.
        default: that of its field.
        group: the heading under which its flag stands: `GROUP` of the class that has the field.
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
        """Its flag on the command line."""
        return self.flag or f"--{self.name.replace('_', '-')}"

    def described(self, none=NONE):
        """Help with the choices and the default."""
        return f"{self.help.format(none=none)}{self._choices_and_default(none)}"

    def _choices_and_default(self, none):
        if self.check.choices:
            marked = [f"{choice} (default)" if choice == self.default else choice for choice in self.check.choices]
            return f": {', '.join(marked)}"
        if isinstance(self.check, (Truth, Options)) or (self.default is None and self.usual is None):
            return ""
        return f" (default {self.usual if self.default is None else _shown(self.default)})"

    def add_to(self, group):
        """Declares its flag in a group of an `argparse` parser; what is not given leaves no trace."""
        texts = {"dest": self.name, "help": self.described()}
        if isinstance(self.check, Truth):
            group.add_argument(self.option, action=f"store_{'false' if self.default else 'true'}", **texts)
            return
        how = {"nargs": "?", "const": self.bare} if self.bare is not None else {}
        # The parts of options are read afterwards, so that an error says what is wrong with which.
        how |= {"action": "append"} if isinstance(self.check, Options) else {"type": self.check.parse}
        group.add_argument(self.option, metavar=self.metavar, **how, **texts)

    def given(self, value):
        """The value of the setting for what `argparse` found.

        Raises:
            ValueError: a text of options that is not a name and a value.
        """
        return dict(map(self._option, value)) if isinstance(self.check, Options) else value

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
    """The field of a dataclass with the row of its setting; other arguments are those of `Setting`."""
    metadata = {"setting": Setting(check, help, metavar, **more)}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=dict, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@functools.cache
def settings_of(cls):
    """Name → `Setting`, in the order of the fields of a dataclass."""
    return {field.name: _completed(cls, field) for field in dataclasses.fields(cls)}


def with_arguments(cls):
    """A decorator that completes the docstring of a dataclass by its settings, where `{arguments}` stands."""
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

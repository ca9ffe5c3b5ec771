"""The command line: parses, calls one function of the library, prints.

Each command is a module with `add(commands)`, which declares it, `run(options)`, which runs it, and, if mistakes can be
found without TensorFlow, `check(options)`. TensorFlow is imported just before `run`, and not at all for a command that
says `WITHOUT_TENSORFLOW`, so that help, lists and mistakes in names and paths are answered at once. With plugins, which
need it, it is imported first. Error messages of the library are printed with flags instead of arguments.
"""

import argparse
import logging
import os
import sys
import warnings

from keras_attention import __version__
from keras_attention.arguments import one_line
from keras_attention.cli import (
    check,
    compare,
    demo,
    evaluate,
    explain,
    export,
    listing,
    models,
    predict,
    search,
    train,
)
from keras_attention.cli.flags import flags_of, in_flags
from keras_attention.plugins import VARIABLE, find_plugins, load_plugins
from keras_attention.quiet import import_tensorflow
from keras_attention.text import shown

COMMANDS = (check, train, compare, search, predict, evaluate, explain, demo, export, models, listing)
DEBUG = "KERAS_ATTENTION_DEBUG"


def main(arguments=None):
    """Runs a command; returns its exit code: 0, 1 if it failed in part, 2 for an error, 130 for Ctrl-C."""
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("keras_attention").setLevel(logging.INFO)
    warnings.formatwarning = lambda message, *_: f"keras-attention: warning: {shown(message)}\n"
    try:
        plugins = find_plugins((*options.plugins, *options.more_plugins))
        if plugins:
            import_tensorflow()
            load_plugins(plugins)
        _part(options.command, "check")(options)
        if not getattr(options.command, "WITHOUT_TENSORFLOW", False):
            import_tensorflow()
        return options.command.run(options) or 0
    except KeyboardInterrupt:
        hint = _part(options.command, "after_interrupt")(options) or ""
        print(f"\nkeras-attention: interrupted{hint}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of the output has closed it; Python must not complain about that at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        print(f"keras-attention: error: {shown(in_flags(one_line(error), options.flags))}", file=sys.stderr)
        return 2


class OneLineParser(argparse.ArgumentParser):
    """A parser whose errors are one line, as all errors of the commands are."""

    def error(self, message):
        self.exit(2, f"keras-attention: error: {message}\n")


def parser():
    """The parser of all commands."""
    root = OneLineParser(
        prog="keras-attention",
        description="Attention for convolutional image classifiers, with tests of whether it helps.",
        epilog=f"A command that fails says why in one line; {DEBUG}=1 shows the traceback.",
    )
    root.add_argument("--version", action="version", version=f"keras-attention {__version__}")
    _add_plugins(root, "plugins")
    commands = root.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        declared = command.add(commands)
        _add_plugins(declared, "more_plugins")
        declared.set_defaults(command=command, flags=flags_of(declared))
    return root


def _part(command, name):
    """A function that not every command has; if this one lacks it, a function that does nothing."""
    return getattr(command, name, lambda options: None)


def _add_plugins(parser, name):
    """Declares `--plugin`, which may come before or after the command."""
    text = f"a .py file or a module with custom scores, alignments or backbones; may be repeated (also: {VARIABLE})"
    parser.add_argument("--plugin", dest=name, action="append", default=[], metavar="FILE", help=text)

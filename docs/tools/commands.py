"""Makes the page of the command line, as Markdown, from the parser."""

import argparse
import re

from keras_attention.cli import parser

PROGRAM = "keras-attention"


def commands_page():
    """The page: every command with every option."""
    root = parser()
    parts = [f"{_sentence(root.description)} {_prose(root.epilog)}", _usage(f"{PROGRAM} COMMAND …"), *_groups(root)]
    for name, command in subcommands(root).items():
        parts += [f"## {name}", _prose(command.description), _usage(_short_usage(name, command)), *_groups(command)]
        parts += [_epilog(command)] if command.epilog else []
    return "\n\n".join(parts)


def subcommands(of):
    """Name → parser, for each command below another one, in their order."""
    found = [action for action in of._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(found[0].choices) if found else {}


def options(command):
    """The arguments of a command that its help shows, except `--help`."""
    return [
        action
        for action in command._actions
        if action.help != argparse.SUPPRESS
        and not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)
    ]


def title(action, command):
    """How an argument is written: `--seeds N`, `MODEL`."""
    formatter = command._get_formatter()
    if not action.option_strings:
        return formatter._format_args(action, formatter._get_default_metavar_for_positional(action))
    if action.nargs == 0:
        return ", ".join(action.option_strings)
    value = formatter._format_args(action, formatter._get_default_metavar_for_optional(action))
    return ", ".join(f"{flag} {value}" for flag in action.option_strings)


def _groups(command):
    """The groups of arguments, each a heading and a list of definitions."""
    shown, parts = options(command), []
    for group in command._action_groups:
        actions = [action for action in group._group_actions if action in shown]
        if actions:
            heading = {"positional arguments": "arguments"}.get(group.title, group.title)
            parts.append(f"**{heading.capitalize()}**")
            parts += [f"`{title(action, command)}`\n\n:   {_help(action, command)}" for action in actions]
    return parts


def _help(action, command):
    text = _prose(command._get_formatter()._expand_help(action)) if action.help else ""
    if action.choices and not all(str(choice) in text for choice in action.choices):
        text += f" One of {', '.join(f'`{choice}`' for choice in action.choices)}."
    default = action.default
    if default not in (None, argparse.SUPPRESS, False, True, []) and "default" not in text:
        text += f" (default {default})"
    return text or "—"


def _short_usage(name, command):
    places = [title(action, command) for action in options(command) if not action.option_strings]
    return " ".join([PROGRAM, name, "[options]", *places])


def _usage(line):
    return f"```text\n{line}\n```"


def _epilog(command):
    if isinstance(command.formatter_class, type) and issubclass(
        command.formatter_class, argparse.RawDescriptionHelpFormatter
    ):
        return f"```text\n{command.epilog.rstrip()}\n```"
    return _prose(command.epilog)


def _sentence(text):
    text = _prose(text)
    return text if text.endswith(".") else text + "."


def _prose(text):
    """Text of the parser in Markdown: special characters are escaped, except in code."""
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(part if place % 2 else re.sub(r"([*_<\[\]|])", r"\\\1", part) for place, part in enumerate(parts))

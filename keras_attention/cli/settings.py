"""The settings of a run as flags, for `train` and the other commands that train."""

from keras_attention.arguments import invalid, require_choice
from keras_attention.config import TrainConfig, settings_of


def add_settings(parser, without=()):
    """Declares the flags of the settings, in groups, except for the settings in `without`."""
    groups = {}
    for name, each in settings_of(TrainConfig).items():
        if name not in without:
            if each.group not in groups:
                groups[each.group] = parser.add_argument_group(each.group)
            each.add_to(groups[each.group])


def given_settings(options):
    """The settings that are given on the command line."""
    settings = settings_of(TrainConfig)
    return {name: each.given(getattr(options, name)) for name, each in settings.items() if name in options}


def require_names(options, **choices):
    """Raises `ValueError` for the value of a flag that is given and is not among its choices."""
    for name, known in choices.items():
        if getattr(options, name, None) is not None:
            require_choice(name, getattr(options, name), known)


def require_values(options, *names):
    """Raises `ValueError` if the value of a flag is empty."""
    for name in names:
        if getattr(options, name) == "":
            raise invalid(f"`{name}` must not be empty.", "a value, or no such flag", f"{name}=''")

"""The settings of a run as flags: what `train` and every command that trains takes, and what was given of it."""

from keras_attention.config import TrainConfig, settings_of


def add_settings(parser, without=()):
    """Declares the flags of the settings, in groups, but for the settings named in `without`."""
    groups = {}
    for name, each in settings_of(TrainConfig).items():
        if name not in without:
            if each.group not in groups:
                groups[each.group] = parser.add_argument_group(each.group)
            each.add_to(groups[each.group])


def given_settings(options):
    """The settings that stand on the command line."""
    settings = settings_of(TrainConfig)
    return {name: each.given(getattr(options, name)) for name, each in settings.items() if name in options}


def require_values(options, *names):
    """Raises `ValueError` for a flag whose value is empty."""
    from keras_attention.arguments import invalid

    for name in names:
        if getattr(options, name) == "":
            raise invalid(f"`{name}` is empty.", "a value, or the flag left out", f"{name}=''")

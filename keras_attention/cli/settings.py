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


# Settings of a table of images, which commands take that do not train.
OF_A_TABLE = ("images", "columns", "zeros")


def add_table(parser, names=OF_A_TABLE):
    """Declares flags that say how a table of images is read."""
    for name in names:
        settings_of(TrainConfig)[name].add_to(parser)


def given_of_table(options, names=OF_A_TABLE):
    """The settings of a table that are given on the command line, by name."""
    given = {name: settings_of(TrainConfig)[name].given(getattr(options, name)) for name in names}
    return {name: value for name, value in given.items() if value}


def given_settings(options):
    """The settings that are given on the command line."""
    settings = settings_of(TrainConfig)
    return {name: each.given(getattr(options, name)) for name, each in settings.items() if name in options}


def usual_settings(given, usual):
    """The settings that given ones are put on: those of a command for its own data, for other data those of `train`."""
    return usual if given.get("data", usual.data) == usual.data else TrainConfig()


def with_given(base, given):
    """The given settings on top of others; an option of the data that is `none` is left out."""
    if "data_options" in given:
        options = base.data_options | given["data_options"]
        given = given | {"data_options": {name: value for name, value in options.items() if value is not None}}
    return base.with_settings(**given)


def check_each(given):
    """Checks settings one by one, whatever the others are, as those of work that is resumed are not known yet."""
    for name, value in given.items():
        settings_of(TrainConfig)[name].check(name, value)


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

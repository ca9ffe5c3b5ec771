"""Modules from outside the package that register scores and alignments of their own, for the commands.

Whoever works in Python imports such a module. A command is told of it by `--plugin`, or by an environment variable,
through which the processes that it starts are told too.
"""

import importlib
import importlib.util
import os
import pathlib
import shlex
import sys

from keras_attention.arguments import invalid, reason

VARIABLE = "KERAS_ATTENTION_PLUGINS"
EXPECTED = "the path of a .py file, or the name of a module that Python finds"


def find_plugins(names=()):
    """The plugins of the environment variable, then `names`, each once, none of them imported yet.

    Args:
        names: paths of `.py` files, and names of modules.

    Returns:
        A list of absolute paths and names of modules.

    Raises:
        ValueError: a file or a module that is not there, or a file with the name of another module.
    """
    texts = [text for text in os.environ.get(VARIABLE, "").split(os.pathsep) if text]
    return list(dict.fromkeys(_found(text) for text in (*texts, *names)))


def load_plugins(names=()):
    """Imports what `find_plugins` finds; the processes that this one starts will do so too.

    The folder of a file joins the end of Python's search path, so that it may import what lies beside it.

    Raises:
        ValueError: a plugin that is not there, or that raises.
    """
    plugins = find_plugins(names)
    for plugin in plugins:
        try:
            _import(plugin)
        except (Exception, SystemExit) as error:
            received = f"{type(error).__name__}: {reason(error)}".rstrip(".")
            expected = "a module that can be imported, and registers names that are free"
            raise invalid(f"The plugin {plugin} cannot be loaded.", expected, received) from error
    if plugins:
        os.environ[VARIABLE] = os.pathsep.join(plugins)


def program():
    """`keras-attention` as a person has to type it, with the plugins of this process."""
    plugins = [text for text in os.environ.get(VARIABLE, "").split(os.pathsep) if text]
    return shlex.join(["keras-attention", *(part for plugin in plugins for part in ("--plugin", _shown(plugin)))])


def _found(name):
    if not name.endswith(".py"):
        if _specification(name) is None:
            raise invalid(f"There is no module {name!r}.", EXPECTED, f"plugin {name!r}")
        return name
    path = pathlib.Path(name).resolve()
    if not path.is_file():
        raise invalid(f"There is no file {name}.", EXPECTED, f"plugin {name!r}")
    other = getattr(_specification(path.stem), "origin", None)
    if other is not None and pathlib.Path(other).resolve() != path:
        expected = f"a file of another name than {path.name}"
        raise invalid(f"The plugin {name} has the name of another module.", expected, f"{path.stem!r} of {other}")
    return str(path)


def _specification(module):
    try:
        return importlib.util.find_spec(module)
    except (ImportError, ValueError):  # no parent package, or a module that came from no file, such as `__main__`
        return None


def _import(plugin):
    if not plugin.endswith(".py"):
        importlib.import_module(plugin)
        return
    path = pathlib.Path(plugin)
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    importlib.invalidate_caches()  # the file may be newer than the last look into its folder
    importlib.import_module(path.stem)


def _shown(plugin):
    """A path from here, where it lies below."""
    path = pathlib.Path(plugin)
    return str(path.relative_to(pathlib.Path.cwd())) if path.is_relative_to(pathlib.Path.cwd()) else plugin

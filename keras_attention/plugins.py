"""Plugins of the commands: modules from outside the package that register custom scores and alignments.

In Python such a module is simply imported. For a command it is named by `--plugin` or by an environment variable, which
also passes it on to the processes that the command starts.
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
    """Lists the plugins of the environment variable, then `names`, each once, without importing them.

    Args:
        names: paths of `.py` files, and names of modules.

    Returns:
        A list of absolute paths and names of modules.

    Raises:
        ValueError: a file or a module does not exist, or a file has the name of another module.
    """
    texts = [text for text in os.environ.get(VARIABLE, "").split(os.pathsep) if text]
    return list(dict.fromkeys(_found(text) for text in (*texts, *names)))


def load_plugins(names=()):
    """Imports what `find_plugins` finds, here and in the processes that this one starts.

    The folder of a file is appended to Python's search path, so that the file can import its neighbours.

    Raises:
        ValueError: a plugin does not exist, or raises an error.
    """
    plugins = find_plugins(names)
    for plugin in plugins:
        try:
            _import(plugin)
        except (Exception, SystemExit) as error:
            received = f"{type(error).__name__}: {reason(error)}".rstrip(".")
            expected = "a module that can be imported and registers only unused names"
            raise invalid(f"The plugin {plugin} cannot be loaded.", expected, received) from error
    if plugins:
        os.environ[VARIABLE] = os.pathsep.join(plugins)


def program():
    """Returns `keras-attention` as it has to be typed, with the plugins of this process."""
    plugins = [text for text in os.environ.get(VARIABLE, "").split(os.pathsep) if text]
    return shlex.join(["keras-attention", *(part for plugin in plugins for part in ("--plugin", _shown(plugin)))])


def _found(name):
    if not name.endswith(".py"):
        if _specification(name) is None:
            raise invalid(f"The module {name!r} does not exist.", EXPECTED, f"plugin {name!r}")
        return name
    path = pathlib.Path(name).resolve()
    if not path.is_file():
        raise invalid(f"The file {name} does not exist.", EXPECTED, f"plugin {name!r}")
    other = getattr(_specification(path.stem), "origin", None)
    if other is not None and pathlib.Path(other).resolve() != path:
        expected = f"a file with a name other than {path.name}"
        raise invalid(f"The plugin {name} has the name of another module.", expected, f"{path.stem!r} of {other}")
    return str(path)


def _specification(module):
    try:
        return importlib.util.find_spec(module)
    except (ImportError, ValueError):  # no parent package, or a module without a file, such as `__main__`
        return None


def _import(plugin):
    if not plugin.endswith(".py"):
        importlib.import_module(plugin)
        return
    path = pathlib.Path(plugin)
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    importlib.invalidate_caches()  # the file may be newer than the cached listing of its folder
    importlib.import_module(path.stem)


def _shown(plugin):
    """The plugin as it can be typed here: a path inside the working directory becomes relative."""
    path = pathlib.Path(plugin)
    return str(path.relative_to(pathlib.Path.cwd())) if path.is_relative_to(pathlib.Path.cwd()) else plugin

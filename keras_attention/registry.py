"""A family of interchangeable classes: listed under a short name and saveable, by one decorator."""

import inspect
import json
import zipfile
from collections.abc import Mapping

import keras

from keras_attention.arguments import invalid, require_option, unknown

PACKAGE = "keras_attention"


class Members(Mapping):
    """A read-only mapping from short name to member.

    Args:
        family: what the members are called in messages, such as "score" or "backbone".
    """

    def __init__(self, family):
        self.family, self._members = family, {}

    def __getitem__(self, name):
        return self._members[name]

    def __iter__(self):
        return iter(self._members)

    def __len__(self):
        return len(self._members)


class Registry(Members):
    """A mapping from short name to class, which also builds and describes its members.

    People use the short names: on the command line, in a search, in reports. Files hold the class names, under the
    Keras package `keras_attention`, by which Keras finds the classes of a saved model.

    Args:
        family: what the members are called in messages, such as "score" or "alignment".
        base: the Keras class from which all members derive.

    Example:

    >>> import keras
    >>> from keras_attention.registry import Registry
    >>> SHAPES = Registry("shape")
    >>> @SHAPES.register("round")
    ... class Round(keras.layers.Layer):
    ...     "Round: nothing to multiply."
    >>> list(SHAPES), SHAPES["round"].__name__
    (['round'], 'Round')
    """

    def __init__(self, family, base=keras.layers.Layer):
        super().__init__(family)
        self.base = base

    def register(self, name):
        """A class decorator that registers the class under `name` and makes it saveable.

        A class that is defined again, as in a notebook cell that runs twice, replaces the earlier definition.

        Raises:
            ValueError: another class has this short name or this class name.
        """

        def decorate(cls):
            saved = keras.saving.get_registered_object(f"{PACKAGE}>{cls.__name__}")
            if name in self._members and not is_same(self._members[name], cls):
                raise invalid(
                    f"The {self.family} {name!r} is already registered.", "an unused name", f"class {cls.__name__}"
                )
            if saved is not None and not is_same(saved, cls):
                raise invalid(
                    f"A class {cls.__name__} is already registered.", "another class name", f"{saved.__module__}"
                )
            self._members[name] = keras.saving.register_keras_serializable(package=PACKAGE)(cls)
            return cls

        return decorate

    def get(self, identifier, **defaults):
        """Returns the member that `identifier` names.

        Args:
            identifier: a short name, a class of the family, an instance, or a Keras config dictionary.
            **defaults: constructor arguments for a name or a class; those that the constructor does not take are left
                out. They do not change an instance or a config.

        Returns:
            The given instance, or a new one.
        """
        if isinstance(identifier, str):
            if identifier not in self._members:
                raise unknown(self.family, identifier, self._members)
            identifier = self._members[identifier]
        if inspect.isclass(identifier) and issubclass(identifier, self.base):
            taken = {"dtype", *self.options(identifier)}
            return identifier(**{key: value for key, value in defaults.items() if key in taken})
        if isinstance(identifier, dict):
            identifier = keras.saving.deserialize_keras_object(identifier)
        if isinstance(identifier, self.base):
            return identifier
        raise invalid(
            f"Cannot interpret the {self.family}.",
            f"a name ({', '.join(self._members)}), a class, an instance or a config",
            repr(identifier),
            TypeError,
        )

    def make(self, name, options, **defaults):
        """Returns a new layer by its short name; its constructor must take all `options`.

        Raises:
            ValueError: the name or an option is unknown, or a value is out of range.
        """
        if name not in self._members:
            raise unknown(self.family, name, self._members)
        choices = self.options(self._members[name])
        for option in options:
            require_option(self.family, name, option, choices)
        return self.get(name, **{**defaults, **options})

    def options(self, cls):
        """Constructor argument of a member → its default; arguments of the class first, then those of its bases."""
        bases = cls.__mro__[: cls.__mro__.index(self.base)]
        arguments = {}
        for base in (base for base in bases if "__init__" in vars(base)):  # not one that it inherits from Keras
            for name, parameter in inspect.signature(base.__init__).parameters.items():
                if parameter.default is not inspect.Parameter.empty:
                    arguments.setdefault(name, parameter.default)
        return arguments

    def search_space(self, cls):
        """Option → the values that a search tries, from the `search_space` of the member and its bases.

        Raises:
            ValueError: the constructor does not take an option of the search space.
        """
        bases = [base for base in reversed(cls.__mro__) if issubclass(base, self.base)]
        space = {name: domain for base in bases for name, domain in vars(base).get("search_space", {}).items()}
        options = self.options(cls)
        for name in space:
            if name not in options:
                raise unknown(f"option of {cls.__name__} in its search space:", name, options, "search_space")
        return space

    def name_of(self, layer):
        """The short name of a member or of its class, or the name of the class if it is not registered."""
        cls = layer if inspect.isclass(layer) else type(layer)
        return next((name for name, member in self._members.items() if member is cls), cls.__name__)

    def formulas(self):
        """Short name → the first line of the class docstring, which states the formula."""
        return {name: self.about(name)["description"] for name in self}

    def about(self, name):
        """What `keras_attention.members` knows of a member: its formula, its options, and those that a search tries."""
        cls = self._members[name]
        formula = inspect.getdoc(cls).split("\n")[0]
        facts = {"description": formula, "options": self.options(cls), "searched": tuple(self.search_space(cls))}
        return facts | ({"has_map": cls.has_map} if hasattr(cls, "has_map") else {})


def require_classes(path):
    """Raises `ValueError` for a `.keras` file with an unregistered class, such as a custom score or alignment.

    A file that cannot be read passes; `keras.models.load_model` will say why.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(_registered_names(json.loads(archive.read("config.json"))))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return
    missing = sorted(name for name in names if keras.saving.get_registered_object(name) is None)
    if missing:
        listed = ", ".join(name.removeprefix(f"{PACKAGE}>") for name in missing)
        raise invalid(
            f"{path} has a custom class that is not registered.",
            "the module that defines it to be imported first (by --plugin FILE on the command line)",
            f"class {listed}",
        )


def _registered_names(config):
    """The registered names in a Keras config of all classes of this package, custom ones included."""
    parts = config.values() if isinstance(config, dict) else config if isinstance(config, list) else ()
    for part in parts:
        yield from _registered_names(part)
    name = config.get("registered_name") if isinstance(config, dict) else None
    if isinstance(name, str) and name.startswith(f"{PACKAGE}>"):
        yield name


def is_same(known, cls):
    """Whether two classes or functions are the same, or come from one definition that ran twice."""
    return (known.__module__, known.__qualname__) == (cls.__module__, cls.__qualname__)

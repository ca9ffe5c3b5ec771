"""The space of a search: scores, alignments and their options, attended layers, dimensions and rates."""

import contextlib
import dataclasses
import functools
import math

from keras_attention.arguments import invalid, unknown
from keras_attention.layers import ALIGNMENTS, SCORES
from keras_attention.layers.domains import Choices, Range
from keras_attention.members import BETWEEN, parts_of
from keras_attention.models import BACKBONES
from keras_attention.models.backbone import NOMINAL_SIDE, feature_layers, find_map
from keras_attention.variants import without_attention

NONE = "none"  # as on the command line: no attention if it is the score, no projection if it is the units
MULTISCALE = NONE
JOIN = "+"  # joins the layers of one choice

# The hyperparameters of every network besides its attended layers, and those of networks with attention besides the
# options of their score and alignment.
EVERYWHERE = {
    "dropout": Choices((0.0, 0.1, 0.2, 0.3, 0.5)),
    "learning_rate": Range(1e-4, 3e-3, logarithmic=True),
}
WITH_ATTENTION = {
    "units": Range(32, 512, step=2, logarithmic=True),
    "normalize": Choices(("layer", "none")),
    "num_heads": Choices((1, 2, 4)),
}
FAMILIES = {"score": SCORES, "alignment": ALIGNMENTS}


class Space:
    """The hyperparameters of a search, as narrowed by the user, and the settings they lead to.

    Hyperparameters have the names of `TrainConfig`. The options that a score or an alignment declares in its
    `search_space` are called `<score>.<option>` and `<alignment>.<option>`. Options that `config` sets for its score or
    alignment are not searched.

    Args:
        config: the `TrainConfig` with the settings that are not searched.
        fix: name → the only value.
        choose: name → the values to choose from.

    Raises:
        ValueError: a name does not exist, or a value is not possible.
    """

    def __init__(self, config, fix=None, choose=None):
        self.config, self.fix, self.choose = config, dict(fix or {}), dict(choose or {})
        both = set(self.fix) & set(self.choose)
        if both:
            raise invalid("A hyperparameter is in both `fix` and `choose`.", "one of the two", ", ".join(sorted(both)))
        families = {name: Choices(tuple(registry)) for name, registry in FAMILIES.items()}
        self.domains = families | {"attend": _attended(config.backbone)} | EVERYWHERE | WITH_ATTENTION
        self.domains["num_heads"] = self._dividing_heads()
        for name in (*FAMILIES, "attend", *EVERYWHERE, *WITH_ATTENTION):
            self._narrow(name)
        self.members = {family: self._options_of_members(family) for family in FAMILIES}
        for members in self.members.values():
            for member, options in members.items():
                for option in options:
                    self._narrow(f"{member}.{option}")
        self._check_all_used()
        self._check_values()

    @property
    def attending(self):
        """The scores to choose from, without the controls and the baselines."""
        return [score for score in self.values("score") if score not in without_attention()]

    @property
    def layers(self):
        """All layers that may be attended."""
        return tuple(dict.fromkeys(layer for choice in self.values("attend") for layer in choice.split(JOIN)))

    def values(self, name):
        """The values to choose from; the ends of a `Range`."""
        domain = self.domains[name]
        return domain.values if isinstance(domain, Choices) else (domain.least, domain.most)

    def settings(self, hp):
        """Declares the hyperparameters in `hp`, a `keras_tuner.HyperParameters`, and returns the settings drawn.

        Returns:
            A dictionary of settings of `TrainConfig`, without those of inactive hyperparameters.
        """
        score = self._draw(hp, "score")
        found = {name: self._draw(hp, name) for name in ("attend", *EVERYWHERE)}
        with self._only_for(hp, "score", self.attending):
            with_attention = {name: self._draw(hp, name) for name in ("alignment", *WITH_ATTENTION)}
        score_options = self._draw_options(hp, "score", score)
        with self._only_for(hp, "score", self.attending):
            alignment_options = self._draw_options(hp, "alignment", with_attention["alignment"])
        settings = {**without_attention().get(score, {"score": score}), **found}
        settings["attend"] = tuple(settings["attend"].split(JOIN))
        settings |= {"score_options": {}, "alignment_options": {}, "alignment": "softmax"}
        if score in without_attention():
            return settings
        units = with_attention["units"]
        with_attention["units"] = None if units == NONE else int(units)
        return settings | with_attention | {"score_options": score_options, "alignment_options": alignment_options}

    def _draw(self, hp, name):
        default = getattr(self.config, name)
        default = {"attend": JOIN.join(self.config.attend), "score": default or MULTISCALE}.get(name, default)
        return draw(hp, name, self.domains[name], default)

    def _draw_options(self, hp, family, chosen):
        """Declares the options of every member, and returns those of the chosen one."""
        found = {}
        for member, options in self.members[family].items():
            with self._only_for(hp, family, [member]):
                defaults = FAMILIES[family].options(FAMILIES[family][member])
                drawn = {
                    name: draw(hp, f"{member}.{name}", self.domains[f"{member}.{name}"], defaults[name])
                    for name in options
                }
            if member == chosen:
                found = self._given_options(family, member) | drawn
        return found

    @contextlib.contextmanager
    def _only_for(self, hp, parent, values):
        """A conditional scope for some values of a parent; no scope if it would hold for all of them or for none."""
        if not values or set(self.values(parent)) <= set(values):
            yield
        else:
            with hp.conditional_scope(parent, list(values)):
                yield

    def _given_options(self, family, member):
        return getattr(self.config, f"{family}_options") if getattr(self.config, family) == member else {}

    def _options_of_members(self, family):
        """Member → the names of its searched options, for each member that may be chosen."""
        registry = FAMILIES[family]
        members = {name: registry.search_space(registry[name]) for name in self.values(family) if name in registry}
        if family == "alignment" and not self.attending:
            members = {}
        found = {}
        for member, domains in members.items():
            given = self._given_options(family, member)
            found[member] = [option for option in domains if option not in given]
            self.domains |= {f"{member}.{option}": domains[option] for option in found[member]}
        return found

    def _narrow(self, name):
        if name in self.fix:
            self.domains[name] = Choices((_plain(name, self.fix[name]),))
        elif name in self.choose:
            values = self.choose[name]
            if isinstance(values, str) or not hasattr(values, "__iter__"):
                values = (values,)
            values = [_plain(name, value) for value in values]
            # KerasTuner wants all values of one type.
            if NONE in values and name == "units":
                values = [str(value) for value in values]
            if any(isinstance(value, float) for value in values):
                values = [value if isinstance(value, (bool, str)) else float(value) for value in values]
            self.domains[name] = Choices(tuple(dict.fromkeys(values)))

    def _check_all_used(self):
        """Raises a `ValueError` for a name that this search does not use."""
        for name in (*self.fix, *self.choose):
            if not self.attending and name in ("alignment", *WITH_ATTENTION):
                raise invalid(f"{name!r} is not searched.", "at least one score with attention", name)
            if name in self.domains:
                continue
            member, _, option = name.partition(".")
            family = next((family for family, registry in FAMILIES.items() if member in registry), None)
            if family and option in FAMILIES[family].search_space(FAMILIES[family][member]):
                raise invalid(
                    f"{name!r} is not searched.", f"{member!r} among the {family}s, and its {option} not set", name
                )
            raise unknown("hyperparameter", name, self.domains)

    def _check_values(self):
        """Makes a configuration with each value, so that wrong values are refused before any training."""
        for name in (*self.fix, *self.choose):
            for value in self.values(name):
                try:
                    dataclasses.replace(self.config, **self._alone(name, value))
                    if name == "attend":
                        self._check_layers(value.split(JOIN))
                except (TypeError, ValueError) as error:
                    raise ValueError(f"`{name}` cannot be {value!r}. {error}") from error
        self._check_layers(self.layers)
        for heads in self.values("num_heads") if self.attending else ():
            if heads % self._sharing:
                what = f"Alignments that share the heads need a multiple of {self._sharing} heads."
                raise invalid(what, "such numbers alone", f"num_heads={heads}")
            for layer in self.layers:
                if self._channels[layer] % heads:
                    raise invalid(
                        f"The number of heads, {heads}, must divide the channels of {layer}.",
                        f"a divisor of its {self._channels[layer]} channels",
                        f"num_heads={heads}",
                    )

    def _alone(self, name, value):
        """The settings of `TrainConfig` that this hyperparameter sets."""
        member, _, option = name.partition(".")
        if option:
            family = "score" if member in SCORES else "alignment"
            return {family: member, f"{family}_options": self._given_options(family, member) | {option: value}}
        if name in FAMILIES:
            known = without_attention() if name == "score" else {}
            heads = {"num_heads": len(parts_of(value))} if BETWEEN in str(value) else {}
            return {**known.get(value, {name: value}), f"{name}_options": {}, **heads}
        if name == "units":
            return {name: None if value == NONE else int(value) if isinstance(value, str) else value}
        return {name: tuple(value.split(JOIN)) if name == "attend" else value}

    def _dividing_heads(self):
        """The usual numbers of heads that divide the channels of every layer, and that all alignments can share."""
        self._narrow("attend")
        self._narrow("alignment")
        # Layers that the backbone does not have are refused later, with the other values.
        common = math.gcd(*(self._channels.get(layer, 0) for layer in self.layers))
        usual = WITH_ATTENTION["num_heads"].values
        return Choices(tuple(heads for heads in usual if common % heads == 0 and heads % self._sharing == 0))

    @property
    def _sharing(self):
        """The number of which the heads must be a multiple, so that each alignment has as many."""
        return math.lcm(*(len(parts_of(name)) for name in self.values("alignment")))

    @property
    def _channels(self):
        return _channels_of(BACKBONES[self.config.backbone], self.config.network_width)

    def _check_layers(self, layers):
        for layer in layers:
            if layer not in self._channels:
                backbone = BACKBONES.make(self.config.backbone, NOMINAL_SIDE, self.config.network_width)
                find_map(backbone, layer, "attend")  # raises an error that lists its layers


def _attended(backbone):
    """The choices of attended layers: the default layers of a backbone, all together or each alone."""
    layers = BACKBONES[backbone].attend
    return Choices(tuple(dict.fromkeys((JOIN.join(layers), *layers))))


@functools.lru_cache
def _channels_of(backbone, width):
    """Layer → the channels of its feature map, for a `Backbone`."""
    features = feature_layers(backbone.build((NOMINAL_SIDE, NOMINAL_SIDE, 3), width=width))
    return {name: feature.shape[-1] for name, feature in features.items()}


def draw(hp, name, domain, default=None):
    """Declares a hyperparameter of KerasTuner, and returns its value; `None` if its scope is not active.

    Args:
        hp: a `keras_tuner.HyperParameters`.
        name: the name of the hyperparameter.
        domain: its `Choices` or its `Range`.
        default: the value that a grid begins with, if the domain contains it; otherwise the first value is used.
    """
    if isinstance(domain, Range) and domain.steps:
        domain = Choices(domain.steps)  # KerasTuner loses the last of them to rounding
    if isinstance(domain, Choices) and isinstance(domain.values[0], bool):
        if len(domain.values) == 2:
            return hp.Boolean(name, default=bool(default))
        value = hp.Choice(name, list(domain.values))
        return None if value is None else bool(value)  # KerasTuner returns a number
    if isinstance(domain, Choices):
        return hp.Choice(name, list(domain.values), default=default if default in domain.values else domain.values[0])
    number = hp.Int if domain.whole else hp.Float
    sampling = "log" if domain.logarithmic else "linear"
    inside = default is not None and domain.least <= default <= domain.most
    value = number(
        name,
        domain.least,
        domain.most,
        step=domain.step,
        sampling=sampling,
        default=default if inside else domain.least,
    )
    # Three digits are easy to read, and stay the same in every file.
    return value if value is None or domain.whole else float(f"{value:.3g}")


def _plain(name, value):
    """The value in the form that KerasTuner accepts."""
    if name in ("score", "units") and value is None:
        return NONE
    if name == "attend" and not isinstance(value, str):
        value = JOIN.join(value)
    if not isinstance(value, (str, bool, int, float)):
        raise invalid(
            f"`{name}` cannot have this value.", "a text, a number, True or False", f"{name}={value!r}", TypeError
        )
    if name == "attend" and value in ("", MULTISCALE):
        raise invalid("A search must attend to at least one layer.", "names of layers", f"attend={value!r}")
    return value

"""The networks to compare, by name: the controls, the baselines, and any pair of a score and an alignment."""

import dataclasses
import itertools

from keras_attention.arguments import invalid, unknown
from keras_attention.config import DEFAULT_BACKBONE, UNIFORM
from keras_attention.config.checks import CUSTOM
from keras_attention.config.data_settings import OF_THE_IMAGES
from keras_attention.config.rules import AVERAGE, OPTIONS_OF
from keras_attention.members import members, parts_of

# Name → the settings of the control. Differences are taken to two references: the plain network, and the multi-scale
# head without attention, which separates the gain from attention from the gain from more feature maps.
CONTROLS = {
    "plain": {"attend": ()},
    "multiscale": {"score": None},
    "uniform": {"score": UNIFORM, "alignment": "softmax"},
}
REFERENCES = ("plain", "multiscale")
DEFAULT_VARIANTS = (*REFERENCES, "additive+softmax")
FAMILIES = ("all-scores", "all-alignments", "all-poolings", "all")
MULTISCALE = {"score": None, "pooling": AVERAGE, "feature_gate": None}


def baselines():
    """Name → the settings of what the field compares attention with: a pooling, or gates, in a multi-scale head."""
    poolings = {name: MULTISCALE | {"pooling": name} for name in members("pooling")}
    return poolings | {name: MULTISCALE | {"feature_gate": name} for name in members("gate")}


def without_attention():
    """Value of the score in a search → the settings of a control or a baseline, which have no score that compares."""
    return {"none": {"score": None}, UNIFORM: {"score": UNIFORM}} | baselines()


def name_without_score(settings):
    """The name of a network that has no score, from its settings: of a baseline, or `multiscale`."""
    pooling = settings.get("pooling", AVERAGE)
    return settings.get("feature_gate") or ("multiscale" if pooling == AVERAGE else pooling)


@dataclasses.dataclass(frozen=True)
class Variant:
    """One of the networks of a comparison.

    Args:
        name: its name in reports and the name of its folder; without path separators.
        settings: the settings of `TrainConfig` in which it differs from the others; not those that change the images.

    Raises:
        ValueError: a folder cannot have the name, or the settings are not a dictionary or set the seed.

    Example:

    >>> from keras_attention import TrainConfig, Variant
    >>> variant = Variant("relu", {"score": "additive", "score_options": {"activation": "relu"}})
    >>> config = variant.config(TrainConfig(epochs=3), seed=7)
    >>> config.score_options, config.epochs, config.seed
    ({'activation': 'relu'}, 3, 7)
    """

    name: str
    settings: dict

    def __post_init__(self):
        # Alignments that share the heads are joined by a slash, which folders have no use for; see `Comparison.run`.
        alignment = self.settings.get("alignment") if isinstance(self.settings, dict) else None
        without = self.name.replace(alignment, "") if isinstance(self.name, str) and alignment else self.name
        if not isinstance(self.name, str) or not self.name.strip(".") or set(without) & set("/\\\0"):
            raise invalid(
                "The name of a variant must be usable for a folder.", "a text without / or \\", f"name={self.name!r}"
            )
        if not isinstance(self.settings, dict) or "seed" in self.settings:
            raise invalid(
                "The settings of a variant must be a dictionary without the seed.",
                "a dictionary of settings of TrainConfig",
                f"settings={self.settings!r}",
            )

    @property
    def is_control(self):
        """Whether this is a control, with which others are compared."""
        return self.name in CONTROLS

    def config(self, base, seed=None):
        """The `TrainConfig` of a run of this variant: `base` with its settings, and with the seed if one is given."""
        known = [field.name for field in dataclasses.fields(base)]
        for name in self.settings:
            if name not in known:
                raise unknown("setting", name, known, f"variant {self.name!r}")
            if name in OF_THE_IMAGES and self.settings[name] != getattr(base, name):
                raise invalid(
                    f"The variant {self.name!r} would be compared on other images.",
                    f"the {name} of the comparison, {getattr(base, name)!r}",
                    f"{name}={self.settings[name]!r}",
                )
        if self.settings.get("train_on_validation", False):
            raise invalid(
                f"The variant {self.name!r} would train on the images that choose the best epoch of the others.",
                "train_on_validation=False",
                "train_on_validation=True",
            )
        settings = {"pooling": AVERAGE, "feature_gate": None, **self.settings}
        for family, options in OPTIONS_OF.items():
            # The options of one score do not apply to another.
            if settings.get(family, getattr(base, family)) != getattr(base, family):
                settings.setdefault(options, {})
        return base.as_variant(**settings, **({} if seed is None else {"seed": seed}))


def make_variants(names, backbone=DEFAULT_BACKBONE):
    """Makes the variants of a comparison, each once, in the given order; missing references come first.

    Args:
        names: texts as on the command line, or `Variant`s. A text is `plain`, `multiscale`, `uniform`, a name in
            `POOLINGS` or `GATES`, or `<score>+<alignment>`; all but `plain` may end in `@<layer>` or
            `@<layer>+<layer>`, the attended layers. `all-scores` means every score with softmax, `all-alignments` means
            `additive` with every alignment, `all-poolings` means the poolings and the gates, and `all` means the
            controls and all pairs.
        backbone: the name of the backbone that has the layers.

    Returns:
        A tuple of `Variant`s.

    Raises:
        ValueError: a name does not exist (the message lists the choices and the closest one), or two different variants
            have the same name.

    Example:

    >>> from keras_attention.comparison import make_variants
    >>> [variant.name for variant in make_variants(["dot+sparsemax@block4_pool"])]
    ['plain', 'multiscale', 'dot+sparsemax@block4_pool']
    """
    names = [names] if isinstance(names, (str, Variant)) else list(names)
    if not names:
        raise invalid("`variants` must name a variant.", "at least one, such as additive+softmax", "variants=''")
    given = [variant for name in names for variant in _expanded(name, backbone)]
    unique = {}
    for variant in given:
        if variant.settings != CONTROLS.get(variant.name, variant.settings):
            raise invalid(
                "A variant must not have the name of a control.", "another name", f"variants={variant.name!r}"
            )
        if unique.setdefault(variant.name, variant) != variant:
            raise invalid("Two variants have the same name.", "a different name for each", f"variants={variant.name!r}")
    missing = [name for name in REFERENCES if name not in unique]
    return (*(_parsed(name, backbone) for name in missing), *unique.values())


def named_variant(name, backbone=DEFAULT_BACKBONE):
    """One `Variant` by its name, as `make_variants` reads it; raises `ValueError` for a name that does not exist."""
    if name.strip() in FAMILIES:
        raise invalid(f"{name!r} names several networks.", "one of them, such as additive+softmax", f"variant={name!r}")
    return _parsed(name.strip(), backbone, "variant")


def _expanded(name, backbone):
    if isinstance(name, Variant):
        return [name]
    if not isinstance(name, str):
        raise invalid("`variants` must hold names or variants.", "a text or a Variant", f"variants={name!r}", TypeError)
    return [_parsed(each, backbone) for each in _names_of_family(name.strip())]


def _names_of_family(name):
    if name == "all-scores":
        return [f"{score}+softmax" for score in members("score")]
    if name == "all-alignments":
        return [f"additive+{alignment}" for alignment in members("alignment")]
    if name == "all-poolings":
        return list(baselines())
    if name == "all":
        pairs = itertools.product(members("score"), members("alignment"))
        return [*CONTROLS, *(f"{score}+{alignment}" for score, alignment in pairs)]
    return [name]


def _parsed(name, backbone, argument="variants"):
    kind, at, layers = name.partition("@")
    known = baselines() | CONTROLS
    settings = dict(known[kind]) if kind in known else _pair(name, kind, argument)
    if at:
        if kind == "plain":
            raise invalid("The plain network cannot attend to layers.", "plain", f"{argument}={name!r}")
        settings["attend"] = _layers(name, layers, backbone, argument)
    return Variant(name, settings)


def _pair(name, kind, argument):
    score, plus, alignment = kind.partition("+")
    if not plus:
        pairs = [f"{score}+softmax" for score in members("score")]
        several = FAMILIES if argument == "variants" else ()
        choices = [*CONTROLS, *baselines(), *several, *pairs, "<score>+<alignment>", "<score>+<alignment>@<layer>"]
        raise unknown("variant", name, choices, argument)
    for family, part in (("score", score), *(("alignment", each) for each in parts_of(alignment))):
        if part not in members(family):
            raise unknown(f"{family} in the variant {name!r}:", part, members(family), argument, CUSTOM)
    return {"score": score, "alignment": alignment}


def _layers(name, text, backbone, argument):
    layers, known = tuple(text.split("+")), members("backbone")[backbone]
    for layer in layers if known.layers else ():
        if layer not in known.layers:
            what = f"layer in the variant {name!r} (several are joined by +):"
            raise unknown(what, layer, known.usual_layers, argument)
    return layers

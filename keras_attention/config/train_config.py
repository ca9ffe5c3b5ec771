"""`TrainConfig`: everything that decides what a training run does, as plain data."""

import dataclasses
import json

from keras_attention.arguments import invalid, require_choice, unknown
from keras_attention.config.checks import CUSTOM
from keras_attention.config.data_settings import DataSettings
from keras_attention.config.model_settings import DEFAULT_BACKBONE, ModelSettings
from keras_attention.config.rules import DISAGREEMENT, POOL, UNIFORM, WHOLE_BACKBONE, check_rules
from keras_attention.config.setting import settings_of, with_arguments
from keras_attention.config.training_settings import TrainingSettings
from keras_attention.config.weight_settings import WeightSettings

# Names that settings, and the names within them, had in older files → those of today.
RENAMED = {"test_flips": "flips"}
RENAMED_REGULARIZERS = {"sparsity": "spread", "agreement": DISAGREEMENT}


def with_names_of_today(settings):
    """Some settings from a file, by the names of today, in place of those that older files have."""
    settings = {RENAMED.get(name, name): value for name, value in settings.items()}
    if isinstance(rates := settings.get("map_regularizers"), dict):
        settings["map_regularizers"] = {RENAMED_REGULARIZERS.get(name, name): rate for name, rate in rates.items()}
    return settings


@with_arguments
@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig(TrainingSettings, WeightSettings, ModelSettings, DataSettings):
    """The settings of a run; the defaults are those of the main job, `cluttered_digits` on two cores.

    Args:
        {arguments}

    Raises:
        ValueError: a number out of range, a name that is none of the choices, or settings that would have no effect or
            undo each other.

    Example:

    >>> from keras_attention import TrainConfig
    >>> TrainConfig.from_json(TrainConfig(epochs=3).to_json()) == TrainConfig(epochs=3)
    True
    """

    def __post_init__(self):
        for name, each in settings_of(type(self)).items():
            object.__setattr__(self, name, each.check(name, getattr(self, name)))
        if self.attend is None:
            object.__setattr__(self, "attend", self._backbone.attend)
        check_rules(self)
        # What the layers refuse is refused before any data are loaded.
        self.make_score()
        self.make_alignment()

    @property
    def freezes_all(self):
        """Whether the whole backbone keeps its weights, at first at least."""
        last = (self._backbone.layers or ())[-1:]
        return self.freeze in (WHOLE_BACKBONE, *(name.removesuffix(POOL) for name in last))

    @property
    def caches(self):
        """Whether training goes by cached features of the frozen backbone, at first at least."""
        return self.freezes_all and self.cache_features

    @property
    def last_epoch(self):
        """The number of epochs after which the run ends."""
        return self.stop_after or self.epochs

    @property
    def trains_from_views(self):
        """Whether training goes by cached features of augmented images."""
        return self.caches and self.augment != "none"

    @property
    def source_name(self):
        """The name of the data, as part of that of a folder."""
        return self.data.rstrip("/").replace("/", "-").strip(".-") or "data"

    @property
    def subject(self):
        """What the name of a folder begins with: the data, and a backbone that is not the default."""
        return self.source_name if self.backbone == DEFAULT_BACKBONE else f"{self.source_name}-{self.backbone}"

    @property
    def name(self):
        """A short name for a run: data, backbone unless it is the default, score and alignment."""
        if not self.attend:
            return f"{self.subject}-plain"
        if not self.attends:
            return f"{self.subject}-{self.score or 'multiscale'}"
        return f"{self.subject}-{self.score}-{self.alignment}"

    def to_dict(self):
        """The settings as plain data, as JSON holds them."""
        return json.loads(self.to_json())

    @classmethod
    def from_dict(cls, settings):
        """The settings from plain data; names of older files are those of today.

        Raises:
            ValueError: what is not a dictionary, or has a setting that does not exist.
        """
        if not isinstance(settings, dict):
            raise invalid("The settings are not a JSON object.", '{"name": value, …}', settings)
        settings = with_names_of_today(settings)
        for name in settings:
            if name not in settings_of(cls):
                raise unknown("setting", name, settings_of(cls))
        return cls(**settings)

    def to_json(self):
        """The settings as JSON."""
        # NumPy's numbers pass the checks too.
        return json.dumps(dataclasses.asdict(self), indent=2, default=lambda number: number.item())

    @classmethod
    def from_json(cls, text):
        """The settings from JSON as `to_json` writes it; errors are those of `from_dict`."""
        return cls.from_dict(json.loads(text))

    def with_settings(self, **settings):
        """The same with other settings; another backbone brings its own attended layers, unless there are none.

        Settings that then have no effect are refused: whoever gives settings gives all of them. For a variant of the
        same settings see `as_variant`.
        """
        return dataclasses.replace(self, **self._following_backbone(settings))

    def _following_backbone(self, settings):
        from keras_attention.models.backbones import BACKBONES

        backbone = require_choice("backbone", settings.get("backbone", self.backbone), BACKBONES, CUSTOM)
        own = {"attend": BACKBONES[backbone].attend}
        if settings.get("attend", ()) is None:
            return settings | own
        return settings if backbone == self.backbone or not self.attend else own | settings

    def as_variant(self, **settings):
        """As `with_settings`, for one of several networks that share all else.

        What is for attention alone is left out for a network without attention, and what is for several maps for one.
        """
        settings = self._following_backbone(settings)
        attend, score = (settings.get(name, getattr(self, name)) for name in ("attend", "score"))
        left_out = {}
        if not attend or score in (None, UNIFORM):
            left_out = {"supervise_attention": None, "map_regularizers": {}}
        elif len(attend) == 1:
            rates = {name: rate for name, rate in self.map_regularizers.items() if name != DISAGREEMENT}
            left_out = {"map_regularizers": rates}
        return dataclasses.replace(self, **left_out | settings)

    def differences(self, other):
        """Name → (own value, the other's) of every setting in which the two differ."""
        mine, others = dataclasses.asdict(self), dataclasses.asdict(other)
        return {name: (mine[name], others[name]) for name in mine if mine[name] != others[name]}

    def require_same(self, other, kind):
        """Raises `ValueError` for the first setting in which `other` differs from these, those of a `kind` of work."""
        for name, (mine, others) in self.differences(other).items():
            raise invalid(f"`{name}` differs from that of the {kind}.", f"{name}={mine!r}", f"{name}={others!r}")

    def extended(self, other):
        """These settings, with which a run goes on; raises `ValueError` if `other` differs."""
        self.require_same(other, "run")
        return self

"""`TrainConfig`: everything that decides what a training run does, as plain data."""

import dataclasses
import json

from keras_attention.arguments import invalid, require_choice, unknown
from keras_attention.config.checks import CUSTOM
from keras_attention.config.data_settings import DataSettings
from keras_attention.config.model_settings import DEFAULT_BACKBONE, ModelSettings
from keras_attention.config.rules import AVERAGE, DISAGREEMENT, POOL, WHOLE_BACKBONE, check_rules
from keras_attention.config.setting import settings_of, with_arguments
from keras_attention.config.training_settings import TrainingSettings
from keras_attention.config.weight_settings import WeightSettings
from keras_attention.members import BETWEEN, loaded, members
from keras_attention.seeding import kept

# The names of settings and regularizers in older files → their names today.
RENAMED = {"test_flips": "flips"}
RENAMED_REGULARIZERS = {"sparsity": "spread", "agreement": DISAGREEMENT}
# How scores began in files from before `normalize`, where they begin otherwise today.
GLOROT = {"kernel_initializer": "glorot_uniform"}
OLDER_STARTS = {
    "cosine": {"temperature": 1.0},
    "general": GLOROT,
    "biased_general": GLOROT,
    "activated_general": GLOROT,
}


def with_current_names(settings):
    """Settings from a file, with the current names instead of those in older files."""
    settings = {RENAMED.get(name, name): value for name, value in settings.items()}
    if isinstance(rates := settings.get("map_regularizers"), dict):
        settings["map_regularizers"] = {RENAMED_REGULARIZERS.get(name, name): rate for name, rate in rates.items()}
    return settings


def is_older(settings):
    """Whether settings are all those of a run, from before `normalize`."""
    return "normalize" not in settings and {"score", "alignment", "precision"} <= set(settings)


def with_older_start(settings):
    """Settings from a file from before `normalize`, with the options that their score began with then."""
    options = OLDER_STARTS.get(settings.get("score"), {})
    return settings | {"score_options": options | settings.get("score_options", {})} if options else settings


@with_arguments
@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig(TrainingSettings, WeightSettings, ModelSettings, DataSettings):
    """The settings of a run; the defaults train on `cluttered_digits`, on two cores.

    Args:
        {arguments}

    Raises:
        ValueError: a number is out of range, a name is unknown, or settings have no effect or contradict each other. A
            wrong value of an option is found once Keras is loaded, by `train` at the latest.

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
        if loaded() is not None:
            self.try_layers()

    def try_layers(self):
        """Makes the layers that the settings name, and raises what they refuse; it loads Keras, which takes seconds.

        It is done for all settings that are made once Keras is loaded.
        """
        with kept():  # a layer that samples draws a seed when it is made
            self.make_score()
            self.make_alignment()
            self.make_pooling()
            self.make_feature_gate()

    @property
    def freezes_all(self):
        """Whether the whole backbone is frozen, at least at first."""
        last = (self._backbone.layers or ())[-1:]
        return self.freeze in (WHOLE_BACKBONE, *(name.removesuffix(POOL) for name in last))

    @property
    def caches(self):
        """Whether training uses cached features of the frozen backbone, at least at first."""
        return self.freezes_all and self.cache_features

    @property
    def learns_from_features(self):
        """Whether only the layers after the backbone are trained, from cached features, to the end."""
        return self.caches and self.unfreeze_after is None

    @property
    def last_epoch(self):
        """The number of epochs after which the run ends."""
        return self.stop_after or self.epochs

    @property
    def trains_from_views(self):
        """Whether training uses cached features of augmented images."""
        return self.caches and self.augment != "none"

    @property
    def source_name(self):
        """The name of the data, fit to be part of a folder name."""
        return self.data.rstrip("/").replace("/", "-").strip(".-") or "data"

    @property
    def subject(self):
        """The beginning of a folder name: the data, and the backbone unless it is the default."""
        return self.source_name if self.backbone == DEFAULT_BACKBONE else f"{self.source_name}-{self.backbone}"

    @property
    def name(self):
        """A short name for a run: data, backbone unless it is the default, score and alignment."""
        return f"{self.subject}-{self.kind.replace('+', '-').replace(BETWEEN, '-')}"

    def to_dict(self):
        """The settings as plain data, as JSON holds them."""
        return json.loads(self.to_json())

    @classmethod
    def from_dict(cls, settings):
        """The settings from plain data; names from older files are translated.

        Raises:
            ValueError: `settings` is not a dictionary, or has a setting that does not exist.
        """
        if not isinstance(settings, dict):
            raise invalid("The settings must be a JSON object.", '{"name": value, …}', settings)
        settings = with_current_names(settings)
        settings = {"normalize": "none"} | with_older_start(settings) if is_older(settings) else settings
        for name in settings:
            if name not in settings_of(cls):
                raise unknown("setting", name, settings_of(cls))
        return cls(**settings)

    def to_json(self):
        """The settings as JSON."""
        # NumPy's numbers pass the checks too, but JSON cannot hold them.
        return json.dumps(dataclasses.asdict(self), indent=2, default=lambda number: number.item())

    @classmethod
    def from_json(cls, text):
        """The settings from JSON as `to_json` writes it; raises what `from_dict` raises."""
        return cls.from_dict(json.loads(text))

    def with_settings(self, **settings):
        """A copy with other settings; another backbone brings its usual attended layers, unless `attend` is empty.

        Settings that then have no effect are refused. `as_variant` drops them instead.
        """
        return dataclasses.replace(self, **self._following_backbone(settings))

    def _following_backbone(self, settings):
        backbone = require_choice("backbone", settings.get("backbone", self.backbone), members("backbone"), CUSTOM)
        own = {"attend": members("backbone")[backbone].attend}
        if settings.get("attend", ()) is None:
            return settings | own
        return settings if backbone == self.backbone or not self.attend else own | settings

    def as_variant(self, **settings):
        """A copy with other settings, for one of several networks that share the remaining settings.

        Settings of attention are dropped for a network without attention, settings of several maps for one map, and the
        pooling for a network without a multi-scale head.
        """
        settings = self._following_backbone(settings)
        attend, score = (settings.get(name, getattr(self, name)) for name in ("attend", "score"))
        left_out = {"supervise_attention": None, "map_regularizers": {}}
        if not attend or score is not None:
            left_out |= {"pooling": AVERAGE, "pooling_options": {}}
        bare = dataclasses.replace(self, **left_out | settings)
        kept = {"supervise_attention": self.supervise_attention} if bare.has_maps else {}
        if bare.attends:
            several = len(attend) > 1
            rates = self.map_regularizers.items()
            kept["map_regularizers"] = {name: rate for name, rate in rates if several or name != DISAGREEMENT}
        return dataclasses.replace(bare, **kept | settings)

    def differences(self, other):
        """Name → (value here, value in `other`) of every setting that differs."""
        mine, others = dataclasses.asdict(self), dataclasses.asdict(other)
        return {name: (mine[name], others[name]) for name in mine if mine[name] != others[name]}

    def require_same(self, other, kind):
        """Raises `ValueError` for the first setting in which `other` differs; `kind` says whose settings these are."""
        for name, (mine, others) in self.differences(other).items():
            raise invalid(f"`{name}` differs from that of the {kind}.", f"{name}={mine!r}", f"{name}={others!r}")

    def extended(self, other):
        """These settings, with which a run is continued; raises `ValueError` if `other` differs."""
        self.require_same(other, "run")
        return self

"""`TrainConfig`: everything that decides what a training run does, as plain data."""

import dataclasses
import json
import os

from keras_attention.arguments import (
    invalid,
    require_choice,
    require_integer,
    require_number,
    require_path,
    require_truth,
    unknown,
)
from keras_attention.data.augmentation import AUGMENTATIONS
from keras_attention.data.split import SAMPLINGS
from keras_attention.layers import ALIGNMENTS, MAP_REGULARIZERS, SCORES, UniformScore
from keras_attention.metrics import FLIPS, MONITORS
from keras_attention.models.backbones import BACKBONES, DEFAULT_BACKBONE
from keras_attention.models.layout import SMALLEST_IMAGE

OPTIMIZERS = ("adamw", "sgd")
SCHEDULES = ("cosine", "step", "constant")
CLASS_WEIGHTS = ("none", "balanced")
DATA_OPTIONS = ("clutter", "count", "seed")
LOSSES = ("cross_entropy", "focal")
WHOLE_BACKBONE = "all"
POOL = "_pool"  # may be left out of what is frozen
AGREEMENT = "agreement"  # of the maps of several layers, a regularizer too
OF_YOUR_OWN = ", or one of your own after its module is imported (--plugin FILE)"
UNIFORM = "uniform"  # the control that looks nowhere in particular
NARROW = 0.25  # the width of a network that is trained from scratch
VIEWS = 4
PRECISIONS = ("auto", "float32", "mixed_bfloat16")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """The settings of a run; the defaults are those of the main job, `cluttered_digits` on two cores.

    Args:
        data: a source of `keras_attention.data.load`: `"cluttered_digits"`, a folder, or a TFDS name.
        data_dir: where TFDS keeps data sets; its default where it is `None`.
        data_options: options of `cluttered_digits`: `clutter`, `count`, `seed`.
        masks: for a folder, the root of a parallel tree of masks.
        image_size: side of the images in pixels, at least 32; where it is `None`, that of the data, else 224.
        split_seed: of the stratified split, where the source does not name one.
        backbone: a name in `keras_attention.models.BACKBONES`.
        width: factor on the number of filters of the backbone, above 0; `None` is 1 with pretrained weights, else .25.
        weights: pretrained weights of the backbone: `"imagenet"`, or the path of a file (see `load_pretrained`); of
            another backbone than `vgg16_bn`, a `.keras` or `.weights.h5` file of the same architecture.
        freeze: which part of the backbone keeps its weights, its batch normalization in inference mode: `"all"`, or a
            layer with all before it, such as `"block3"`, which stands for `"block3_pool"`.
        unfreeze_after: epochs after which the frozen part is trained too; `None` never does.
        backbone_rate: what the learning rate is multiplied by for the backbone, above 0.
        score: a name in `SCORES`; `None` is the multi-scale head without attention, `"uniform"` attention whose weights
            are 1/n, two controls.
        alignment: a name in `ALIGNMENTS`.
        score_options, alignment_options: arguments of the score and of the alignment, such as `{"activation": "relu"}`
            and `{"estimator": "reinforce"}`.
        attend: names of the attended layers; none at all is the plain network. `None` is replaced by those that the
            backbone names.
        units: dimension in which query and features are compared; `None` compares them as they are.
        num_heads: heads of each attention; each weighs its own part of the channels, which they must divide.
        pool_query: whether one averaged query asks for all positions, instead of a query map.
        supervise_attention: weight, above 0, of the loss that compares the map of each attended layer with the mask of
            the image; see `keras_attention.models.mask_losses`. `None` uses no masks in training.
        map_regularizers: name in `MAP_REGULARIZERS`, or `"agreement"` of the maps of two layers or more → its rate, a
            factor of what is added to the loss for maps that are spread out, rough, or unlike each other.
        attention_dropout: share of positions dropped in training, at least 0 and below 1.
        dropout: share of the head's inputs dropped in training, at least 0 and below 1.
        epochs: passes over the training images, over which the schedule is laid out.
        stop_after: epochs after which the run ends, wherever its schedule stands then; all of them where it is `None`.
        train_on_validation: whether the validation images are trained on too. Nothing is left then to choose the best
            epoch by, and the last is kept.
        batch_size: images in a step.
        learning_rate: the highest rate.
        optimizer: `"adamw"`, or `"sgd"` with Nesterov momentum .9.
        weight_decay: decoupled from the loss, on all weights but biases and those of batch normalization.
        schedule: `"cosine"` to 0, `"step"` by `step_factor` every `step_epochs`, or `"constant"`.
        step_epochs, step_factor: of the step schedule.
        warmup_epochs: epochs, or a part of one, in which the rate rises linearly from 0; at most half of the run.
        clip_norm: largest norm of the gradient of all weights together; a longer one is scaled down to it.
        loss: `"cross_entropy"`, or `"focal"`, −(1 − p)^γ log p for the probability p of the true class. `val_loss` is
            the cross-entropy in either case.
        focal_gamma: γ, at least 0.
        class_weights: `"balanced"` weighs each class by the inverse of its frequency.
        sampling: `"natural"`, or `"balanced"`, which draws the images of an epoch with replacement, each class equally
            often.
        label_smoothing: at least 0 and below 1.
        augment: `"none"`, `"shift"`, `"photo"`, `"isotropic"` or `"crop"`.
        test_flips: `"horizontal"` or `"both"` also measures the test split with probabilities averaged over the flips
            of each image; `"none"` does not.
        cache_features: whether a backbone that is frozen as a whole computes its feature maps once, into a cache on
            disk. `False` computes them at every step, each time with another augmentation.
        cache_dir: where the cache is; `$KERAS_ATTENTION_CACHE` or `~/.cache/keras_attention` where it is `None`.
        views: augmented copies of each training image in the cache; where it is `None`, 4 if images are augmented.
        precision: `"auto"` (bfloat16 on a GPU that computes in it, else float32), `"float32"`, `"mixed_bfloat16"`.
        monitor: the figure by which the best epoch is chosen: `val_accuracy`, `val_loss`, `val_macro_f1`,
            `val_roc_auc`, `val_average_precision`.
        patience: epochs without a better one after which the run stops early; `None` never does.
        seed: of the weights, the order of the images, augmentation and dropout.

    Raises:
        ValueError: a number out of range, or a name that is none of the choices.

    Example:

    >>> from keras_attention import TrainConfig
    >>> TrainConfig.from_json(TrainConfig(epochs=3).to_json()) == TrainConfig(epochs=3)
    True
    """

    data: str = "cluttered_digits"
    data_dir: str | None = None
    data_options: dict = dataclasses.field(default_factory=dict)
    masks: str | None = None
    image_size: int | None = None
    split_seed: int = 0
    backbone: str = DEFAULT_BACKBONE
    width: float | None = None
    weights: str | None = None
    freeze: str | None = None
    unfreeze_after: int | None = None
    backbone_rate: float = 1.0
    score: str | None = "additive"
    alignment: str = "softmax"
    score_options: dict = dataclasses.field(default_factory=dict)
    alignment_options: dict = dataclasses.field(default_factory=dict)
    attend: tuple | None = None
    units: int | None = 128
    num_heads: int = 1
    pool_query: bool = False
    supervise_attention: float | None = None
    map_regularizers: dict = dataclasses.field(default_factory=dict)
    attention_dropout: float = 0.0
    dropout: float = 0.0
    epochs: int = 5
    stop_after: int | None = None
    train_on_validation: bool = False
    batch_size: int = 32
    learning_rate: float = 3e-4
    optimizer: str = "adamw"
    weight_decay: float = 1e-4
    schedule: str = "cosine"
    step_epochs: int = 10
    step_factor: float = 0.1
    warmup_epochs: float = 1.0
    clip_norm: float | None = None
    loss: str = "cross_entropy"
    focal_gamma: float = 2.0
    class_weights: str = "none"
    sampling: str = "natural"
    label_smoothing: float = 0.0
    augment: str = "none"
    test_flips: str = "none"
    cache_features: bool = True
    cache_dir: str | None = None
    views: int | None = None
    precision: str = "auto"
    monitor: str = "val_accuracy"
    patience: int | None = None
    seed: int = 0

    def __post_init__(self):
        require_choice("backbone", self.backbone, BACKBONES, OF_YOUR_OWN)
        attend = BACKBONES[self.backbone].attend if self.attend is None else self.attend
        object.__setattr__(self, "attend", (attend,) if isinstance(attend, str) else tuple(attend))
        for name in ("data", "data_dir", "masks", "weights", "cache_dir"):
            if getattr(self, name) is not None and name != "data":
                require_path(name, getattr(self, name))
            if isinstance(getattr(self, name), os.PathLike):
                object.__setattr__(self, name, os.fspath(getattr(self, name)))
        self._check_names()
        for name in ("pool_query", "cache_features", "train_on_validation"):
            require_truth(name, getattr(self, name))
        for name in ("data_options", "score_options", "alignment_options", "map_regularizers"):
            if not isinstance(getattr(self, name), dict):
                raise invalid(f"`{name}` are no options.", "a dictionary", f"{name}={getattr(self, name)!r}")
        for name in self.data_options:
            if name not in DATA_OPTIONS:
                raise unknown("data option", name, DATA_OPTIONS, "data_options")
        for name, rate in self.map_regularizers.items():
            if name not in (*MAP_REGULARIZERS, AGREEMENT):
                raise unknown("map regularizer", name, (*MAP_REGULARIZERS, AGREEMENT), "map_regularizers")
            require_number(f"map_regularizers[{name!r}]", rate)
        if len(set(self.attend)) < len(self.attend):
            raise invalid("A layer is attended twice.", "different layers", f"attend={', '.join(self.attend)}")
        for name in ("epochs", "batch_size", "step_epochs", "num_heads"):
            require_integer(name, getattr(self, name), at_least=1)
        for name in ("seed", "split_seed"):
            require_integer(name, getattr(self, name), at_least=0, at_most=2**31 - 1)
        for name in ("learning_rate", "step_factor", "backbone_rate"):
            require_number(name, getattr(self, name), above=0)
        for name in ("width", "clip_norm", "supervise_attention"):
            if getattr(self, name) is not None:
                require_number(name, getattr(self, name), above=0)
        for name in ("weight_decay", "warmup_epochs", "focal_gamma"):
            require_number(name, getattr(self, name), at_least=0)
        for name in ("dropout", "attention_dropout", "label_smoothing"):
            require_number(name, getattr(self, name), at_least=0, below=1)
        if self.image_size is not None:
            require_integer("image_size", self.image_size, at_least=SMALLEST_IMAGE)
        for name in ("units", "patience", "unfreeze_after", "views", "stop_after"):
            if getattr(self, name) is not None:
                require_integer(name, getattr(self, name), at_least=1)
        self._check_effects()
        self._check_layers()

    def _check_names(self):
        if self.score is not None:
            require_choice("score", self.score, (*SCORES, UNIFORM), OF_YOUR_OWN)
        require_choice("alignment", self.alignment, ALIGNMENTS, OF_YOUR_OWN)
        if self.score in (None, UNIFORM) and self.score_options:
            raise invalid("There is no score to have options.", "a score", f"score_options={self.score_options}")
        known = BACKBONES[self.backbone].layers
        for name in self.attend if known else ():
            if name not in known:
                raise unknown("layer", name, usual_layers(self.backbone), "attend")
        for argument, choices in (
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("loss", LOSSES),
            ("class_weights", CLASS_WEIGHTS),
            ("sampling", SAMPLINGS),
            ("test_flips", FLIPS),
            ("augment", AUGMENTATIONS),
            ("precision", PRECISIONS),
            ("monitor", MONITORS),
        ):
            require_choice(argument, getattr(self, argument), choices)

    def _check_effects(self):
        """Refuses settings that would have no effect, or would undo each other."""
        if isinstance(self.freeze, str):
            object.__setattr__(self, "freeze", self.freeze.removesuffix(POOL))
        self._check_frozen_part()
        for useless, name, what, expected in (*self._fine_tuning(), *self._fitting(), *self._teaching()):
            if useless:
                raise invalid(what, expected, f"{name}={getattr(self, name)!r}")

    def _check_frozen_part(self):
        if self.freeze is None:
            return
        known = BACKBONES[self.backbone].layers
        parts = (WHOLE_BACKBONE, *(name.removesuffix(POOL) for name in usual_layers(self.backbone)))
        if not isinstance(self.freeze, str) or (known and self.freeze not in (*parts, *known)):
            raise unknown("freeze", self.freeze, parts)

    # Rules: whether a setting is useless, its name, what is wrong, what was expected.

    def _fine_tuning(self):
        never_trained = self.freezes_all and self.unfreeze_after is None
        last = self.epochs - 1
        train = "`freeze` up to a block, or `unfreeze_after`"
        cache = "`freeze` of the whole backbone, a cache, and `augment`"
        return (
            (self.freeze and not self.weights, "freeze", "Random weights would be frozen.", "`weights`"),
            (self.unfreeze_after and not self.freeze, "unfreeze_after", "Nothing is frozen.", "`freeze`"),
            ((self.unfreeze_after or 0) > last, "unfreeze_after", "Nothing would be unfrozen.", f"at most {last}"),
            (self.backbone_rate != 1 and never_trained, "backbone_rate", "The backbone is not trained.", train),
            (self.views and not self.trains_from_views, "views", "No views are cached.", cache),
        )

    def _fitting(self):
        other_loss = self.focal_gamma != 2 and self.loss != "focal"
        both = self.class_weights == self.sampling == "balanced"
        unseen = "No validation images are left to see an epoch that is no better."
        twice = "Rare classes would count twice: drawn more often, and with larger weights."
        return (
            (other_loss, "focal_gamma", "γ belongs to the focal loss.", 'loss="focal"'),
            ((self.stop_after or 0) > self.epochs, "stop_after", "The run ends before.", f"at most {self.epochs}"),
            (self.patience and self.train_on_validation, "patience", unseen, "`train_on_validation=False`"),
            (both, "sampling", twice, "one of `class_weights` and `sampling`"),
        )

    def _teaching(self):
        teaches, regularizes = self.supervise_attention is not None, bool(self.map_regularizers)
        alone = AGREEMENT in self.map_regularizers and len(self.attend) < 2
        learned, without = "`attend`, and a `score` that learns", not self.learns_attention
        two = "two layers or more in `attend`"
        return (
            (teaches and without, "supervise_attention", "There is no attention to be taught.", learned),
            (regularizes and without, "map_regularizers", "There is no attention to be regularized.", learned),
            (alone, "map_regularizers", "There are no two maps that could agree.", two),
        )

    @property
    def learns_attention(self):
        """Whether the network has maps of attention that training changes."""
        return bool(self.attend) and self.score not in (None, UNIFORM)

    @property
    def freezes_all(self):
        """Whether the whole backbone keeps its weights, at first at least."""
        last = (BACKBONES[self.backbone].layers or ())[-1:]
        return self.freeze in (WHOLE_BACKBONE, *(name.removesuffix(POOL) for name in last))

    @property
    def last_epoch(self):
        """The number of epochs after which the run ends."""
        return self.stop_after or self.epochs

    @property
    def trains_from_views(self):
        """Whether training goes by cached features of augmented images."""
        return self.freezes_all and self.cache_features and self.augment != "none"

    @property
    def network_width(self):
        """The width of the network: what was asked for, else that which goes with the weights."""
        return self.width or (1.0 if self.weights else NARROW)

    @property
    def network_layers(self):
        """The names of the layers whose maps the head takes: the attended ones and that which asks."""
        return tuple(dict.fromkeys((*self.attend, BACKBONES[self.backbone].query)))

    def _check_layers(self):
        """Makes the layers once: what they refuse is then refused before any data are loaded."""
        self.make_score()
        self.make_alignment()

    def make_score(self):
        """A new score as the settings say; `None` where they say none."""
        if self.score in (None, UNIFORM):
            return None if self.score is None else UniformScore()
        return SCORES.make(self.score, self.score_options, **({"units": self.units} if self.units else {}))

    def make_map_regularizers(self):
        """New regularizers of each map, and the rate of their agreement, as the settings say."""
        rates = dict(self.map_regularizers)
        agreement = rates.pop(AGREEMENT, 0.0)
        return [MAP_REGULARIZERS[name](rate) for name, rate in rates.items()], agreement

    def make_alignment(self):
        """A new alignment, for the positions of a map, as the settings say."""
        return ALIGNMENTS.make(self.alignment, self.alignment_options, axes=2)

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
        source = self.subject
        if not self.attend:
            return f"{source}-plain"
        if self.score in (None, UNIFORM):
            return f"{source}-{self.score or 'multiscale'}"
        return f"{source}-{self.score}-{self.alignment}"

    def to_json(self):
        """The settings as JSON."""
        # NumPy's numbers pass the checks too.
        return json.dumps(dataclasses.asdict(self), indent=2, default=lambda number: number.item())

    @classmethod
    def from_json(cls, text):
        """The settings from JSON as `to_json` writes it.

        Raises:
            ValueError: a setting that does not exist.
        """
        settings = json.loads(text)
        if not isinstance(settings, dict):
            raise invalid("The settings are no JSON object.", '{"name": value, …}', text)
        known = [field.name for field in dataclasses.fields(cls)]
        for name in settings:
            if name not in known:
                raise unknown("setting", name, known)
        return cls(**settings)

    def with_settings(self, **settings):
        """The same with other settings; another backbone brings its own attended layers, unless there are none."""
        return dataclasses.replace(self, **self._following_backbone(settings))

    def _following_backbone(self, settings):
        backbone = require_choice("backbone", settings.get("backbone", self.backbone), BACKBONES, OF_YOUR_OWN)
        own = {"attend": BACKBONES[backbone].attend}
        if settings.get("attend", ()) is None:
            return settings | own
        return settings if backbone == self.backbone or not self.attend else own | settings

    def changed(self, **settings):
        """As `with_settings`; what is for attention alone is left out where the settings leave no attention."""
        settings = self._following_backbone(settings)
        network = {name: settings.get(name, getattr(self, name)) for name in ("attend", "score")}
        without = not network["attend"] or network["score"] in (None, UNIFORM)
        left_out = {"supervise_attention": None, "map_regularizers": {}} if without else {}
        if len(network["attend"]) == 1 and AGREEMENT in self.map_regularizers and not without:
            left_out = {"map_regularizers": {n: rate for n, rate in self.map_regularizers.items() if n != AGREEMENT}}
        return dataclasses.replace(self, **left_out | settings)

    def differences(self, other):
        """Name → (own value, the other's) of every setting in which the two differ."""
        mine, others = dataclasses.asdict(self), dataclasses.asdict(other)
        return {name: (mine[name], others[name]) for name in mine if mine[name] != others[name]}


def usual_layers(backbone):
    """The layers of a backbone by name that are usually attended: those that it names, or its poolings."""
    known = BACKBONES[backbone].layers or ()
    return tuple(name for name in known if name.endswith(POOL)) or known or BACKBONES[backbone].attend

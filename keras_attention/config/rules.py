"""Rules between settings: which setting needs another, and which would have no effect. Each rule is a row."""

from keras_attention.arguments import invalid, require_integer, require_option, unknown
from keras_attention.members import members, parts_of

WHOLE_BACKBONE = "all"
UNIFORM = "uniform"  # the control that gives every position the same weight
DISAGREEMENT = "disagreement"  # a regularizer of the maps of several layers
AVERAGE = "average"  # the pooling of the multi-scale head
# Setting of a family of layers → the setting of their options; the variants of a comparison set them.
OPTIONS_OF = {family: f"{family}_options" for family in ("score", "alignment", "pooling", "feature_gate")}
OF_A_VARIANT = (*OPTIONS_OF, *OPTIONS_OF.values())
FAMILY = {"feature_gate": "gate"}  # setting → the family of its members, if the names differ
POOL = "_pool"  # may be left out of the value of `freeze`


def check_rules(config):
    """Raises `ValueError` for the first rule that a `TrainConfig` breaks."""
    _check_layers(config)
    _check_regularizers(config)
    _check_options(config)
    for broken, name, what, expected in (*_network(config), *_fine_tuning(config), *_fitting(config), *_maps(config)):
        if broken:
            raise invalid(what, expected, f"{name}={getattr(config, name)!r}")


# Rows: whether a rule is broken, the setting that breaks it, what is wrong, what was expected.


def _network(config):
    no_score = config.score in (None, UNIFORM) and bool(config.score_options)
    pools, gates = config.pooling != AVERAGE, config.feature_gate is not None
    beside, nothing = pools and config.score is not None, not config.attend
    attends = "at least one layer in `attend`"
    frozen = gates and nothing and bool(config.freeze)
    several = len(parts_of(config.alignment))
    unlike, both = config.attends and config.num_heads % several, several > 1 and bool(config.alignment_options)
    no_pooling, no_gate = config.pooling_options and not pools, config.feature_gate_options and not gates
    return (
        (no_score, "score_options", "The controls have no score options.", "another `score`"),
        (unlike, "num_heads", "Each of several alignments needs as many heads.", f"a multiple of {several}"),
        (both, "alignment_options", "Several alignments take no options.", "no options, or a single `alignment`"),
        (beside, "pooling", "A pooling takes the place of attention.", "`score=None`"),
        (pools and nothing, "pooling", "A pooling needs attended layers.", attends),
        (frozen, "feature_gate", "A frozen backbone leaves only attended features to gate.", attends),
        (no_pooling, "pooling_options", "The average has no options.", "another `pooling`"),
        (no_gate, "feature_gate_options", "There is no gate.", "`feature_gate`"),
    )


def _fine_tuning(config):
    never_trained = config.freezes_all and config.unfreeze_after is None
    last = config.epochs - 1
    less = "`unfreeze_after` must be less than `epochs`."
    train = "`freeze` up to a layer, or `unfreeze_after`"
    cache = "`freeze` of the whole backbone, a cache, and `augment`"
    return (
        (config.freeze and not config.weights, "freeze", "Random weights must not be frozen.", "`weights`"),
        (config.unfreeze_after and not config.freeze, "unfreeze_after", "Nothing is frozen.", "`freeze`"),
        ((config.unfreeze_after or 0) > last, "unfreeze_after", less, f"at most {last}"),
        (config.backbone_rate != 1 and never_trained, "backbone_rate", "The backbone must be trained.", train),
        (config.views and not config.trains_from_views, "views", "`views` needs a cache of augmented images.", cache),
    )


def _fitting(config):
    other_loss = config.focal_gamma != 2 and config.loss != "focal"
    both = config.class_weights == config.sampling == "balanced"
    unseen = "`patience` needs validation images."
    twice = "Rare classes would count twice: drawn more often, and with larger weights."
    late = (config.stop_after or 0) > config.epochs
    return (
        (other_loss, "focal_gamma", "γ belongs to the focal loss.", '`loss="focal"`'),
        (late, "stop_after", "`stop_after` must not exceed `epochs`.", f"at most {config.epochs}"),
        (config.patience and config.train_on_validation, "patience", unseen, "`train_on_validation=False`"),
        (both, "sampling", twice, "one of `class_weights` and `sampling`"),
    )


def _maps(config):
    teaches, regularizes = config.supervise_attention is not None, bool(config.map_regularizers)
    alone = DISAGREEMENT in config.map_regularizers and len(config.attend) < 2
    learned, without = "`attend`, and a `score` that learns", not config.attends
    two = "at least two layers in `attend`"
    return (
        (teaches and not config.has_maps, "supervise_attention", "There must be attention to teach.", learned),
        (regularizes and without, "map_regularizers", "There must be attention to regularize.", learned),
        (alone, "map_regularizers", "Disagreement needs at least two maps.", two),
    )


# Rules that depend on what is known of the backbone, or of the members of a family.


def _check_layers(config):
    backbone = members("backbone")[config.backbone]
    usual = backbone.usual_layers
    if config.image_size is not None:
        require_integer("image_size", config.image_size, at_least=backbone.smallest_image)
    for name in config.attend if backbone.layers else ():
        if name not in backbone.layers:
            raise unknown("layer", name, usual, "attend")
    parts = (WHOLE_BACKBONE, *(name.removesuffix(POOL) for name in usual))
    known = not backbone.layers or config.freeze in (None, *parts, *backbone.layers)
    if config.freeze is not None and not (isinstance(config.freeze, str) and known):
        raise unknown("freeze", config.freeze, parts)


def _check_regularizers(config):
    known = (*members("map_regularizer"), DISAGREEMENT)
    for name in config.map_regularizers:
        if name not in known:
            raise unknown("map regularizer", name, known, "map_regularizers")


def _check_options(config):
    for setting, options in OPTIONS_OF.items():
        family, name = FAMILY.get(setting, setting), getattr(config, setting)
        if name in members(family):  # unlike a control
            for option in getattr(config, options):
                require_option(family, name, option, members(family)[name].options)

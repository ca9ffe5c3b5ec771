"""Attaches attention to any backbone's feature maps; the baselines without it are built beside it."""

import keras
from keras import layers

from keras_attention.arguments import invalid, require_integer, require_number
from keras_attention.layers import LearnedQueries, MapDisagreement, SpatialAttention
from keras_attention.layers.alignment import ALIGNMENTS
from keras_attention.layers.score import SCORES
from keras_attention.models.backbone import feature_map
from keras_attention.models.head import activate, class_logits, join, joint_logits
from keras_attention.models.outputs import map_output
from keras_attention.models.reinforce import ReinforceModel, needs_reward

CLASSES = "classes"


def attention_classifier(
    backbone,
    num_classes,
    attend=("block3_pool", "block4_pool"),
    query="block5_pool",
    score="additive",
    alignment="softmax",
    units=128,
    num_heads=1,
    pool_query=False,
    attention_dropout=0.0,
    dropout=0.0,
    activation=None,
    map_regularizer=None,
    disagreement=0.0,
    name=None,
):
    """A classifier over a backbone that attends to some of its feature maps, asked by another one.

    Each map F named in `attend` gets a `SpatialAttention` called `attention_<F>`, whose query is the map `query`. The
    head is one dense layer over [average of the query map | context of F₁ | context of F₂ | …].

    With `query="classes"` each class has a query of its own for each F, which is learned, and so a map and contexts of
    its own. Its logit is w·[context of F₁ | context of F₂ | …] + b, with weights w, b that belong to the class.

    Two controls are built by the same call. `attend=()` is the plain network: the average of the query map alone.
    `score=None` is the multi-scale network: the averages of the attended maps in place of their contexts, which tells
    "more features" from "attention".

    Args:
        backbone: a functional `keras.Model` over images, such as `VGG16BN`, those of `keras.applications`, or a
            backbone of KerasHub. Its weights are shared with the classifier.
        num_classes: number of logits, at least 2.
        attend: names of the layers whose maps are attended, or one name; `feature_layers` lists them.
        query: name of the layer whose map asks; it may differ from the attended ones in size and channels. This default
            and that of `attend` are for `VGG16BN`. Or `"classes"`.
        score: a name in `SCORES`, a score layer, its config, or `None`. Each attended map gets a score of its own.
        alignment: a name in `ALIGNMENTS`, an alignment layer, or its config.
        units: dimension in which query and features are compared; see `SpatialAttention`.
        num_heads: heads of each attention; each weighs its own part of the channels.
        pool_query: whether to average the query map into one vector, one question for all positions.
        attention_dropout: share of the positions dropped in training.
        dropout: share of the head's inputs dropped in training.
        activation: `"softmax"` or `"sigmoid"`, for a model whose output is probabilities; `None` leaves the logits.
        map_regularizer: of each attention; see `SpatialAttention`.
        disagreement: rate of a `MapDisagreement` of the maps of all attended layers; at 0 there is none.
        name: of the model.

    Returns:
        A flat functional `keras.Model`, images → logits `(B, num_classes)` in float32, or their probabilities; a
        `ReinforceModel` where the alignment is trained by REINFORCE. `attention_outputs` gives the maps of the same
        graph.

    Raises:
        TypeError: a backbone that is no functional model.
        ValueError: a layer that the backbone does not have or that gives no map, or a number out of range; queries of
            the classes with `pool_query`, without a score or without an attended map; disagreement of fewer than two
            maps.

    Example:

    >>> from keras_attention.models import VGG16BN, attention_classifier, attention_outputs
    >>> model = attention_classifier(VGG16BN((64, 64, 3), width=0.125), num_classes=10, units=16)
    >>> {key: value.shape for key, value in attention_outputs(model).output.items()}
    {'logits': (None, 10), 'attention_block3_pool': (None, 8, 8), 'attention_block4_pool': (None, 4, 4)}

    Reference:
        Yan, Kawahara, Hamarneh, *Melanoma Recognition via Visual Attention*, IPMI 2019, fig. 1. Its settings are
        `score=AdditiveScore(256, activation="relu", use_bias=False, use_output_bias=True,
        kernel_initializer="he_normal")` and `alignment="sigmoid"`.
    """
    require_integer("num_classes", num_classes, at_least=2)
    require_number("dropout", dropout, at_least=0, below=1)
    features = _features(backbone, attend)
    if query == CLASSES:
        _check_class_queries(features, score, pool_query)
        pooled, queries = [], [LearnedQueries(num_classes, name=f"queries_{name}")(map_) for name, map_ in features]
    else:
        question = feature_map(backbone, query, "query")
        pooled = [_average(question, "query")]
        queries = [pooled[0] if pool_query else question] * len(features)
    options = {
        "units": units,
        "dropout": attention_dropout,
        "num_heads": num_heads,
        "map_regularizer": map_regularizer,
    }
    contexts, maps = _contexts(features, queries, score, alignment, options)
    joined = _agreeing(join([*pooled, *contexts], dropout), maps, disagreement)
    logits = (class_logits if query == CLASSES else joint_logits)(joined, num_classes)
    return _model(backbone, activate(logits, activation), name or "attention_classifier")


def _features(backbone, attend):
    """The attended maps: pairs of name and map."""
    names = (attend,) if isinstance(attend, str) else attend
    return [(name, feature_map(backbone, name, "attend")) for name in names]


def _contexts(features, queries, score, alignment, options):
    """The context of each attended map, and its attention map; without a score its average, and no attention map."""
    if score is None:
        return [_average(map_, name) for name, map_ in features], []
    pairs = []
    for (name, map_), query in zip(features, queries, strict=True):
        parts = _fresh(SCORES, score), _fresh(ALIGNMENTS, alignment)
        attention = SpatialAttention(*parts, name=map_output(name), **options)
        pairs.append(attention(query, map_, return_attention_scores=True))
    return [context for context, _ in pairs], [attention_map for _, attention_map in pairs]


def _agreeing(features, maps, disagreement):
    if not require_number("disagreement", disagreement):
        return features
    if len(maps) < 2:
        raise invalid(
            "There are no two maps that could disagree.",
            "a score and at least two attended maps, or `disagreement=0`",
            f"{len(maps)} maps, disagreement={disagreement}",
        )
    return MapDisagreement(disagreement, name="disagreement")(features, maps)


def _model(backbone, output, name):
    model = keras.Model(backbone.inputs[0], output, name=name)
    rewarded = any(needs_reward(layer) for layer in model._flatten_layers(include_self=False))
    return ReinforceModel(model.input, model.output, name=name) if rewarded else model


def _average(features, name):
    return layers.GlobalAveragePooling2D(data_format="channels_last", name=f"pooled_{name}")(features)


def _check_class_queries(features, score, pool_query):
    checks = (
        (pool_query, "`pool_query` has no map to average.", "`pool_query=False`", "pool_query=True"),
        (not features, "The classes have no map to ask.", "at least one layer in `attend`", "attend=()"),
        (score is None, "The classes cannot ask without a score.", "a score", "score=None"),
    )
    for wrong, what, expected, received in checks:
        if wrong:
            raise invalid(what, f'{expected} with `query="classes"`', f'query="classes", {received}')


def _fresh(registry, identifier):
    """What makes a new layer: a layer given once must not be shared between two maps."""
    return keras.saving.serialize_keras_object(identifier) if isinstance(identifier, keras.layers.Layer) else identifier

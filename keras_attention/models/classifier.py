"""Classifiers with attention over the feature maps of any backbone, and the controls without attention."""

import keras
from keras import layers

from keras_attention.arguments import invalid, require_integer, require_number, unknown
from keras_attention.layers import LearnedQueries, MapDisagreement, SpatialAttention
from keras_attention.layers.alignment import ALIGNMENTS
from keras_attention.layers.gates import GATES
from keras_attention.layers.pooling import POOLINGS
from keras_attention.layers.score import SCORES
from keras_attention.models.backbone import default_layers, find_map, require_functional
from keras_attention.models.gated import Gates, named
from keras_attention.models.head import activate, class_logits, join, joint_logits
from keras_attention.models.nested import with_outputs_of
from keras_attention.models.outputs import map_output, plain_name
from keras_attention.models.reinforce import ReinforceModel, needs_reward

CLASSES, LEARNED = "classes", "learned"
ASKERS = {CLASSES: "Queries of the classes", LEARNED: "Learned queries"}  # query → its name in errors


def attention_classifier(
    backbone,
    num_classes,
    attend=None,
    query=None,
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
    normalize=None,
    pooling=None,
    feature_gate=None,
    gate_backbone=True,
    gate=False,
    registers=0,
    name=None,
):
    """A classifier that attends to some feature maps of a backbone, with another feature map as the query.

    Each attended layer F, named in `attend`, gets a `SpatialAttention` called `attention_<F>`, with `.` for each `/`
    of a path. Its query is the map of the layer `query`. The head is one dense layer over
    [average of the query map | context of F₁ | context of F₂ | …].

    With `query="classes"` each class has a learned query for each F, and therefore a separate map and context. Its
    logit is w·[context of F₁ | context of F₂ | …] + b, with separate weights w and b for each class. With
    `query="learned"` each head has a learned query for each F; the head then uses the average of the usual query map.

    Two controls are built by the same call. `attend=()` gives the plain network, which uses only the average of the
    query map. `score=None` gives the multiscale network, which uses the averages of the attended layers instead of
    their contexts; it separates the effect of more features from that of attention. Baselines are
    built by it too: `score=None, pooling="simpool"` pools each attended layer instead of averaging it, and
    `score=None, feature_gate="se"` averages gated features.

    Args:
        backbone: a functional `keras.Model` over images, such as `VGG16BN`, a model of `keras.applications`, or a
            backbone of KerasHub. It shares its weights with the classifier.
        num_classes: number of logits, at least 2.
        attend: names of the attended layers, or one name; `feature_layers` lists the possible ones. If `None`, those of
            `default_layers`.
        query: name of the layer whose map is the query, which may differ from the attended layers in size and channels;
            `"classes"`; or `"learned"`. If `None`, that of `default_layers`.
        score: a name in `SCORES`, a score layer, its config, or `None`. Each attended layer gets a separate score.
        alignment: a name in `ALIGNMENTS`, an alignment layer, or its config; or a list of several, such as
            `["softmax", "sigmoid"]` or `"softmax/sigmoid"`, of which each has a part of the heads.
        units: dimension in which query and features are compared; see `SpatialAttention`.
        num_heads: number of heads of each attention layer; each weighs its own part of the channels.
        pool_query: whether to average the query map to one vector, which is then the query of all positions.
        attention_dropout: share of the positions dropped in training.
        dropout: share of the inputs of the classifier head dropped in training.
        activation: `"softmax"` or `"sigmoid"`, for a model whose output is probabilities; `None` leaves the logits.
        map_regularizer: regularizer of the maps of each attention layer; see `SpatialAttention`.
        disagreement: rate of a `MapDisagreement` of the maps of all attended layers; 0 adds none.
        normalize: `"layer"`, `"batch"` or `"none"`, what gives queries and features unit variance before the score;
            `None` is `"layer"`, for a score that compares; see `SpatialAttention`.
        pooling: with `score=None`, what pools each attended layer: a name in `POOLINGS`, a pooling, or its config;
            `None` is the average. The map of a pooling is called as that of an attention layer.
        feature_gate: a name in `GATES`, a gate, or its config, for a gate after each pooling P of the backbone, or
            after the last layer of each stride. It is called `gate_<P>`, and whatever comes after it, in the backbone
            and in the head, sees the gated features. If nothing else makes a map of an attended layer, its gate is
            called `attention_<F>` instead and gives its map, if it has one.
            The layers of the backbone are called again for it, so that their `output` stays that without gates.
        gate_backbone: `False` gates the attended features alone, on their way to the head, and leaves the backbone as
            it is, as a frozen one needs.
        gate, registers: whether each context is gated by the query, and the number of keys without a place; see
            `SpatialAttention`.
        name: name of the model.

    Returns:
        A functional `keras.Model`, images → logits `(B, num_classes)` in float32, or their probabilities; a
        `ReinforceModel` if the alignment is trained by REINFORCE. `attention_outputs` adds the maps to the outputs.

    Raises:
        TypeError: a backbone that is not functional.
        ValueError: a layer that the backbone does not have or that gives no map; a number out of range; a pooling with
            a score or without an attended layer; gates of the attended features without any; learned queries with
            `pool_query`, or without a score or an attended layer; `disagreement` with fewer than two maps.

    Example:

    >>> from keras_attention.models import VGG16BN, attention_classifier, attention_outputs
    >>> model = attention_classifier(VGG16BN((64, 64, 3), width=0.125), num_classes=10, units=16)
    >>> {key: value.shape for key, value in attention_outputs(model).output.items()}
    {'logits': (None, 10), 'attention_block3_pool': (None, 8, 8), 'attention_block4_pool': (None, 4, 4)}

    Reference:
        Yan, Kawahara, Hamarneh, *Melanoma Recognition via Visual Attention*, IPMI 2019, fig. 1. Its settings are
        `score=AdditiveScore(256, activation="relu", use_bias=False, use_output_bias=True,
        kernel_initializer="he_normal")`, `alignment="sigmoid"` and `normalize="none"`.
    """
    require_integer("num_classes", num_classes, at_least=2)
    require_number("dropout", dropout, at_least=0, below=1)
    require_integer("num_heads", num_heads, at_least=1)
    gates = _gates(feature_gate, gate_backbone, score, pooling)
    backbone, features, query_map = _features(backbone, attend, query, gates)
    pooled = [] if query == CLASSES else [_average(query_map, "query")]
    if score is None:
        _check_without_score(query, features, pooling)
        contexts, maps = [_pooled(pooling, *pair) for pair in features], []
    else:
        _check_with_score(query, features, pooling, pool_query)
        queries = _queries(query, features, [*pooled, query_map][0 if pool_query else -1], num_classes, num_heads)
        options = {
            "units": units,
            "dropout": attention_dropout,
            "num_heads": num_heads,
            "map_regularizer": map_regularizer,
            "normalize": normalize,
            "query_per_head": query == LEARNED,
            "gate": gate,
            "registers": registers,
        }
        contexts, maps = _contexts(features, queries, score, alignment, options)
    joined = _with_disagreement(join([*pooled, *contexts], dropout), maps, disagreement)
    logits = (class_logits if query == CLASSES else joint_logits)(joined, num_classes)
    return _model(backbone, activate(logits, activation), name or "attention_classifier")


def _gates(feature_gate, gate_backbone, score, pooling):
    """The `Gates`, which give their maps if nothing else makes one; `None` without a gate."""
    if feature_gate is None:
        return None
    if isinstance(feature_gate, str) and feature_gate not in GATES:
        raise unknown("gate", feature_gate, GATES, "feature_gate")
    give_maps = score is None and (pooling is None or not POOLINGS.get(pooling).has_map)
    return Gates(GATES.get(feature_gate), gate_backbone, give_maps)


def _features(backbone, attend, query, gates):
    """The backbone with all these maps as its tensors, pairs of each attended layer and its map, and the query map.

    Maps of gated layers are those after the gate. Without a layer as the query, its map is that of the usual one.
    """
    if attend is None or query in (None, LEARNED):
        attend_default, query_default = default_layers(require_functional(backbone, "backbone"))
        attend = attend_default if attend is None else attend
        query = query_default if query in (None, LEARNED) else query
    names = (attend,) if isinstance(attend, str) else tuple(attend)
    found = [find_map(backbone, name, "attend") for name in names]
    if query != CLASSES:
        found.append(find_map(backbone, query, "query"))
    paths = [place.path for place in found]
    if gates and gates.in_backbone:
        backbone, paths = gates.added_to(backbone, paths, len(names))
    backbone, maps = with_outputs_of(backbone, paths)
    pairs = [(plain_name(name), map_) for name, map_ in zip(names, maps, strict=False)]
    if gates and not gates.in_backbone:
        pairs = gates.of_features(pairs)
    return backbone, pairs, None if query == CLASSES else maps[-1]


def _queries(query, features, query_map, num_classes, num_heads):
    """What each attended layer is asked: learned vectors, or the query map or its average."""
    if query not in ASKERS:
        return [query_map] * len(features)
    count = num_classes if query == CLASSES else num_heads
    return [LearnedQueries(count, name=f"queries_{name}")(map_) for name, map_ in features]


def _contexts(features, queries, score, alignment, options):
    """The context and the attention map of each attended layer."""
    pairs = []
    for (name, map_), query in zip(features, queries, strict=True):
        parts = _fresh(SCORES, score), _fresh(ALIGNMENTS, alignment)
        attention = SpatialAttention(*parts, name=map_output(name), **options)
        pairs.append(attention(query, map_, return_attention_scores=True))
    return [context for context, _ in pairs], [attention_map for _, attention_map in pairs]


def _with_disagreement(features, maps, disagreement):
    if not require_number("disagreement", disagreement):
        return features
    if len(maps) < 2:
        raise invalid(
            "`disagreement` needs at least two maps.",
            "a score and at least two attended layers, or `disagreement=0`",
            f"{len(maps)} maps, disagreement={disagreement}",
        )
    # By its older name: TensorFlow adds gradients in the order of the layers' names, so with another one a run that was
    # begun before would not end with the same figures, to the last digit.
    return MapDisagreement(disagreement, name="agreement")(features, maps)


def _model(backbone, output, name):
    model = keras.Model(backbone.inputs[0], output, name=name)
    rewarded = any(needs_reward(layer) for layer in model._flatten_layers(include_self=False))
    return ReinforceModel(model.input, model.output, name=name) if rewarded else model


def _pooled(pooling, name, features):
    """The vector of an attended layer without attention: its average, or what a new pooling of this kind gives."""
    if pooling is None:
        return _average(features, name)
    kind = POOLINGS.get(pooling)
    if not kind.has_map:
        return named(kind, f"pooled_{name}")(features)
    return named(kind, map_output(name))(features, return_attention_scores=True)[0]


def _average(features, name):
    return layers.GlobalAveragePooling2D(data_format="channels_last", name=f"pooled_{name}")(features)


def _check_without_score(query, features, pooling):
    if query in ASKERS:
        raise invalid(
            f"{ASKERS[query]} need a score.", f'a score with `query="{query}"`', f'query="{query}", score=None'
        )
    if pooling is not None and not features:
        raise invalid("A pooling needs an attended layer.", "at least one layer in `attend`", "attend=()")


def _check_with_score(query, features, pooling, pool_query):
    if pooling is not None:
        expected = "`score=None`, and a layer as `query`"
        raise invalid("A pooling takes the place of attention.", expected, f"pooling={pooling!r}")
    if query not in ASKERS:
        return
    no_layer = f"{ASKERS[query]} need an attended layer."
    checks = (
        (pool_query, "`pool_query=True` needs a query map to average.", "`pool_query=False`", "pool_query=True"),
        (not features, no_layer, "at least one layer in `attend`", "attend=()"),
    )
    for wrong, what, expected, received in checks:
        if wrong:
            raise invalid(what, f'{expected} with `query="{query}"`', f'query="{query}", {received}')


def _fresh(registry, identifier):
    """An identifier that makes a new layer each time, because one layer must not be shared by two attended layers."""
    if isinstance(identifier, (list, tuple)):
        return [_fresh(registry, part) for part in identifier]
    return keras.saving.serialize_keras_object(identifier) if isinstance(identifier, keras.layers.Layer) else identifier

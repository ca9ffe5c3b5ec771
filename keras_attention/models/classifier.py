"""Attaches attention to any backbone's feature maps; the baselines without it are built beside it."""

import keras
from keras import layers

from keras_attention.arguments import require_integer, require_number
from keras_attention.layers import SpatialAttention
from keras_attention.layers.alignment import ALIGNMENTS
from keras_attention.layers.score import SCORES
from keras_attention.models.backbone import feature_map
from keras_attention.models.reinforce import ReinforceModel, needs_reward

PREFIX = "attention_"


def attention_classifier(
    backbone,
    num_classes,
    attend=("block3_pool", "block4_pool"),
    query="block5_pool",
    score="additive",
    alignment="softmax",
    units=256,
    num_heads=1,
    pool_query=False,
    attention_dropout=0.0,
    dropout=0.0,
    name=None,
):
    """A classifier over a backbone that attends to some of its feature maps, asked by another one.

    Each map F named in `attend` gets a `SpatialAttention` called `attention_<F>`, whose query is the map `query`. The
    head is one dense layer over [average of the query map | context of F₁ | context of F₂ | …].

    Two controls are built by the same call. `attend=()` is the plain network: the average of the query map alone.
    `score=None` is the multi-scale network: the averages of the attended maps in place of their contexts, which tells
    "more features" from "attention".

    Args:
        backbone: a functional `keras.Model` over images, such as `VGG16BN`, those of `keras.applications`, or a
            backbone of KerasHub. Its weights are shared with the classifier.
        num_classes: number of logits, at least 2.
        attend: names of the layers whose maps are attended, or one name; `feature_layers` lists them.
        query: name of the layer whose map asks; it may differ from the attended ones in size and channels. This default
            and that of `attend` are for `VGG16BN`.
        score: a name in `SCORES`, a score layer, its config, or `None`. Each attended map gets a score of its own.
        alignment: a name in `ALIGNMENTS`, an alignment layer, or its config.
        units: dimension in which query and features are compared; see `SpatialAttention`.
        num_heads: heads of each attention; each weighs its own part of the channels.
        pool_query: whether to average the query map into one vector, one question for all positions.
        attention_dropout: share of the positions dropped in training.
        dropout: share of the head's inputs dropped in training.
        name: of the model.

    Returns:
        A flat functional `keras.Model`, images → logits `(B, num_classes)` in float32; a `ReinforceModel` where the
        alignment is trained by REINFORCE. `attention_outputs` gives the maps of the same graph.

    Raises:
        TypeError: a backbone that is no functional model.
        ValueError: a layer that the backbone does not have or that gives no map, or a number out of range.

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
    question = feature_map(backbone, query, "query")
    pooled = layers.GlobalAveragePooling2D(data_format="channels_last", name="pooled_query")(question)
    asks = pooled if pool_query else question
    contexts = [pooled]
    for feature_name in (attend,) if isinstance(attend, str) else attend:
        features = feature_map(backbone, feature_name, "attend")
        if score is None:
            pooling = layers.GlobalAveragePooling2D(data_format="channels_last", name=f"pooled_{feature_name}")
            contexts.append(pooling(features))
            continue
        attention = SpatialAttention(
            _fresh(SCORES, score),
            _fresh(ALIGNMENTS, alignment),
            units,
            attention_dropout,
            num_heads,
            name=PREFIX + feature_name,
        )
        contexts.append(attention(asks, features, return_attention_scores=True)[0])
    logits = _head(contexts, num_classes, dropout)
    model = keras.Model(backbone.inputs[0], logits, name=name or "attention_classifier")
    rewarded = any(needs_reward(layer) for layer in model._flatten_layers(include_self=False))
    return ReinforceModel(model.input, model.output, name=model.name) if rewarded else model


def attention_outputs(model):
    """The same graph with its maps: images → {"logits": (B, classes), "attention_<feature>": (B, H, W), …}.

    Works for a model built by `attention_classifier` and for one loaded from a file. Of several heads it gives the mean
    map. Without attention layers the logits come alone.
    """
    maps = {
        layer.name: layer.output[1] if layer.num_heads == 1 else keras.ops.mean(layer.output[1], axis=1)
        for layer in model.layers
        if isinstance(layer, SpatialAttention) and isinstance(layer.output, (tuple, list))
    }
    return type(model)(model.input, {"logits": model.output, **maps}, name=f"{model.name}_outputs")


def _head(contexts, num_classes, dropout):
    features = layers.Concatenate(name="contexts")(contexts) if len(contexts) > 1 else contexts[0]
    if dropout:
        features = layers.Dropout(dropout, name="head_dropout")(features)
    # Logits in float32 under any policy: the loss, and whoever compares two of them, needs the digits.
    initializer = keras.initializers.RandomNormal(stddev=0.01)
    return layers.Dense(num_classes, kernel_initializer=initializer, dtype="float32", name="logits")(features)


def _fresh(registry, identifier):
    """What makes a new layer: a layer given once must not be shared between two maps."""
    return keras.saving.serialize_keras_object(identifier) if isinstance(identifier, keras.layers.Layer) else identifier

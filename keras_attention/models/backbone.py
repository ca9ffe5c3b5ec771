"""The feature maps of a backbone, and which of its layers are trained."""

import dataclasses

import keras

from keras_attention.arguments import invalid, unknown
from keras_attention.models.grids import layer_grids


@dataclasses.dataclass(frozen=True)
class FeatureLayer:
    """A layer that gives a feature map.

    Args:
        shape: `(H, W, C)`; H and W are `None` if the backbone takes images of any size.
        stride: number of pixels of the image between two positions of the map, along the height; `None` if it is not
            known.

    Example:

    >>> from keras_attention.models import VGG16BN, feature_layers
    >>> features = feature_layers(VGG16BN((64, 64, 3), width=0.25))
    >>> [name for name, feature in features.items() if feature.stride == 16 and "pool" in name]
    ['block4_pool']
    """

    shape: tuple
    stride: int


FROZEN_HERE = "_frozen_by_keras_attention"  # an attribute of a layer
NOMINAL_SIDE = 512  # side of an image, to compute the strides of a backbone that takes any size


def feature_layers(model):
    """The layers of a model that can be attended, which give a feature map of more than one position.

    Args:
        model: a functional Keras model over images, `(B, height, width, channels)`.

    Returns:
        Name → `FeatureLayer`, in the order of the model.

    Raises:
        TypeError: a model that is not functional or has several inputs.
        ValueError: a model whose input is not an image, or that has no feature map.

    Example:

    >>> from keras_attention.models import VGG16BN, feature_layers
    >>> feature_layers(VGG16BN((64, 64, 3), width=0.25))["block3_pool"]
    FeatureLayer(shape=(8, 8, 64), stride=8)
    """
    found = {name: feature for name, feature in _maps(model).items() if feature.shape[:2] != (1, 1)}
    if not found:
        raise invalid(
            "The backbone must have a feature map.", "layers that give (batch, height, width, channels)", model.name
        )
    return found


def feature_map(model, name, argument="layer"):
    """The symbolic map of a layer, of one position or more; errors name `argument`, which gave the layer.

    Raises:
        ValueError: a layer that the model does not have; the message lists the poolings, or the last layer of each
            stride. A layer that gives no map.
    """
    maps = _maps(model)
    if not maps:
        feature_layers(model)  # raises the error
    if name not in [layer.name for layer in model.layers]:
        raise unknown("layer", name, _usual(maps), argument)
    if name not in maps:
        shape = getattr(model.get_layer(name).output, "shape", None)
        expected = f"one of: {', '.join(_usual(maps))}"
        raise invalid(f"Layer {name!r} must give a feature map.", expected, f"output shape={shape}")
    return model.get_layer(name).output


def freeze(backbone, up_to=None):
    """Freezes layers of a backbone: their weights are not trained, and batch normalization computes as in inference.

    Args:
        backbone: a functional Keras model.
        up_to: the name of a layer; it and all layers that it depends on are frozen, the rest is trained. `None` freezes
            all.

    Returns:
        The backbone. A model that is already compiled must be compiled again, as after any change of `trainable`.

    Raises:
        TypeError: a backbone that is not functional or has several inputs.
        ValueError: a layer that the backbone does not have or that gives no feature map.

    Example:

    >>> from keras_attention.models import VGG16BN, freeze
    >>> backbone = freeze(VGG16BN((32, 32, 3), width=0.1), "block4_pool")
    >>> backbone.trainable_variables[0].path
    'block5_conv1/kernel'
    """
    require_functional(backbone, "backbone")
    part = backbone if up_to is None else keras.Model(backbone.inputs[0], feature_map(backbone, up_to))
    return _train_all_but(backbone, {layer.name for layer in part.layers})


def unfreeze(backbone):
    """Makes the layers of a backbone trainable again that `freeze` froze; what its builder froze stays frozen.

    Args:
        backbone: a functional Keras model.

    Returns:
        The backbone. A model that is already compiled must be compiled again, as after `freeze`.

    Raises:
        TypeError: a backbone that is not functional or has several inputs.

    Example:

    >>> from keras_attention.models import VGG16BN, freeze, unfreeze
    >>> backbone = freeze(VGG16BN((32, 32, 3), width=0.1))
    >>> len(backbone.trainable_variables), len(unfreeze(backbone).trainable_variables)
    (0, 39)
    """
    return _train_all_but(require_functional(backbone, "backbone"), set())


def require_functional(model, argument):
    """Returns `model` if it is a functional model with one input.

    Raises:
        TypeError: anything else.
    """
    inputs = getattr(model, "inputs", None) if isinstance(model, keras.Model) else None
    if not inputs or len(inputs) != 1:
        raise invalid(
            f"The {argument} must be a functional `keras.Model` with one input.",
            "a model built as `keras.Model(inputs, outputs)`",
            repr(model),
            TypeError,
        )
    return model


def _train_all_but(backbone, frozen):
    """Freezes layers, and frees those others that were frozen here before; what its builder froze stays frozen."""
    wanted = []
    for layer in backbone.layers:
        for each in layer._flatten_layers():
            may_train = each.trainable or getattr(each, FROZEN_HERE, False)
            wanted.append((each, may_train and layer.name not in frozen, may_train and layer.name in frozen))
    # Layer by layer, because Keras on TensorFlow does nothing if a model is set to the value that it already has; from
    # the outermost, whose value Keras gives to the layers in it too.
    for layer, trains, frozen_here in wanted:
        layer.trainable = trains
        setattr(layer, FROZEN_HERE, frozen_here)
    return backbone


def over_features(model, names):
    """The part of a model after some of its layers: it takes their feature maps instead of images.

    It shares its layers with the model, so that training it trains the model without the backbone.

    Args:
        model: a functional model, images → anything.
        names: names of the layers; the outputs must depend on the images through these layers only.

    Returns:
        A model of the same class, a tuple of maps `(B, H, W, C)` in the order of `names` → the same outputs.

    Raises:
        ValueError: a layer that the model does not have, or outputs that do not depend on these layers alone.

    Example:

    >>> from keras_attention.models import VGG16BN, attention_classifier, over_features
    >>> model = attention_classifier(VGG16BN((64, 64, 3), width=0.1), 10, attend=("block4_pool",), units=8)
    >>> [tuple(features.shape) for features in over_features(model, ("block4_pool", "block5_pool")).inputs]
    [(None, 4, 4, 51), (None, 2, 2, 51)]
    """
    return type(model)(tuple(model.get_layer(name).output for name in names), model.output, name=model.name)


def _maps(model):
    """Name → `FeatureLayer` of every layer that gives a map, even of only one position."""
    inputs = require_functional(model, "backbone").inputs
    if len(inputs[0].shape) != 4:
        raise invalid("The backbone must take images.", "(batch, height, width, channels)", f"{inputs[0].shape}")
    outputs = {layer.name: layer.output for layer in model.layers if _gives_map(layer)}
    grids = layer_grids(model, (NOMINAL_SIDE, NOMINAL_SIDE))
    strides = {name: round(grid.rows.step) for name, grid in grids.items()}
    return {name: FeatureLayer(tuple(output.shape[1:]), strides.get(name)) for name, output in outputs.items()}


def _gives_map(layer):
    if isinstance(layer, keras.layers.InputLayer):
        return False
    return len(getattr(getattr(layer, "output", None), "shape", None) or ()) == 4


def usual_names(names, others):
    """The layers that are usually attended: the poolings among `names`, or `others` if there are fewer than three."""
    pools = tuple(name for name in names if name.endswith("pool"))
    return pools if len(pools) > 2 else tuple(others)


def _usual(maps):
    """The layers that are usually attended: the poolings, or the last layer of each stride."""
    return usual_names(maps, {feature.stride: name for name, feature in maps.items()}.values())

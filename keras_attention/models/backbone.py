"""What a backbone offers to attention: its feature maps; and which of its layers are trained."""

import dataclasses

import keras

from keras_attention.arguments import invalid, unknown


@dataclasses.dataclass(frozen=True)
class FeatureLayer:
    """A layer that gives a feature map.

    Args:
        shape: `(H, W, C)`; sides are `None` where the backbone takes images of any size.
        stride: pixels of the image between two positions, along its height.

    Example:

    >>> from keras_attention.models import VGG16BN, feature_layers
    >>> features = feature_layers(VGG16BN((64, 64, 3), width=0.25))
    >>> [name for name, feature in features.items() if feature.stride == 16 and "pool" in name]
    ['block4_pool']
    """

    shape: tuple
    stride: int


NOMINAL_SIDE = 512  # of an image, to tell the strides of a backbone that takes any size


def feature_layers(model):
    """The layers of a model that can be attended: those that give a map of more than one position.

    Args:
        model: a functional Keras model over images, `(B, height, width, channels)`.

    Returns:
        Name → `FeatureLayer`, in the order of the model.

    Raises:
        TypeError: what is no functional model of one input.
        ValueError: a model whose input is no image, or that keeps no feature map.

    Example:

    >>> from keras_attention.models import VGG16BN, feature_layers
    >>> feature_layers(VGG16BN((64, 64, 3), width=0.25))["block3_pool"]
    FeatureLayer(shape=(8, 8, 64), stride=8)
    """
    found = {name: feature for name, feature in _maps(model).items() if feature.shape[:2] != (1, 1)}
    if not found:
        raise invalid(
            "The backbone has no feature map.", "layers that give (batch, height, width, channels)", model.name
        )
    return found


def feature_map(model, name, argument="layer"):
    """The symbolic map of a layer, which need not have more than one position; `argument` is who names it.

    Raises:
        ValueError: a name that is none of the model's, with the last map of each stride as the choices; a layer that
            gives no map.
    """
    maps = _maps(model)
    if not maps:
        feature_layers(model)  # which says so
    if name not in [layer.name for layer in model.layers]:
        raise unknown("layer", name, _usual(maps), argument)
    if name not in maps:
        shape = getattr(model.get_layer(name).output, "shape", None)
        expected = f"one of: {', '.join(_usual(maps))}"
        raise invalid(f"Layer {name!r} gives no feature map.", expected, f"output shape={shape}")
    return model.get_layer(name).output


def freeze(backbone, up_to=None):
    """Makes layers of a backbone keep their weights; their batch normalization then computes as in inference.

    Args:
        backbone: a functional Keras model.
        up_to: the name of a layer; it and all that it stands on are frozen, the rest is trained. `None` freezes all.

    Returns:
        The backbone. A model that was compiled before must be compiled again, as always after a change of `trainable`.

    Raises:
        TypeError: a backbone that is no functional model of one input.
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
    """Makes all layers of a backbone train again.

    Args:
        backbone: a functional Keras model.

    Returns:
        The backbone; what was compiled must be compiled again, as after `freeze`.

    Raises:
        TypeError: a backbone that is no functional model of one input.

    Example:

    >>> from keras_attention.models import VGG16BN, freeze, unfreeze
    >>> backbone = freeze(VGG16BN((32, 32, 3), width=0.1))
    >>> len(backbone.trainable_variables), len(unfreeze(backbone).trainable_variables)
    (0, 39)
    """
    return _train_all_but(require_functional(backbone, "backbone"), set())


def require_functional(model, argument):
    """Returns `model` when it is a functional model of one input.

    Raises:
        TypeError: anything else.
    """
    inputs = getattr(model, "inputs", None) if isinstance(model, keras.Model) else None
    if not inputs or len(inputs) != 1:
        raise invalid(
            f"The {argument} cannot be looked into.", "a functional `keras.Model` of one input", repr(model), TypeError
        )
    return model


def _train_all_but(backbone, frozen):
    backbone.trainable = True
    # Layer by layer: on TensorFlow, Keras does nothing where a model is set to the value that it has.
    for layer in backbone.layers:
        layer.trainable = layer.name not in frozen
    return backbone


def over_features(model, names):
    """The part of a model that stands on the maps of some of its layers: it takes these, and shares all else.

    What trains it trains the model, whose backbone it leaves out.

    Args:
        model: a functional model, images → anything.
        names: of layers, between which and the output everything lies.

    Returns:
        A model of the same class, a tuple of maps `(B, H, W, C)` in the order of `names` → the same outputs.

    Raises:
        ValueError: a layer that the model does not have, or outputs that do not stand on these layers alone.

    Example:

    >>> from keras_attention.models import VGG16BN, attention_classifier, over_features
    >>> model = attention_classifier(VGG16BN((64, 64, 3), width=0.1), 10, attend=("block4_pool",), units=8)
    >>> [tuple(features.shape) for features in over_features(model, ("block4_pool", "block5_pool")).inputs]
    [(None, 4, 4, 51), (None, 2, 2, 51)]
    """
    return type(model)(tuple(model.get_layer(name).output for name in names), model.output, name=model.name)


def _maps(model):
    """Name → `FeatureLayer` of every layer that gives a map, of one position too."""
    inputs = require_functional(model, "backbone").inputs
    if len(inputs[0].shape) != 4:
        raise invalid("The backbone takes no images.", "(batch, height, width, channels)", f"{inputs[0].shape}")
    outputs = {layer.name: layer.output for layer in model.layers if _gives_map(layer)}
    height, sides = _heights(inputs[0], outputs)
    return {
        name: FeatureLayer(tuple(output.shape[1:]), round(height / sides[name])) for name, output in outputs.items()
    }


def _gives_map(layer):
    if isinstance(layer, keras.layers.InputLayer):
        return False
    return len(getattr(getattr(layer, "output", None), "shape", None) or ()) == 4


def _heights(image, outputs):
    """The height of the images, and of each map; nominal ones where the model takes any size."""
    if image.shape[1] is not None:
        return image.shape[1], {name: output.shape[1] for name, output in outputs.items()}
    nominal = (1, NOMINAL_SIDE, NOMINAL_SIDE, image.shape[-1])
    shapes = keras.Model(image, outputs).compute_output_shape(nominal)
    return NOMINAL_SIDE, {name: shape[1] for name, shape in shapes.items()}


def usual_names(names, others):
    """What is usually attended among the layers that give a map: the poolings, or `others` if there are few."""
    pools = tuple(name for name in names if name.endswith("pool"))
    return pools if len(pools) > 2 else tuple(others)


def _usual(maps):
    """What is usually attended: the poolings, or the last map of each stride."""
    return usual_names(maps, {feature.stride: name for name, feature in maps.items()}.values())

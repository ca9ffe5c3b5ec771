"""The feature maps of a backbone, and which of its layers are trained."""

import dataclasses

import keras

from keras_attention.arguments import invalid, unknown
from keras_attention.models.grids import layer_grids
from keras_attention.models.nested import layers_up_to, matching, on_every_way, places, with_outputs_of


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

    @property
    def positions(self):
        """The number of positions; `None` if the backbone takes images of any size."""
        height, width, _ = self.shape
        return None if None in (height, width) else height * width


FROZEN_HERE = "_frozen_by_keras_attention"  # an attribute of a layer
MOVING = (keras.layers.ZeroPadding2D, keras.layers.Cropping2D)  # layers that only add or remove positions
NOMINAL_SIDE = 512  # side of an image, to compute the strides of a backbone that takes any size


def feature_layers(model):
    """The layers of a model that can be attended, which give a feature map of more than one position.

    Layers of models inside it are among them. Their names are their own, or if other layers have the same, their paths:
    `"mobilenetv2/block_13_expand_relu"`. Layers that are called several times have several maps, and are left out, and
    so are those of a model inside it that is called several times.

    Args:
        model: a functional Keras model over images, `(B, height, width, channels)`.

    Returns:
        Name → `FeatureLayer`, in the order of the model; of a model inside it, first the layers, then itself.

    Raises:
        TypeError: a model that is not functional or has several inputs.
        ValueError: a model whose input is not an image, or that has no feature map.

    Example:

    >>> from keras_attention.models import VGG16BN, feature_layers
    >>> feature_layers(VGG16BN((64, 64, 3), width=0.25))["block3_pool"]
    FeatureLayer(shape=(8, 8, 64), stride=8)
    """
    found = {name: feature for name, feature in _maps(model).items() if feature.positions != 1}
    if not found:
        raise invalid(
            "The backbone must have a feature map.", "layers that give (batch, height, width, channels)", model.name
        )
    return found


def default_layers(model):
    """The layers that are attended, and the one that asks, if nobody says otherwise.

    If a model ends with one of at least three poolings, the last one asks, and the two before it are attended.
    Otherwise this is so of the last layers of the three largest strides, if possible such that no branch goes around
    them; padding and cropping do not count.

    Args:
        model: as in `feature_layers`.

    Returns:
        `attend`, a tuple of names, and `query`, a name; they are the same layer if the model has only one stride.

    Raises:
        TypeError, ValueError: as `feature_layers`.

    Example:

    >>> from keras_attention.models import VGG16BN, default_layers
    >>> default_layers(VGG16BN((64, 64, 3), width=0.25))
    (('block3_pool', 'block4_pool'), 'block5_pool')
    """
    listed, usual = feature_layers(model), usual_layers(model)
    *before, query = usual
    return tuple(name for name in before if name in listed)[-2:] or tuple(listed)[-1:], query


def find_map(model, name, argument="layer"):
    """The `Place` of a layer that gives a map, of one position or more; errors name `argument`, which gave the layer.

    Args:
        model: as in `feature_layers`.
        name: a name of `feature_layers`, or the path of a layer in a model inside the model.

    Raises:
        ValueError: a layer that the model does not have, where the message lists the poolings, or the last layer of
            each stride; a name of several layers; a layer that gives no map or several.
    """
    if not _maps(model):
        feature_layers(model)  # raises the error
    found = matching(model, name)
    if not found:
        raise unknown("layer", name, usual_layers(model), argument)
    if len(found) > 1:
        paths = ", ".join("/".join(place.path) for place in found)
        raise invalid(f"Several layers are called {name!r}.", f"one of: {paths}", f"{argument}={name!r}")
    (place,) = found
    if place.output is None:
        what = f"Layer {name!r} must give one feature map, and be called once."
        raise invalid(what, f"one of: {', '.join(usual_layers(model))}", f"{argument}={name!r}")
    if len(place.output.shape) != 4:
        what, expected = f"Layer {name!r} must give a feature map.", f"one of: {', '.join(usual_layers(model))}"
        raise invalid(what, expected, f"output shape={place.output.shape}")
    return place


def freeze(backbone, up_to=None):
    """Freezes layers of a backbone: their weights are not trained, and batch normalization computes as in inference.

    Args:
        backbone: a functional Keras model.
        up_to: the name of a layer, as in `feature_layers`; it and all layers that it depends on are frozen, the rest is
            trained. `None` freezes all.

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
    if up_to is None:
        return _train_all_but(backbone, set(_layers(backbone)))
    return _train_all_but(backbone, layers_up_to(backbone, find_map(backbone, up_to).path))


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
    for layer in _layers(backbone):
        may_train = layer.trainable or getattr(layer, FROZEN_HERE, False)
        wanted.append((layer, may_train and layer not in frozen, may_train and layer in frozen))
    # Layer by layer, because Keras on TensorFlow does nothing if a model is set to the value that it already has; from
    # the outermost, whose value Keras gives to the layers in it too.
    for layer, trains, frozen_here in wanted:
        layer.trainable = trains
        setattr(layer, FROZEN_HERE, frozen_here)
    return backbone


def _layers(backbone):
    """All layers of a backbone and the layers inside them, each after those around it."""
    return [each for layer in backbone.layers for each in layer._flatten_layers()]


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
    model, maps = with_outputs_of(model, [_place(model, name).path for name in names])
    return type(model)(tuple(maps), model.output, name=model.name)


def _place(model, name):
    """The `Place` of a layer with one output, by its name or its path."""
    found = [place for place in matching(model, name) if place.output is not None]
    if len(found) != 1:
        raise unknown("layer", name, [place.name for place in places(model)], "names")
    return found[0]


def _maps(model):
    """Name → `FeatureLayer` of every layer that gives a map, even of only one position."""
    inputs = require_functional(model, "backbone").inputs
    if len(inputs[0].shape) != 4:
        raise invalid("The backbone must take images.", "(batch, height, width, channels)", f"{inputs[0].shape}")
    found = {place.name: place.output for place in places(model)}
    shapes = {name: tuple(output.shape[1:]) for name, output in found.items() if len(getattr(output, "shape", ())) == 4}
    strides = {name: round(grid.rows.step) for name, grid in layer_grids(model, (NOMINAL_SIDE, NOMINAL_SIDE)).items()}
    return {name: FeatureLayer(shape, strides.get(name)) for name, shape in shapes.items()}


def usual_names(names, others):
    """The layers that are usually attended: the poolings if `names` has three and ends with one, otherwise `others`."""
    pools = tuple(name for name in names if name.endswith("pool"))
    return pools if len(pools) > 2 and names[-1] == pools[-1] else tuple(others)


def usual_layers(model):
    """The layers of a model that are usually attended: its poolings, or the last layer of each stride.

    If several branches have a stride, this is the last layer that all of them join in.
    """
    maps = _maps(model)
    last = list(maps)[-1]
    found = {place.name: place for place in places(model)}
    # Without what is averaged to one position before the end, and without layers that only move positions.
    trunk = {
        name: feature.stride or 0
        for name, feature in maps.items()
        if name == last or (feature.positions != 1 and not isinstance(found[name].layer, MOVING))
    }
    joints = set(on_every_way(model))
    by_stride = {stride: name for name, stride in trunk.items()}
    by_stride |= {stride: name for name, stride in trunk.items() if found[name].path in joints}
    return usual_names(list(maps), [by_stride[stride] for stride in sorted(by_stride)])

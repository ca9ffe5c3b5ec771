"""The registry of backbones; settings and the command line find those registered here by name."""

import dataclasses
from collections.abc import Callable

import numpy as np

from keras_attention.arguments import invalid, require_choice
from keras_attention.models import layout
from keras_attention.models.backbone import require_functional, usual_names
from keras_attention.models.vgg import VGG16BN
from keras_attention.models.weights import LoadedWeights, load_pretrained
from keras_attention.registry import Members, is_same
from keras_attention.weight_files import read_weight_file


def load_own_weights(model, source):
    """Loads weights into a backbone that Keras saved from the same architecture, or from a classifier over it.

    Layers are found by their names, so that the other layers of a classifier are ignored.

    Args:
        model: the backbone, a functional `keras.Model`.
        source: the path of a `.keras` or `.weights.h5` file.

    Returns:
        A `LoadedWeights`.

    Raises:
        ValueError: `"imagenet"`; a file that cannot be read or lacks a layer; arrays that do not fit or are not finite;
            two layers with the same name. The backbone is then left unchanged.
    """
    if source == "imagenet":
        raise invalid(
            f"There are no ImageNet weights for the backbone {model.name!r}.",
            "the path of a .keras or .weights.h5 file of the same architecture",
            "weights='imagenet'",
        )
    arrays, values = read_weight_file(source), []
    for layer, variables in _variables(model):
        found = [arrays.get(f"{layer}/{number}") for number in range(len(variables))]
        expected = [tuple(variable.shape) for variable in variables]
        received = [None if array is None else array.shape for array in found]
        if received != expected:
            what = f"The arrays of {layer} in {source} must fit the backbone {model.name!r}."
            raise invalid(what, f"shapes {expected}", received)
        if not all(np.isfinite(array).all() for array in found):
            raise invalid(f"The weights of {layer} in {source} must be finite.", "finite numbers", "NaN or infinity")
        values += zip(variables, found, strict=True)
    for variable, array in values:
        variable.assign(array)
    return LoadedWeights("keras", True, ())


def _variables(model):
    """Pairs of the name of a layer and its variables, without those of its sublayers, as Keras saves them."""
    pairs = [(each.name, each._trainable_variables + each._non_trainable_variables) for each in model._flatten_layers()]
    pairs = [(name, variables) for name, variables in pairs if variables]
    names = [name for name, _ in pairs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise invalid("Layers of the backbone must have different names.", "each name once", ", ".join(twice))
    return pairs


@dataclasses.dataclass(frozen=True)
class Backbone:
    """How a backbone is built, and its defaults for attention.

    Args:
        build: `build(input_shape, width=…)` → a functional `keras.Model` over raw RGB images from 0 to 255, with random
            weights; `width` is a factor on its number of filters. Give every layer an explicit name: weights and cached
            features are found by these names.
        attend: names of the layers that are attended by default.
        query: name of the layer whose map is the query, and whose average the head uses.
        layers: names of all layers that give a map, in their order. Settings are checked against them at once; if
            `None`, settings are checked when the network is built.
        load: `load(model, source)` → `LoadedWeights`, which loads pretrained weights into the model.
        smallest_image: the smallest side of the images in pixels, at least 32.

    Example:

    >>> from keras_attention.models import BACKBONES, attention_classifier
    >>> backbone = BACKBONES["vgg16_bn"]
    >>> backbone.attend, backbone.query
    (('block3_pool', 'block4_pool'), 'block5_pool')
    >>> model = backbone.build((64, 64, 3), width=0.1)
    >>> attention_classifier(model, 10, attend=backbone.attend, query=backbone.query, units=8).output_shape
    (None, 10)
    """

    build: Callable
    attend: tuple
    query: str
    layers: tuple | None = None
    load: Callable = load_own_weights
    smallest_image: int = 32

    @property
    def description(self):
        """The first line of the docstring of `build`."""
        return (self.build.__doc__ or "").strip().split("\n")[0]

    @property
    def usual_layers(self):
        """The layers that are usually attended: its poolings, or all its layers if it has few.

        If the backbone does not list its layers, they are known only when it is built; the result is then `attend`.
        """
        return usual_names(self.layers, self.layers) if self.layers else self.attend


class Backbones(Members):
    """A mapping from short name to `Backbone`.

    `TrainConfig(backbone=…)`, `--backbone` of the command line and `keras-attention list` use it.

    Example:

    >>> from keras_attention.models import BACKBONES, VGG16BN
    >>> "vgg16_bn" in BACKBONES
    True
    >>> BACKBONES["vgg16_bn"].build is VGG16BN
    True
    """

    def __init__(self):
        super().__init__("backbone")

    def register(self, name, attend, query, layers=None, load=load_own_weights, smallest_image=32):
        """A decorator that registers a builder under `name`; the other arguments are those of `Backbone`."""

        def decorate(build):
            self.add(name, Backbone(build, tuple(attend), query, layers, load, smallest_image))
            return build

        return decorate

    def add(self, name, backbone):
        """Registers a `Backbone` under a name.

        A builder that is defined again, as when a cell of a notebook runs twice, replaces the earlier one.

        Raises:
            ValueError: a name that another backbone has, or no attended layers.
        """
        if name in self._members and not is_same(self[name].build, backbone.build):
            raise invalid(f"The backbone {name!r} is registered already.", "another name", f"name={name!r}")
        if not backbone.attend:
            raise invalid(f"The backbone {name!r} needs attended layers.", "the names of layers", f"attend={()}")
        self._members[name] = backbone

    def about(self, name):
        """What `keras_attention.members` knows of a backbone."""
        facts = ("description", "attend", "query", "layers", "usual_layers", "smallest_image")
        return {fact: getattr(self[name], fact) for fact in facts}

    def make(self, name, image_size, width):
        """Builds the backbone with that name, for square images.

        Raises:
            ValueError: an unknown name, or a size or width that the backbone does not take.
            TypeError: a builder whose model is not functional.
        """
        require_choice("backbone", name, self)
        return require_functional(self[name].build((image_size, image_size, 3), width=width), "backbone")


BACKBONES = Backbones()

BACKBONES.register(
    "vgg16_bn",
    attend=("block3_pool", "block4_pool"),
    query="block5_pool",
    layers=layout.LAYER_NAMES,
    load=load_pretrained,
    smallest_image=layout.SMALLEST_IMAGE,
)(VGG16BN)

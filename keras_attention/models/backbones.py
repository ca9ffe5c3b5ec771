"""The backbones that settings and the command line name; what is registered here, both find."""

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
    """Puts weights that Keras saved of the same architecture, or of a classifier over it, into a backbone.

    Layers are found by their names, so that the rest of a classifier is left aside.

    Args:
        model: the backbone, a functional `keras.Model`.
        source: the path of a `.keras` or `.weights.h5` file.

    Returns:
        A `LoadedWeights`.

    Raises:
        ValueError: `"imagenet"`; a file that does not read or lacks a layer; arrays that do not fit or are not finite;
            two layers of one name. The backbone is as it was then.
    """
    if source == "imagenet":
        raise invalid(
            f"The backbone {model.name!r} has no weights of ImageNet.",
            "the path of a .keras or .weights.h5 file of the same architecture",
            "weights='imagenet'",
        )
    arrays, values = read_weight_file(source), []
    for layer, variables in _variables(model):
        found = [arrays.get(f"{layer}/{number}") for number in range(len(variables))]
        expected = [tuple(variable.shape) for variable in variables]
        received = [None if array is None else array.shape for array in found]
        if received != expected:
            what = f"The arrays of {layer} in {source} do not fit the backbone {model.name!r}."
            raise invalid(what, f"shapes {expected}", received)
        if not all(np.isfinite(array).all() for array in found):
            raise invalid(
                f"The weights of {layer} in {source} are not all finite.", "finite numbers", "NaN or infinity"
            )
        values += zip(variables, found, strict=True)
    for variable, array in values:
        variable.assign(array)
    return LoadedWeights("keras", True, ())


def _variables(model):
    """Pairs of the name of a layer and the variables that it holds itself, as Keras saves them."""
    pairs = [(each.name, each._trainable_variables + each._non_trainable_variables) for each in model._flatten_layers()]
    pairs = [(name, variables) for name, variables in pairs if variables]
    names = [name for name, _ in pairs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise invalid("Two layers of the backbone have one name.", "a name for each", ", ".join(twice))
    return pairs


@dataclasses.dataclass(frozen=True)
class Backbone:
    """How a backbone is built, and what attention takes of it where nothing else is asked for.

    Args:
        build: `build(input_shape, width=…)` → a functional `keras.Model` over raw RGB images from 0 to 255, with random
            weights; `width` is a factor on its number of filters. Every layer has a name of its own choice: weights and
            cached features go by names.
        attend: names of the layers that are attended.
        query: name of the layer whose map asks, and whose average the head takes.
        layers: names of all layers that give a map, in their order, against which settings are checked at once; where
            it is `None` they are checked when the network is built.
        load: `load(model, source)` → `LoadedWeights`, which puts pretrained weights into what was built.
        smallest_image: the least side of the images in pixels, at least 32.

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
        """What it is, the first line of the docstring of `build`."""
        return (self.build.__doc__ or "").strip().split("\n")[0]


class Backbones(Members):
    """A mapping from short name to `Backbone`.

    `TrainConfig(backbone=…)`, `--backbone` of the command line and `keras-attention list` go by it.

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
        """A decorator that lists a builder under `name`; the other arguments are those of `Backbone`."""

        def decorate(build):
            self.add(name, Backbone(build, tuple(attend), query, layers, load, smallest_image))
            return build

        return decorate

    def add(self, name, backbone):
        """Lists a `Backbone` under a name.

        A builder that is defined again, as by a cell of a notebook that runs twice, takes the place of what it was.

        Raises:
            ValueError: a name that another has, or nothing to attend to.
        """
        if name in self._members and not is_same(self[name].build, backbone.build):
            raise invalid(f"The backbone {name!r} is registered already.", "a name that is free", f"name={name!r}")
        if not backbone.attend:
            raise invalid(f"The backbone {name!r} attends to nothing.", "the names of layers", f"attend={()}")
        self._members[name] = backbone

    def make(self, name, image_size, width):
        """The backbone of that name, for square images.

        Raises:
            ValueError: an unknown name, or a size or width that it does not take.
            TypeError: a builder that gives no functional model.
        """
        require_choice("backbone", name, self)
        return require_functional(self[name].build((image_size, image_size, 3), width=width), "backbone")


def usual_layers(name):
    """The layers of a backbone by name that are usually attended: its poolings, else all that it names.

    What a backbone does not list is known when it is built; until then these are the layers that it attends.
    """
    known = BACKBONES[name].layers
    return usual_names(known, known) if known else BACKBONES[name].attend


BACKBONES = Backbones()

BACKBONES.register(
    "vgg16_bn",
    attend=("block3_pool", "block4_pool"),
    query="block5_pool",
    layers=layout.LAYER_NAMES,
    load=load_pretrained,
    smallest_image=layout.SMALLEST_IMAGE,
)(VGG16BN)

"""What can be chosen by name, as known without loading Keras, which takes seconds.

`members.json` is what the registries say of the scores, the alignments, the poolings, the gates, the regularizers of
maps and the backbones of this package. `python docs/tools/members.py` writes it, and a test compares it with them. As
soon as the registries are loaded, as custom members need, they themselves are asked.
"""

import functools
import importlib.resources
import json
import sys
import types
from collections.abc import Mapping

SPLITS = ("train", "validation", "test")
MODELS = "a run folder, an exported folder, or a .keras, .onnx, .tflite or .xml file"  # what loads
TUNERS = ("random", "grid", "hyperband", "bayesian")
BACKENDS = ("processes", "dask")  # where the runs of a comparison take place
UNTIL = ("settled",)  # until when seeds are added
BETWEEN = "/"  # between the names of alignments of which each has a part of the heads
PICTURE_FORMATS = ("png", "svg")  # formats of galleries
# Family → the module of its registry, and its name there.
REGISTRIES = {
    "score": ("layers", "SCORES"),
    "alignment": ("layers", "ALIGNMENTS"),
    "pooling": ("layers", "POOLINGS"),
    "gate": ("layers", "GATES"),
    "map_regularizer": ("layers", "MAP_REGULARIZERS"),
    "backbone": ("models", "BACKBONES"),
}


def parts_of(name):
    """The names in one that joins several by `/`, such as those of alignments of which each has a part of the heads.

    Example:

    >>> from keras_attention.members import parts_of
    >>> parts_of("softmax/sigmoid"), parts_of("softmax")
    (('softmax', 'sigmoid'), ('softmax',))
    """
    return tuple(name.split(BETWEEN))


def members(family):
    """A read-only mapping from the short names of a family to what is known of each.

    Args:
        family: a name in `REGISTRIES`.

    Returns:
        The mapping. A value has the attributes `description` and, of a layer, `options`, each with its default, and
        `searched`, those that a search tries; of a pooling or a gate `has_map` as well; of a backbone `attend`,
        `query`, `layers`, `usual_layers` and `smallest_image`, as in `Backbone`.

    Example:

    >>> from keras_attention.members import members
    >>> members("score")["dot"].description
    'e = qᵀk: no parameters; query and key have the same dimension d, and e grows with √d.'
    >>> members("backbone")["vgg16_bn"].attend
    ('block3_pool', 'block4_pool')
    """
    return _Known(family)


class _Known(Mapping):
    def __init__(self, family):
        self._family = family

    def __getitem__(self, name):
        registry = loaded(self._family)
        about = _table()[self._family][name] if registry is None else registry.about(name)
        return types.SimpleNamespace(**about)

    def __iter__(self):
        registry = loaded(self._family)
        return iter(_table()[self._family] if registry is None else registry)

    def __len__(self):
        return sum(1 for _ in self)


def loaded(family="score"):
    """The registry of a family; `None` as long as Keras and the layers of this package are not loaded."""
    home, name = REGISTRIES[family]
    return getattr(sys.modules.get(f"keras_attention.{home}"), name, None)


@functools.cache
def _table():
    text = importlib.resources.files("keras_attention").joinpath("members.json").read_text("utf-8")
    return json.loads(text, object_hook=lambda found: {name: _fixed(value) for name, value in found.items()})


def _fixed(value):
    """Lists of JSON as tuples, which they were."""
    return tuple(map(_fixed, value)) if isinstance(value, list) else value

"""Gates in a backbone: each follows one of its layers, so that whatever comes after it sees the gated features."""

from keras_attention.models.backbone import feature_layers, find_map, usual_layers
from keras_attention.models.nested import with_calls
from keras_attention.models.outputs import map_output, plain_name


def with_gates(backbone, gate, mapped=()):
    """The same backbone with a gate after each of its poolings, or after the last layer of each stride.

    Args:
        backbone: a functional Keras model over images, whose layers are shared.
        gate: a gate; each of these layers gets a new one of its kind.
        mapped: paths of the layers whose gate gives its map, if it has one; layers of a model inside the backbone give
            none.

    Returns:
        The backbone, and the path of each of these layers → the path of its gate.
    """
    gates, places, strides = {}, {}, {name: layer.stride for name, layer in feature_layers(backbone).items()}
    # A layer of stride 1 comes before all that the backbone learns to see, such as one that scales the images.
    for path in (find_map(backbone, name).path for name in usual_layers(backbone) if strides.get(name) != 1):
        name = plain_name("/".join(path))
        shows = gate.has_map and path in mapped and len(path) == 1
        gates[path] = named(gate, map_output(name) if shows else f"gate_{name}"), shows
        places[path] = (*path[:-1], gates[path][0].name)
    return _with_layers_after(backbone, gates), places


def gated(gate, name, features, shows):
    """The features of an attended layer after a new gate of a kind; the backbone stays as it is."""
    return _then(lambda map_: map_, named(gate, map_output(name) if shows else f"gate_{name}"), shows)(features)


def named(layer, name):
    """A new layer of the same kind, with this name."""
    return type(layer).from_config({**layer.get_config(), "name": name})


def _with_layers_after(model, following):
    """The model with layers after some of its layers, by their paths, also in the models inside it."""
    inside = {}
    for path, gate in following.items():
        inside.setdefault(path[0], {})[path[1:]] = gate
    replaced = {}
    for name, gates in inside.items():
        layer, after = model.get_layer(name), gates.pop((), None)
        call = _with_layers_after(layer, gates) if gates else layer
        replaced[layer] = _then(call, *after) if after else call
    return with_calls(model, replaced)


def _then(layer, gate, shows):
    """A function that calls a layer, and then its gate."""

    def call(*arguments, **options):
        features = layer(*arguments, **options)
        # The map is a tensor of the model only if it is asked for.
        return gate(features, return_attention_scores=True)[0] if shows else gate(features)

    return call

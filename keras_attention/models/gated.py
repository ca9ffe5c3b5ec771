"""Gates in a backbone: each follows one of its layers, so that whatever comes after it sees the gated features."""

import dataclasses

import keras

from keras_attention.arguments import invalid
from keras_attention.models.backbone import feature_layers, find_map, usual_layers
from keras_attention.models.nested import with_calls
from keras_attention.models.outputs import map_output, plain_name


@dataclasses.dataclass(frozen=True)
class Gates:
    """Gates of a kind for a backbone, or for its attended features.

    Args:
        gate: a gate; each gated layer gets a new one of its kind.
        in_backbone: whether a gate follows each pooling of the backbone, or the last layer of each stride; otherwise
            the attended features are gated on their way to the head, and the backbone stays as it is.
        give_maps: whether gates of attended layers give their maps, if they have one.
    """

    gate: keras.layers.Layer
    in_backbone: bool
    give_maps: bool

    def added_to(self, backbone, paths, attended):
        """The backbone with the gates, whose other layers are shared, and the paths with those of gates instead.

        Args:
            backbone: a functional Keras model over images.
            paths: paths of layers, of which the first `attended` are attended.
            attended: their number.
        """
        gates, places, mapped = {}, {}, paths[:attended]
        strides = {name: layer.stride for name, layer in feature_layers(backbone).items()}
        # A layer of stride 1 comes before all that the backbone learns to see, such as one that scales the images.
        for path in (find_map(backbone, name).path for name in usual_layers(backbone) if strides.get(name) != 1):
            # Tensors of a model inside the backbone are found by calling its layers again, which makes another map.
            gates[path] = self._new("/".join(path), path in mapped and all(len(each) == 1 for each in paths))
            places[path] = (*path[:-1], gates[path][0].name)
        return _with_layers_after(backbone, gates), [places.get(path, path) for path in paths]

    def of_features(self, features):
        """Pairs of an attended layer and its map, with the maps after new gates."""
        if not features:
            what = "Gates of the attended features need an attended layer."
            raise invalid(what, "at least one layer in `attend`, or `gate_backbone=True`", "attend=()")
        return [(name, _gated(map_, *self._new(name, True))) for name, map_ in features]

    def _new(self, layer, attended):
        """A new gate of a layer, and whether it gives its map."""
        shows = attended and self.give_maps and self.gate.has_map
        name = map_output(layer) if shows else f"gate_{plain_name(layer)}"
        return named(self.gate, name), shows


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
    return lambda *arguments, **options: _gated(layer(*arguments, **options), gate, shows)


def _gated(features, gate, shows):
    # The map is a tensor of the model only if it is asked for.
    return gate(features, return_attention_scores=True)[0] if shows else gate(features)

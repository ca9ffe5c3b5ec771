"""The names of the outputs of a model; every other module takes them from here."""

import keras
import numpy as np

from keras_attention.arguments import invalid
from keras_attention.layers import Gate, MapLayer
from keras_attention.models.nested import graph_of, has_graph

LOGITS, PROBABILITIES = "logits", "probabilities"
SQUASHING = (keras.activations.softmax, keras.activations.sigmoid)
SQUASHING_OPERATIONS = ("Softmax", "Sigmoid")  # what these functions are in a functional model
SMALLEST = 1e-37  # about the smallest float32: the logarithm of 0 is not finite
LABELS = "labels"  # an output of a SavedModel: the class names
MAP_PREFIX = "attention_"  # an attention layer and the output with its map are both called attention_<attended layer>
JOINT = "joint"  # the joint map, the product of the maps of all attended layers


def plain_name(layer):
    """The name or path of a layer with `.` for `/`, which names of layers, of files and of outputs may not contain."""
    return layer.replace("/", ".")


def map_output(attended):
    """The name of the output with the map of an attended layer, which is also the name of its attention layer."""
    return f"{MAP_PREFIX}{plain_name(attended)}"


def attended_layer(output):
    """The attended layer to which the map of an output belongs; for any other output, its name."""
    return output.removeprefix(MAP_PREFIX)


def map_outputs(outputs):
    """The names in `outputs` that belong to maps, in their order."""
    return [name for name in outputs if name.startswith(MAP_PREFIX)]


def attention_layers(model):
    """Attended layer → the `MapLayer` with its map, in the order of the model; empty if there is none."""
    layers = getattr(model, "layers", ())
    return {attended_layer(layer.name): layer for layer in layers if isinstance(layer, MapLayer) and shows_map(layer)}


def shows_map(layer):
    """Whether a `MapLayer` is there for its map: a gate, which also changes the features, is if it gives its map."""
    return layer.has_map and (not isinstance(layer, Gate) or gives_map(layer))


def gives_map(layer):
    """Whether the map of a layer is a tensor of the model."""
    return isinstance(layer.output, (tuple, list))


def require_attention_layers(model):
    """`attention_layers` of a model.

    Raises:
        ValueError: a model without attention layers.
    """
    found = attention_layers(model)
    if not found:
        name = getattr(model, "name", repr(model))
        raise invalid("The model must have attention layers.", "a model with `SpatialAttention` layers", name)
    return found


def attention_outputs(model):
    """The same graph with its maps: images → {"logits": (B, classes), "attention_<attended layer>": (B, H, W), …}.

    The map of several heads is their mean. If each class has a query, maps are `(B, classes, H, W)`. If the model has
    an activation, there is an output `"probabilities"` too. Without attention layers there are no maps.

    Args:
        model: a model built by `attention_classifier`, or loaded from a file.

    Returns:
        A model of the same class that shares all layers, so that losses can be given to these outputs by name.

    Example:

    >>> import numpy as np
    >>> from keras_attention.models import VGG16BN, attention_classifier, attention_outputs
    >>> model = attention_classifier(VGG16BN((32, 32, 3), width=0.05), 3, units=8)
    >>> outputs = attention_outputs(model).predict(np.zeros((2, 32, 32, 3)), verbose=0)
    >>> sorted(outputs), outputs["attention_block3_pool"].shape
    (['attention_block3_pool', 'attention_block4_pool', 'logits'], (2, 4, 4))
    """
    maps = {
        layer.name: layer.output[1] if layer.num_heads == 1 else keras.ops.mean(layer.output[1], axis=1)
        for layer in attention_layers(model).values()
        if gives_map(layer)
    }
    found = {layer.name: layer.output for layer in model.layers if layer.name in (LOGITS, PROBABILITIES)}
    found = (found if LOGITS in found else _of_output(model.output)) | found
    outputs = {LOGITS: found[LOGITS], **maps, **found}
    return type(model)(model.input, outputs, name=f"{model.name}_outputs")


def squashed(output):
    """Whether an output of a functional model is probabilities: of a softmax or sigmoid, or of a layer with either.

    If it comes from a model inside the model, that output of the model inside counts.
    """
    operation, _, index = output._keras_history
    if has_graph(operation):
        return squashed(graph_of(operation).outputs[index])
    if isinstance(operation, keras.layers.Layer):
        return isinstance(operation, keras.layers.Softmax) or getattr(operation, "activation", None) in SQUASHING
    return type(operation).__name__ in SQUASHING_OPERATIONS


def before_squashing(output):
    """The symbolic input of the softmax or sigmoid that is the last operation or layer; `None` if it is part of one."""
    operation, node, _ = output._keras_history
    alone = not isinstance(operation, keras.layers.Layer) or isinstance(
        operation, (keras.layers.Softmax, keras.layers.Activation)
    )
    # A layer that is called twice has no `input`.
    return operation._inbound_nodes[node].input_tensors[0] if alone and squashed(output) else None


def _of_output(output):
    """Logits, and probabilities if the output is probabilities; log p serves as logits that are inside a layer."""
    if not squashed(output):
        return {LOGITS: output}
    logits = before_squashing(output)
    if logits is None:
        logits = keras.ops.log(keras.ops.maximum(output, SMALLEST))
    return {LOGITS: logits, PROBABILITIES: output}


def with_probabilities(outputs):
    """The outputs of a classifier with probabilities: those of the model, or softmax if it has no activation."""
    return {PROBABILITIES: keras.ops.softmax(outputs[LOGITS]), **outputs}


def maps_of(outputs):
    """Attended layer → its maps `(B, H, W)`, from arrays by name; of maps for each class, those of the best class."""
    maps = {attended_layer(name): outputs[name] for name in map_outputs(outputs)}
    rows, best = np.arange(len(outputs[LOGITS])), outputs[LOGITS].argmax(-1)
    return {name: values if values.ndim == 3 else values[rows, best] for name, values in maps.items()}

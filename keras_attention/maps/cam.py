"""Grad-CAM: which positions of a feature map support a class, found from gradients without attention."""

import keras
import numpy as np

from keras_attention.arguments import invalid, require_choice
from keras_attention.maps.attention import RESOLUTIONS
from keras_attention.maps.classifier import Classifier, check_images, functional, in_batches
from keras_attention.maps.gradient import gradient
from keras_attention.maps.placed import place, resize_maps
from keras_attention.models.backbone import feature_layers, feature_map
from keras_attention.models.grids import layer_grids
from keras_attention.precision import in_float32, quantized_layers

GRAD_CAM, GRAD_CAM_TITLE = "grad_cam", "Grad-CAM"


def grad_cam(model, images, layer=None, class_index=None, resolution="map", batch_size=32):
    """ReLU(Σ_c α_c A_c), with α_c the mean over the positions of ∂y/∂A_c: A the features of a layer, y a logit.

    The logit is differentiated, not the probability, which is flat if the network is sure. The computation is in
    float32, whatever the precision of the model. If a dense layer on the average over the positions of A gives the
    logits, the result is CAM divided by the number of positions, cut at 0.

    Args:
        model: a functional model, images → `(B, classes)`, logits or probabilities.
        images: `(B, height, width, 3)` as the model takes them.
        layer: a layer whose output is a feature map `(B, H, W, C)`, or its name; `None` is the last one before the
            last pooling layer.
        class_index: the class to explain: one for all images, or one for each; `None` is the most probable.
        resolution: `"map"` for the positions of the layer, or `"image"` for the size of the images.
        batch_size: images at a time.

    Returns:
        float32 `(B, H, W)`, at least 0, not scaled, as `PlacedMaps`. A map of zeros means that nothing in A
        supports the class.

    Raises:
        TypeError: a model that is not functional.
        ValueError: a layer that the model does not have or that gives no feature map, images that the model does not
            take, or a class that it does not have.

    Example:

    >>> import numpy as np
    >>> from keras_attention import VGG16BN, attention_classifier
    >>> from keras_attention.maps import grad_cam
    >>> model = attention_classifier(VGG16BN((32, 32, 3), width=0.05), 3, units=8)
    >>> images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3))
    >>> grad_cam(model, images, "block4_pool", class_index=1).shape
    (2, 2, 2)

    Reference:
        Selvaraju et al., *Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization*, ICCV 2017,
        eqs. 1 and 2.
    """
    return GradCam(model, layer)(images, class_index, resolution, batch_size)


class GradCam:
    """`grad_cam` of one layer of a model, prepared once for many calls.

    Args:
        model, layer: as in `grad_cam`.

    Call arguments:
        images, class_index, resolution, batch_size: as in `grad_cam`.

    Returns:
        What `grad_cam` returns.

    Raises:
        TypeError, ValueError: as `grad_cam`; for a wrong model or layer already when it is created.

    Example:

    >>> import numpy as np
    >>> from keras_attention import VGG16BN, attention_classifier
    >>> from keras_attention.maps import GradCam
    >>> camera = GradCam(attention_classifier(VGG16BN((32, 32, 3), width=0.05), 3, units=8))
    >>> camera.layer
    'block5_relu3'
    >>> images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3))
    >>> [camera(images, class_index, resolution="image").shape for class_index in range(3)]
    [(2, 32, 32), (2, 32, 32), (2, 32, 32)]
    """

    def __init__(self, model, layer=None):
        model = functional(model)
        layer = layer.name if isinstance(layer, keras.layers.Layer) else layer
        self.layer = default_layer(model) if layer is None else layer
        feature_map(model, self.layer)  # raises if the layer gives no feature map
        _require_gradient(model)
        self.classifier = Classifier(in_float32(model))
        self.model = self.classifier.model
        self.lower, self.upper = self._parts()

    def __call__(self, images, class_index=None, resolution="map", batch_size=32):
        require_choice("resolution", resolution, RESOLUTIONS)
        images = check_images(self.model, images)
        classes = self.classifier.classes(images, class_index, batch_size)
        batches = zip(in_batches(images, batch_size), in_batches(classes, batch_size), strict=True)
        maps = np.concatenate([self._maps(self.lower.predict_on_batch(batch), chosen) for batch, chosen in batches])
        size = images.shape[1:3]
        maps = place({self.layer: maps}, layer_grids(self.model, size))[self.layer]
        return maps if resolution == "map" else resize_maps(maps, size)

    def _parts(self):
        """The model in two parts, cut at the layer: images → (features, other tensors), and these → logits.

        The other tensors reach the logits without passing through the features. With them as inputs, the second part
        has the derivative over all paths from the features to the logits.
        """
        features, logits = self.model.get_layer(self.layer).output, self.classifier.logits
        tensors = [features, *_other_tensors(features, logits)]
        # In a dictionary, because a model with a list of one output returns it without the list.
        numbered = {str(number): tensor for number, tensor in enumerate(tensors)}
        return keras.Model(self.model.inputs[0], numbered), keras.Model(tensors, logits)

    def _maps(self, tensors, classes):
        """The maps of a batch, from the features and the other tensors that the logits depend on."""
        features, *others = (tensors[str(number)] for number in range(len(tensors)))
        chosen = keras.ops.convert_to_tensor(self.classifier.signs(classes), "float32")
        others = [keras.ops.convert_to_tensor(tensor) for tensor in others]

        def logits_of_classes(tensor):
            # A logit depends only on the features of its image, so the derivative of the sum is that of each logit.
            return keras.ops.sum(self.upper([tensor, *others], training=False) * chosen)

        slope = gradient(logits_of_classes, features)
        weights = slope.mean(axis=(1, 2), keepdims=True)
        return np.maximum((weights * features).sum(axis=-1), 0).astype("float32")


def default_layer(model):
    """The last layer that gives a feature map of several positions and is not a pooling layer."""
    names = [name for name in feature_layers(model) if "pool" not in type(model.get_layer(name)).__name__.lower()]
    if not names:
        raise invalid(
            "The model has no feature map.", "a layer that gives (batch, height, width, channels)", model.name
        )
    return names[-1]


def _other_tensors(features, logits):
    """The tensors that determine the logits together with the features, and do not depend on the features."""
    inputs_of = _graph(logits)
    consumers = {}
    for name, (_, inputs) in inputs_of.items():
        for each in inputs:
            consumers.setdefault(_name(each), []).append(name)
    downstream, waiting = set(), [_name(features)]
    while waiting:
        name = waiting.pop()
        if name not in downstream:
            downstream.add(name)
            waiting += consumers.get(name, [])
    if _name(logits) not in downstream:
        expected = "a layer between images and logits, of the model itself and not of a model inside it"
        raise invalid("The logits must depend on the layer.", expected, f"layer of {features.name}")
    taken = {_name(each): each for name in downstream - {_name(features)} for each in inputs_of[name][1]}
    return [tensor for name, tensor in taken.items() if name not in downstream]


def _graph(output):
    """Name of an output and of each tensor that it depends on → (the tensor, the tensors it is computed from)."""
    graph, waiting = {}, [output]
    while waiting:
        tensor = waiting.pop()
        if _name(tensor) not in graph:
            history = tensor._keras_history
            inputs = history.operation._inbound_nodes[history.node_index].input_tensors
            graph[_name(tensor)] = tensor, inputs
            waiting += inputs
    return graph


def _name(tensor):
    """A unique key of a symbolic tensor: the operation that made it, the call, and the index of the result."""
    history = tensor._keras_history
    return id(history.operation), history.node_index, history.tensor_index


def _require_gradient(model):
    """Raises `ValueError` for layers in float8, whose gradient Keras defines for training only."""
    layers = [name for name, mode in quantized_layers(model).items() if mode == "float8"]
    if layers:
        expected = "a model in float, which `keras-attention export --quantize` makes smaller"
        raise invalid("Grad-CAM needs a gradient, which layers in float8 do not have.", expected, ", ".join(layers))

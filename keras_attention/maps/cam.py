"""Grad-CAM: which positions of a feature map support a class, found from gradients without attention."""

import keras
import numpy as np

from keras_attention.arguments import invalid, require_choice
from keras_attention.maps.attention import RESOLUTIONS
from keras_attention.maps.classifier import Classifier, check_images, functional, in_batches
from keras_attention.maps.gradient import gradient
from keras_attention.maps.placed import place, resize_maps
from keras_attention.models.backbone import feature_layers, find_map
from keras_attention.models.grids import layer_grids
from keras_attention.models.nested import cut_at, parts, places
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
        layer: a layer whose output is a feature map `(B, H, W, C)`, or its name, as in `feature_layers`; `None` is the
            last one before the last pooling layer.
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
        place = find_map(model, default_layer(model) if layer is None else _name_of(model, layer))
        self.layer = place.name
        _require_gradient(model)
        self.model = in_float32(model)
        whole, features = cut_at(self.model, place.path)
        self.classifier = Classifier(whole)
        self.lower, self.upper = parts(keras.Model(whole.inputs[0], self.classifier.logits), features)

    def __call__(self, images, class_index=None, resolution="map", batch_size=32):
        require_choice("resolution", resolution, RESOLUTIONS)
        images = check_images(self.model, images)
        classes = self.classifier.classes(images, class_index, batch_size)
        batches = zip(in_batches(images, batch_size), in_batches(classes, batch_size), strict=True)
        maps = np.concatenate([self._maps(self.lower.predict_on_batch(batch), chosen) for batch, chosen in batches])
        size = images.shape[1:3]
        maps = place({self.layer: maps}, layer_grids(self.model, size))[self.layer]
        return maps if resolution == "map" else resize_maps(maps, size)

    def _maps(self, tensors, classes):
        """The maps of a batch, from the features and the other tensors that the logits depend on."""
        features, *others = keras.tree.flatten(tensors)
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
    maps = feature_layers(model)
    kinds = {place.name: type(place.layer).__name__.lower() for place in places(model)}
    names = [name for name in maps if "pool" not in kinds[name]]
    if not names:
        raise invalid(
            "The model has no feature map.", "a layer that gives (batch, height, width, channels)", model.name
        )
    return names[-1]


def _name_of(model, layer):
    """The path of a layer of a model; the name of a layer of another model, or the given name."""
    paths = ["/".join(place.path) for place in places(model) if place.layer is layer]
    return paths[0] if paths else getattr(layer, "name", layer)


def _require_gradient(model):
    """Raises `ValueError` for layers in float8, whose gradient Keras defines for training only."""
    layers = [name for name, mode in quantized_layers(model).items() if mode == "float8"]
    if layers:
        expected = "a model in float, which `keras-attention export --quantize` makes smaller"
        raise invalid("Grad-CAM needs a gradient, which layers in float8 do not have.", expected, ", ".join(layers))

"""Attention maps of a model, at the resolution of the attended layers or of the images."""

import functools

import keras
import numpy as np

from keras_attention.arguments import require_choice
from keras_attention.maps.classifier import Classifier, check_images, in_batches
from keras_attention.maps.placed import place, resize_maps
from keras_attention.models.grids import map_grids
from keras_attention.models.outputs import gives_map, require_attention_layers

RESOLUTIONS = ("map", "image")
KINDS = ("weights", "probabilities", "choice")


def attention_maps(model, images, resolution="map", per_head=False, kind="weights", class_index=None, batch_size=32):
    """The maps of a model with attention layers.

    Args:
        model: any functional model with `SpatialAttention` layers or others with maps, such as `attention_classifier`
            builds, or one loaded from a file.
        images: `(B, height, width, 3)` from 0 to 255, as the model takes them.
        resolution: `"map"` for the positions of the attended layers, or `"image"` for the size of the images; maps are
            then resized as by `resize_maps`.
        per_head: whether to return a map for each head; otherwise the heads are averaged.
        kind: `"weights"`; for an alignment that samples also `"probabilities"` (`hard`: that a position is the chosen
            one; `reinforced`: that a position is kept) or `"choice"`, 1 where it looks and 0 elsewhere.
        class_index: for attention with a map for each class (`query="classes"`), the class whose map to return: one for
            all images, or one for each; `None` is the class with the largest output.
        batch_size: images at a time.

    Returns:
        Name of each attended layer, such as `"block3_pool"` → its map, float32 `(B, H, W)`, in the order of the model;
        with `per_head`, `(B, h, H, W)`. They are `PlacedMaps`, arrays that know where in the image they lie. An
        attention layer that is not named `attention_<attended layer>` appears under its full name.

    Raises:
        ValueError: a model without attention layers, images that it does not take, a `kind` that an alignment does not
            have, or a class that the model does not have.

    Example:

    >>> import numpy as np
    >>> from keras_attention import VGG16BN, attention_classifier
    >>> from keras_attention.maps import attention_maps
    >>> model = attention_classifier(VGG16BN((32, 32, 3), width=0.05), 3, units=8)
    >>> images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3))
    >>> {name: maps.shape for name, maps in attention_maps(model, images).items()}
    {'block3_pool': (2, 4, 4), 'block4_pool': (2, 2, 2)}
    >>> attention_maps(model, images, resolution="image")["block4_pool"].shape
    (2, 32, 32)
    """
    return AttentionMaps(model)(images, resolution, per_head, kind, class_index, batch_size)


class AttentionMaps:
    """`attention_maps` of one model, prepared once for many calls.

    Args:
        model: as in `attention_maps`.

    Call arguments:
        images, resolution, per_head, kind, class_index, batch_size: as in `attention_maps`.

    Returns:
        What `attention_maps` returns.

    Raises:
        ValueError: as `attention_maps`; for a model without attention layers already when it is created.

    Example:

    >>> import numpy as np
    >>> from keras_attention import VGG16BN, attention_classifier
    >>> from keras_attention.maps import AttentionMaps
    >>> maps_of = AttentionMaps(attention_classifier(VGG16BN((32, 32, 3), width=0.05), 3, units=8))
    >>> for frame in np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)):
    ...     print(maps_of(frame[None])["block3_pool"].shape)
    (1, 4, 4)
    (1, 4, 4)
    """

    def __init__(self, model):
        self.model, self.layers = model, require_attention_layers(model)

    def __call__(self, images, resolution="map", per_head=False, kind="weights", class_index=None, batch_size=32):
        require_choice("resolution", resolution, RESOLUTIONS)
        require_choice("kind", kind, KINDS)
        images = check_images(self.model, images)
        in_graph = kind == "weights" and all(gives_map(layer) for layer in self.layers.values())
        maps = self._from_graph(images, batch_size) if in_graph else self._from_inputs(images, kind, batch_size)
        maps = self._of_classes(maps, images, class_index, batch_size)
        for name, layer in self.layers.items():
            heads = maps[name] if layer.num_heads > 1 else maps[name][:, None]
            maps[name] = heads if per_head else heads.mean(axis=1)
        size = images.shape[1:3]
        maps = place(maps, map_grids(self.model, size))
        return maps if resolution == "map" else {name: resize_maps(values, size) for name, values in maps.items()}

    @functools.cached_property
    def _outputs(self):
        return keras.Model(self.model.input, {name: layer.output[1] for name, layer in self.layers.items()})

    @functools.cached_property
    def _inputs(self):
        return keras.Model(
            self.model.input, {name: keras.tree.flatten(layer.input) for name, layer in self.layers.items()}
        )

    @functools.cached_property
    def _classifier(self):
        return Classifier(self.model)

    def _from_graph(self, images, batch_size):
        predicted = self._outputs.predict(images, batch_size=batch_size, verbose=0)
        return {name: np.asarray(predicted[name], "float32") for name in self.layers}

    def _from_inputs(self, images, kind, batch_size):
        """Maps that are not tensors of the graph, computed from the inputs of each attention layer."""
        parts = {name: [] for name in self.layers}
        for batch in in_batches(images, batch_size):
            for name, given in self._inputs.predict_on_batch(batch).items():
                parts[name].append(np.asarray(_computed(self.layers[name], kind, *given), "float32"))
        return {name: np.concatenate(arrays) for name, arrays in parts.items()}

    def _of_classes(self, maps, images, class_index, batch_size):
        """The maps, with only the wanted classes for each layer that has one query for each class."""
        per_class = [name for name, layer in self.layers.items() if layer.maps_each_class]
        if not per_class:
            return maps
        classes, rows = self._classifier.classes(images, class_index, batch_size), np.arange(len(images))
        # The axis of the classes comes before height and width.
        return maps | {name: np.moveaxis(maps[name], -3, 1)[rows, classes] for name in per_class}


def _computed(layer, kind, *inputs):
    if kind == "weights":
        found = layer(*inputs, return_attention_scores=True)[1]
    else:
        found = layer.policy(*inputs)[KINDS.index(kind) - 1]
    return keras.ops.convert_to_numpy(found)

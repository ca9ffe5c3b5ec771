"""MapLayer: what all layers that weigh the positions of a feature map have in common."""

import keras

from keras_attention.arguments import invalid


class MapLayer(keras.layers.Layer):
    """Base of the layers that weigh the positions of a feature map, and return the map of the weights on request.

    A model finds, draws, teaches and exports the maps of its layers by these attributes, whatever computes the weights:

    - `has_map`: whether the layer can return its map, by `return_attention_scores=True`.
    - `averages`: whether each weight is from 0 to 1 by itself, and not a share of a sum of 1.
    - `varies`: whether the map follows from the features and may have any weights, so that one that stays even, or at a
      single position, shows that the layer learns nothing.
    - `num_heads`: the number of maps for each image, besides those of several queries.

    Example:

    >>> from keras_attention.layers import SimPool, SpatialAttention
    >>> SimPool().averages, SpatialAttention("additive", "sigmoid").averages
    (False, True)
    """

    has_map = True
    averages = False
    varies = True
    num_heads = 1

    @property
    def kind(self):
        """What weighs the positions, as plain data: the name of each part by its family."""
        raise NotImplementedError(f"{type(self).__name__} must define `kind`, the names of its parts.")

    @property
    def attended(self):
        """The feature map whose positions are weighed, as a symbolic tensor of the model that the layer is in."""
        return keras.tree.flatten(self.input)[-1]

    @property
    def maps_each_class(self):
        """Whether each of several queries, such as those of the classes, has a separate map."""
        return False

    def check(self, features, return_attention_scores):
        """Raises `ValueError` for features of another rank, and if a map is asked for that the layer does not have."""
        if len(features.shape) != 4:
            raise invalid("The features must be a feature map.", "(batch, height, width, channels)", features.shape)
        if return_attention_scores and not self.has_map:
            name = " + ".join(self.kind.values())
            raise invalid(f"`{name}` has no map.", "`return_attention_scores=False`", "return_attention_scores=True")

    def compute_output_spec(self, features, return_attention_scores=False):
        self.check(features, return_attention_scores)
        output = keras.KerasTensor(self.compute_output_shape(features.shape), dtype=self.compute_dtype)
        if not return_attention_scores:
            return output
        heads = () if self.num_heads == 1 else (self.num_heads,)
        return output, keras.KerasTensor((features.shape[0], *heads, *features.shape[1:3]), dtype="float32")

    def policy(self, *inputs):
        """The probabilities from which a layer samples its map; raises `ValueError`, as this layer samples nothing."""
        kind = " + ".join(self.kind.values())
        raise invalid("The layer must be one that samples.", "an alignment that samples, such as hard", kind)

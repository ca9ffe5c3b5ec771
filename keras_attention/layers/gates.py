"""Gates of a feature map that the field compares attention with: squeeze-and-excitation, CBAM and ECA."""

import math

import keras
from keras import ops

from keras_attention.arguments import invalid, require_integer
from keras_attention.layers.map_layer import MapLayer
from keras_attention.registry import Registry

GATES = Registry("gate")


class Gate(MapLayer):
    """Base of the gates, feature map → feature map of the same shape, each number times one from 0 to 1.

    Call arguments:
        features: `(B, H, W, C)`.

    Returns:
        `(B, H, W, C)` in the compute dtype.

    Raises:
        ValueError: features of another rank.

    Example:

    >>> import keras, numpy as np
    >>> from keras_attention.layers import Gate
    >>> class ScaleGate(Gate):
    ...     def build_gate(self, channels):
    ...         self.scale = self.add_weight(shape=(channels,), initializer="zeros")
    ...     def call(self, features):
    ...         return features * keras.ops.sigmoid(self.scale)
    >>> np.asarray(ScaleGate()(np.ones((1, 1, 1, 2), "float32")))
    array([[[[0.5, 0.5]]]], dtype=float32)
    """

    has_map = False

    @property
    def kind(self):
        return {"gate": GATES.name_of(self)}

    def build(self, features_shape):
        if len(features_shape) != 4:
            raise invalid("The features must be a feature map.", "(batch, height, width, channels)", features_shape)
        self.build_gate(features_shape[-1])

    def build_gate(self, channels):
        """Makes the weights for so many channels."""
        raise NotImplementedError(f"{type(self).__name__} must define `build_gate`, its weights.")

    def compute_output_shape(self, features_shape):
        return features_shape


class ReducingGate(Gate):
    """Base of the gates with a hidden layer of C/r units, at least one.

    Args:
        reduction: r, at least 1.
    """

    def __init__(self, reduction=16, **kwargs):
        super().__init__(**kwargs)
        self.reduction = require_integer("reduction", reduction, at_least=1)

    def build_gate(self, channels):
        hidden = max(1, channels // self.reduction)
        self.squeeze = keras.layers.Dense(hidden, "relu", name="squeeze", dtype=self.dtype_policy)
        self.excite = keras.layers.Dense(channels, name="excite", dtype=self.dtype_policy)
        self.squeeze.build((None, channels))
        self.excite.build((None, hidden))

    def get_config(self):
        return {**super().get_config(), "reduction": self.reduction}


@GATES.register("se")
class SqueezeExcitation(ReducingGate):
    """y = x · σ(W₂ relu(W₁ mean(x))): a gate for each channel, from the averages of all channels.

    Args:
        reduction: r; the hidden layer has C/r units.

    Raises:
        ValueError: a reduction below 1.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import SqueezeExcitation
    >>> SqueezeExcitation()(np.ones((2, 7, 5, 32), "float32")).shape
    TensorShape([2, 7, 5, 32])

    Reference:
        Hu, Shen, Sun, *Squeeze-and-Excitation Networks*, CVPR 2018, eqs. 2 to 4.
    """

    def call(self, features):
        gate = ops.sigmoid(self.excite(self.squeeze(ops.mean(features, axis=(1, 2)))))
        return features * gate[:, None, None]


@GATES.register("cbam")
class ConvolutionalBlockAttention(ReducingGate):
    """y = x′ · σ(f([mean x′ ; max x′])), x′ = x · σ(MLP(mean x) + MLP(max x)): a gate of channels, then of places.

    The first mean and maximum are over the positions, the second over the channels; f is a convolution of 7 × 7.

    Args:
        reduction: r; the hidden layer of the MLP has C/r units.
        kernel_size: the side of the convolution, at least 1.

    Call arguments:
        return_attention_scores: whether to return the gate of the positions too, `(B, H, W)` in float32.

    Raises:
        ValueError: a number below 1.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import ConvolutionalBlockAttention
    >>> layer = ConvolutionalBlockAttention()
    >>> gated, gate = layer(np.ones((2, 7, 5, 32), "float32"), return_attention_scores=True)
    >>> gated.shape, gate.shape
    (TensorShape([2, 7, 5, 32]), TensorShape([2, 7, 5]))

    Reference:
        Woo, Park, Lee, Kweon, *CBAM: Convolutional Block Attention Module*, ECCV 2018, eqs. 1 to 3.
    """

    has_map = averages = True

    def __init__(self, reduction=16, kernel_size=7, **kwargs):
        super().__init__(reduction, **kwargs)
        self.kernel_size = require_integer("kernel_size", kernel_size, at_least=1)

    def build_gate(self, channels):
        super().build_gate(channels)
        options = {"padding": "same", "use_bias": False, "data_format": "channels_last", "dtype": self.dtype_policy}
        self.place = keras.layers.Conv2D(1, self.kernel_size, name="place", **options)
        self.place.build((None, None, None, 2))

    def call(self, features, return_attention_scores=False):
        pooled = ops.mean(features, axis=(1, 2)), ops.max(features, axis=(1, 2))
        features = features * ops.sigmoid(sum(self.excite(self.squeeze(each)) for each in pooled))[:, None, None]
        over_channels = [reduce(features, axis=-1, keepdims=True) for reduce in (ops.mean, ops.max)]
        gate = ops.sigmoid(self.place(ops.concatenate(over_channels, axis=-1)))
        gated = features * gate
        return (gated, ops.cast(gate[..., 0], "float32")) if return_attention_scores else gated

    def get_config(self):
        return {**super().get_config(), "kernel_size": self.kernel_size}


@GATES.register("eca")
class EfficientChannelAttention(Gate):
    """y = x · σ(w ∗ mean(x)): a gate for each channel, from the averages of its k neighbours among the channels.

    k is the odd number nearest above (log₂ C + 1)/2, unless another is given.

    Args:
        kernel_size: k, at least 1; `None` is the rule.

    Raises:
        ValueError: k below 1.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import EfficientChannelAttention
    >>> layer = EfficientChannelAttention()
    >>> layer(np.ones((2, 7, 5, 256), "float32")).shape, layer.weights[0].shape
    (TensorShape([2, 7, 5, 256]), TensorShape([5, 1, 1]))

    Reference:
        Wang et al., *ECA-Net: Efficient Channel Attention for Deep Convolutional Neural Networks*, CVPR 2020, eqs. 8
        and 12.
    """

    def __init__(self, kernel_size=None, **kwargs):
        super().__init__(**kwargs)
        self.kernel_size = None if kernel_size is None else require_integer("kernel_size", kernel_size, at_least=1)

    def build_gate(self, channels):
        whole = int((math.log2(channels) + 1) / 2)
        size = self.kernel_size or (whole if whole % 2 else whole + 1)
        options = {"padding": "same", "use_bias": False, "data_format": "channels_last", "dtype": self.dtype_policy}
        self.neighbours = keras.layers.Conv1D(1, size, name="neighbours", **options)
        self.neighbours.build((None, channels, 1))

    def call(self, features):
        gate = ops.sigmoid(self.neighbours(ops.mean(features, axis=(1, 2))[..., None]))
        return features * ops.swapaxes(gate, 1, 2)[:, None]

    def get_config(self):
        return {**super().get_config(), "kernel_size": self.kernel_size}

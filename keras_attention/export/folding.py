"""Batch normalization folded into the layers before it: fewer operations, the same function."""

import collections
import functools

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from keras_attention.models.nested import graph_of, has_graph

# Layer that a normalization can be folded into → how many of the last axes of its kernel form the output channels.
FOLDABLE = {layers.Conv1D: 1, layers.Conv2D: 1, layers.Conv3D: 1, layers.Dense: 1, layers.DepthwiseConv2D: 2}

# Layers that change images in training only, and hold random states that some formats lack; all but `RandomCrop`.
AUGMENTATION = tuple(
    layer for name, layer in vars(layers).items() if name.startswith("Random") and layer is not layers.RandomCrop
)


def fold_batch_normalization(model):
    """The same function with fewer operations, for inference only.

    Layers that change images in training only are left out.

    At inference a batch normalization is y = γ(x − μ)/√(σ² + ε) + β with constants. After a linear layer x = w∗i + b,
    the two together are one linear layer with the kernel γw/√(σ² + ε) and the bias γ(b − μ)/√(σ² + ε) + β. They are
    joined if the linear layer is a convolution or a dense layer without an activation whose output only the
    normalization reads; otherwise the normalization stays. The arithmetic is done in float64.

    Args:
        model: a functional model; it is not changed.

    Returns:
        A new `keras.Model` with the same inputs and outputs, without the normalizations that were folded.

    Reference:
        Jacob et al., *Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference*,
        CVPR 2018, section 3.2.
    """
    normalization_of = _foldable(model)
    copies = {}

    def copy(operation):
        if operation not in copies:
            copies[operation] = _copy(operation, operation in normalization_of)
        return copies[operation]

    def call(operation, *args, **kwargs):
        return args[0] if operation in gone else operation(*args, **kwargs)

    gone = {copy(normalization) for normalization in normalization_of.values()}
    gone |= {copy(layer) for layer in model.layers if isinstance(layer, AUGMENTATION)}
    plain = keras.Model(model.input, model.output, name=model.name)
    folded = keras.models.clone_model(plain, clone_function=copy, call_function=call)
    for original, layer in copies.items():
        if original in normalization_of:
            layer.set_weights(_folded_weights(original, normalization_of[original]))
        elif layer not in gone and isinstance(layer, keras.Layer) and not has_graph(original):
            layer.set_weights(original.get_weights())
            _with_constants(layer)
    return folded


def _with_constants(layer):
    """Makes the statistics of a `Normalization` arrays, which every format holds as constants and not as inputs."""
    if isinstance(layer, layers.Normalization):
        layer.mean, layer.variance = (np.asarray(values) for values in (layer.mean, layer.variance))


def _foldable(model):
    """Linear layer → the batch normalization after it, for the pairs that can be joined."""
    # Each call of a layer is a node, so the inputs of each call of a shared layer are counted.
    nodes = [node for depth in model._nodes_by_depth.values() for node in depth]
    calls = collections.Counter(node.operation for node in nodes)
    read = collections.Counter(id(tensor) for node in nodes for tensor in node.input_tensors)
    read.update(id(tensor) for tensor in keras.tree.flatten(model.output))
    makers = {id(tensor): node.operation for node in nodes for tensor in node.output_tensors}
    pairs = {}
    for node in nodes:
        if type(node.operation) is layers.BatchNormalization:
            source = id(node.input_tensors[0])
            alone = read[source] == 1 and calls[node.operation] == calls[makers[source]] == 1
            if alone and _can_join(makers[source], node.operation):
                pairs[makers[source]] = node.operation
    return pairs


def _can_join(linear, normalization):
    """Whether a layer is linear and the normalization is over its last axis."""
    if type(linear) not in FOLDABLE or linear.activation is not keras.activations.linear:
        return False
    last_axis = getattr(linear, "data_format", "channels_last") == "channels_last"
    return last_axis and normalization.axis in (-1, len(linear.output.shape) - 1)


def _copy(operation, with_bias):
    """A layer with the same settings but new weights; an operation that is not a layer as it is."""
    if has_graph(operation):
        # A `Sequential` has its graph inside.
        graph = graph_of(operation)
        return fold_batch_normalization(keras.Model(graph.input, graph.output, name=operation.name))
    if not isinstance(operation, keras.Layer):
        return operation
    config = operation.get_config()
    layer = type(operation).from_config(config | {"use_bias": True} if with_bias else config)
    if getattr(layer, "groups", 1) > 1 and hasattr(layer, "convolution_op"):
        layer.convolution_op = functools.partial(_convolution, layer)
    return layer


def _convolution(layer, inputs, kernel):
    """A convolution of groups, as TensorFlow has it; Keras compiles it with XLA, whose functions other formats lack."""
    layout = {"channels_last": "N{}C", "channels_first": "NC{}"}[layer.data_format].format("DHW"[-layer.rank :])
    found = tf.nn.convolution(inputs, kernel, layer.strides, layer.padding.upper(), layout, layer.dilation_rate)
    # Keeps it apart from a bias or a normalization: TensorFlow joins them, and without oneDNN, which it has only on
    # some processors, it then refuses groups (https://github.com/tensorflow/tensorflow/issues/53631).
    return tf.ensure_shape(found, found.shape)


def _folded_weights(linear, normalization):
    kernel, *bias = (np.asarray(weight, "float64") for weight in linear.get_weights())
    factor, shift = _factor_and_shift(normalization)
    channels = kernel.shape[-FOLDABLE[type(linear)] :]
    return [kernel * factor.reshape(channels), (bias[0] if bias else 0.0) * factor + shift]


def _factor_and_shift(normalization):
    """y = factor·x + shift: the factor and shift of a batch normalization at inference."""
    mean, variance = (np.asarray(values, "float64") for values in normalization.get_weights()[-2:])
    factor = 1 / np.sqrt(variance + normalization.epsilon)
    if normalization.scale:
        factor = factor * np.asarray(normalization.gamma, "float64")
    return factor, (np.asarray(normalization.beta, "float64") if normalization.center else 0.0) - mean * factor

"""The cost of a network: parameters, operations, time of a training step and of an image at inference, peak memory.

Each variant is measured in a separate process, so that its memory is not mixed with another's. Calls of the variant and
of the plain network alternate in the same process, so that changes in the machine's speed cancel in their ratio.
"""

import pathlib
import re

import numpy as np
import tensorflow as tf

from keras_attention.comparison.tasks import register_members
from keras_attention.data import ImageDataset
from keras_attention.models.outputs import LOGITS
from keras_attention.timing import medians
from keras_attention.training import build_model, compile_network, make_stages
from keras_attention.training.networks import make_backbone, make_variables

REPEATS = (5, 40)  # least and most
SECONDS_OF_MEASURING = 3.0
MEGABYTE = 1e6


def measure_cost(config, reference, image_size, class_names, members=()):
    """Measures the cost of the network of a configuration, and the times of a reference.

    A training step belongs to the last stage, which trains most of the network, and takes a batch of
    `config.batch_size`. If the features of a frozen backbone are cached, it starts from them. Inference always starts
    from images.

    Args:
        config: the `TrainConfig` to measure.
        reference: the `TrainConfig` of the plain network.
        image_size: side of the images in pixels.
        class_names: the name of each class.
        members: scores, alignments and backbones from outside the package, as in `Task`.

    Returns:
        A dictionary: `parameters`; `trained_parameters`, the parameters that a training step changes; `flops`, the
        multiplications and additions for an image at inference, as TensorFlow's profiler counts them; `step_seconds`
        and `reference_step_seconds`, medians over alternating calls; `image_seconds` and `reference_image_seconds`,
        the time for an image at inference in a batch of `config.batch_size`; `step_megabytes`, the peak memory of the
        first training steps above the memory of the process before them.
    """
    register_members(members)
    shape = ImageDataset("shape", tuple(class_names), image_size, None, None, None)
    base = reset_peak_memory()
    step, infer, model, network = _calls(config, shape)
    step()
    step()
    peak = peak_memory() - base
    reference_step, reference_infer, *_ = _calls(reference, shape)
    steps = medians_in_turn(step, reference_step)
    inferences = medians_in_turn(infer, reference_infer)
    return {
        "parameters": int(model.count_params()),
        "trained_parameters": int(sum(np.prod(weight.shape) for weight in network.trainable_variables)),
        "flops": count_flops(model),
        "step_seconds": steps[0],
        "reference_step_seconds": steps[1],
        "image_seconds": inferences[0] / config.batch_size,
        "reference_image_seconds": inferences[1] / config.batch_size,
        "step_megabytes": peak / MEGABYTE,
    }


def _calls(config, shape):
    """Functions for a training step and for inference on a batch; the model; and the network that is trained."""
    backbone = make_backbone(config, shape.image_size)
    model = build_model(config, shape, backbone)
    stage = make_stages(config, shape, model, backbone)[-1]
    network = stage.prepare()
    compile_network(network, config, 100, stage.backbone, classifier=model)
    make_variables(network)
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (config.batch_size, *model.input_shape[1:])).astype("float32")
    inputs = [rng.uniform(0, 1, (config.batch_size, *each.shape[1:])).astype("float32") for each in network.inputs]
    labels = np.eye(len(shape.class_names), dtype="float32")[np.arange(config.batch_size) % len(shape.class_names)]
    inputs = tuple(inputs) if isinstance(network.input, (tuple, list)) else inputs[0]
    targets = labels
    if isinstance(network.output, dict):  # masks teach the attention
        masks = np.ones((config.batch_size, shape.image_size, shape.image_size, 1), "uint8")
        targets = {name: labels if name == LOGITS else masks for name in network.output}
    return lambda: network.train_on_batch(inputs, targets), lambda: model.predict_on_batch(images), model, network


def medians_in_turn(*functions):
    """The median seconds of a call of each function, with the functions called in turn."""
    least, most = REPEATS
    # The first call traces the graph.
    found = medians(dict(enumerate(functions)), least, 1, most=most, seconds=SECONDS_OF_MEASURING)
    return list(found.values())


def count_flops(model):
    """Multiplications and additions of a model for one image; `None` if the profiler cannot count them."""
    image = tf.TensorSpec((1, *model.input_shape[1:]), model.inputs[0].dtype)
    graph = tf.function(lambda images: model(images, training=False)).get_concrete_function(image).graph
    profiler = tf.compat.v1.profiler
    options = profiler.ProfileOptionBuilder(profiler.ProfileOptionBuilder.float_operation()).with_empty_output()
    profile = profiler.profile(graph, options=options.build())
    return int(profile.total_float_ops) if profile else None


def reset_peak_memory():
    """Resets the peak of memory; returns the bytes in use."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        tf.config.experimental.reset_memory_stats("GPU:0")
        return tf.config.experimental.get_memory_info("GPU:0")["current"]
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    return _kilobytes("VmRSS") * 1024


def peak_memory():
    """The peak of memory since `reset_peak_memory`, in bytes: of the GPU if there is one, otherwise of the process."""
    if tf.config.list_physical_devices("GPU"):
        return tf.config.experimental.get_memory_info("GPU:0")["peak"]
    return _kilobytes("VmHWM") * 1024


def _kilobytes(name):
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(rf"^{name}:\s+(\d+) kB", status, re.M).group(1))

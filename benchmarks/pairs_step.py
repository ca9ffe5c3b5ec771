"""The cost of every pair of score and alignment in a training step of VGG16-BN at width 1 and 224 px.

    python benchmarks/pairs_step.py                              # about eight minutes on two cores, 6 GB
    python benchmarks/pairs_step.py --normalize layer

The whole step is measured once, without attention (`score=None`). Then the part behind the backbone is measured in turn
for every pair and without attention, with gradients for the weights and for the feature maps. That part has two
attended feature maps of 28 × 28 × 256 and 14 × 14 × 512, a query map of 7 × 7 × 512, and the head. The ratio is (whole
step + difference) / whole step, so that the noise of a long step, which is larger than most differences, does not
affect it. Poolings and gates are measured in the same way; gates stand after all five poolings of the backbone.
"""

import argparse

import keras
import numpy as np
from attention_step import build, seconds
from compiled_calls import compiled_gradient
from keras import ops

from keras_attention.layers import ALIGNMENTS, GATES, POOLINGS, SCORES
from keras_attention.models import attention_classifier
from keras_attention.timing import medians

MAPS = {"block3_pool": (28, 28, 256), "block4_pool": (14, 14, 512), "block5_pool": (7, 7, 512)}
POOLED = [(112, 112, 64), (56, 56, 128), *MAPS.values()]  # the maps of all poolings
CLASSES = 10
SETTINGS = argparse.Namespace(image_size=224, width=1.0, precision="float32", alignment="softmax", units=256)


def behind_the_backbone(maps, labels, **settings):
    """A compiled gradient of the loss of a classifier over given feature maps, for the maps and all weights."""
    inputs = [keras.Input(shape) for shape in MAPS.values()]
    named = [keras.layers.Identity(name=name)(tensor) for name, tensor in zip(MAPS, inputs, strict=True)]
    model = attention_classifier(keras.Model(inputs, named), CLASSES, units=256, **settings)
    state = [ops.copy(variable) for variable in model.non_trainable_variables]

    def loss(*tensors):
        maps, weights = list(tensors[: len(MAPS)]), list(tensors[len(MAPS) :])
        logits, _ = model.stateless_call(weights, state, maps, training=True)
        losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        total = ops.mean(losses)
        with keras.StatelessScope():
            for alignment in getattr(model, "sampled", ()):
                total = total + ops.mean(alignment.reinforce_loss(losses))
        return total

    return compiled_gradient(loss, *maps, *[ops.copy(variable) for variable in model.trainable_variables])


def gates_of_the_backbone(name, maps):
    """A compiled gradient of what gates after all poolings give, for the maps and all weights; without a name, of the
    maps themselves.
    """
    inputs = [keras.Input(shape) for shape in POOLED]
    model = keras.Model(inputs, [GATES[name]()(each) if name else each * 1.0 for each in inputs])

    def total(*tensors):
        outputs, _ = model.stateless_call(list(tensors[len(POOLED) :]), [], list(tensors[: len(POOLED)]), training=True)
        return sum(ops.mean(ops.square(output)) for output in outputs)

    return compiled_gradient(total, *maps, *[ops.copy(variable) for variable in model.trainable_variables])


def random_maps(shapes, generator, batch_size):
    """Feature maps of these shapes."""
    maps = (generator.normal(size=(batch_size, *shape)).astype("float32") for shape in shapes)
    return [ops.convert_to_tensor(each) for each in maps]


def ratios_of_pairs(whole, maps, labels, options):
    """(score, alignment) → the ratio, with the given normalization of queries and keys."""
    alike = {"normalize": options.normalize}
    pairs = [(score, alignment) for score in SCORES for alignment in ALIGNMENTS]
    functions = {pair: behind_the_backbone(maps, labels, score=pair[0], alignment=pair[1], **alike) for pair in pairs}
    functions[None] = behind_the_backbone(maps, labels, score=None)
    times = medians(functions, options.repeats)
    without = times.pop(None)
    return {pair: (whole + taken - without) / whole for pair, taken in times.items()}


def ratios_of_baselines(whole, maps, labels, generator, options):
    """Name → the ratio: of a pooling of both attended layers, or of gates after all five poolings."""
    functions = {name: behind_the_backbone(maps, labels, score=None, pooling=name) for name in (None, *POOLINGS)}
    times = medians(functions, options.repeats)
    added = {name: taken - times[None] for name, taken in times.items() if name}
    pooled = random_maps(POOLED, generator, options.batch_size)
    times = medians({name: gates_of_the_backbone(name, pooled) for name in (None, *GATES)}, options.repeats)
    added |= {name: taken - times[None] for name, taken in times.items() if name}
    return {name: (whole + more) / whole for name, more in added.items()}


def whole_step(generator, labels, options):
    """The time of a step of the network without attention."""
    images = generator.integers(0, 256, (options.batch_size, 224, 224, 3)).astype("float32")
    model = build(None, options)
    return medians({"whole": lambda: seconds(model, images, labels)}, options.repeats)["whole"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--normalize", default="none")
    parser.add_argument("--whole", type=float, help="seconds of a step without attention; measured if left out")
    options = parser.parse_args(namespace=SETTINGS)
    generator = np.random.default_rng(0)
    labels = generator.integers(0, CLASSES, options.batch_size)
    whole = options.whole or whole_step(generator, labels, options)
    print(f"a step without attention: {whole:.3f} s, batch {options.batch_size}, normalize={options.normalize}")
    maps = random_maps(MAPS.values(), generator, options.batch_size)
    for name, ratio in ratios_of_baselines(whole, maps, labels, generator, options).items():
        print(f"{name:18}{ratio:18.3f}")
    ratios = ratios_of_pairs(whole, maps, labels, options)
    print("ratio".ljust(18) + "".join(f"{alignment:>18}" for alignment in ALIGNMENTS))
    for score in SCORES:
        print(f"{score:18}" + "".join(f"{ratios[score, alignment]:18.3f}" for alignment in ALIGNMENTS))
    slowest = max(ratios, key=ratios.get)
    print(f"slowest: {' + '.join(slowest)}, {ratios[slowest]:.3f}")


if __name__ == "__main__":
    main()

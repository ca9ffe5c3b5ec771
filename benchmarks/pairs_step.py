"""The cost of every pair of score and alignment in a training step of VGG16-BN at width 1 and 224 px.

    python benchmarks/pairs_step.py                              # about eight minutes on two cores, 6 GB

The whole step is measured once, without attention (`score=None`). Then the part behind the backbone is measured in turn
for every pair and without attention, with gradients for the weights and for the feature maps. That part has two
attended feature maps of 28 × 28 × 256 and 14 × 14 × 512, a query map of 7 × 7 × 512, and the head. The ratio is (whole
step + difference) / whole step, so that the noise of a long step, which is larger than most differences, does not
affect it.
"""

import argparse

import keras
import numpy as np
from attention_step import build, seconds
from compiled_calls import compiled_gradient
from keras import ops

from keras_attention.layers import ALIGNMENTS, SCORES
from keras_attention.models import attention_classifier
from keras_attention.timing import medians

MAPS = {"block3_pool": (28, 28, 256), "block4_pool": (14, 14, 512), "block5_pool": (7, 7, 512)}
CLASSES = 10
SETTINGS = argparse.Namespace(image_size=224, width=1.0, precision="float32", alignment="softmax", units=256)


def behind_the_backbone(score, alignment, maps, labels):
    """A compiled gradient of the loss of a classifier over given feature maps, for the maps and all weights."""
    inputs = [keras.Input(shape) for shape in MAPS.values()]
    named = [keras.layers.Identity(name=name)(tensor) for name, tensor in zip(MAPS, inputs, strict=True)]
    model = attention_classifier(keras.Model(inputs, named), CLASSES, score=score, alignment=alignment, units=256)
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args(namespace=SETTINGS)
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (options.batch_size, 224, 224, 3)).astype("float32")
    labels = generator.integers(0, CLASSES, options.batch_size)
    whole_model = build(None, options)
    whole = medians({"whole": lambda: seconds(whole_model, images, labels)}, options.repeats)["whole"]
    print(f"a step without attention: {whole:.3f} s, batch {options.batch_size}")
    maps = [
        ops.convert_to_tensor(generator.normal(size=(options.batch_size, *shape)).astype("float32"))
        for shape in MAPS.values()
    ]
    pairs = [(None, "softmax"), *((score, alignment) for score in SCORES for alignment in ALIGNMENTS)]
    times = medians({pair: behind_the_backbone(*pair, maps, labels) for pair in pairs}, options.repeats)
    without = times.pop((None, "softmax"))
    ratios = {pair: (whole + taken - without) / whole for pair, taken in times.items()}
    print("ratio".ljust(18) + "".join(f"{alignment:>18}" for alignment in ALIGNMENTS))
    for score in SCORES:
        print(f"{score:18}" + "".join(f"{ratios[score, alignment]:18.3f}" for alignment in ALIGNMENTS))
    slowest = max(ratios, key=ratios.get)
    print(f"slowest: {' + '.join(slowest)}, {ratios[slowest]:.3f}")


if __name__ == "__main__":
    main()

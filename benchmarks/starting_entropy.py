"""How even the maps of each score are before training, on frozen features of ImageNet, for each kind of normalization.

    python benchmarks/starting_entropy.py --data isic2017/images --weights vgg16_imagenet_features.safetensors
    python benchmarks/starting_entropy.py --data cifar10 --image-size 64 --weights vgg16_imagenet_features.safetensors

For each score the entropy of its softmax maps over log n, 1 for even weights and 0 for a single position: the mean over
64 validation images and three draws of the weights. "Earlier" is how scores began before there was `normalize`:
`general` and its kin with Glorot's kernels, `cosine` at the temperature 1. `batch` is in training, where it normalizes.
"""

import argparse

import keras
import numpy as np

from keras_attention.data import load
from keras_attention.layers import SCORES, SpatialAttention
from keras_attention.maps import entropy
from keras_attention.models import VGG16BN, load_pretrained

QUERY = "block5_pool"
EARLIER = {"cosine": {"temperature": 1.0}} | {
    name: {"kernel_initializer": "glorot_uniform"} for name in ("general", "biased_general", "activated_general")
}
WAYS = {"earlier": ("none", EARLIER), **{kind: (kind, {}) for kind in ("none", "layer", "batch")}}


def features_of(options):
    """Layer → its features of the images."""
    dataset = load(options.data, data_dir=options.data_dir, image_size=options.image_size, allow_duplicates=True)
    images = next(dataset.validation.images(options.images).as_numpy_iterator())
    backbone = VGG16BN((options.image_size, options.image_size, 3))
    load_pretrained(backbone, options.weights)
    outputs = {name: backbone.get_layer(name).output for name in (*options.attend, QUERY)}
    return keras.Model(backbone.input, outputs).predict(images.astype("float32"), verbose=0)


def evenness(score, query, features, kind, arguments, options):
    """The mean entropy of the maps over draws of the weights."""
    found = []
    for seed in range(options.seeds):
        keras.utils.set_random_seed(seed)
        layer = SpatialAttention(
            SCORES.get(score, units=options.units, **arguments), units=options.units, normalize=kind
        )
        maps = layer(query, features, return_attention_scores=True, training=True)[1]
        found.append(entropy(keras.ops.convert_to_numpy(maps)).mean())
    return float(np.mean(found))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, help="a folder of images, or a name of TensorFlow Datasets")
    parser.add_argument("--data-dir", help="where TensorFlow Datasets are")
    parser.add_argument("--weights", required=True, help="a file of VGG16 weights, or imagenet")
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--attend", nargs="+", default=["block3_pool", "block4_pool"])
    parser.add_argument("--units", type=int, default=128)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    features = features_of(options)
    query = features.pop(QUERY)
    print("| score | " + " | ".join(f"{layer}, {way}" for layer in features for way in WAYS) + " |")
    for score in SCORES:
        cells = [
            evenness(score, query, features[layer], kind, arguments.get(score, {}), options)
            for layer in features
            for kind, arguments in WAYS.values()
        ]
        print(f"| `{score}` | " + " | ".join(f"{cell:.3f}".removeprefix("0") for cell in cells) + " |", flush=True)


if __name__ == "__main__":
    main()

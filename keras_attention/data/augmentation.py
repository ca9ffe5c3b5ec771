"""Random changes of training images, and of their masks alike: Keras preprocessing layers, seeded from outside."""

import keras
import tensorflow as tf
from keras import layers

from keras_attention.arguments import require_choice


def _shift():
    return [
        layers.RandomTranslation(0.08, 0.08, fill_mode="reflect"),
        layers.RandomZoom((-0.1, 0.1), fill_mode="reflect"),
    ]


def _light():
    return [layers.RandomBrightness(0.1, value_range=(0, 255)), layers.RandomContrast(0.2, value_range=(0, 255))]


# Name → the layers in their order. `shift` suits signs and digits, `photo` whatever may be mirrored, `isotropic`
# whatever has no up and down: skin, cells, the ground from above.
AUGMENTATIONS = {
    "none": list,
    "shift": _shift,
    "photo": lambda: [layers.RandomFlip("horizontal"), *_shift(), *_light()],
    # Two layers: with "horizontal_and_vertical" one draw decides both, so that an image is only ever turned by 180°.
    "isotropic": lambda: [layers.RandomFlip("horizontal"), layers.RandomFlip("vertical"), *_shift(), *_light()],
}


class Augmentation:
    """Augments a batch; the same seed gives the same batch, whatever ran before it.

    Args:
        name: one of `AUGMENTATIONS`.

    Call arguments:
        images: `(B, H, W, 3)` from 0 to 255.
        masks: `(B, H, W, 1)` or `None`; gets the same shifts and flips, by the nearest neighbour.
        seed: two integers, a tensor.

    Returns:
        Images in float32 and masks in their dtype, or `None`.
    """

    def __init__(self, name):
        self.layers = AUGMENTATIONS[require_choice("augment", name, AUGMENTATIONS)]()

    def __call__(self, images, masks, seed):
        images = tf.cast(images, tf.float32)
        for number, layer in enumerate(self.layers):
            change = layer.get_random_transformation({"images": images}, training=True, seed=_Seeds(seed, number))
            images = layer.transform_images(images, change, training=True)
            if masks is not None:
                masks = tf.cast(layer.transform_segmentation_masks(masks, change, training=True), masks.dtype)
        return images, masks


class _Seeds(keras.random.SeedGenerator):
    """Seeds that follow from a given one: what the layers' own generators, which count their calls, cannot give to a
    run that is continued in its middle."""

    def __init__(self, seed, number):
        self.seed, self.drawn = seed, 1000 * number

    def next(self, ordered=True):
        self.drawn += 1
        return tf.cast(self.seed, tf.uint32) + tf.constant([0, self.drawn], tf.uint32)

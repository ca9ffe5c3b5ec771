"""Random changes of training images and, in the same way, of their masks: Keras layers with seeds from outside."""

import keras
import tensorflow as tf
from keras import layers

from keras_attention.arguments import require_choice


def _shift():
    return [
        layers.RandomTranslation(0.08, 0.08, fill_mode="reflect"),
        layers.RandomZoom((-0.1, 0.1), fill_mode="reflect"),
    ]


def _flips():
    # Two layers, because "horizontal_and_vertical" decides both flips by one draw: an image could only turn by 180°.
    return [layers.RandomFlip("horizontal"), layers.RandomFlip("vertical")]


def _light():
    return [layers.RandomBrightness(0.1, value_range=(0, 255)), layers.RandomContrast(0.2, value_range=(0, 255))]


class RandomCrop:
    """Cuts a square out of each image, at a random place, and scales it to the size of the image.

    `keras.layers.RandomCrop` cannot do this: it cuts at the same place in all images of a batch.

    Args:
        share: the side of the square divided by the side of the image.
    """

    def __init__(self, share):
        self.share = share

    def get_random_transformation(self, data, training=True, seed=None):
        corner = tf.random.stateless_uniform((tf.shape(data["images"])[0], 2), tf.cast(seed.next(), tf.int64))
        corner *= 1 - self.share
        return tf.concat([corner, corner + self.share], axis=-1)

    def transform_images(self, images, boxes, training=True, method="bilinear"):
        height, width = images.shape[1:3]
        numbers = tf.range(tf.shape(images)[0])
        return tf.image.crop_and_resize(images, boxes, numbers, (height, width), method)

    def transform_segmentation_masks(self, masks, boxes, training=True):
        return self.transform_images(masks, boxes, method="nearest")


class RandomTranspose:
    """Swaps rows and columns of an image at random; together with flips, all quarter turns are equally likely."""

    def get_random_transformation(self, data, training=True, seed=None):
        count = tf.shape(data["images"])[0]
        return tf.random.stateless_uniform((count, 1, 1, 1), tf.cast(seed.next(), tf.int64)) < 0.5

    def transform_images(self, images, swapped, training=True):
        return tf.where(swapped, tf.transpose(images, (0, 2, 1, 3)), images)

    transform_segmentation_masks = transform_images


# Name → the layers in their order. `shift` suits signs and digits, `photo` suits objects that may be mirrored,
# `isotropic` and `crop` suit images without an up and a down: skin, cells, the ground from above. `crop` follows
# Yan et al., IPMI 2019: 224 of 256 pixels, quarter turns, flips.
AUGMENTATIONS = {
    "none": list,
    "shift": _shift,
    "photo": lambda: [layers.RandomFlip("horizontal"), *_shift(), *_light()],
    "isotropic": lambda: [*_flips(), *_shift(), *_light()],
    "crop": lambda: [RandomCrop(224 / 256), *_flips(), RandomTranspose()],
}


class Augmentation:
    """Augments a batch; the same seed gives the same batch, whatever ran before.

    Args:
        name: one of `AUGMENTATIONS`.

    Call arguments:
        images: `(B, H, W, 3)` from 0 to 255.
        masks: `(B, H, W, 1)` or `None`; they are shifted and flipped as the images are, by the nearest neighbour.
        seed: a tensor of two integers.

    Returns:
        The images in float32, and the masks in their dtype or `None`.
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
    """Seeds that depend only on a given seed.

    The generators of the layers count their calls, so a resumed run would get other seeds than one without a break.
    """

    def __init__(self, seed, number):
        self.seed, self.drawn = seed, 1000 * number

    def next(self, ordered=True):
        self.drawn += 1
        return tf.cast(self.seed, tf.uint32) + tf.constant([0, self.drawn], tf.uint32)

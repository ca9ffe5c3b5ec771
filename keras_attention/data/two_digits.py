"""`digit_pairs`: images with several labels: two whole handwritten digits in each, with a mask of each digit."""

import numpy as np

from keras_attention.arguments import require_choice, require_integer
from keras_attention.data.cluttered_digits import Painter, split_scans
from keras_attention.members import SPLITS

# Sides of a digit as shares of the side of the image: two of the largest still fit beside each other.
PAIR_SIDES = (0.34, 0.39, 0.44)


def digit_pairs(count, image_size=64, clutter=4, seed=0, split="train"):
    """Images of two whole digits of different classes, side by side or one above the other, among fragments of others.

    The scans and their splits are those of `cluttered_digits` with the same seed: no scan is in two splits. Image i
    depends only on `seed`, `split` and i.

    Args:
        count: number of images, at least 1.
        image_size: S, side of the square images in pixels, at least 32.
        clutter: fragments in each image, at least 0.
        seed: seed of the draw of scans, places and colours.
        split: `"train"`, `"validation"` or `"test"`.

    Returns:
        Images, uint8 `(count, S, S, 3)`; labels, float32 `(count, 10)`, 1 for each of the two digits and 0 for the
        others; masks, uint8 `(count, S, S, 10)`, 1 where the digit of that class is. The boxes of the two digits do
        not overlap.

    Raises:
        ValueError: a number out of range, or an unknown split.

    Example:

    >>> from keras_attention.data import digit_pairs
    >>> images, labels, masks = digit_pairs(3)
    >>> images.shape, labels.sum(axis=1).tolist(), (masks.max(axis=(1, 2)) == labels).all().item()
    ((3, 64, 64, 3), [2.0, 2.0, 2.0], True)
    """
    require_integer("count", count, at_least=1)
    require_integer("image_size", image_size, at_least=32)
    require_integer("clutter", clutter, at_least=0)
    require_integer("seed", seed, at_least=0, at_most=2**32 - 1)
    require_choice("split", split, SPLITS)
    painter = PairPainter(*split_scans(seed)[split], image_size, clutter, PAIR_SIDES)
    images = np.empty((count, image_size, image_size, 3), "uint8")
    labels = np.zeros((count, 10), "float32")
    masks = np.zeros((count, image_size, image_size, 10), "uint8")
    for index in range(count):
        rng = np.random.default_rng([seed, SPLITS.index(split), index])
        pair = rng.choice(10, 2, replace=False)
        labels[index, pair] = 1
        images[index], masks[index][..., pair] = painter.paint_pair(pair, rng)
    return images, labels, masks


class PairPainter(Painter):
    """Paints images of two digits; arguments as for `Painter`."""

    def paint_pair(self, pair, rng):
        """An image `(size, size, 3)`, and the masks of its digits `(size, size, 2)`, 0 or 1, both uint8."""
        canvas, inks = self.ground(rng), [self.digit(label, rng) for label in pair]
        masks = np.zeros((self.image_size, self.image_size, 2), "uint8")
        for number, (ink, place) in enumerate(zip(inks, self._places(inks, rng), strict=True)):
            self.lay(canvas, ink, place, rng)
            masks[..., number] = self.mask(ink, place)
        return canvas.clip(0, 255).astype("uint8"), masks

    def _places(self, inks, rng):
        """Places `(top, left)` of two inks whose boxes do not overlap, with a gap between them."""
        while True:
            places = [self.place(ink, rng) for ink in inks]
            gaps = [
                max(
                    places[0][axis] - places[1][axis] - inks[1].shape[axis],
                    places[1][axis] - places[0][axis] - inks[0].shape[axis],
                )
                for axis in (0, 1)
            ]
            if max(gaps) >= 2 * self.margin:
                return places

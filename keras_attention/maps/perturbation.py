"""Deletion and insertion: how a class responds when the pixels that a map prefers are blurred, or shown first."""

import numpy as np
from scipy.ndimage import gaussian_filter

from keras_attention.arguments import invalid, require_integer
from keras_attention.maps.classifier import Classifier, check_images
from keras_attention.maps.mask_measures import require_finite
from keras_attention.maps.placed import resize_maps

BLUR = 1 / 8  # standard deviation over the side of the image: large enough to hide every digit or lesion


def deletion_and_insertion(model, images, maps, class_index=None, steps=10, batch_size=32, seed=0):
    """The area under the probability of a class while the most attended pixels are blurred, or are shown first.

    In `steps` equal parts, in the order of the map, the pixels of each image are replaced by those of the blurred image
    (deletion), or the pixels of the blurred image by those of the image (insertion). A map that finds what the class
    depends on has a small area of deletion and a large area of insertion. Pixels of equal value come in random order,
    so that a constant map scores what a random map does.

    Args:
        model: a model, images → logits or probabilities, or its `Classifier`.
        images: `(B, height, width, 3)` from 0 to 255.
        maps: `(B, H, W)`; they are resized to the images.
        class_index: as in `grad_cam`.
        steps: number of parts into which the pixels are divided, at least 1.
        batch_size: images at a time.
        seed: for the order of equal pixels; or a `numpy.random.Generator`, which continues from call to call.

    Returns:
        `{"deletion": (B,), "insertion": (B,)}` from 0 to 1.

    Raises:
        ValueError: images that the model does not take, not one map for each image, maps that are not finite, or
            `steps` below 1.

    Example:

    >>> import numpy as np
    >>> from keras_attention import VGG16BN, attention_classifier
    >>> from keras_attention.maps import attention_maps, deletion_and_insertion
    >>> model = attention_classifier(VGG16BN((32, 32, 3), width=0.05), 3, units=8)
    >>> images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3))
    >>> maps = attention_maps(model, images)["block4_pool"]
    >>> {name: areas.shape for name, areas in deletion_and_insertion(model, images, maps, steps=4).items()}
    {'deletion': (2,), 'insertion': (2,)}

    Reference:
        Petsiuk, Das, Saenko, *RISE: Randomized Input Sampling for Explanation of Black-box Models*, BMVC 2018,
        section 4.2; here both blur, as section 4.3 does for insertion.
    """
    require_integer("steps", steps, at_least=1)
    images, maps = check_images(getattr(model, "model", model), images), np.asanyarray(maps, "float32")
    if maps.ndim != 3 or len(maps) != len(images):
        raise invalid("`maps` must have one map for each image.", f"({len(images)}, H, W)", f"{maps.shape}")
    require_finite(maps)
    classifier, rows = model if isinstance(model, Classifier) else Classifier(model), np.arange(len(images))
    classes = classifier.classes(images, class_index, batch_size)
    sharp, blurred = images.astype("float32"), blur(images)
    places = _places(resize_maps(maps, images.shape[1:3]), np.random.default_rng(seed))

    def probability(shown):
        mixed = np.where(shown[..., None], sharp, blurred)
        return classifier.probabilities(mixed, batch_size)[rows, classes]

    # Quotients like those of `_places`, so that equal ones compare equal: 7 · 0.1 is not 7/10.
    bounds = np.arange(steps + 1) / steps
    whole, nothing = probability(places >= 0), probability(places < 0)
    kept = [whole, *(probability(places >= bound) for bound in bounds[1:-1]), nothing]
    shown = [nothing, *(probability(places < bound) for bound in bounds[1:-1]), whole]
    return {name: np.trapezoid(curve, bounds, axis=0) for name, curve in (("deletion", kept), ("insertion", shown))}


def blur(images):
    """Images `(B, height, width, 3)` blurred until their class cannot be seen, float32."""
    spread = BLUR * max(images.shape[1:3])
    return gaussian_filter(images.astype("float32"), (0, spread, spread, 0))


def _places(maps, rng):
    """The place of each pixel in the order of a map, from 0 for the most preferred to below 1."""
    flat = maps.reshape(len(maps), -1)
    order = np.lexsort((rng.random(flat.shape), -flat), axis=1)
    places = np.empty(flat.shape)
    np.put_along_axis(places, order, np.arange(flat.shape[1]) / flat.shape[1], axis=1)
    return places.reshape(maps.shape)

"""`Predictor`: a model of any format as a function from images to probabilities and maps."""

import numpy as np

from keras_attention.arguments import invalid, require_choice, require_pixels
from keras_attention.maps.placed import place
from keras_attention.models.outputs import map_output, map_outputs
from keras_attention.patterns import RESIZES
from keras_attention.prediction.reading import read_image


class Predictor:
    """A function from images to `probabilities`, `logits` and maps `attention_<layer>`, as NumPy arrays.

    Args:
        outputs: function from float32 images `(n, S, S, 3)` to a dictionary of tensors.
        class_names: the name of each class.
        image_size: S, the side of the images in pixels.
        model: the Keras model in float32; `None` if there is none, as for an export.
        resize: how images became squares in the training: `"stretch"`, `"crop"` or `"pad"`.
        grids: attended layer → the `Grid` of its map; `None` if the maps cover the whole image evenly.

    Call arguments:
        images: `(n, S, S, 3)` from 0 to 255; other ranges, such as 0 to 1, are refused.

    Returns:
        A dictionary of arrays: `probabilities` and `logits`, `(n, classes)`, and one `attention_<layer>` for each
        attended layer, `(n, H, W)`, as `PlacedMaps`.

    Example:

    `load_predictor` makes a predictor from a saved model; here a function decides by the brightness of an image.

    >>> import numpy as np
    >>> from keras_attention import Predictor
    >>> def outputs(images):
    ...     bright = images.mean(axis=(1, 2, 3)) / 256
    ...     return {"probabilities": np.stack([1 - bright, bright], axis=1)}
    >>> predictor = Predictor(outputs, class_names=("night", "day"), image_size=32)
    >>> predictor(np.full((1, 32, 32, 3), 192))["probabilities"]
    array([[0.25, 0.75]], dtype=float32)
    """

    def __init__(self, outputs, class_names, image_size, model=None, resize="stretch", grids=None):
        self.outputs, self.class_names, self.image_size = outputs, tuple(class_names), image_size
        self.model, self.resize = model, require_choice("resize", resize, RESIZES)
        self.grids = {map_output(name): grid for name, grid in (grids or {}).items()}

    def __call__(self, images):
        images = np.asarray(images)
        if images.ndim != 4 or images.shape[1:] != (self.image_size, self.image_size, 3):
            expected = f"(n, {self.image_size}, {self.image_size}, 3); `read` makes this of a file"
            raise invalid("The images must have the size of the model.", expected, f"{images.shape}")
        images = require_pixels(images).astype("float32")
        outputs = {name: np.asarray(values) for name, values in self.outputs(images).items()}
        return outputs | place({name: outputs[name] for name in map_outputs(outputs)}, self.grids)

    def read(self, path):
        """An image file → uint8 `(S, S, 3)`, made a square as in the training.

        Raises:
            ValueError: a path that does not exist, or a file that does not decode.
        """
        return read_image(path, self.image_size, self.resize)

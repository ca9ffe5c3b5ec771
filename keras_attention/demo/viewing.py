"""What the page shows for an image: the probability of each class, and where the model looks."""

import contextlib
import dataclasses
import math
import pathlib
import warnings

import numpy as np
import tensorflow as tf
from PIL import Image

from keras_attention.arguments import invalid
from keras_attention.data.images import FORMATS
from keras_attention.explanation.reading import MapReading
from keras_attention.maps import map_scales
from keras_attention.maps.cam import GRAD_CAM
from keras_attention.maps.pictures import OPACITY, overlay
from keras_attention.models.outputs import PROBABILITIES
from keras_attention.prediction import load_predictor

SIDE = 384  # least side of a picture in pixels: the images of many models are too small to look at
MOST_BYTES = 20 * 2**20
MOST_PIXELS = 100_000_000
NO_GRADIENTS = "Grad-CAM needs gradients, which an export does not give: open the run or the .keras file to see it."


@dataclasses.dataclass(frozen=True)
class View:
    """An image as the model sees it, with its probabilities and maps.

    Args:
        image: uint8 `(S, S, 3)`.
        probabilities: class → its probability.
        maps: title → map `(h, w)`, each at the resolution of its layer.
        resize: how the image became a square: `"stretch"`, `"crop"` or `"pad"`.
    """

    image: np.ndarray
    probabilities: dict
    maps: dict
    resize: str = "stretch"

    @property
    def predicted(self):
        """The most probable class."""
        return max(self.probabilities, key=self.probabilities.get)

    @property
    def scales(self):
        """Title → the `MapScale` of the map, computed from this image only."""
        return map_scales({title: values[None] for title, values in self.maps.items()})

    @property
    def large(self):
        """The image at the size of the pictures."""
        side = max(len(self.image), SIDE)
        return np.asarray(Image.fromarray(self.image).resize((side, side), Image.Resampling.BICUBIC))

    def blends(self, opacity=OPACITY):
        """Title → the image in grey under the map, uint8 `(side, side, 3)`; the model does not run again.

        Raises:
            ValueError: an opacity below 0 or above 1.
        """
        if not 0 <= opacity <= 1:
            raise invalid("`opacity` is out of range.", "a number from 0 to 1", f"opacity={opacity!r}")
        large, scales = self.large, self.scales
        return {title: overlay(large, values, scales[title], opacity) for title, values in self.maps.items()}


class Viewer:
    """A function for the page: an image → its `View`.

    The maps are those of all attended layers, the joint map, and Grad-CAM. Maps that the model cannot give are left
    out, and `notes` says so.

    Args:
        model: path of a model, as in `load_predictor`.

    Raises:
        ValueError: a path that is not a saved model.
    """

    def __init__(self, model):
        self.predictor, self.notes = load_predictor(model), []
        self.reading = self._with_grad_cam(str(model)) or self._attention_alone(str(model))

    def _with_grad_cam(self, name):
        if self.predictor.model is None:
            self.notes.append(NO_GRADIENTS)
            return None
        try:
            reading = self._warm(MapReading(self.predictor, maps=GRAD_CAM, name=name))
        except ValueError as error:
            self.notes.append(f"Grad-CAM cannot be shown: {error}")
            return None
        if not reading.attend:
            self.notes.append("The model has no attention layers: only Grad-CAM is shown.")
        return reading

    def _attention_alone(self, name):
        try:
            return self._warm(MapReading(self.predictor, name=name))
        except ValueError:
            self.notes.append("The model has no attention layers: there are no maps to show.")
            return None

    def _warm(self, reading):
        """The reading after its first call, which is slow and shows whether the model can give the maps."""
        size = self.predictor.image_size
        reading(np.zeros((1, size, size, 3), "uint8"))
        return reading

    def __call__(self, image):
        """The `View` of an image, uint8 `(S, S, 3)`."""
        if self.reading is None:
            probabilities, maps = self.predictor(image[None])[PROBABILITIES], {}
        else:
            probabilities, maps = self.reading(image[None])
        named = zip(self.predictor.class_names, map(float, probabilities[0]), strict=True)
        maps = {title: values[0] for title, values in maps.items()}
        return View(image, dict(named), maps, self.predictor.resize)

    def read(self, path):
        """An untrusted image file → uint8 `(S, S, 3)`; its header is checked before its pixels are read.

        Raises:
            ValueError: a file that is too large, has too many pixels, or does not decode.
        """
        path = pathlib.Path(path)
        check_file(path)
        try:
            return self.predictor.read(path)
        except (ValueError, tf.errors.OpError) as error:
            raise _not_whole(path, "does not decode") from error


def check_file(path):
    """Checks the size and the header of an image file, before its pixels are read.

    Raises:
        ValueError: a file that is empty, too large or not an image, or an image with too many pixels.
    """
    size = path.stat().st_size
    if not size:
        raise _not_whole(path, "is empty")
    if size > MOST_BYTES:
        raise invalid(f"{path.name} is too large.", "20 MB at most", f"{size / 2**20:,.1f} MB")
    try:
        pixels = header_pixels(path)
    except OSError as error:
        raise _not_whole(path, "must be an image") from error
    if pixels > MOST_PIXELS:
        raise invalid(f"{path.name} has too many pixels.", "100 million at most", "more")


def _not_whole(path, what):
    """A `ValueError` that names the file as the person does, without the folder where it is kept."""
    expected = f"a whole image in one of the formats {', '.join(FORMATS)}"
    return invalid(f"{path.name} {what}.", expected, f"a file of {path.stat().st_size:,} bytes")


def header_pixels(path):
    """The number of pixels that the header of an image file announces, of the one frame that is read.

    Raises:
        OSError: a file without the header of a known format.
    """
    with warnings.catch_warnings(), contextlib.suppress(Image.DecompressionBombError):
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # `check_file` sets the limit
        with Image.open(path, formats=FORMATS) as image:
            return image.width * image.height
    return math.inf  # more than Pillow's limit, 179 million

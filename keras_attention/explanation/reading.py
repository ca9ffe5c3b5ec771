"""All maps of all images, read before anything is drawn, so that all pictures share their colour scales."""

import dataclasses
import re

import numpy as np

from keras_attention.arguments import invalid, unknown
from keras_attention.maps import AttentionMaps, GradCam, joint_map
from keras_attention.maps.cam import GRAD_CAM, GRAD_CAM_TITLE
from keras_attention.maps.classifier import Classifier
from keras_attention.models.outputs import JOINT, PROBABILITIES, attended_layer, attention_layers, map_outputs, maps_of
from keras_attention.text import counted

CHUNK = 64


@dataclasses.dataclass
class Found:
    """The maps and probabilities of some examples.

    Args:
        numbers: the numbers of the examples that could be read.
        maps: title of a column → `(n, H, W)`.
        probabilities: `(n, classes)`.
        skipped: a sentence for each example that could not be read.
    """

    numbers: list
    maps: dict
    probabilities: np.ndarray
    skipped: list


def grad_cam_layer(maps):
    """The layer that `"grad_cam@<layer>"` names; `None` for `"grad_cam"`.

    Raises:
        ValueError: any other text.
    """
    kind, at, layer = str(maps).partition("@")
    if kind != GRAD_CAM or (at and not layer):
        raise invalid("`maps` must name Grad-CAM.", "grad_cam, or grad_cam@LAYER", f"maps={maps!r}")
    return layer or None


class MapReading:
    """Reads the maps of a model: attended layers, the joint map if there are several, and Grad-CAM if wanted.

    Args:
        predictor: the `Predictor` of the model.
        attend: the attended layers to read; all if `None`.
        maps: `"grad_cam"` or `"grad_cam@<layer>"`, or `None`.
        name: the name of the model in messages.

    Raises:
        ValueError: neither attention nor Grad-CAM, a layer that is not attended, or Grad-CAM of an export.
    """

    def __init__(self, predictor, attend=None, maps=None, name="model"):
        self.predictor, self.model = predictor, predictor.model
        self.cam = None if maps is None else self._cam(maps, name)
        known = self._attended()
        if not known and self.cam is None:
            raise invalid(
                "The model has no attention layers.", 'a model trained with attention, or `maps="grad_cam"`', name
            )
        for layer in attend or ():
            if layer not in known:
                raise unknown("attended layer", layer, known, "attend")
        self.attend = [layer for layer in known if attend is None or layer in attend]
        if self.model is not None:
            self.classifier = Classifier(self.model)
            self.attention = AttentionMaps(self.model) if known else None

    def _cam(self, maps, name):
        layer = grad_cam_layer(maps)
        if self.model is None:
            raise invalid("An export has no gradients for Grad-CAM.", "the run or the .keras file of the model", name)
        return GradCam(self.model, layer)

    def _attended(self):
        if self.model is None:
            blank = np.zeros((1, self.predictor.image_size, self.predictor.image_size, 3))
            # An export has its outputs in any order; sorted by their numbers, layers are in network order.
            names = [attended_layer(name) for name in map_outputs(self.predictor(blank))]
            return sorted(names, key=_sort_key)
        return list(attention_layers(self.model))

    def read_all(self, examples, verbose=0):
        """The `Found` of some examples, read and predicted in pieces of `CHUNK` images."""
        found = Found([], {}, np.empty((0, len(self.predictor.class_names))), [])
        parts = []
        for start in range(0, len(examples), CHUNK):
            images = []
            for number in range(start, min(start + CHUNK, len(examples))):
                try:
                    images.append(examples.read(number)[0])
                    found.numbers.append(number)
                except ValueError as error:
                    found.skipped.append(str(error))
            if images:
                parts.append(self(np.stack(images)))
            if verbose and len(examples) > CHUNK:
                print(f"maps    {min(start + CHUNK, len(examples)):,} of {counted(len(examples), 'image')}", flush=True)
        if parts:
            found.probabilities = np.concatenate([probabilities for probabilities, _ in parts])
            found.maps = {title: np.concatenate([maps[title] for _, maps in parts]) for title in parts[0][1]}
        return found

    def __call__(self, images):
        """Images `(n, S, S, 3)` → probabilities `(n, classes)`, and title of a column → maps `(n, H, W)`."""
        probabilities, maps = self._of_export(images) if self.model is None else self._of_model(images)
        maps = {layer: maps[layer] for layer in self.attend}
        if len(maps) > 1:
            maps[JOINT] = joint_map(maps)
        if self.cam is not None:
            maps[f"{GRAD_CAM_TITLE} {self.cam.layer}"] = self.cam(images)
        return probabilities, maps

    def _of_model(self, images):
        return self.classifier.probabilities(images), {} if self.attention is None else self.attention(images)

    def _of_export(self, images):
        outputs = self.predictor(images)
        return outputs[PROBABILITIES], maps_of(outputs)


def _sort_key(name):
    """A key that sorts the numbers in a name by value: `block_5_add` before `block_12_add`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]

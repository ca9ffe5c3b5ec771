"""All maps of all images: read once, before anything is drawn, so that every picture has the same colours."""

import dataclasses
import re

import numpy as np

from keras_attention.arguments import invalid, require_choice
from keras_attention.explain import AttentionMaps, GradCam, joint_map
from keras_attention.explain.classifier import Classifier
from keras_attention.explain.maps import attention_layers
from keras_attention.explain.measures import JOINT
from keras_attention.models.classifier import PREFIX
from keras_attention.results import maps_of

GRAD_CAM = "gradcam"
GRAD_CAM_TITLE = "Grad-CAM"  # the layer follows it
CHUNK = 64


@dataclasses.dataclass
class Found:
    """What was read of some examples.

    Args:
        numbers: of the examples that could be read.
        maps: title of a column → `(n, H, W)`.
        probabilities: `(n, classes)`.
        skipped: a sentence for each example that could not be read.
    """

    numbers: list
    maps: dict
    probabilities: np.ndarray
    skipped: list


def grad_cam_layer(compare):
    """The layer that `"gradcam@<layer>"` names; `None` for `"gradcam"`.

    Raises:
        ValueError: anything else.
    """
    kind, at, layer = str(compare).partition("@")
    if kind != GRAD_CAM or (at and not layer):
        raise invalid("There is nothing to compare with.", "gradcam, or gradcam@LAYER", f"compare={compare!r}")
    return layer or None


class MapReading:
    """The columns of maps that a model is drawn with.

    Args:
        predictor: the `Predictor` of the model.
        layers: the attended blocks that are wanted; all where it is `None`.
        compare: `"gradcam"` or `"gradcam@<layer>"`, or `None`.
        name: of the model, for messages.

    Raises:
        ValueError: nothing to draw, a block that is not attended, or Grad-CAM of an export.
    """

    def __init__(self, predictor, layers=None, compare=None, name="model"):
        self.predictor, self.model = predictor, predictor.model
        self.cam = None if compare is None else self._cam(compare, name)
        blocks = self._blocks()
        if not blocks and self.cam is None:
            raise invalid(
                "The model has no attention layers.", "a model trained with attention, or --compare gradcam", name
            )
        for layer in layers or ():
            require_choice("layers", layer, blocks)
        self.blocks = [block for block in blocks if layers is None or block in layers]
        if self.model is not None:
            self.classifier = Classifier(self.model)
            self.attention = AttentionMaps(self.model) if blocks else None

    def _cam(self, compare, name):
        layer = grad_cam_layer(compare)
        if self.model is None:
            raise invalid("An export has no gradients for Grad-CAM.", "the run or the .keras file of the model", name)
        return GradCam(self.model, layer)

    def _blocks(self):
        if self.model is None:
            blank = np.zeros((1, self.predictor.image_size, self.predictor.image_size, 3))
            # An export gives its outputs in no order; the numbers of the blocks give them that of the network.
            names = [name.removeprefix(PREFIX) for name in self.predictor(blank) if name.startswith(PREFIX)]
            return sorted(names, key=_numbers)
        try:
            return list(attention_layers(self.model))
        except ValueError:  # a control, or a network of someone else
            return []

    def read_all(self, examples, verbose=0):
        """The `Found` of some examples, in pieces, each of which the model takes at once."""
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
                print(f"maps    {min(start + CHUNK, len(examples)):,} of {len(examples):,} images", flush=True)
        if parts:
            found.probabilities = np.concatenate([probabilities for probabilities, _ in parts])
            found.maps = {title: np.concatenate([maps[title] for _, maps in parts]) for title in parts[0][1]}
        return found

    def __call__(self, images):
        """Images `(n, S, S, 3)` → probabilities `(n, classes)` and, by title of their column, maps `(n, H, W)`."""
        probabilities, maps = self._of_export(images) if self.model is None else self._of_model(images)
        maps = {block: maps[block] for block in self.blocks}
        if len(maps) > 1:
            maps[JOINT] = joint_map(maps)
        if self.cam is not None:
            maps[f"{GRAD_CAM_TITLE} {self.cam.layer}"] = self.cam(images)
        return probabilities, maps

    def _of_model(self, images):
        return self.classifier.probabilities(images), {} if self.attention is None else self.attention(images)

    def _of_export(self, images):
        outputs = self.predictor(images)
        return outputs["probabilities"], maps_of(outputs)


def _numbers(name):
    """A name as what it sorts by, its numbers by their size: `block_5_add` before `block_12_add`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]

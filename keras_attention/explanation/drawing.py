"""The gallery and the figures of single images, drawn from maps that were read before."""

import re

import numpy as np
from PIL import Image

from keras_attention.arguments import invalid
from keras_attention.atomic import replacing
from keras_attention.maps import attention_figure, attention_strip, mean_figures
from keras_attention.maps.measures import OF_PIXELS, measure_pixels
from keras_attention.models.outputs import JOINT
from keras_attention.report import gallery_columns, write_gallery
from keras_attention.report.gallery import GENERATOR
from keras_attention.text import counted

PICTURE_NAME = re.compile(r"\d{5}\.jpg")
SIDE = 224  # pixels: the side of a square in the gallery


class Drawing:
    """Draws examples with their maps.

    Args:
        examples: the images, `FileExamples` or `DataExamples`.
        found: their maps, a `Found`.
        class_names: the name of each class.
        scales: title of a column → its `MapScale`.
    """

    def __init__(self, examples, found, class_names, scales):
        self.examples, self.found, self.class_names, self.scales = examples, found, class_names, scales

    def figures(self, out, formats, verbose):
        """Writes the figure of each image in each format; returns the paths."""
        names = different([self.examples.stems[number] for number in self.found.numbers]) if formats else ()
        targets = {(out / f"{name}.{form}").resolve() for name in names for form in formats}
        for path in self.examples.paths:
            if path.resolve() in targets or path.resolve().parent == (out / "pictures").resolve():
                raise invalid(f"A picture would replace the image {path}.", "another `out`", f"out={str(out)!r}")
        return [path for row, name in enumerate(names) for path in self._figure(row, out / name, formats, verbose)]

    def _figure(self, row, path, formats, verbose):
        image, mask = self.examples.read(self.found.numbers[row])
        maps = {title: values[row : row + 1] for title, values in self.found.maps.items()}
        masks = None if mask is None else mask[None]
        figure = attention_figure(image[None], maps, [self._title(row)], 1, masks, self.scales)
        paths = [path.with_name(f"{path.name}.{form}") for form in formats]
        for target in paths:
            with replacing(target) as temporary:
                figure.savefig(temporary, dpi=150)
            if verbose:
                print(target, flush=True)
        return paths

    def _title(self, row):
        card = self._card(row)
        answer = f"{card['predicted']} {card['probability']:.2f}"
        if card["true"] in (None, card["predicted"]):
            return answer, "black"
        return f"{card['true']} → {answer}", "crimson"

    def gallery(self, out, title, verbose):
        """Writes the strip of each image and the page; returns the path of the page."""
        _check_pictures(out / "pictures")
        cards = []
        with replacing(out / "pictures") as temporary:
            temporary.mkdir()
            for row, number in enumerate(self.found.numbers):
                image, mask = self.examples.read(number)
                maps = {name: values[row] for name, values in self.found.maps.items()}
                strip = attention_strip(image, maps, self.scales, mask, SIDE)
                Image.fromarray(strip).save(temporary / f"{row:05d}.jpg", quality=90)
                cards.append(
                    self._card(row) | {"picture": f"pictures/{row:05d}.jpg", "figures": self._measures(row, mask)}
                )
        about = [
            f"{counted(len(cards), 'image')}, each with its maps; a column has the same colour scale for all images."
        ]
        if JOINT in self.found.maps:
            about.append(f"The map {JOINT} is the joint map: the product of the maps of all attended layers.")
        if any(card["figures"] for card in cards):
            about.append(f"The figures below an image measure the map {self._measured_map} against the mask.")
        page = write_gallery(out, cards, gallery_columns(self.scales), title, about)
        if verbose:
            print(f"gallery {page}", flush=True)
        return page

    def _card(self, row):
        number, probabilities = self.found.numbers[row], self.found.probabilities[row]
        label, best = self.examples.labels[number], int(probabilities.argmax())
        return {
            "name": self.examples.names[number],
            "predicted": self.class_names[best],
            "probability": float(np.clip(probabilities[best], 0, 1)),
            "true": None if label is None else self.class_names[label],
        }

    @property
    def _measured_map(self):
        """The title of the map that is measured: the joint map, or the only map of attention, or Grad-CAM."""
        return JOINT if JOINT in self.found.maps else next(iter(self.found.maps))

    def _measures(self, row, mask):
        """The headline measures of the measured map against the mask; empty if there is no mask."""
        if mask is None or not mask.any():
            return {}
        title = self._measured_map
        measured, chance = measure_pixels({title: self.found.maps[title][row : row + 1]}, mask[None])
        return {
            measure.title: mean_figures(measured[title][name], chance)["score"]
            for name, measure in OF_PIXELS.items()
            if measure.headline
        }


def different(names):
    """The names, with a number added to each that occurred before."""
    taken, found = set(), []
    for name in names:
        number, candidate = 1, name
        while candidate in taken:
            number += 1
            candidate = f"{name}-{number}"
        taken.add(candidate)
        found.append(candidate)
    return found


def _check_pictures(folder):
    """Raises `ValueError` if the folder of the strips has files that a gallery did not write and would delete."""
    found = list(folder.iterdir()) if folder.is_dir() else []
    page = folder.parent / "index.html"
    known = page.is_file() and GENERATOR in page.read_text("utf-8", errors="replace")
    strange = [path for path in found if not (known and PICTURE_NAME.fullmatch(path.name))]
    if strange or folder.is_file():
        raise invalid(
            f"{folder} must be empty or hold only the pictures of a gallery.",
            "another `out`",
            f"{(strange or [folder])[0]}",
        )

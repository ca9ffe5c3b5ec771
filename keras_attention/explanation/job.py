"""Draws or measures where a saved model looks, and writes the results to a folder."""

import csv
import dataclasses
import pathlib

import numpy as np

from keras_attention.arguments import invalid, require_choice, require_integer
from keras_attention.atomic import replacing
from keras_attention.data.dataset import check_classes
from keras_attention.explanation.drawing import Drawing
from keras_attention.explanation.examples import DataExamples, FileExamples
from keras_attention.explanation.reading import MapReading
from keras_attention.files import write_json
from keras_attention.maps import map_scales, measure
from keras_attention.members import PICTURE_FORMATS
from keras_attention.prediction import load_predictor
from keras_attention.prediction.loading import require_resize
from keras_attention.runs import Run, load_data
from keras_attention.text import shown

LIMIT = 300


@dataclasses.dataclass(frozen=True)
class Explanation:
    """What `explain` wrote.

    Args:
        figures: the paths of the figures.
        gallery: the path of the gallery, or `None`.
        skipped: a sentence for each image that could not be read.
    """

    figures: tuple
    gallery: pathlib.Path | None
    skipped: tuple


def explain(
    model,
    images=(),
    out=None,
    attend=None,
    maps=None,
    formats=None,
    masks=None,
    data=None,
    split="test",
    limit=LIMIT,
    verbose=1,
    mask_values=None,
):
    """Draws where a saved model looks.

    Each row of pictures has the image, the map of each attended layer, the joint map (the product of these maps, if
    there are several), and Grad-CAM if wanted. Each column has one colour scale for all images. If an image has a mask,
    its outline is drawn. Single files get a figure each; a folder or a data set gets a gallery, `index.html`.

    Args:
        model: a run folder, a `.keras` file or an exported folder.
        images: paths of files and folders; empty for the images of a data set.
        out: the folder to write to; if `None`, `<run>/explain` for a run and `explain` for other models.
        attend: the attended layers to draw; all if `None`.
        maps: `"grad_cam"` or `"grad_cam@<layer>"` to draw Grad-CAM too; `None` draws attention alone.
        formats: formats of the figures, `"png"` and `"svg"`; if `None`, PNG for single files, and no figures beside a
            gallery.
        masks: a folder of masks, with the same relative paths as the images of a folder, or the same stem as a file.
        data: an `ImageDataset` to use instead of files; if neither is given, the data of the run.
        split: the split of the data set.
        limit: the largest number of images of the data set, taken evenly over the split.
        verbose: whether to print what is written.
        mask_values: the values inside a mask, as in `keras_attention.data.load`.

    Returns:
        An `Explanation`: `figures`, the paths of the figures; `gallery`, the path of the gallery, or `None`; `skipped`,
        a sentence for each image that could not be read.

    Raises:
        ValueError: a model without attention if Grad-CAM is not wanted, a layer that is not attended, no images,
            masks that do not fit, or `data` whose images became squares in another way than those of the training.

    Example:

    >>> import pathlib, tempfile
    >>> import keras, numpy as np
    >>> from keras_attention import VGG16BN, attention_classifier
    >>> from keras_attention import explain
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> attention_classifier(VGG16BN((32, 32, 3), width=0.05), 3, units=8).save(folder / "model.keras")
    >>> keras.utils.save_img(folder / "a.png", np.full((40, 60, 3), 255), scale=False)
    >>> model, image, out = folder / "model.keras", folder / "a.png", folder / "pictures"
    >>> written = explain(model, [image], out, maps="grad_cam", formats=["png", "svg"], verbose=0)
    >>> [path.name for path in written.figures]
    ['a.png', 'a.svg']
    """
    predictor = load_predictor(model)
    reading = MapReading(predictor, attend, maps, str(model))
    for form in formats or ():
        require_choice("format", form, PICTURE_FORMATS)
    examples = _examples(predictor, model, images, (masks, mask_values), data, split, limit)
    if verbose:
        for note in examples.notes:
            print(f"data    {shown(note)}", flush=True)
    out = _folder(model, out, images)
    many = not images or any(pathlib.Path(path).is_dir() for path in images)
    formats = tuple(dict.fromkeys(formats)) if formats is not None else () if many else ("png",)
    found = reading.read_all(examples, verbose)
    if not found.numbers:
        return Explanation((), None, tuple(found.skipped))
    drawing = Drawing(examples, found, predictor.class_names, map_scales(found.maps))
    figures = drawing.figures(out, formats, verbose)
    page = drawing.gallery(out, f"Where {pathlib.Path(model).resolve().name} looks", verbose) if many else None
    return Explanation(tuple(figures), page, tuple(found.skipped))


def measure_to_folder(
    model,
    images=(),
    out=None,
    layer=None,
    masks=None,
    data=None,
    split="test",
    perturbed=100,
    seed=0,
    verbose=1,
    mask_values=None,
):
    """Measures where a saved model looks, and writes `measures.json` and, with a row for each image, `measures.csv`.

    Args:
        model: a run folder or a `.keras` file.
        images, out, masks, data, split, mask_values: as in `explain`, but all images of the split are measured.
        layer: the layer of Grad-CAM; if `None`, the last one before the last pooling layer.
        perturbed, seed: as in `keras_attention.maps.measure`.
        verbose: whether to print the progress.

    Returns:
        The `MapReport`.

    Raises:
        ValueError: an export (it has no gradients), a model without attention, or images that cannot be read.

    Example:

    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from keras_attention import VGG16BN, attention_classifier
    >>> from keras_attention.data import load
    >>> from keras_attention.explanation import measure_to_folder
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> attention_classifier(VGG16BN((32, 32, 3), width=0.05), 3, units=8).save(folder / "model.keras")
    >>> images, labels = np.random.default_rng(0).integers(0, 256, (60, 32, 32, 3)), np.arange(60) % 3
    >>> data = load((images, labels), class_names=("0", "1", "2"))
    >>> report = measure_to_folder(folder / "model.keras", out=folder / "maps", data=data, perturbed=0, verbose=0)
    >>> report.count, sorted(path.name for path in (folder / "maps").iterdir())
    (9, ['measures.csv', 'measures.json'])
    """
    predictor = load_predictor(model)
    if predictor.model is None:
        expected = "the run or the .keras file of the model"
        raise invalid("An export has no gradients for Grad-CAM, which is always measured.", expected, str(model))
    out = _folder(model, out, images)
    source, names = _measure_input(predictor, model, images, (masks, mask_values), data, split)
    report = measure(predictor.model, source, split, layer, perturbed, seed=seed, verbose=verbose)
    write_json(out / "measures.json", report.summary)
    with replacing(out / "measures.csv") as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        rows = report.rows(names, predictor.class_names)
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return report


def _measure_input(predictor, model, images, masks, data, split):
    """The images as `measure` takes them, and the name of each image."""
    if not images:
        dataset = _dataset(predictor, model, data)
        check_classes(dataset, predictor.class_names)
        return dataset, [f"{split} {number}" for number in range(dataset.split(split).count)]
    examples = FileExamples(images, predictor, *masks)
    pixels, covers = zip(*(examples.read(number) for number in range(len(examples))), strict=True)
    labels = None if None in examples.labels else np.array(examples.labels)
    if masks[0] is None:
        return (np.stack(pixels), labels), examples.names
    empty = np.zeros((predictor.image_size, predictor.image_size, 1), "uint8")
    return (np.stack(pixels), labels, np.stack([empty if mask is None else mask for mask in covers])), examples.names


def _examples(predictor, model, images, masks, data, split, limit):
    require_integer("limit", limit, at_least=1)
    if images:
        return FileExamples(images, predictor, *masks)
    return DataExamples(_dataset(predictor, model, data), split, predictor.class_names, limit)


def _dataset(predictor, model, data):
    if data is not None:
        require_resize(model, predictor, data)
        return data
    if not (pathlib.Path(model) / "config.json").is_file():
        raise invalid(
            "There are no images to explain.", "images, folders of images, `data`, or a run with its data", model
        )
    return load_data(Run(model).config, model)


def _folder(model, out, images):
    """The folder to write to; not among the images, or a second call would explain the pictures of the first."""
    is_run = (pathlib.Path(model) / "metrics.json").is_file()
    out = pathlib.Path(out or (pathlib.Path(model) / "explain" if is_run else "explain"))
    if out.exists() and not out.is_dir():
        raise invalid(f"{out} must be a folder.", "a folder, or a path where one can be made", f"out={str(out)!r}")
    for folder in filter(pathlib.Path.is_dir, map(pathlib.Path, images)):
        if out.resolve().is_relative_to(folder.resolve()):
            raise invalid(
                f"The pictures must not be written among the images of {folder}.", "another `out`", f"out={str(out)!r}"
            )
    return out

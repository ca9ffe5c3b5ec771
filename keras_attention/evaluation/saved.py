"""How good a saved model of any form is, on its data or on other data: the same figures as `train` gives."""

import dataclasses
import pathlib
import sys
import warnings

import numpy as np

from keras_attention.arguments import invalid, require_choice, require_integer
from keras_attention.cards import CARD
from keras_attention.config import TrainConfig
from keras_attention.config.data_settings import OF_THE_IMAGES
from keras_attention.data import ImageDataset, load
from keras_attention.data.dataset import check_classes
from keras_attention.evaluation.figures import split_metrics
from keras_attention.files import read_json
from keras_attention.members import SPLITS
from keras_attention.metrics import FLIPS, mean_over_flips
from keras_attention.models.outputs import LOGITS, map_outputs, maps_of
from keras_attention.prediction import load_predictor
from keras_attention.prediction.loading import require_resize
from keras_attention.prediction.stream import even_batch_size, predict_padded
from keras_attention.runs import load_data
from keras_attention.runs.data import IMAGES_OF_A_RUN, digest_of, read_split
from keras_attention.text import counted, shown

__all__ = ["evaluate"]

# The settings that `load_data` reads. The others may name custom layers, which an export does not need.
OF_THE_DATA = (*OF_THE_IMAGES, "train_on_validation")


def evaluate(
    model,
    data=None,
    data_dir=None,
    masks=None,
    split="test",
    batch_size=32,
    flips="none",
    verbose=0,
    mask_values=None,
    images=None,
    columns=None,
    zeros=None,
):
    """Measures a saved model on a split of a data set.

    Args:
        model: as in `load_predictor`: a run folder, an exported folder, or a `.keras`, `.onnx`, `.tflite` or `.xml`
            file.
        data: an `ImageDataset`, or what `keras_attention.data.load` takes; `None` for the data of the run, or for those
            named in the card of an export.
        data_dir: the folder in which TensorFlow Datasets keeps data sets.
        masks: for a folder of images, the root of a parallel tree of masks, or `"beside"`.
        split: `"train"`, `"validation"` or `"test"`.
        batch_size: the largest number of images at a time.
        flips: `"none"`; `"horizontal"` or `"both"` add `with_flips`, figures averaged over flipped copies.
        verbose: whether to print on standard error which data are used, with a progress bar on a terminal.
        mask_values: the values inside a mask, as in `keras_attention.data.load`.
        images, columns, zeros: how a table of images is read, as in `keras_attention.data.load`.

    Returns:
        The figures under their names in `metrics.json` of a run: `accuracy`, `macro_f1`, `roc_auc`,
        `average_precision`, `loss`, their `intervals`, `count`, `per_class`, `confusion`, and, if there are masks and
        maps, `pointing_game` and the other measures, each by attended layer; of grouped images `group_count`.

    Raises:
        ValueError: a model or data that do not exist, data whose classes differ from the model's, or are in another
            order, an `ImageDataset` whose images became squares in another way (`resize`) than those of the training,
            `masks` or `data_dir` given with an `ImageDataset`, or logits that are not finite.

    Example:

    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from keras_attention import VGG16BN, attention_classifier
    >>> from keras_attention.data import load
    >>> from keras_attention.evaluation import evaluate
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.keras"
    >>> attention_classifier(VGG16BN((32, 32, 3), width=0.05), 3, units=8).save(path)
    >>> images, labels = np.random.default_rng(0).integers(0, 256, (60, 32, 32, 3)), np.arange(60) % 3
    >>> figures = evaluate(path, load((images, labels)))
    >>> figures["count"], len(figures["per_class"]), 0 <= figures["accuracy"] <= 1
    (9, 3, True)
    """
    require_choice("split", split, SPLITS)
    require_choice("flips", flips, FLIPS)
    require_integer("batch_size", batch_size, at_least=1)
    predictor = load_predictor(model)
    given = {"data_dir": data_dir, "masks": masks, "mask_values": mask_values}
    given |= {"images": images, "columns": columns, "zeros": zeros}
    dataset = _dataset(model, predictor, data, split, verbose, **given)
    _check_fit(model, predictor, dataset)
    count = dataset.split(split).count
    with _bar(count * len(FLIPS[flips]), verbose) as bar:
        reading = _Reading(predictor, dataset, split, even_batch_size(count, batch_size), bar)
        outputs, labels, covers = reading.outputs()
        copies = [outputs[LOGITS], *(reading.logits(axes) for axes in FLIPS[flips][1:])]
    if not all(np.isfinite(logits).all() for logits in copies):
        raise invalid("The logits of the model must be finite.", "numbers", f"model={str(model)!r}")
    flipped = None if flips == "none" else (flips, mean_over_flips(copies))
    groups = dataset.groups and dataset.groups[split]
    return split_metrics(outputs[LOGITS], labels, dataset.class_names, maps_of(outputs), covers, flipped, groups)[0]


class _Reading:
    """Runs a `Predictor` on a split, batch by batch."""

    def __init__(self, predictor, dataset, split, size, bar):
        self.predictor, self.dataset, self.split, self.size, self.bar = predictor, dataset, split, size, bar

    def outputs(self):
        """Logits and maps by name, labels `(n,)`, and masks `(n, S, S, 1)` or `None`."""
        outputs, batches = zip(*self._batches(), strict=True)
        # Sorted, because an export has its outputs in any order.
        names = sorted([LOGITS, *map_outputs(outputs[0])])
        joined = {name: np.concatenate([part[name] for part in outputs]) for name in names}
        labels = np.concatenate([batch["labels"].argmax(-1) for batch in batches])
        masks = np.concatenate([batch["masks"] for batch in batches]) if self.dataset.has_masks else None
        return joined, labels, masks

    def logits(self, flipped):
        """The logits of the images mirrored along the axes `flipped`."""
        return np.concatenate([outputs[LOGITS] for outputs, _ in self._batches(flipped)])

    def _batches(self, flipped=()):
        """Yields the outputs for each batch, and the batch."""
        batches = self.dataset.batches(self.split, self.size, flipped, with_masks=self.dataset.has_masks)
        for batch in batches.as_numpy_iterator():
            batch = batch if isinstance(batch, dict) else dict(zip(("images", "labels"), batch, strict=True))
            yield predict_padded(self.predictor, batch["images"], self.size), batch
            self.bar.update(len(batch["images"]))


def _dataset(model, predictor, data, split, verbose, **given):
    """The given data, or the data named in the settings of the model."""
    given = {name: value for name, value in given.items() if value is not None}
    if isinstance(data, ImageDataset):
        if given:
            raise invalid(
                "An `ImageDataset` already has its folder and its masks.",
                f"none of {', '.join(f'`{name}`' for name in given)}",
                given,
            )
        return data
    settings, home = _settings(model)
    if settings is not None and (data is None or _is_same(data, settings.data) or _has_moved(data, settings, home)):
        settings = settings if data is None else dataclasses.replace(settings, data=str(data))
        _say(verbose, f"{settings.data}, with the settings in {home}")
        dataset = load_data(dataclasses.replace(settings, **given), _run_of(home), split)
        _require_same_images(home, dataset)
        return _told(dataset, verbose)
    if data is None:
        expected = "`data`, or a run or an export with its settings"
        raise invalid(f"`data` is needed, because {model} does not name its data.", expected, f"model={str(model)!r}")
    # Other data than those of the training are measured whole, unless they have splits.
    dataset = load(data, image_size=predictor.image_size, resize=predictor.resize, only=split, **given)
    name = data if isinstance(data, (str, pathlib.Path)) else "arrays"
    count = counted(dataset.split(split).count, "image")
    _say(verbose, f"{name}: all {count}, which must not have been in training")
    if home is not None:
        _warn_of_training_images(dataset, split, read_split(_run_of(home)))
    return _told(dataset, verbose)


def _run_of(home):
    """The folder of the run that a file of settings lies in, or the card of an export inside a run."""
    around = home.parent.parent
    return around if home.name == CARD and (around / IMAGES_OF_A_RUN).is_file() else home.parent


def _require_same_images(home, dataset):
    """Refuses data that have changed, of an export outside its run: its test images are no longer known."""
    if home.name != CARD or dataset.files is None or read_split(_run_of(home)) is not None:
        return
    before = (read_json(home).get("data") or {}).get("digest")
    if before not in (None, digest_of(dataset.files)):
        raise invalid(
            f"{dataset.name} has changed since the training, and would be split anew.",
            "the run instead of its export, or other `data`",
            counted(sum(map(len, dataset.files.values())), "image"),
        )


def _warn_of_training_images(dataset, split, remembered):
    """Warns if data that are to be measured hold images that the model was trained on."""
    if remembered is None or dataset.files is None:
        return
    trained = {digest for name in ("train", "validation") for digest in remembered.files[name].values()}
    found = [name for name, digest in dataset.files[split].items() if digest in trained]
    if found:
        of, verb = counted(len(dataset.files[split]), "image"), "was" if len(found) == 1 else "were"
        what = f"{len(found):,} of the {of} {verb} seen in training, the first {shown(found[0])}"
        warnings.warn(f"{what}: these figures flatter the model.", stacklevel=4)


def _told(dataset, verbose):
    if verbose:
        for note in dataset.notes:
            print(f"        {shown(note)}", file=sys.stderr, flush=True)
    return dataset


def _is_same(data, source):
    """Whether data are those of the training: of one name, or in one folder or table, however it is written."""
    if not isinstance(data, (str, pathlib.Path)):
        return False
    path = pathlib.Path(data)
    return str(data) == source or (path.exists() and path.resolve() == pathlib.Path(source).resolve())


def _has_moved(data, settings, home):
    """Whether data are a folder with the images of a run whose own folder is not there any more."""
    split = read_split(_run_of(home))
    if split is None or pathlib.Path(settings.data).exists() or not isinstance(data, (str, pathlib.Path)):
        return False
    return any((pathlib.Path(data) / name).is_file() for names in split.files.values() for name in names)


def _say(verbose, data):
    if verbose:
        print(f"data    {data}", file=sys.stderr, flush=True)


def _settings(model):
    """The `TrainConfig` of a model and the file in which it is, or `(None, None)`."""
    folder = pathlib.Path(model)
    folder = folder if folder.is_dir() else folder.parent
    card, config = folder / CARD, folder / "config.json"
    if card.is_file():
        found = read_json(card)
        training = found.get("training") if isinstance(found, dict) else None
        return (_config(training, card), card) if training else (None, None)
    return (_config(read_json(config), config), config) if config.is_file() else (None, None)


def _config(settings, home):
    if isinstance(settings, dict):
        settings = {name: value for name, value in settings.items() if name in OF_THE_DATA}
    try:
        return TrainConfig.from_dict(settings)
    except ValueError as error:
        raise ValueError(f"The settings in {home} are damaged. {error}") from error


def _check_fit(model, predictor, dataset):
    if dataset.image_size != predictor.image_size:
        received = f"images of {dataset.image_size} px"
        raise invalid("The data must have the image size of the model.", f"{predictor.image_size} px", received)
    require_resize(model, predictor, dataset)
    path, numbers = pathlib.Path(model), tuple(map(str, range(len(predictor.class_names))))
    # A single file may not have the names of its classes, which are then numbers.
    alone = path.is_file() and not any((path.parent / name).is_file() for name in ("metrics.json", CARD))
    names = dataset.class_names if alone and predictor.class_names == numbers else predictor.class_names
    if len(predictor.class_names) != len(names):
        raise invalid(
            "The data must have as many classes as the model.", f"{len(predictor.class_names)}", f"{len(names)}"
        )
    check_classes(dataset, names)


def _bar(count, verbose):
    from tqdm import tqdm

    return tqdm(total=count, unit="image", disable=not (verbose and sys.stderr.isatty()), file=sys.stderr, leave=False)

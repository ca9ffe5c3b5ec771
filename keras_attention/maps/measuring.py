"""`measure`: all measures of the maps of a model on a whole split, each with an interval."""

import collections
import itertools

import numpy as np

from keras_attention.arguments import invalid, require_integer
from keras_attention.data.split import evenly_spaced
from keras_attention.maps.attention import AttentionMaps
from keras_attention.maps.cam import GRAD_CAM, GradCam
from keras_attention.maps.classifier import Classifier, check_images
from keras_attention.maps.map_report import MapReport
from keras_attention.maps.measures import MEASURES, measure_pixels
from keras_attention.maps.perturbation import deletion_and_insertion
from keras_attention.maps.placed import PlacedMaps, joint_map
from keras_attention.maps.properties import agreement
from keras_attention.models.outputs import JOINT, PROBABILITIES
from keras_attention.seeding import seeded
from keras_attention.text import counted

CHUNK = 256  # images whose maps are held at the resolution of the images
CHANCE = "chance"


def measure(model, dataset, split="test", layer=None, perturbed=100, steps=10, seed=0, batch_size=32, verbose=0):
    """Measures the maps of a model on labelled images: of each attended layer, the joint map, and Grad-CAM.

    With masks: pointing game, energy inside, Jaccard index at .5 and at the threshold that is best for the whole split,
    and average precision over the pixels, each with its chance. Images with an empty mask are left out of these.

    Without masks: entropy and sparsity; deletion and insertion of the predicted class, compared with those of a random
    map; the agreement of each two maps; and the agreement of each map with the one of the same network with random
    weights. A map that random weights do not change shows the image, not what was learned.

    Intervals are 95 % intervals by a bootstrap over the images.

    Args:
        model: a classifier with attention layers, images → logits or probabilities.
        dataset: an `ImageDataset`, or arrays: `(images, labels)`, or `(images, labels, masks)`, the masks `(n, H, W)`
            or `(n, H, W, 1)`, of any resolution; `None` for labels or masks that are not known.
        split: the split of an `ImageDataset`.
        layer: the layer of Grad-CAM; see `grad_cam`.
        perturbed: number of images, evenly over the split, for deletion and insertion, which run the model 2·`steps`
            times for each map; 0 leaves them out.
        steps: steps of deletion and insertion.
        seed: for the random weights, the random map, the order of pixels of equal value, and the bootstrap.
        batch_size: images at a time.
        verbose: whether to print the progress.

    Returns:
        A `MapReport`: `summary`, plain data; `table()`, text; `values`, the figures of each image.

    Raises:
        ValueError: a model without attention layers, arrays of different numbers of images, or images that the model
            does not take.

    Example:

    >>> import numpy as np
    >>> from keras_attention import VGG16BN, attention_classifier
    >>> from keras_attention.maps import measure
    >>> model = attention_classifier(VGG16BN((32, 32, 3), width=0.05), 3, units=8)
    >>> generator = np.random.default_rng(0)
    >>> images, labels, masks = generator.integers(0, 256, (6, 32, 32, 3)), np.arange(6) % 3, np.zeros((6, 32, 32))
    >>> masks[:, :16, :16] = 1  # the object is a quarter of each image
    >>> report = measure(model, (images, labels, masks), perturbed=2, steps=2)
    >>> report.maps
    ('block3_pool', 'block4_pool', 'joint', 'grad_cam')
    >>> report.summary["maps"]["joint"]["pointing_game"]["chance"], report.values["deletion/joint"].shape
    (0.25, (2,))

    Reference:
        Adebayo et al., *Sanity Checks for Saliency Maps*, NeurIPS 2018, for the random weights; the others are
        in the docstrings of the measures.
    """
    require_integer("perturbed", perturbed, at_least=0)
    require_integer("seed", seed, at_least=0)
    source = _source(dataset)
    count = source.count(split)
    chosen = evenly_spaced(count, perturbed)
    readers, untrained = MapReaders(model, layer), MapReaders(_with_random_weights(model, seed), layer)
    parts, done, generators = [], 0, collections.defaultdict(lambda: np.random.default_rng(seed))
    for batch in source.batches(split, CHUNK):
        images, labels = check_images(model, np.asarray(batch["images"])), batch["labels"]
        maps = readers(images, batch_size)
        part = {
            "label": _numbers(labels, readers.classifier.count),
            PROBABILITIES: readers.classifier.probabilities(images, batch_size),
        }
        part |= (
            _against_masks(maps, batch.get("masks"))
            | _properties(maps)
            | _agreements(maps, untrained(images, batch_size))
        )
        near = chosen[(chosen >= done) & (chosen < done + len(images))] - done
        if len(near):
            taken = {name: values[near] for name, values in maps.items()}
            part |= _perturbed(readers.classifier, images[near], taken, steps, batch_size, generators)
        parts.append(part)
        done += len(images)
        if verbose:
            print(f"measured {done:,} of {counted(count, 'image')}", flush=True)
    names = dict.fromkeys(name for part in parts for name in part)
    values = {name: np.concatenate([part[name] for part in parts if name in part]) for name in names}
    return MapReport(values, tuple(maps), readers.cam.layer, seed)


class MapReaders:
    """All maps of a model, prepared once for many calls.

    Args:
        model, layer: as in `measure`.
    """

    def __init__(self, model, layer=None):
        self.attention, self.cam = AttentionMaps(model), GradCam(model, layer)
        self.classifier = Classifier(model)

    def __call__(self, images, batch_size=32):
        """Name → `(n, H, W)`: each attended layer, the joint map if there are several, and Grad-CAM."""
        maps = self.attention(images, batch_size=batch_size)
        joint = {JOINT: joint_map(maps)} if len(maps) > 1 else {}
        return maps | joint | {GRAD_CAM: self.cam(images, batch_size=batch_size)}


class _Arrays:
    """Images in memory, with the interface of `_Dataset`."""

    def __init__(self, images, labels, masks):
        self.parts = {"images": images, "labels": labels} | ({} if masks is None else {"masks": masks})

    def count(self, split):
        return len(self.parts["images"])

    def batches(self, split, size):
        for start in range(0, self.count(split), size):
            yield {name: part[start : start + size] for name, part in self.parts.items()}


class _Dataset:
    """An `ImageDataset` whose batches are always dictionaries, with masks if it has any."""

    def __init__(self, dataset):
        self.dataset = dataset

    def count(self, split):
        return self.dataset.split(split).count

    def batches(self, split, size):
        for batch in self.dataset.batches(split, size, with_masks=self.dataset.has_masks):
            yield batch if isinstance(batch, dict) else dict(zip(("images", "labels"), batch, strict=True))


def _source(given):
    """What `measure` reads, from an `ImageDataset` or from arrays, which are checked."""
    if hasattr(given, "split") and hasattr(given, "batches"):
        return _Dataset(given)
    if not isinstance(given, (tuple, list)):
        expected = "an ImageDataset, (images, labels) or (images, labels, masks)"
        raise invalid("`dataset` must be images with labels.", expected, type(given).__name__, TypeError)
    lengths = [None if part is None else (np.shape(part) or (0,))[0] for part in given]
    if len(given) not in (2, 3) or not lengths[0] or set(lengths) - {lengths[0], None}:
        expected = "(images, labels) or (images, labels, masks), with as many of each"
        raise invalid("The arrays must be of the same images.", expected, f"lengths {lengths}")
    labels = np.full(lengths[0], -1) if given[1] is None else np.asarray(given[1])
    known = given[1] is not None
    if known and (labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0):
        raise invalid("The labels must be class numbers.", "integers from 0, (n,)", f"{labels.dtype} {labels.shape}")
    masks = given[2] if len(given) == 3 else None
    return _Arrays(given[0], labels, None if masks is None else np.asarray(masks))


def _numbers(labels, count):
    """One-hot labels or class numbers → class numbers, NaN for labels that are not known."""
    labels = np.asarray(labels, "float64")
    labels = labels.argmax(-1) if labels.ndim == 2 else labels
    if labels.max() >= count:
        raise invalid("Every label must be a class of the model.", f"numbers below {count}", f"{labels.max():g}")
    return np.where(labels < 0, np.nan, labels)


def _with_random_weights(model, seed):
    """The same network with random weights from a seed; the state of the global generator is kept."""
    with seeded(seed):
        return type(model).from_config(model.get_config())


def _against_masks(maps, masks=None):
    if masks is None:
        return {}
    figures, chance = measure_pixels(maps, masks)
    return {"chance": chance} | {
        f"{measure}/{name}": values for name, found in figures.items() for measure, values in found.items()
    }


def _properties(maps):
    of_maps = {name: measure.of_maps for name, measure in MEASURES.items() if measure.of_maps is not None}
    return {f"{name}/{layer}": of(values) for name, of in of_maps.items() for layer, values in maps.items()}


def _agreements(maps, others):
    """Agreement of each two maps except the joint map, and of each map with the one of random weights."""
    pairs = itertools.combinations([name for name in maps if name != JOINT], 2)
    between = {f"agreement/{first}/{second}": agreement(maps[first], maps[second]) for first, second in pairs}
    return between | {f"random_weights/{name}": agreement(maps[name], others[name]) for name in maps}


def _perturbed(classifier, images, maps, steps, batch_size, generators):
    """Deletion and insertion by each map and by a random map.

    Each map has a separate generator, which continues from chunk to chunk, so that chunks do not change the figures.
    """
    finest = max(maps.values(), key=np.size)
    maps = maps | {CHANCE: PlacedMaps(generators["random map"].random(finest.shape), finest.grid)}
    found = {
        name: deletion_and_insertion(classifier, images, values, None, steps, batch_size, generators[name])
        for name, values in maps.items()
    }
    return {f"{measure}/{name}": values for name, both in found.items() for measure, values in both.items()}

"""The images to explain, from files, folders or a data set, with their masks and true classes if known."""

import pathlib

from keras_attention.arguments import invalid
from keras_attention.data.dataset import check_classes
from keras_attention.data.listing import list_images
from keras_attention.data.mask_files import BESIDE, pair_with_masks, shape_of
from keras_attention.data.masks import MaskReader, mask_values, require_masks, resize_mask
from keras_attention.data.reasons import Reason, reason_of
from keras_attention.prediction.sources import images_in
from keras_attention.text import shown


class FileExamples:
    """Image files, and all images in folders, read when needed.

    The true class is known if a folder that contains the image has the name of a class.

    Args:
        paths: paths of files and folders.
        predictor: the `Predictor` of the model, which has its classes and reads images as the model takes them.
        masks: a folder of masks, with the same relative paths as the images of a folder, or the same stem as a file; or
            `"beside"` for masks that lie beside their images.
        mask_values: the values inside a mask, as in `keras_attention.data.load`.

    Raises:
        ValueError: an empty path, a folder without images, or masks that fit no image or do not have its size.
    """

    def __init__(self, paths, predictor, masks=None, mask_values=None):
        self.predictor, self.paths, self.names, self.stems, mask_of = predictor, [], [], [], {}
        require_masks(mask_values, masks is not None, "`masks` too")
        self.masks, self.labels, self.notes = MaskReader(mask_values), [], ()
        for path in _unique(paths):
            root, files = (path, images_in(path)) if path.is_dir() else (path.parent, [path])
            self.paths += files
            self.names += [str(file.relative_to(root)) if path.is_dir() else str(file) for file in files]
            self.stems += ["-".join(file.relative_to(root).with_suffix("").parts) for file in files]
            places = [file.relative_to(root) if path.is_dir() else file for file in files]
            self.labels += [_class_of(place, predictor.class_names) for place in places]
            if masks is not None:
                found = {"": [(file, None) for file in files if file.is_file()]}
                mask_of |= _masks_of(found, root, masks)
        if masks is not None and not mask_of:
            raise invalid("No image has a mask.", f"files of the same paths and stems below {masks}", self.names[0])
        self.mask_of = mask_of

    def __len__(self):
        return len(self.paths)

    def read(self, number):
        """The image, uint8 `(S, S, 3)`, and its mask, uint8 `(S, S, 1)`, or `None`.

        Raises:
            ValueError: a file that cannot be read as an image.
        """
        path = self.paths[number]
        pixels, masks = self.predictor.read(path), self.mask_of.get(path)
        if masks is None:
            return pixels, None
        read = self._mask(path, masks)
        self.masks.require_one_value()
        return pixels, read

    def _mask(self, path, masks):
        """The mask of an image, placed in its square as the image is in its own."""
        size, resize = self.predictor.image_size, self.predictor.resize
        try:
            pixels = self.masks.read(*(pathlib.Path(mask).read_bytes() for mask in masks))
        except (ValueError, OSError) as error:
            found = ((mask, reason_of(mask, mask_values)) for mask in masks)
            mask, why = next((pair for pair in found if pair[1]), (masks[0], Reason(f"cannot be used: {error}")))
            raise invalid(f"The mask {shown(mask)} {why.what}.", why.expected, f"masks={str(mask)!r}") from error
        return resize_mask(pixels, size, resize, shape_of(path)[::-1]).numpy()


class DataExamples:
    """Images of a split of a data set, evenly over it, held in memory.

    Args:
        dataset: an `ImageDataset`.
        split: the name of the split.
        class_names: the classes of the model.
        limit: the largest number of images.

    Raises:
        ValueError: data whose classes are not those of the model.
    """

    def __init__(self, dataset, split, class_names, limit):
        check_classes(dataset, class_names)
        self.notes = dataset.notes
        self.examples = dataset.evenly(split, limit)
        self.numbers = self.examples["number"].tolist()
        self.names = [f"{split} {number}" for number in self.numbers]
        self.stems = [f"{split}-{number:05d}" for number in self.numbers]
        self.paths = []
        self.labels = self.examples["label"].tolist()

    def __len__(self):
        return len(self.numbers)

    def read(self, number):
        """The image, uint8 `(S, S, 3)`, and its mask, uint8 `(S, S, 1)`, or `None`."""
        masks = self.examples.get("mask")
        return self.examples["image"][number], None if masks is None else masks[number]


def _unique(paths):
    """The paths without those that lead to the same place as an earlier one."""
    if not all(str(path) for path in paths):
        raise invalid("The path of an image is empty.", "the path of a file or a folder", "''")
    found = {}
    for path in map(pathlib.Path, paths):
        found.setdefault(path.resolve(), path)
    return found.values()


def _masks_of(files, root, masks):
    """Image path → mask path, of the images of one path that was given."""
    if str(masks) != BESIDE:
        # A single image may lie deeper in the tree of images, as its mask does in that of masks.
        around = [
            folder for folder in root.parents if not pathlib.Path(masks).resolve().is_relative_to(folder.resolve())
        ]
        return pair_with_masks(files, (root, *around), pathlib.Path(masks), some=False)[0]
    beside = list_images(root).mask_of
    return {path: beside[path] for path, _ in files[""] if path in beside}


def _class_of(path, class_names):
    """The number of the class whose name the nearest folder around a file has, or `None`.

    Only the folders of the path as it is given count, so that a link has the class of the folder in which it lies.
    """
    names = [parent.name for parent in path.parents]
    return next((class_names.index(name) for name in names if name in class_names), None)

"""A folder of images → `ImageDataset`: `<root>/<split>/<class>/*` or `<root>/<class>/*`, masks in a parallel tree."""

import pathlib
import warnings

import tensorflow as tf
from PIL import Image, UnidentifiedImageError

from keras_attention.arguments import invalid
from keras_attention.data.dataset import SPLITS, ImageDataset
from keras_attention.data.images import decode_image, decode_mask
from keras_attention.data.partition import complete_splits
from keras_attention.data.split import Split

SPLIT_FOLDERS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
MOST_THAT_MAY_BE_SKIPPED = 0.05
DEFAULT_IMAGE_SIZE = 224
LICENCES = ("license", "licence", "copying")


def load_folder(root, image_size=None, masks=None, split_seed=0):
    """Lists the files, checks that each of them decodes, and keeps the decoded images if they fit in memory.

    Args:
        root: the folder.
        image_size: S, the side in pixels to which images are scaled; 224 if `None`.
        masks: the root of a tree of masks; the mask of an image has the same relative path and stem. An image without
            a mask gets an empty one, which counts as no mask, and a note gives the number of such images.
        split_seed: seed of the draw of the splits that the folder lacks.

    Raises:
        ValueError: no images, only one class, an empty split or class, too many files that do not decode, no image
            with a mask, or a mask of another size than its image.
    """
    root, image_size = pathlib.Path(root), image_size or DEFAULT_IMAGE_SIZE
    files, class_names = _list_files(root)
    mask_of, without = pair_with_masks(files, root, pathlib.Path(masks)) if masks is not None else ({}, ())
    splits, labels, skipped = {}, {}, []
    for split, pairs in files.items():
        splits[split], labels[split], bad = _load_split(pairs, mask_of, image_size)
        skipped += bad
    _report_skipped(skipped, mask_of, sum(len(pairs) for pairs in files.values()))
    for split in splits:
        if not len(labels[split]):
            raise _empty(root, split)
    splits, notes = complete_splits(splits, labels, class_names, split_seed)
    if without:
        first = without[0].relative_to(root)
        notes = (*notes, f"{len(without):,} of {len(mask_of) + len(without):,} images have no mask, the first {first}")
    return ImageDataset(
        name=root.resolve().name if root.resolve().name not in ("images", "data") else root.resolve().parent.name,
        class_names=tuple(class_names),
        image_size=image_size,
        has_masks=masks is not None,
        skipped=tuple(sorted(str(path.relative_to(root)) for path in skipped)),
        notes=notes,
        licence=_licence(root),
        **splits,
    )


def _licence(root):
    """The name of the file in the folder that holds the licence of the images, if there is one."""
    found = sorted(path.name for path in root.iterdir() if path.is_file() and path.stem.lower() in LICENCES)
    return f"see {found[0]}" if found else None


def _list_files(root):
    """Split → [(path, label)], and the class names; a folder without splits is all train."""
    folders = _subfolders(root)
    split_of = {
        folder: split for folder in folders for split, names in SPLIT_FOLDERS.items() if folder.name.lower() in names
    }
    if not folders:
        raise invalid(f"{root} has no class folders.", "<root>/<class>/* or <root>/<split>/<class>/*", f"data={root}")
    class_folders = {"train": folders}
    if split_of:
        strangers = [folder.name for folder in folders if folder not in split_of]
        if strangers or "train" not in split_of.values() or len(set(split_of.values())) < len(split_of):
            raise invalid(
                f"{root} mixes splits and other folders, has no train split, or has one split twice.",
                "one folder each named train, validation and test, or folders named after the classes alone",
                f"folders {', '.join(folder.name for folder in folders)}",
            )
        class_folders = {split_of[folder]: _subfolders(folder) for folder in folders}
    class_names = sorted(folder.name for folder in class_folders["train"])
    files = {}
    if not class_names:
        raise _empty(root, "train")
    for split in filter(class_folders.get, SPLITS):
        files[split] = _list_classes(split, class_folders[split], class_names)
    empty = [split for split in class_folders if not files.get(split)]
    if empty:
        raise _empty(root, empty[0])
    if len(class_names) < 2:
        raise invalid(f"{root} has only one class.", "at least two class folders", f"classes {', '.join(class_names)}")
    return files, class_names


def _empty(root, split):
    return invalid(f"The {split} split of {root} is empty.", "images in every split", f"split={split!r}")


def _list_classes(split, folders, class_names):
    pairs = []
    for folder in folders:
        if folder.name not in class_names:
            raise invalid(
                f"The class {folder.name!r} of the {split} split is not in train.",
                f"one of: {', '.join(class_names)}",
                str(folder),
            )
        paths = sorted(path for path in folder.rglob("*") if path.is_file() and not _hidden(path.relative_to(folder)))
        if not paths and split == "train":
            raise invalid(f"The class folder {folder} is empty.", "at least one image in it", f"class={folder.name!r}")
        pairs += [(path, class_names.index(folder.name)) for path in paths]
    return pairs


def _subfolders(folder):
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _hidden(path):
    return any(part.startswith(".") for part in path.parts)


def pair_with_masks(files, root, masks, some=True):
    """Image path → mask path, and the paths of the images without a mask.

    Args:
        files: split → [(path of an image, label)].
        root: the folder of the images.
        masks: the folder of the masks.
        some: whether at least one image must have a mask.

    Raises:
        ValueError: a mask of another size than its image, or, with `some`, no image with a mask.
    """
    if not masks.is_dir():
        raise invalid("The folder of masks does not exist.", "an existing folder", f"masks={masks}")
    by_stem = {path.relative_to(masks).with_suffix(""): path for path in masks.rglob("*") if path.is_file()}
    mask_of, without = {}, []
    for path in (path for pairs in files.values() for path, _ in pairs):
        mask = by_stem.get(path.relative_to(root).with_suffix(""))
        image_shape = _shape(path)
        if image_shape is None:
            continue  # not an image: it needs no mask, and is reported as skipped later
        if mask is None:
            without.append(path)
            continue
        if _shape(mask) != image_shape:
            raise invalid(
                f"The mask {mask.relative_to(masks)} must have the size of its image.",
                f"width and height {image_shape}",
                f"{_shape(mask) or 'a file that is not an image'}",
            )
        mask_of[path] = mask
    if some and not mask_of and without:
        raise invalid(
            "No image has a mask.",
            f"files with the same relative paths and stems in {masks}",
            f"{without[0].relative_to(root)}",
        )
    return mask_of, without


def _shape(path):
    """(width, height) as the header of an image file gives them; `None` for other files."""
    try:
        with Image.open(path) as image:
            return image.size
    except (UnidentifiedImageError, OSError):
        return None


def _load_split(pairs, mask_of, image_size):
    """The split of the files that decode, its labels, and the paths of the files that do not decode."""
    numbers, labels, in_memory = _reader(pairs, mask_of, image_size).decode_all(image_size)
    kept = [pairs[number] for number in numbers]
    bad = [pairs[number][0] for number in sorted(set(range(len(pairs))) - set(numbers.tolist()))]
    return in_memory or _reader(kept, mask_of, image_size), labels, bad


def _reader(pairs, mask_of, image_size):
    """A split that reads its files whenever its examples are taken."""
    paths = tf.constant([str(path) for path, _ in pairs])
    labels = tf.constant([label for _, label in pairs], tf.int64)
    masks = tf.constant([str(mask_of.get(path, "")) for path, _ in pairs])

    def decode(number):
        example = {"image": decode_image(tf.io.read_file(paths[number]), image_size), "label": labels[number]}
        if mask_of:
            example["mask"] = _mask(masks[number], image_size)
        return example

    return Split(tf.data.Dataset.range(len(pairs)), decode, lambda number: tf.gather(labels, number), len(pairs))


def _mask(path, image_size):
    """The mask in a file, or an empty mask if the path is empty."""
    empty = tf.zeros((image_size, image_size, 1), tf.uint8)
    return tf.cond(path == "", lambda: empty, lambda: decode_mask(tf.io.read_file(path), image_size))


def _report_skipped(skipped, mask_of, count):
    for path in skipped:
        mask = f" or its mask {mask_of[path]}" if path in mask_of else ""
        warnings.warn(f"{path}{mask} does not decode as an image and is skipped.", stacklevel=4)
    if len(skipped) > MOST_THAT_MAY_BE_SKIPPED * count:
        raise invalid(
            f"{len(skipped)} of {count} files do not decode as images, the first {skipped[0]}.",
            f"at most {MOST_THAT_MAY_BE_SKIPPED:.0%} of them",
            f"{len(skipped) / count:.1%}",
        )

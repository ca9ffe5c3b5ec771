"""Which files are images: one rule for training, prediction, explanation and evaluation.

A file is an image if its name ends as one or if it begins as one. What lies beside images is passed over and counted:
hidden files, the thumbnails of network drives and systems, masks beside their images, and whatever is not an image.
"""

import collections
import dataclasses
import os
import pathlib

from keras_attention.data.names import (
    ALONE,
    IMAGE_FOLDERS,
    IMAGE_STEMS,
    MASK_FOLDERS,
    PICTURE_FOLDERS,
    image_of,
)
from keras_attention.sources import IMAGE_SUFFIXES

# First bytes of a file without such a suffix that is an image all the same.
BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP  ")
OF_SYSTEMS = frozenset(
    (
        *("@eadir", "__macosx", "#recycle", "#snapshot", "$recycle.bin", "system volume information", "lost+found"),
        *("thumbs.db", "desktop.ini", "ehthumbs.db", "picasa.ini", "icon\r"),
    )
)
HIDDEN, FOREIGN, DEAD, MASKS, PICTURES, UNLABELLED = (
    "hidden, or of the system",
    "files that are not images",
    "links that lead nowhere",
    "masks beside their images",
    "pictures made of other images",
    "images outside all class folders",
)
JPEG_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif")


@dataclasses.dataclass
class Listing:
    """The images below a folder, and what was passed over.

    Args:
        images: their paths, in order.
        mask_of: the path of an image → those of the masks beside it, a tuple; its object is in any of them.
        passed: reason → number of files.
        errors: the `OSError` of each folder that cannot be opened.
    """

    images: list = dataclasses.field(default_factory=list)
    mask_of: dict = dataclasses.field(default_factory=dict)
    passed: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    errors: list = dataclasses.field(default_factory=list)

    def add(self, other):
        """Adds another listing to this one."""
        self.images += other.images
        self.mask_of |= other.mask_of
        self.passed += other.passed
        self.errors += other.errors


def is_of_system(name):
    """Whether a file or a folder is hidden, or made by a system, so that it is passed over with all that it holds."""
    return name.startswith(".") or name.lower() in OF_SYSTEMS


def is_image(path):
    """Whether a file is an image by its suffix, or by its first bytes."""
    path = pathlib.Path(path)
    return path.suffix.lower() in IMAGE_SUFFIXES or begins_as_image(path)


def begins_as_image(path):
    """Whether the first bytes of a file are those of an image."""
    try:
        with open(path, "rb") as file:
            start = file.read(16)
    except OSError:
        return False
    webp = start[:4] == b"RIFF" and start[8:12] == b"WEBP"
    return webp or start.startswith(BEGINNINGS) or (start[:2] == b"BM" and start[6:10] == b"\0\0\0\0")


def list_images(folder):
    """The `Listing` of a folder and its subfolders.

    Links are followed, but not in a circle; a file or folder lies where its link lies, never where it leads.
    """
    listing = Listing()
    _walk(pathlib.Path(folder), (os.path.realpath(folder),), listing)
    _take_masks_out(pathlib.Path(folder), listing)
    listing.images.sort(key=lambda path: path.parts)
    return listing


def _walk(folder, above, listing):
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        listing.errors.append(error)
        return
    files = []
    for entry in entries:
        path = folder / entry.name
        if is_of_system(entry.name):
            listing.passed[HIDDEN] += _files_below(path) if entry.is_dir() else 1
        elif entry.is_dir():
            real = os.path.realpath(path)
            if not entry.is_symlink() or real not in above:
                _walk(path, (*above, real), listing)
        elif entry.is_file():
            files.append(path)
        elif entry.is_symlink():
            listing.passed[DEAD] += 1
    _sort_out(files, listing)


def _sort_out(files, listing):
    """Adds the images among the files of one folder to a listing, and counts the others."""
    images = [path for path in files if is_image(path)]
    listing.passed[FOREIGN] += len(files) - len(images)
    by_stem = {path.stem: path for path in images}
    for path in images:
        image, is_mask = _made_of(path, by_stem)
        if image is None:
            listing.images.append(path)
        elif is_mask:
            listing.mask_of[image] = (*listing.mask_of.get(image, ()), path)
            listing.passed[MASKS] += 1
        else:
            listing.passed[PICTURES] += 1


def _made_of(path, by_stem):
    """The image in the same folder of which a file is a mask or another picture, and whether it is a mask."""
    alone = next((by_stem[stem] for stem in IMAGE_STEMS if stem in by_stem), None)
    if alone and path.stem.lower() in ALONE:
        return alone, ALONE[path.stem.lower()]
    stem, is_mask = image_of(path.stem) or (None, False)
    image = by_stem.get(stem)
    # `bottle_label.jpg` is a photograph of a label and not a mask: masks are seldom stored as JPEG.
    photograph = path.suffix.lower() in JPEG_SUFFIXES and path.stem.lower().endswith(("label", "labels"))
    return (None, False) if photograph else (image, is_mask)


def _take_out(root, listing, names):
    """Takes the images out that lie in folders of masks or pictures, such as `masks/a.png` beside `images/a.jpg`.

    Args:
        root: the folder that was listed.
        listing: its `Listing`.
        names: the names of such folders.

    Returns:
        The paths that were taken out, and pairs of such a path and that of its image.
    """
    images = {path.relative_to(root).with_suffix("").parts: path for path in listing.images}
    pairs, folders = {}, set()
    for parts, path in images.items():
        for place in (number for number, part in enumerate(parts[:-1]) if part.lower() in names):
            image = next((images[key] for key in _keys_of_image(parts, place, images) if key in images), None)
            if image is not None:
                folders.add(parts[: place + 1])
                pairs[path] = image
    out = {path for parts, path in images.items() if any(parts[:number] in folders for number in range(1, len(parts)))}
    listing.images = [path for path in listing.images if path not in out]
    return out, {path: image for path, image in pairs.items() if image not in out}


def _take_masks_out(root, listing):
    masks, pairs = _take_out(root, listing, MASK_FOLDERS)
    for mask, image in pairs.items():
        listing.mask_of[image] = (*listing.mask_of.get(image, ()), mask)
    listing.passed[MASKS] += len(masks)
    listing.passed[PICTURES] += len(_take_out(root, listing, PICTURE_FOLDERS)[0])


def _keys_of_image(parts, place, images):
    """Where the image of a mask may lie: in the folder around the folder of masks, or in one of images beside it."""
    found = image_of(parts[-1])
    stems = (parts[-1], found[0]) if found else (parts[-1],)
    around, below = parts[:place], parts[place + 1 : -1]
    beside = {key[place] for key in images if len(key) > place + 1 and key[:place] == around}
    between = [(), *((name,) for name in sorted(beside) if name.lower() in IMAGE_FOLDERS)]
    return [(*around, *name, *below, stem) for name in between for stem in stems]


def _files_below(folder):
    return sum(len(files) for _, _, files in os.walk(folder))


def told(passed):
    """What was passed over, as a sentence; an empty text if nothing was."""
    parts = [f"{reason} ({count:,})" for reason, count in passed.items() if count]
    return f"passed over: {', '.join(parts)}" if parts else ""

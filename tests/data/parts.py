"""What a batch of an `ImageDataset` holds, and what an image file holds."""

import io

from PIL import Image


def parts_of(batch):
    """Images, labels and, if there are any, masks of a batch."""
    return tuple(batch[name] for name in ("images", "labels", "masks")) if isinstance(batch, dict) else batch


def encoded(array, kind, mode=None):
    """An array as the bytes of an image file."""
    image, file = Image.fromarray(array), io.BytesIO()
    (image.convert(mode) if mode else image).save(file, kind)
    return file.getvalue()

"""What a batch of an `ImageDataset` holds, with masks or without."""


def parts_of(batch):
    """Images, labels and, if there are any, masks of a batch."""
    return tuple(batch[name] for name in ("images", "labels", "masks")) if isinstance(batch, dict) else batch

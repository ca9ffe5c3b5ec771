"""The data of a run."""

import dataclasses

from keras_attention.arguments import invalid
from keras_attention.data import load


def load_data(config):
    """The `ImageDataset` that a `TrainConfig` names."""
    dataset = load(
        config.data,
        data_dir=config.data_dir,
        masks=config.masks,
        mask_values=config.mask_values,
        image_size=config.image_size,
        split_seed=config.split_seed,
        **config.data_options,
    )
    if config.supervise_attention and not dataset.has_masks:
        raise invalid(
            f"{dataset.name} has no masks to teach attention.",
            "a data set with masks, or for a folder of images the folder of their `masks`",
            f"supervise_attention={config.supervise_attention}",
        )
    if not config.train_on_validation:
        return dataset
    note = "trained on train and validation together; the last epoch is kept"
    return dataclasses.replace(dataset, trains_on_validation=True, notes=(*dataset.notes, note))

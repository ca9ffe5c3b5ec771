"""A table with a row for each image → which files are images, their classes, splits, groups and masks."""

from keras_attention.data.tables.manifest import Manifest

__all__ = ["Manifest"]

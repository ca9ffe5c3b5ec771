"""The feature maps of a frozen backbone, computed once and kept on disk, from which the layers after it are trained."""

from keras_attention.features.cache import FeatureCache, calibrate_once, default_folder
from keras_attention.features.dataset import FeatureDataset
from keras_attention.features.store import FeatureStore

__all__ = ["FeatureCache", "FeatureDataset", "FeatureStore", "calibrate_once", "default_folder"]

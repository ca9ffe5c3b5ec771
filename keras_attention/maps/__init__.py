"""Where a model looks: attention maps and Grad-CAM, measures of them, and pictures of them."""

from keras_attention.maps.attention import AttentionMaps, attention_maps
from keras_attention.maps.cam import GradCam, grad_cam
from keras_attention.maps.map_report import MapReport
from keras_attention.maps.mask_measures import (
    energy_inside,
    jaccard,
    mean_figures,
    pixel_average_precision,
    pointing_game,
)
from keras_attention.maps.measures import MEASURES, MapMeasure, measure_maps
from keras_attention.maps.measuring import measure
from keras_attention.maps.perturbation import deletion_and_insertion
from keras_attention.maps.pictures import MapScale, attention_figure, attention_strip, map_scales
from keras_attention.maps.placed import PlacedMaps, joint_map, resize_maps
from keras_attention.maps.properties import agreement, entropy, sparsity

__all__ = [
    "MEASURES",
    "AttentionMaps",
    "GradCam",
    "MapMeasure",
    "MapReport",
    "MapScale",
    "PlacedMaps",
    "agreement",
    "attention_figure",
    "attention_maps",
    "attention_strip",
    "deletion_and_insertion",
    "energy_inside",
    "entropy",
    "grad_cam",
    "jaccard",
    "joint_map",
    "map_scales",
    "mean_figures",
    "measure",
    "measure_maps",
    "pixel_average_precision",
    "pointing_game",
    "resize_maps",
    "sparsity",
]

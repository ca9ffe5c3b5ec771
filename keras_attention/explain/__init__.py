"""Where a model looks: its maps and Grad-CAM, how good they are, and pictures of them."""

from keras_attention.explain.grad_cam import GradCam, grad_cam
from keras_attention.explain.map_report import MapReport
from keras_attention.explain.maps import AttentionMaps, attention_maps, joint_map, resize_maps
from keras_attention.explain.measures import (
    MEASURES,
    energy_inside,
    jaccard,
    mean_figures,
    measure_maps,
    pixel_average_precision,
    pointing_game,
)
from keras_attention.explain.measuring import measure
from keras_attention.explain.perturbation import deletion_and_insertion
from keras_attention.explain.pictures import MapScale, attention_figure, attention_strip, map_scales
from keras_attention.explain.properties import agreement, entropy, sparsity

__all__ = [
    "MEASURES",
    "AttentionMaps",
    "GradCam",
    "MapReport",
    "MapScale",
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

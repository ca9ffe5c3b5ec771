"""Where a model looks: its maps, how good they are, and pictures of them."""

from keras_attention.explain.maps import attention_maps, joint_map, resize_maps
from keras_attention.explain.measures import (
    MEASURES,
    energy_inside,
    jaccard,
    mean_figures,
    measure_maps,
    pointing_game,
)
from keras_attention.explain.pictures import MapScale, attention_figure, attention_strip, map_scales

__all__ = [
    "MEASURES",
    "MapScale",
    "attention_figure",
    "attention_maps",
    "attention_strip",
    "energy_inside",
    "jaccard",
    "joint_map",
    "map_scales",
    "mean_figures",
    "measure_maps",
    "pointing_game",
    "resize_maps",
]

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
from keras_attention.explain.pictures import attention_figure

__all__ = [
    "MEASURES",
    "attention_figure",
    "attention_maps",
    "energy_inside",
    "jaccard",
    "joint_map",
    "mean_figures",
    "measure_maps",
    "pointing_game",
    "resize_maps",
]

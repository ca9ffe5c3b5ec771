"""Where a model looks: its maps, how good they are, and pictures of them."""

from keras_attention.explain.maps import attention_maps, joint_map, resize_maps
from keras_attention.explain.measures import pointing_game, pointing_games
from keras_attention.explain.pictures import attention_figure

__all__ = ["attention_figure", "attention_maps", "joint_map", "pointing_game", "pointing_games", "resize_maps"]

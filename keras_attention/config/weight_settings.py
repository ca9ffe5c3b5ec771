"""Settings of pretrained weights: which, what of them is frozen, and the cache of what is."""

import dataclasses

from keras_attention.config.checks import Part, Path, Truth, integer, number
from keras_attention.config.rules import WHOLE_BACKBONE
from keras_attention.config.setting import setting

VIEWS = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightSettings:
    """The pretrained weights of a run."""

    GROUP = "pretrained weights"

    weights: str | None = setting(
        None,
        Path(),
        "pretrained weights of the backbone: imagenet, or a file: .keras or .weights.h5, for VGG16 also .safetensors, "
        ".npz, .h5, .pth or .pt",
        "W",
    )
    freeze: str | None = setting(
        None,
        Part(),
        "which part of the backbone keeps its weights, its batch normalization in inference mode: all of it (its "
        "features are then cached), or a layer with all before it, such as block3 for block3_pool",
        "LAYER",
        bare=WHOLE_BACKBONE,
    )
    unfreeze_after: int | None = setting(
        None, integer(1, optional=True), "epochs after which the frozen part is trained too", "N"
    )
    backbone_rate: float = setting(1.0, number(above=0), "factor on the learning rate for the backbone", "F")
    cache_features: bool = setting(
        True,
        Truth(),
        "compute the features of a frozen backbone at every step, each time with another augmentation, instead of once "
        "into a cache on disk",
        flag="--no-cache",
    )
    cache_dir: str | None = setting(
        None, Path(), "where that cache is", "DIR", usual="$KERAS_ATTENTION_CACHE, else ~/.cache/keras_attention"
    )
    views: int | None = setting(
        None,
        integer(1, optional=True),
        "augmented copies of each training image in that cache",
        "N",
        usual=f"{VIEWS} if images are augmented",
    )

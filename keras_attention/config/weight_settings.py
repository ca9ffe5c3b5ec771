"""Settings of pretrained weights: which to load, which to freeze, and the cache of frozen features."""

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
        ".npz, .h5, .pth, .pt, .ckpt or .bin",
        "W",
    )
    freeze: str | None = setting(
        None,
        Part(),
        "part of the backbone whose weights do not change, with its batch normalization in inference mode: all (its "
        "features are then cached), or everything up to a layer, such as block3 for block3_pool",
        "LAYER",
        bare=WHOLE_BACKBONE,
    )
    unfreeze_after: int | None = setting(
        None, integer(1, optional=True), "epochs after which the frozen part is trained too", "N"
    )
    backbone_rate: float = setting(1.0, number(above=0), "factor on the learning rate of the backbone", "F")
    cache_features: bool = setting(
        True,
        Truth(),
        "without a cache on disk, the features of a frozen backbone are computed at every step, each time with another "
        "augmentation",
        flag="--no-cache",
    )
    cache_dir: str | None = setting(
        None, Path(), "folder of the cache", "DIR", usual="$KERAS_ATTENTION_CACHE, else ~/.cache/keras_attention"
    )
    views: int | None = setting(
        None,
        integer(1, optional=True),
        "augmented copies of each training image in the cache",
        "N",
        usual=f"{VIEWS} if images are augmented",
    )

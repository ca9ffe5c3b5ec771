"""Settings of the training: epochs, optimizer, loss, and how the best epoch is chosen."""

import dataclasses

from keras_attention.config.checks import OneOf, Truth, integer, number
from keras_attention.config.setting import setting
from keras_attention.metrics import MONITORS


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """The training of a run."""

    GROUP = "training"

    epochs: int = setting(5, integer(1), "passes over the training images; the schedule spans all of them", "N")
    stop_after: int | None = setting(
        None,
        integer(1, optional=True),
        "end the run after this many epochs, without shortening its schedule",
        "N",
        usual="all of them",
    )
    train_on_validation: bool = setting(
        False,
        Truth(),
        "train on the validation images too; the last epoch is kept, as no images are left to choose the best by",
    )
    batch_size: int = setting(32, integer(1), "images per step", "N")
    learning_rate: float = setting(3e-4, number(above=0), "the highest learning rate", "F")
    optimizer: str = setting("adamw", OneOf(("adamw", "sgd")), "optimizer; sgd has Nesterov momentum 0.9", "NAME")
    weight_decay: float = setting(
        1e-4,
        number(at_least=0),
        "decoupled weight decay, of all weights except biases and the weights of batch normalization",
        "F",
    )
    schedule: str = setting("cosine", OneOf(("cosine", "step", "constant")), "course of the learning rate", "NAME")
    step_epochs: int = setting(10, integer(1), "epochs between two steps of the step schedule", "N")
    step_factor: float = setting(0.1, number(above=0), "factor on the learning rate at each step", "F")
    warmup_epochs: float = setting(
        1.0,
        number(at_least=0),
        "epochs, or a fraction of one, in which the learning rate rises linearly from 0; at most half of the run",
        "F",
    )
    clip_norm: float | None = setting(
        None,
        number(above=0, optional=True),
        "largest norm of the gradient of all weights together; a larger gradient is scaled down to it",
        "F",
    )
    loss: str = setting(
        "cross_entropy",
        OneOf(("cross_entropy", "focal")),
        "loss of the classification; focal is −(1 − p)^γ log p for the probability p of the true class",
        "NAME",
    )
    focal_gamma: float = setting(
        2.0, number(at_least=0), "γ: the larger, the less the focal loss counts images that are already right", "F"
    )
    class_weights: str = setting(
        "none",
        OneOf(("none", "balanced")),
        "weights of the classes; balanced weighs each by the inverse of its frequency",
        "NAME",
    )
    label_smoothing: float = setting(
        0.0, number(at_least=0, below=1), "share of each target that is spread over all classes", "F"
    )
    precision: str = setting(
        "auto",
        OneOf(("auto", "float32", "mixed_bfloat16")),
        "precision of the computation; auto is mixed_bfloat16 on a GPU that supports it, and for layers over cached "
        "features on a processor that multiplies in it, else float32",
        "P",
    )
    monitor: str = setting("val_accuracy", OneOf(tuple(MONITORS)), "figure by which the best epoch is chosen", "NAME")
    patience: int | None = setting(
        None, integer(1, optional=True), "stop after this many epochs without a better one", "N"
    )
    seed: int = setting(
        0, integer(0, 2**31 - 1), "seed of the weights, the order of the images, augmentation and dropout", "N"
    )

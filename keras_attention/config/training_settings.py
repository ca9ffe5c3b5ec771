"""Settings of the training: epochs, optimizer, loss, and how the best epoch is chosen."""

import dataclasses

from keras_attention.config.checks import OneOf, Truth, integer, number
from keras_attention.config.setting import setting
from keras_attention.metrics import MONITORS


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """The training of a run."""

    GROUP = "training"

    epochs: int = setting(5, integer(1), "passes over the training images, over which the schedule is laid out", "N")
    stop_after: int | None = setting(
        None,
        integer(1, optional=True),
        "epochs after which the run ends, wherever its schedule stands",
        "N",
        usual="all of them",
    )
    train_on_validation: bool = setting(
        False,
        Truth(),
        "train on the validation images too; as nothing is left to choose the best epoch by, the last is kept",
    )
    batch_size: int = setting(32, integer(1), "images in a step", "N")
    learning_rate: float = setting(3e-4, number(above=0), "the highest rate", "F")
    optimizer: str = setting("adamw", OneOf(("adamw", "sgd")), "optimizer; sgd has Nesterov momentum 0.9", "NAME")
    weight_decay: float = setting(
        1e-4,
        number(at_least=0),
        "decoupled from the loss, on all weights but biases and those of batch normalization",
        "F",
    )
    schedule: str = setting("cosine", OneOf(("cosine", "step", "constant")), "course of the learning rate", "NAME")
    step_epochs: int = setting(10, integer(1), "epochs between two steps of the step schedule", "N")
    step_factor: float = setting(0.1, number(above=0), "factor of a step", "F")
    warmup_epochs: float = setting(
        1.0,
        number(at_least=0),
        "epochs, or a part of one, in which the rate rises linearly from 0; at most half of the run",
        "F",
    )
    clip_norm: float | None = setting(
        None,
        number(above=0, optional=True),
        "largest norm of the gradient of all weights together; a longer one is scaled down to it",
        "F",
    )
    loss: str = setting(
        "cross_entropy",
        OneOf(("cross_entropy", "focal")),
        "loss of the classification; focal is −(1 − p)^γ log p for the probability p of the true class",
        "NAME",
    )
    focal_gamma: float = setting(
        2.0, number(at_least=0), "γ: how much less the focal loss counts what is right already", "F"
    )
    class_weights: str = setting(
        "none",
        OneOf(("none", "balanced")),
        "weights of the classes; balanced weighs each by the inverse of its frequency",
        "NAME",
    )
    label_smoothing: float = setting(0.0, number(at_least=0, below=1), "at least 0 and below 1", "F")
    precision: str = setting(
        "auto",
        OneOf(("auto", "float32", "mixed_bfloat16")),
        "what to compute in; auto is bfloat16 on a GPU that has it, else float32",
        "P",
    )
    monitor: str = setting("val_accuracy", OneOf(tuple(MONITORS)), "figure by which the best epoch is chosen", "NAME")
    patience: int | None = setting(
        None, integer(1, optional=True), "stop after so many epochs without a better one", "N"
    )
    seed: int = setting(
        0, integer(0, 2**31 - 1), "of the weights, the order of the images, augmentation and dropout", "N"
    )

"""The settings of a run as flags: what `train` and every command that trains takes, and what was given of it."""

import json

# (flag, type, metavar, help); the flag is the name of the `TrainConfig` field. A flag that is not given leaves the
# field its default, or in a run that is continued its saved value.
DATA = (
    ("--data", str, "SOURCE", "cluttered_digits (default), a folder of images, or a TensorFlow Datasets name"),
    ("--data-dir", str, "DIR", "where TensorFlow Datasets keeps data sets"),
    ("--masks", str, "DIR", "for a folder: the root of a parallel tree of masks"),
    ("--image-size", int, "N", "side of the images in pixels, at least 32 (default: that of the data, else 224)"),
    ("--split-seed", int, "N", "seed of the split where the source names none (default 0)"),
    ("--augment", str, "NAME", "none (default), shift, photo, isotropic, crop"),
    ("--sampling", str, "NAME", "natural (default), balanced: each class equally often, with replacement"),
    ("--test-flips", str, "NAME", "none (default), horizontal, both: also test with averages over flipped images"),
)
MODEL = (
    ("--backbone", str, "NAME", "network whose features are attended, see `list` (default vgg16_bn)"),
    ("--width", float, "W", "factor on the filters of the backbone (default 0.25; 1 with --weights)"),
    ("--score", str, "NAME", "score function, see `list`; none keeps the head without attention (default additive)"),
    ("--alignment", str, "NAME", "alignment, see `list` (default softmax)"),
    ("--attend", str, "A,B", "attended layers; none is the plain network (default: those of the backbone, see `list`)"),
    ("--units", str, "N", "dimension in which query and features are compared; none: as they are (default 128)"),
    ("--num-heads", int, "N", "heads of each attention, which divide the channels among them (default 1)"),
    ("--supervise-attention", float, "WEIGHT", "teach the maps with the masks, by a loss of that weight (0.1, say)"),
    ("--attention-dropout", float, "F", "share of positions dropped in training (default 0)"),
    ("--dropout", float, "F", "share of the head's inputs dropped in training (default 0)"),
)
FINE_TUNING = (
    ("--weights", str, "W", "imagenet, or a file: .keras .weights.h5; of VGG16 also .safetensors .npz .h5 .pth .pt"),
    ("--unfreeze-after", int, "N", "train the frozen part too after N epochs"),
    ("--backbone-rate", float, "F", "factor on the learning rate for the backbone (default 1)"),
    ("--cache-dir", str, "DIR", "where features of a frozen backbone are kept (default ~/.cache/keras_attention)"),
    ("--views", int, "N", "augmented copies of each training image in that cache (default 4 with --augment)"),
)
TRAINING = (
    ("--epochs", int, "N", "passes over the training images (default 5)"),
    ("--stop-after", int, "N", "end after so many of them, wherever the schedule stands (default: all)"),
    ("--batch-size", int, "N", "images in a step (default 32)"),
    ("--learning-rate", float, "F", "the highest rate (default 0.0003)"),
    ("--optimizer", str, "NAME", "adamw (default), sgd (with Nesterov momentum)"),
    ("--weight-decay", float, "F", "decoupled weight decay (default 0.0001)"),
    ("--schedule", str, "NAME", "cosine (default), step, constant"),
    ("--step-epochs", int, "N", "epochs between two steps of the step schedule (default 10)"),
    ("--step-factor", float, "F", "factor of a step (default 0.1)"),
    ("--warmup-epochs", float, "F", "epochs of linear warm-up, at most half of the run (default 1)"),
    ("--clip-norm", float, "F", "largest norm of the gradient of all weights together (default: none)"),
    ("--loss", str, "NAME", "cross_entropy (default), focal"),
    ("--focal-gamma", float, "F", "how much less the focal loss counts what is right already (default 2)"),
    ("--class-weights", str, "NAME", "none (default), balanced"),
    ("--label-smoothing", float, "F", "at least 0 and below 1 (default 0)"),
    ("--precision", str, "P", "auto (default: bfloat16 on a GPU that has it), float32, mixed_bfloat16"),
    ("--monitor", str, "NAME", "val_accuracy (default), val_loss, val_macro_f1, val_roc_auc, val_average_precision"),
    ("--patience", int, "N", "stop after so many epochs without a better one"),
    ("--seed", int, "N", "of weights, order, augmentation and dropout (default 0)"),
)


GROUPS = {"data": DATA, "model": MODEL, "pretrained weights": FINE_TUNING, "training": TRAINING}

FAMILIES = ("score", "alignment")


def add_settings(parser, without=()):
    """Declares the flags of the settings, in groups, but for those named in `without`."""
    for title, flags in GROUPS.items():
        group = parser.add_argument_group(title)
        for flag, kind, metavar, text in flags:
            if flag not in without:
                group.add_argument(flag, type=kind, metavar=metavar, help=text)
        if title == "training" and "--train-on-validation" not in without:
            text = "train on the validation images too, and keep the last epoch"
            group.add_argument("--train-on-validation", action="store_true", help=text)
        if title == "data":
            text = "option of cluttered_digits: clutter, count or seed; may be repeated"
            group.add_argument("--data-option", action="append", metavar="KEY=N", help=text)
        if title == "model":
            for family in FAMILIES:
                text = f"option of the {family}, see `list`; may be repeated"
                if f"--{family}" not in without:
                    group.add_argument(f"--{family}-option", action="append", metavar="KEY=VALUE", help=text)
            text = "add to the loss: entropy, total_variation, sparsity of each map, agreement of all; may be repeated"
            group.add_argument("--map-regularizer", action="append", metavar="NAME=RATE", help=text)
            text = "one averaged query for all positions, instead of a query map"
            group.add_argument("--pool-query", action="store_true", help=text)
        if title == "pretrained weights":
            text = "freeze the backbone, whole (its features are then cached) or up to a layer, such as block3"
            group.add_argument("--freeze", nargs="?", const="all", metavar="BLOCK", help=text)
            text = "compute the features of a frozen backbone at every step"
            group.add_argument("--no-cache", dest="cache_features", action="store_false", help=text)


def given_settings(options):
    """The `TrainConfig` fields that stand on the command line."""
    names = {flag.removeprefix("--").replace("-", "_") for flags in GROUPS.values() for flag, *_ in flags}
    names |= {"pool_query", "freeze", "cache_features", "train_on_validation"}
    given = {name: value for name, value in vars(options).items() if name in names}
    if given.get("score") == "none":
        given["score"] = None
    if "units" in given:
        given["units"] = _units(given["units"])
    if "attend" in given:
        given["attend"] = tuple(name for name in given["attend"].split(",") if name and name != "none")
    if "data_option" in options:
        given["data_options"] = dict(_option(text) for text in options.data_option)
    if "map_regularizer" in options:
        given["map_regularizers"] = dict(_rate(text) for text in options.map_regularizer)
    for family in FAMILIES:
        if f"{family}_option" in options:
            texts = getattr(options, f"{family}_option")
            given[f"{family}_options"] = dict(_layer_option(family, text) for text in texts)
    return given


def _units(text):
    """A number of units, or `None` for none."""
    from keras_attention.arguments import invalid

    if text != "none" and not text.isdigit():
        raise invalid("The units are no number.", "a whole number of 1 or more, or none", f"--units {text}")
    return None if text == "none" else int(text)


def _layer_option(family, text):
    """`KEY=VALUE`, the value as `plain_value` takes it."""
    from keras_attention.arguments import invalid

    key, equals, value = text.partition("=")
    if not key or not equals:
        raise invalid(
            f"An option of the {family} is a name and a value.",
            f"--{family}-option KEY=VALUE",
            f"--{family}-option {text}",
        )
    return key, plain_value(value)


def _rate(text):
    """`NAME=RATE` of a regularizer of maps."""
    from keras_attention.arguments import invalid

    name, _, rate = text.partition("=")
    try:
        return name, float(rate)
    except ValueError as error:
        raise invalid(
            "A regularizer of maps is a name and a rate.", "--map-regularizer NAME=RATE", f"--map-regularizer {text}"
        ) from error


def plain_value(text):
    """A number, true, false, null or a list as in JSON, and a text otherwise."""
    try:
        return json.loads(text) if isinstance(text, str) else text
    except json.JSONDecodeError:
        return text


def _option(text):
    from keras_attention.arguments import invalid

    key, _, value = text.partition("=")
    if not value.lstrip("-").isdigit():
        raise invalid("A data option is a name and a whole number.", "--data-option KEY=N", f"--data-option {text}")
    return key, int(value)

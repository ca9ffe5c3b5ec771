"""Everything needed to repeat a comparison: the command, the versions, the machine."""

import importlib.metadata
import os
import platform
import shlex

import keras

from keras_attention import __version__
from keras_attention.config import DEFAULT_COMPARISON, TrainConfig, settings_of
from keras_attention.config.rules import OF_A_VARIANT
from keras_attention.data.cluttered_digits import ClutteredDigitsConfig
from keras_attention.models import BACKBONES
from keras_attention.plugins import program
from keras_attention.variants import REFERENCES, make_variants

PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "scikit-learn")


def about(plan, dataset, folder):
    """The data, the settings, the command, the versions and the machine, as plain data."""
    return {
        "data": {"name": dataset.name, "image_size": dataset.image_size, "notes": list(dataset.notes)},
        "plan": plan.to_dict(),
        "command": command(plan, folder),
        "versions": versions(),
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "processor": platform.machine(),
            "system": platform.system(),
            "accelerators": accelerators(),
        },
    }


def accelerators():
    """The names of the devices of this machine other than its processor, such as `gpu:0`."""
    return [device for device in keras.distribution.list_devices() if "cpu" not in device.lower()]


def versions():
    """Package → version, for the packages that influence the figures."""
    first = {"python": platform.python_version(), "keras-spatial-attention": __version__}
    return first | {name: importlib.metadata.version(name) for name in PACKAGES}


def command(plan, folder):
    """The command line that repeats a comparison; `None` if only Python can repeat it."""
    names = [variant.name for variant in plan.variants]
    try:
        same = make_variants(names, plan.config.backbone) == plan.variants
    except ValueError:
        same = False
    arguments = _arguments(plan.config) if same else None
    if arguments is None:
        return None
    wanted = [name for name in names if name not in REFERENCES] or names
    given = ["--variants", ",".join(wanted), *_how_many(plan), "--run", str(folder)]
    costs = [] if plan.costs else ["--no-costs"]
    return f"{program()} {shlex.join(['compare', *given, *costs, *arguments])}"


def _how_many(plan):
    """The flags that say how the seeds are spent, and the margin."""
    if plan.choose is not None:
        seeds = ["--choose", plan.choose, "--confirm", plan.seeds]
    elif plan.max_seeds is not None:
        seeds = ["--until", "settled", "--seeds", plan.seeds, "--max-seeds", plan.max_seeds]
    else:
        seeds = ["--seeds", plan.seeds]
    splits = ["--resplit"] if plan.resplit else [] if plan.folds is None else ["--folds", plan.folds]
    tuned = [] if plan.tune == 1 else ["--tune", plan.tune]
    return [
        str(word) for word in [*seeds, *splits, *tuned, *([] if plan.margin is None else ["--margin", plan.margin])]
    ]


def _arguments(config):
    """The flags of settings that differ from those of `TrainConfig`, or from those that the command begins with; `None`
    if only a variant can set one.
    """
    usual, arguments = TrainConfig(), []
    begun = DEFAULT_COMPARISON if config.data == DEFAULT_COMPARISON.data else usual
    for name, each in settings_of(TrainConfig).items():
        value, default = getattr(config, name), getattr(usual, name)
        if name == "attend":
            default = BACKBONES[config.backbone].attend
        if name == "data_options" and begun is DEFAULT_COMPARISON:
            value = {option: getattr(ClutteredDigitsConfig, option) for option in begun.data_options} | value
        if value == default == getattr(begun, name):
            continue
        if name in OF_A_VARIANT:
            return None
        arguments += each.words(value)
    return arguments

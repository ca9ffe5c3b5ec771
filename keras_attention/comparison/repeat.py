"""What a reader needs to repeat a comparison: the command, the versions, the machine."""

import dataclasses
import importlib.metadata
import json
import os
import platform
import shlex

import keras

from keras_attention.comparison.variants import REFERENCES, make_variants
from keras_attention.config import TrainConfig
from keras_attention.data.cluttered_digits import ClutteredDigitsConfig
from keras_attention.models import BACKBONES
from keras_attention.plugins import program

PACKAGES = ("keras-attention", "tensorflow", "keras", "numpy", "scipy", "scikit-learn")


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
            "accelerators": [device for device in keras.distribution.list_devices() if "cpu" not in device.lower()],
        },
    }


def versions():
    """Package → version, of those that decide the figures."""
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in PACKAGES}


def command(plan, folder):
    """The command line that repeats a comparison; `None` for one that only Python can ask for."""
    names = [variant.name for variant in plan.variants]
    try:
        same = make_variants(names, plan.config.backbone) == plan.variants
    except ValueError:
        same = False
    arguments = _arguments(plan.config) if same else None
    if arguments is None:
        return None
    wanted = [name for name in names if name not in REFERENCES] or names
    given = ["--variants", ",".join(wanted), "--seeds", str(plan.seeds), "--run", str(folder)]
    costs = [] if plan.costs else ["--no-costs"]
    return f"{program()} {shlex.join(['compare', *given, *costs, *arguments])}"


def _arguments(config):
    """The flags of the settings that are not the defaults of `TrainConfig`; `None` where there is no flag for one."""
    arguments = []
    for field in dataclasses.fields(TrainConfig):
        value = getattr(config, field.name)
        default = field.default if field.default is not dataclasses.MISSING else field.default_factory()
        if field.name == "attend":
            default = BACKBONES[config.backbone].attend
        if value == default and field.name != "data_options":
            continue
        flag = f"--{field.name.replace('_', '-')}"
        if field.name in ("score", "alignment", "score_options", "alignment_options"):
            return None
        if field.name == "data_options":
            # The command has a count of its own where none is given.
            count = {"count": ClutteredDigitsConfig.count} if config.data == "cluttered_digits" else {}
            value = count | value
            arguments += [part for name, number in value.items() for part in ("--data-option", f"{name}={number}")]
        elif field.name == "attend":
            arguments += [flag, ",".join(value) or "none"]
        elif field.name == "cache_features":
            arguments.append("--no-cache")
        elif value is True:
            arguments.append(flag)
        else:
            arguments += [flag, "none" if value is None else value if isinstance(value, str) else json.dumps(value)]
    return arguments

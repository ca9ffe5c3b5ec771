"""`keras-attention train`: from images to a measured, drawn and exported model."""

import argparse
import json
import pathlib

from keras_attention.cli.paths import require_begun
from keras_attention.cli.settings import add_settings, given_settings
from keras_attention.plugins import program
from keras_attention.sources import require_source


def add(commands):
    """Declares the command."""
    parser = commands.add_parser(
        "train",
        help="train a classifier, measure it, draw where it looks, export it",
        description="Trains a backbone with attention, measures it on the test split, draws where it looks, and "
        "exports it. Without arguments it does so with VGG16-BN on cluttered_digits, in a few minutes on two cores.",
        argument_default=argparse.SUPPRESS,
    )
    add_settings(parser)
    group = parser.add_argument_group("run")
    group.add_argument("--run", metavar="DIR", help="folder of the run (default runs/<data>-<score>…)")
    text = "start from the settings in a file: best.json of a search, or config.json of a run"
    group.add_argument("--from", dest="from_file", metavar="FILE", help=text)
    text = "a network by the name that `compare` gives it, such as dot+sparsemax, gem or se@block4_pool"
    group.add_argument("--variant", metavar="NAME", help=text)
    either = group.add_mutually_exclusive_group()
    either.add_argument("--resume", action="store_true", help="continue the run in that folder")
    either.add_argument("--overwrite", action="store_true", help="replace the run in that folder")
    return parser


def check(options):
    """Raises `ValueError` for settings and paths that cannot be right, whatever a folder to resume holds."""
    config = _config(options)
    require_begun(options, _folder(options, config), "run", "config.json")
    require_source(config.data, config.masks, config.group)


def run(options):
    """Runs the command."""
    from keras_attention.training import train

    config = _config(options)
    folder = _folder(options, config)
    if _resumes(options) and not hasattr(options, "from_file"):
        config = _on_top_of_the_saved(options, config, folder)
    options.run = str(folder)
    finished = train(config, folder, resume=_resumes(options), overwrite=getattr(options, "overwrite", False))
    print(summary(finished))


def after_interrupt(options):
    """How to continue after Ctrl-C, as text."""
    folder = getattr(options, "run", None)
    if folder and (pathlib.Path(folder) / "config.json").exists():
        return f"; continue with: {program()} train --resume --run {folder}"
    return "; continue with the same command" if folder else ""


def summary(run):
    """The most important figures and files of a finished run, as text."""
    from keras_attention.metrics import METRICS
    from keras_attention.text import shown

    metrics = run.metrics
    others = {name: metric.title for name, metric in METRICS.items() if metric.headline and name != "accuracy"}
    figures = [f"{title} {metrics[name]:.3f}" for name, title in others.items() if metrics.get(name) is not None]
    lines = [
        f"test    {metrics['accuracy']:.3f} accuracy{_interval(metrics)} on {_images(metrics)} ({', '.join(figures)})"
    ]
    for layer, game in metrics.get("pointing_game", {}).items():
        if game["score"] is not None:
            lines.append(f"looks   {game['score']:.3f} at the object, {layer} (chance {game['chance']:.3f})")
    for layer, entropy in metrics.get("map_entropy", {}).items():
        course = f"{entropy['before']:.3f} before training, {entropy['after']:.3f} after"
        lines.append(f"maps    entropy {course}, {layer} (1 even, 0 a single position)")
    lines.append(f"took    {metrics['seconds']:.0f} s of training, best epoch {metrics['best_epoch']}")
    picture = run.folder / "attention.png"
    lines.append(f"run     {run.folder}")
    lines += [f"picture {picture}"] if picture.exists() else []
    lines += [f"export  {run.export_path}"] if run.export_path.exists() else []
    return "\n".join(map(shown, lines))


def _interval(metrics):
    """The 95 % interval of the accuracy over test images, or over groups of them, after a space."""
    found = (metrics.get("intervals") or {}).get("accuracy")
    return "" if found is None else " [{:.3f}, {:.3f}]".format(*found)


def _images(metrics):
    from keras_attention.text import counted

    groups = metrics.get("group_count")
    return counted(metrics["count"], "image") + (f" of {counted(groups, 'group')}" if groups else "")


def _resumes(options):
    return getattr(options, "resume", False)


def _config(options):
    """The given settings, on top of those of `--from` or of the usual ones."""
    from keras_attention.config import TrainConfig

    begin = settings_from(options.from_file) if hasattr(options, "from_file") else TrainConfig()
    return _with_given(begin, options)


def _with_given(begin, options):
    """The settings that a run begins from, for the network of `--variant`, and on top of them the given ones."""
    from keras_attention.arguments import invalid
    from keras_attention.variants import named_variant

    given = given_settings(options)
    if not hasattr(options, "variant"):
        return begin.with_settings(**given)
    begin = begin.with_settings(**{name: given[name] for name in given if name == "backbone"})
    variant = named_variant(options.variant, begin.backbone)
    for name in variant.settings:
        if name in given:
            what = f"The variant {options.variant!r} sets `{name}` already."
            raise invalid(what, f"`variant` or `{name}`, not both", f"{name}={given[name]!r}")
    return variant.config(begin).with_settings(**given)


def _folder(options, config):
    return pathlib.Path(getattr(options, "run", None) or f"runs/{config.name}")


def _on_top_of_the_saved(options, config, folder):
    """The settings of the run in the folder with the given ones, or `config` if it has not begun."""
    from keras_attention.runs import Run

    return config if Run(folder).abandoned else _with_given(Run(folder).config, options)


def settings_from(path):
    """The `TrainConfig` in `best.json` of a search, or in `config.json` of a run."""
    from keras_attention.arguments import invalid
    from keras_attention.config import TrainConfig
    from keras_attention.files import read_json

    path = pathlib.Path(path)
    if path.is_dir():
        path = path / ("best.json" if (path / "best.json").exists() else "config.json")
    if not path.is_file():
        raise invalid(f"{path} does not exist.", "best.json of a search, or config.json of a run", f"--from {path}")
    found = read_json(path)
    settings = found.get("config", found) if isinstance(found, dict) and "trial" in found else found
    if not isinstance(settings, dict) or "data" not in settings or "fix" in settings:
        raise invalid(
            f"{path} must contain settings.", "best.json of a search, or config.json of a run", f"--from {path}"
        )
    return TrainConfig.from_json(json.dumps(settings))

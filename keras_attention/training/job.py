"""From a `TrainConfig` to a finished run: data → model → `fit` → figures, pictures, export."""

import sys

from keras_attention.config import TrainConfig
from keras_attention.export.graph import require_tensorflow
from keras_attention.memory import released
from keras_attention.precision import in_float32, precision_of
from keras_attention.runs import Run, load_data
from keras_attention.runs.data import read_split, write_split
from keras_attention.seeding import kept
from keras_attention.text import counted
from keras_attention.training.callbacks import require_monitor
from keras_attention.training.fitting import fit_run, load_best
from keras_attention.training.networks import build_networks
from keras_attention.training.results import warn_of_export, write_results
from keras_attention.training.stages import make_stages


@kept()
@released()
def train(config=None, run=None, resume=False, overwrite=False, verbose="auto", export=True, pictures=True):
    """Trains a classifier, measures it on its test split, draws where it looks, and exports it.

    Args:
        config: a `TrainConfig`; if `None`, one with all defaults.
        run: the folder of the run; if `None`, `runs/<config.name>`.
        resume: whether to continue the run in that folder. It ends exactly as an uninterrupted run does.
        overwrite: whether a run in that folder may be replaced.
        verbose: 0 for silence, 1 for a progress bar, 2 for a line for each epoch, `"auto"` for 1 on a terminal and 2
            elsewhere.
        export: whether to export the model at the end; `keras-attention export` does it later.
        pictures: whether to draw the pictures.

    Returns:
        The finished `Run`: its folder holds `config.json`, `history.csv`, `metrics.json`, `predictions.npz`,
        `model.keras`, `saved_model/`, `history.png`, `confusion.png` and, with attention, `attention.png`.

    Raises:
        ValueError: the settings, the data or the folder cannot be used; nothing is written then.
        FloatingPointError: the loss is not finite; the message names the step.

    Example:

    >>> import pathlib, tempfile
    >>> from keras_attention import TrainConfig, train
    >>> config = TrainConfig(data_options={"count": 60}, image_size=32, width=0.05, units=16, epochs=1)
    >>> run = train(config, pathlib.Path(tempfile.mkdtemp()) / "first", verbose=0, export=False)
    >>> len(run.history()), run.metrics["count"], (run.folder / "attention.png").is_file()
    (1, 10, True)
    """
    require_tensorflow()  # the export at the end needs it: fail now rather than then
    config = config or TrainConfig()
    config.try_layers()  # as the settings may be older than Keras in this process
    folder = Run(run or f"runs/{config.name}")
    config = folder.claim(config, resume, overwrite)
    resume = resume and folder.begun
    if resume and folder.finished:
        if verbose:
            print("nothing is left to do: the run is finished", flush=True)
        return folder
    verbose = (1 if sys.stdout.isatty() else 2) if verbose == "auto" else verbose
    dataset = load_data(config, folder.folder if resume else None)
    require_monitor(config, dataset)
    if resume and (before := read_split(folder.folder)):
        before.require_training_images(dataset.files)
    precision = precision_of(config)
    backbone, model = build_networks(config, dataset)
    if verbose:
        print(_describe(config, dataset, model, precision), flush=True)
    if export:
        warn_of_export(model, dataset.class_names)
    parts = make_stages(config, dataset, model, backbone, verbose)
    if not resume:
        parts[0].make_features()  # a full disk is noticed before the run writes anything
        folder.begin(config)
    if read_split(folder.folder) is None and not folder.progress()[0]:
        write_split(folder.folder, dataset)
    keeper = fit_run(folder, config, dataset, parts, verbose)
    best = in_float32(load_best(folder, parts))
    features = parts[0].features if len(parts) == 1 else None
    write_results(folder, config, dataset, best, keeper, precision, features, export, pictures)
    return folder


def _describe(config, dataset, model, precision):
    lines = [dataset.described]
    if dataset.skipped:
        lines.append(f"        {counted(len(dataset.skipped), 'file')} skipped, which cannot be read")
    attends = " and ".join(config.attend)
    without_gate = config.with_settings(feature_gate=None, feature_gate_options={})
    kind = without_gate.kind.replace("+", " + ") + (f" on {attends}" if attends else ", no attention")
    if config.feature_gate:
        where = "on the attended features" if config.freeze else "after each pooling"
        kind = f"{config.feature_gate} {where}, {kind}"
    size = f"{model.count_params():,} parameters, {precision}"
    lines.append(f"model   {config.backbone}, width {config.network_width:g}, {kind}: {size}")
    if config.supervise_attention:
        lines.append(f"        masks teach its attention, with weight {config.supervise_attention:g}")
    if config.weights:
        lines.append(f"weights {config.weights}{_frozen(config)}")
    return "\n".join(lines)


def _frozen(config):
    if not config.freeze:
        return ""
    part = "the whole backbone" if config.freezes_all else f"the backbone up to {config.freeze}"
    epochs = counted(config.unfreeze_after or 0, "epoch")
    until = f" for {epochs}" if config.unfreeze_after else ""
    return f", {part} frozen{until}"

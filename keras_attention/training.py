"""A `TrainConfig` in, a finished run out: data → model → `fit` → figures, pictures, export."""

import sys

import keras
import numpy as np

from keras_attention.callbacks import Keeper, SeedEpochs, StopOnNaN, ValidationMetrics
from keras_attention.config import TrainConfig
from keras_attention.data import load
from keras_attention.export import require_tensorflow
from keras_attention.models import VGG16BN, attention_classifier
from keras_attention.precision import dtype_policy, in_float32, resolve_precision
from keras_attention.results import write_results
from keras_attention.runs import Run
from keras_attention.schedules import learning_rate


def train(config=None, run=None, resume=False, overwrite=False, verbose="auto"):
    """Trains a classifier, measures it on its test split, draws where it looks, and exports it.

    Args:
        config: a `TrainConfig`; the main job where it is `None`.
        run: the folder of the run; `runs/<config.name>` where it is `None`.
        resume: whether to continue the run in that folder. What it ends with is what an undisturbed run ends with.
        overwrite: whether a run in that folder may be replaced.
        verbose: 0 for silence, 1 for a progress bar, 2 for a line an epoch, `"auto"` for 1 on a terminal and 2
            elsewhere.

    Returns:
        The finished `Run`: its folder holds `config.json`, `history.csv`, `metrics.json`, `model.keras`,
        `saved_model/`, `history.png`, `confusion.png` and, with attention, `attention.png`.

    Raises:
        ValueError: settings, data or a folder that cannot be used; nothing is written then.
        FloatingPointError: a loss that is not finite, with the step.
    """
    require_tensorflow()  # of the export at the end, which must not fail only then
    config = config or TrainConfig()
    run = Run.claim(run or f"runs/{config.name}", config, resume, overwrite)
    if resume and run.finished:
        return run
    verbose = (1 if sys.stdout.isatty() else 2) if verbose == "auto" else verbose
    dataset = load_data(config)
    precision = resolve_precision(config.precision)
    keras.utils.set_random_seed(config.seed)
    with dtype_policy(precision):
        model = build_model(config, dataset)
    _compile(model, config, dataset)
    if verbose:
        print(_describe(config, dataset, model, precision), flush=True)
    if not resume:
        run.begin(config)
    keeper = _fit(run, config, dataset, model, verbose)
    model.load_weights(run.model_path)
    write_results(run, config, dataset, in_float32(model), keeper, precision)
    return run


def load_data(config):
    """The `ImageDataset` that a configuration names."""
    return load(
        config.data,
        data_dir=config.data_dir,
        masks=config.masks,
        image_size=config.image_size,
        split_seed=config.split_seed,
        **config.data_options,
    )


def build_model(config, dataset):
    """The classifier that a configuration names, for the images and classes of a data set."""
    backbone = VGG16BN((dataset.image_size, dataset.image_size, 3), width=config.width)
    return attention_classifier(
        backbone,
        len(dataset.class_names),
        attend=config.attend,
        score=config.make_score(),
        alignment=config.make_alignment(),
        units=config.units,
        pool_query=config.pool_query,
        attention_dropout=config.attention_dropout,
        dropout=config.dropout,
        name="vgg16_bn_attention",
    )


def _compile(model, config, dataset):
    rate = learning_rate(config, dataset.steps_per_epoch(config.batch_size))
    if config.optimizer == "adamw":
        optimizer = keras.optimizers.AdamW(rate, weight_decay=config.weight_decay)
    else:
        optimizer = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=config.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=config.label_smoothing)
    model.compile(optimizer, loss, metrics=["accuracy"])


def _fit(run, config, dataset, model, verbose):
    """Trains from where the run stands to its end."""
    keeper = Keeper(run, config, *run.restore(model))
    if keeper.should_stop:
        return keeper
    first_epoch = len(keeper.rows)
    stream = dataset.training_batches(config.batch_size, config.augment, config.seed, first_epoch)
    model.fit(
        stream,
        steps_per_epoch=dataset.steps_per_epoch(config.batch_size),
        initial_epoch=first_epoch,
        epochs=config.epochs,
        class_weight=_class_weights(config, dataset),
        callbacks=[SeedEpochs(config.seed), StopOnNaN(), ValidationMetrics(dataset), keeper],
        shuffle=False,
        verbose=verbose,
    )
    return keeper


def _class_weights(config, dataset):
    """Class → weight, 1 on average over the images; `None` for equal ones."""
    if config.class_weights == "none":
        return None
    counts = np.bincount(dataset.train.labels(), minlength=len(dataset.class_names))
    return {label: float(counts.sum() / (len(counts) * count)) for label, count in enumerate(counts)}


def _describe(config, dataset, model, precision):
    counts = ", ".join(f"{dataset.split(split).count:,} {split}" for split in ("train", "validation", "test"))
    lines = [f"data    {dataset.name}: {counts} images, {len(dataset.class_names)} classes, {dataset.image_size} px"]
    lines += [f"        {note}" for note in dataset.notes]
    if dataset.skipped:
        lines.append(f"        {len(dataset.skipped)} files skipped, which do not decode")
    attends = " and ".join(config.attend)
    kind = f"{config.score} + {config.alignment} on {attends}" if config.score else f"{attends} without attention"
    kind = kind if config.attend else "no attention"
    lines.append(f"model   VGG16-BN, width {config.width:g}, {kind}: {model.count_params():,} parameters, {precision}")
    return "\n".join(lines)

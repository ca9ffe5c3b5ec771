"""The epochs of a run, stage by stage, from its last backup on."""

import keras

from keras_attention.training.callbacks import Keeper, SeedEpochs, StopOnNaN, ValidationMetrics
from keras_attention.training.map_watch import MapWatch
from keras_attention.training.networks import compile_network, make_variables
from keras_attention.training.stages import CachedStage


def fit_run(run, config, dataset, parts, verbose=0, keep_best=True):
    """Trains a run to its end, from its last backup if it has one.

    Args:
        run: the `Run`.
        config: its `TrainConfig`.
        dataset: its `ImageDataset`.
        parts: its stages, as `make_stages` gives them.
        verbose: as in `keras.Model.fit`.
        keep_best: whether the best epoch is saved; `load_best` then gives the classifier as it was.

    Returns:
        The `Keeper`, which has the rows of the history.
    """
    keeper = make_keeper(run, config, parts, keep_best)
    watch = MapWatch(run.map_warnings_path)
    first, resumed_at = 0, len(keeper.rows)
    for stage in parts:
        has_work = len(keeper.rows) < stage.until and not keeper.should_stop
        made_backup = first < resumed_at <= stage.until
        if has_work or made_backup:
            network = prepared(run, config, dataset, stage, first, made_backup)
        if has_work:
            fit_stage(network, config, dataset, stage, [keeper], len(keeper.rows), stage.until, watch, verbose)
        first = stage.until
    return keeper


def make_keeper(run, config, parts, keep_best=True):
    """The `Keeper` of a run, from its last backup on.

    A network over cached features is all that learns: it is kept as a copy of a backup, as the backbone is much larger.
    """
    if is_small(parts):
        return Keeper(run, config, None, *run.progress(), copies_best=keep_best)
    save = (lambda network: run.save_model(parts[0].model)) if keep_best else None
    return Keeper(run, config, save, *run.progress())


def is_small(parts):
    """Whether a run trains nothing but a network over cached features."""
    return len(parts) == 1 and isinstance(parts[0], CachedStage)


def load_best(run, parts):
    """The classifier of a run as it was after its best epoch."""
    if not (is_small(parts) and run.best_path.exists()):  # earlier versions saved the whole model
        return keras.models.load_model(run.model_path, compile=False)
    run.load_best(parts[0].prepare())  # shares its layers with the classifier
    return parts[0].model


def prepared(run, config, dataset, stage, first, made_backup):
    """The compiled network of a stage, in the state at which the stage begins, or in the state of the backup."""
    network = stage.prepare()
    steps = dataset.steps_per_epoch(config.batch_size)
    compile_network(network, config, steps, stage.backbone, classifier=stage.model)
    make_variables(network)
    if made_backup:
        run.load_backup(network)
    else:
        network.optimizer.iterations.assign(first * steps)  # the schedule continues
    return network


def fit_stage(network, config, dataset, stage, callbacks, first_epoch, until, watch, verbose=0):
    """Trains the compiled network of a stage from `first_epoch` until before `until`; returns Keras's `History`."""
    steps = dataset.steps_per_epoch(config.batch_size)
    watching = [] if config.train_on_validation else [ValidationMetrics(stage.observed, stage.data, watch, callbacks)]
    seen = keras.callbacks.CallbackList(
        [SeedEpochs(config.seed), StopOnNaN(), *watching, *callbacks],
        add_history=True,
        add_progbar=verbose != 0,
        model=network,
        epochs=config.last_epoch,  # the bar counts the epochs of all stages
        steps=steps,
        verbose=verbose,
    )
    return network.fit(
        stage.training_batches(first_epoch),
        steps_per_epoch=steps,
        initial_epoch=first_epoch,
        epochs=until,
        callbacks=seen,
        shuffle=False,
    )

"""The epochs of a run, stage by stage, from its last backup on."""

import keras

from keras_attention.training.callbacks import Keeper, SeedEpochs, StopOnNaN, ValidationMetrics
from keras_attention.training.map_watch import MapWatch
from keras_attention.training.networks import compile_network, make_variables


def fit_run(run, config, dataset, parts, verbose=0, keep_model=True):
    """Trains a run to its end, from its last backup if it has one.

    Args:
        run: the `Run`.
        config: its `TrainConfig`.
        dataset: its `ImageDataset`.
        parts: its stages, as `make_stages` gives them.
        verbose: as in `keras.Model.fit`.
        keep_model: whether the best model is saved.

    Returns:
        The `Keeper`, which has the rows of the history.
    """
    keeper = Keeper(run, config, parts[0].model if keep_model else None, *run.progress())
    watch = MapWatch(run.map_warnings_path)
    first, resumed_at = 0, len(keeper.rows)
    for stage in parts:
        has_work = len(keeper.rows) < stage.until and not keeper.should_stop
        made_backup = first < resumed_at <= stage.until
        if has_work or made_backup:
            network = _prepare(run, config, dataset, stage, first, made_backup)
        if has_work:
            fit_stage(network, config, dataset, stage, [keeper], len(keeper.rows), stage.until, watch, verbose)
        first = stage.until
    return keeper


def _prepare(run, config, dataset, stage, first, made_backup):
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

"""Runs a whole search, from a hypermodel to a finished search: trials → the winner → its run."""

import dataclasses

import keras_tuner

from keras_attention.arguments import invalid
from keras_attention.atomic import remove
from keras_attention.config import DEFAULT_SEARCH, TrainConfig
from keras_attention.export.graph import require_tensorflow
from keras_attention.plugins import program
from keras_attention.seeding import kept
from keras_attention.text import teller
from keras_attention.training import build_backbone, fill_cache, require_monitor
from keras_attention.tuning.cluster import Chief, Worker, check_free, check_worker_name, parse_address
from keras_attention.tuning.folder import Plan, Search
from keras_attention.tuning.hypermodel import AttentionHyperModel
from keras_attention.tuning.oracles import make_oracle
from keras_attention.tuning.progress import Progress, announce, conclusion
from keras_attention.tuning.trials import FAILED, TrialResult, TrialRunner
from keras_attention.tuning.tuner import PROJECT, AttentionTuner, quiet
from keras_attention.tuning.winner import remove_backups, retrain, write_results

DEFAULT_TRIALS = 20
SAMPLE = 256  # images that identify a data set


@kept()
def search(
    hypermodel=None,
    max_trials=None,
    tuner=None,
    run=None,
    executions=None,
    max_parameters=None,
    resume=False,
    overwrite=False,
    chief=None,
    worker=None,
    verbose=True,
):
    """Searches over scores, alignments and their dimensions, and trains the winner as a finished run.

    Trials are compared by the monitor, the figure that chooses the best epoch (`config.monitor`), on the validation
    images. The settings of the best trial are trained again on the training and validation images together, up to the
    best epoch of that trial, and measured on the test images, which no trial has seen.

    If the whole backbone is frozen, trials train from cached features. Settings that come up again are not run again.
    A trial that fails is reported and does not stop the others.

    Args:
        hypermodel: an `AttentionHyperModel`, or its `TrainConfig`. If `None`: the hypermodel of the plan if the search
            is continued, else one over 2,000 images of `cluttered_digits`.
        max_trials: the largest number of trials; 20 if `None`.
        tuner: `"random"`, `"grid"`, `"hyperband"` or `"bayesian"`. If `None`: `"random"` with cached features, else
            `"hyperband"`.
        run: the folder; `runs/<data>-search` if `None`.
        executions: how many networks each trial trains, with consecutive seeds; their figures are averaged. 1 if
            `None`.
        max_parameters: networks with more parameters are skipped; `None` sets no limit.
        resume: whether to continue the search in the folder. The number of trials may grow; settings that are `None`
            are kept.
        overwrite: whether a search in the folder may be replaced.
        chief: the address `"host:port"` at which this process serves trials to workers; with `worker`, the address at
            which the chief is found.
        worker: the name of this worker, which runs trials for the chief until there are no more. `run` must be the
            chief's folder; the other settings come from the chief's plan.
        verbose: whether to print the plan, and a line for each trial.

    Returns:
        The `Search`: its folder holds `trials.csv`, `search.png`, `best.json`, and the run `winner/`. For a worker,
        the search in its present state.

    Raises:
        ValueError: the plan, the data, the folder or the chief cannot be used; nothing is written then.
        RuntimeError: every trial failed.

    Example:

    >>> import pathlib, tempfile
    >>> from keras_attention import TrainConfig
    >>> from keras_attention.tuning import AttentionHyperModel, search
    >>> folder = pathlib.Path(tempfile.mkdtemp()) / "search"
    >>> config = TrainConfig(data_options={"count": 60}, image_size=32, width=0.05, epochs=1)
    >>> hypermodel = AttentionHyperModel(config, fix={"units": 16}, choose={"alignment": ["softmax", "sparsemax"]})
    >>> found = search(hypermodel, max_trials=2, tuner="random", run=folder, verbose=False)
    >>> len(found.trials), found.best["settings"]["alignment"] in ("softmax", "sparsemax")
    (2, True)
    >>> found.winner.metrics["count"]  # of test images, which no trial has seen
    10
    """
    require_tensorflow()
    hypermodel = AttentionHyperModel(hypermodel) if isinstance(hypermodel, TrainConfig) else hypermodel
    if not isinstance(hypermodel, AttentionHyperModel | None):
        raise invalid(
            "`hypermodel` must be a hypermodel.", "an AttentionHyperModel or a TrainConfig", hypermodel, TypeError
        )
    tell = teller(verbose)
    given = {"max_trials": max_trials, "tuner": tuner, "executions": executions, "max_parameters": max_parameters}
    if worker is not None:
        _check_worker(chief, worker, given | {"resume": resume or None, "overwrite": overwrite or None})
        return _work(hypermodel, run, chief, worker, tell)
    if chief is not None:
        check_free(chief)
    search_folder, hypermodel, plan = _claim(hypermodel, given, run, resume, overwrite)
    search_folder.begin(plan, resume)
    with search_folder.alone():
        for trial_id in search_folder.forget_damaged_trials():
            tell(f"damaged trial {trial_id}: its file cannot be read, so it is run again")
        tell(announce(search_folder, plan, hypermodel.dataset))
        runner = _runner(hypermodel, search_folder, plan)
        tuner = _open_tuner(search_folder, plan, hypermodel, runner, tell)
        progress = Progress(search_folder, plan, tell)
        if chief is None:
            _fill_cache(hypermodel, verbose)
            _run(tuner, hypermodel, progress)
        else:
            _serve(tuner, runner, chief, search_folder, progress, tell)
        return _finish(search_folder, plan, tell, verbose)


def _claim(hypermodel, given, run, resume, overwrite):
    """The folder, the hypermodel and the plan, all checked; nothing is written yet."""
    config = hypermodel.config if hypermodel is not None else DEFAULT_SEARCH
    search_folder = Search(f"runs/{config.subject}-search" if run is None else run)
    saved = search_folder.plan if resume and not search_folder.abandoned else None
    if hypermodel is None:
        hypermodel = _hypermodel_of(saved) if saved else AttentionHyperModel(DEFAULT_SEARCH)
    config = hypermodel.config
    usual = {"max_trials": DEFAULT_TRIALS, "tuner": _usual_tuner(config), "executions": 1, "max_parameters": None}
    before = {name: getattr(saved, name) for name in usual} if saved else usual
    settings = {name: before[name] if given[name] is None else given[name] for name in usual}
    plan = Plan(config, hypermodel.searched.fix, hypermodel.searched.choose, **settings)
    # Check the folder first, as the images may take long to load.
    search_folder.claim(plan, resume, overwrite)
    require_monitor(config, hypermodel.dataset)
    plan = dataclasses.replace(plan, space=_describe_space(hypermodel), data=_describe_data(hypermodel.dataset))
    if saved:
        search_folder.claim(plan, resume)
    return search_folder, hypermodel, plan


def _hypermodel_of(plan):
    return AttentionHyperModel(plan.config, fix=plan.fix, choose=plan.choose)


def _usual_tuner(config):
    return "random" if config.learns_from_features else "hyperband"


def _describe_space(hypermodel):
    hp = keras_tuner.HyperParameters()
    hypermodel.configure(hp)  # refuses a space that returns no settings
    return hp.get_config()["space"]


def _describe_data(dataset):
    return {
        "name": dataset.name,
        "image_size": dataset.image_size,
        "class_names": list(dataset.class_names),
        "images": {name: dataset.split(name).count for name in ("train", "validation", "test")},
        "sample": dataset.train.thinned(SAMPLE).fingerprint(),
    }


def _open_tuner(search_folder, plan, hypermodel, runner, tell):
    """The tuner in its saved state; if that is damaged, trials are drawn again and find the networks trained before."""
    try:
        tuner = AttentionTuner(_oracle(plan), hypermodel, runner, search_folder.folder)
    except ValueError as error:
        tell(f"damaged {error} So the trials are drawn again; networks trained before are reused.")
        remove(search_folder.folder / PROJECT)
        tuner = AttentionTuner(_oracle(plan), hypermodel, runner, search_folder.folder)
    tuner.oracle.max_trials = plan.max_trials  # it may have grown since the state was saved
    for trial_id in tuner.oracle.end_order[:]:
        if not runner.result_path(trial_id).exists():
            tuner.oracle.run_again(trial_id)
    return tuner


def _oracle(plan):
    return make_oracle(plan.tuner, plan.monitor, plan.max_trials, plan.config.last_epoch, plan.config.seed)


def _runner(hypermodel, search_folder, plan, worker=None):
    return TrialRunner(
        hypermodel, search_folder.folder, plan.executions, plan.max_parameters, plan.tuner == "hyperband", worker
    )


def _fill_cache(hypermodel, verbose):
    """Computes the features of a frozen backbone once, for all trials."""
    config, dataset = hypermodel.config, hypermodel.dataset
    if not config.caches:
        return
    fill_cache(config, hypermodel.searched.layers, dataset, build_backbone(config, dataset), verbose)


def _run(tuner, hypermodel, progress):
    """Runs the trials in this process, and prints a line for each."""
    for step in tuner.trials():
        if isinstance(step, TrialResult):
            progress.end(step)
        else:
            progress.begin(step.trial_id, _settings(hypermodel, step.hyperparameters))


def _settings(hypermodel, hp):
    """The settings of a trial that begins; empty if they cannot be made, as the trial itself will report why."""
    try:
        return hypermodel.space(hp)
    except Exception:
        return {}


def _serve(tuner, runner, address, search_folder, progress, tell):
    """Serves the trials to workers, and prints a line for each that ends."""
    chief = Chief(tuner.oracle, address, search_folder.folder)
    with chief.serving():
        command = f"{program()} search --worker NAME --chief {address} --run {search_folder.folder}"
        tell(f"chief   waits for workers: {command}")
        with quiet():
            for result in chief.results(runner, tell):
                progress.end(result, begun=False)


def _check_worker(chief, name, given):
    check_worker_name(name)
    if chief is None:
        raise invalid("`worker` needs `chief`.", "the address of the chief, HOST:PORT", f"worker={name!r}")
    parse_address(chief)
    for setting, value in given.items():
        if value is not None:
            raise invalid("A worker takes this from the chief's plan.", f"`{setting}` left out", f"{setting}={value!r}")


def _work(hypermodel, run, chief, name, tell):
    """Runs trials for a chief until no more are left."""
    config = hypermodel.config if hypermodel else DEFAULT_SEARCH
    search_folder = Search(f"runs/{config.subject}-search" if run is None else run)
    plan, at_work = search_folder.plan, Worker(name, chief, search_folder.folder)
    at_work.check_chief()  # first, as the images may take long to load
    hypermodel = hypermodel or _hypermodel_of(plan)
    worker_plan = dataclasses.replace(
        plan,
        config=hypermodel.config,
        space=_describe_space(hypermodel),
        data=_describe_data(hypermodel.dataset),
    )
    search_folder.extended(worker_plan, "holds a search that differs from this worker's")
    with at_work.working():
        _fill_cache(hypermodel, False)
        runner = _runner(hypermodel, search_folder, plan, name)
        tuner = AttentionTuner(_oracle(plan), hypermodel, runner, search_folder.folder, at_work.check_chief)
        tell(f"worker  {name} works for {chief} in {search_folder.folder}")
        _run(tuner, hypermodel, Progress(search_folder, plan, tell, alone=False))
    tell("worker  there are no more trials")
    return search_folder


def _finish(search_folder, plan, tell, verbose):
    """Writes the results of the search, and trains the winner as a run."""
    search_folder.write_table()
    if search_folder.best_trial(plan.monitor) is None:
        failed = next((trial for trial in search_folder.trials if trial.status == FAILED), None)
        if failed is None:
            least = min(trial.error for trial in search_folder.trials)
            raise invalid("Every network was too large.", "a larger `max_parameters`", least, RuntimeError)
        raise invalid(
            "Every trial failed.",
            "at least one trial without an error",
            f"{failed.error}; see {search_folder.folder / 'trials'}",
            RuntimeError,
        )
    config = write_results(search_folder, plan)
    remove_backups(search_folder)
    tell(f"\n{conclusion(search_folder, plan)}\n")
    epochs = f"up to its best epoch, {config.last_epoch} of {config.epochs}"
    tell(f"winner  trained again on train and validation, {epochs}")
    retrain(search_folder, config, 2 if verbose else 0)
    return search_folder

"""A hypermodel in, a finished search out: trials → the winner → its run."""

import dataclasses

import keras_tuner

from keras_attention.arguments import invalid
from keras_attention.atomic import remove
from keras_attention.config import TrainConfig
from keras_attention.export.graph import require_tensorflow
from keras_attention.plugins import program
from keras_attention.text import teller
from keras_attention.training import build_backbone, fill_cache
from keras_attention.tuning.cluster import Chief, Worker, check_free, check_worker_name, parse_address
from keras_attention.tuning.folder import Plan, Search
from keras_attention.tuning.hypermodel import AttentionHyperModel
from keras_attention.tuning.oracles import make_oracle
from keras_attention.tuning.progress import Progress, announce, conclusion
from keras_attention.tuning.trials import FAILED, TrialResult, TrialRunner
from keras_attention.tuning.tuner import PROJECT, AttentionTuner, quiet
from keras_attention.tuning.winner import remove_backups, retrain, write_results

DEFAULT_CONFIG = TrainConfig(data_options={"count": 2000})  # 12 trials in less than 10 minutes on two slow cores
DEFAULT_TRIALS = 20
SAMPLE = 256  # images that tell one data set from another


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
    """Searches over scores, alignments and their dimensions, and makes the winner a finished run.

    Trials are compared by the figure that chooses the best epoch (`config.monitor`), on the validation images. The best
    one is trained again on the training and validation images together, for as many epochs as were best, and measured
    on the test images, which no trial has seen.

    With a backbone that is frozen as a whole, trials train from cached features. Settings that come again are not run
    again. A trial that fails is told of and stops none of the others.

    Args:
        hypermodel: an `AttentionHyperModel`, or the `TrainConfig` of one; over 2,000 images of `cluttered_digits` where
            it is `None`, or, of a search that is continued, that of its plan.
        max_trials: trials at most; 20 where it is `None`.
        tuner: `"random"`, `"grid"`, `"hyperband"` or `"bayesian"`; where it is `None`, `"random"` with cached features
            and `"hyperband"` without.
        run: the folder; `runs/<data>-search` where it is `None`.
        executions: networks of a trial, with one seed after the other, whose figures are averaged; 1 where it is
            `None`.
        max_parameters: networks with more are skipped; `None` takes any.
        resume: whether to continue the search in that folder; the number of trials may grow, and what is `None` is as
            it was.
        overwrite: whether a search in that folder may be replaced.
        chief: `"host:port"` where this process serves the trials to workers, or, with `worker`, where it finds them.
        worker: the name of this worker, which runs trials for the chief until there are no more. The folder is the
            chief's, which both must see; everything else is as its plan says.
        verbose: whether to print the plan, and a line for each trial.

    Returns:
        The `Search`: its folder holds `trials.csv`, `search.png`, `best.json`, and the run `winner/`. Of a worker,
        the search as it stands.

    Raises:
        ValueError: a plan, data, a folder or a chief that cannot be used; nothing is written then.
        RuntimeError: a search of which every trial failed.

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
        raise invalid("This cannot be searched.", "an AttentionHyperModel or a TrainConfig", hypermodel, TypeError)
    tell = teller(verbose)
    given = {"max_trials": max_trials, "tuner": tuner, "executions": executions, "max_parameters": max_parameters}
    if worker is not None:
        _check_worker(chief, worker, given | {"resume": resume or None, "overwrite": overwrite or None})
        return _work(hypermodel, run, chief, worker, tell)
    if chief is not None:
        check_free(chief)
    record, hypermodel, plan = _claim(hypermodel, given, run, resume, overwrite)
    record.begin(plan, resume)
    with record.alone():
        for trial_id in record.forget_damaged_trials():
            tell(f"damaged trial {trial_id}: its file cannot be read, so it is run again")
        tell(announce(record, plan, hypermodel.dataset))
        runner = _runner(hypermodel, record, plan)
        tuner = _open_tuner(record, plan, hypermodel, runner, tell)
        progress = Progress(record, plan, tell)
        if chief is None:
            _fill_cache(hypermodel, verbose)
            _run(tuner, hypermodel, progress)
        else:
            _serve(tuner, runner, chief, record, progress, tell)
        return _finish(record, plan, tell, verbose)


def _claim(hypermodel, given, run, resume, overwrite):
    """The folder, the hypermodel and the plan to carry out, all checked; nothing is written yet."""
    config = hypermodel.config if hypermodel is not None else DEFAULT_CONFIG
    record = Search(f"runs/{config.subject}-search" if run is None else run)
    saved = record.plan if resume else None
    if hypermodel is None:
        hypermodel = _hypermodel_of(saved) if saved else AttentionHyperModel(DEFAULT_CONFIG)
    config = hypermodel.config
    usual = {"max_trials": DEFAULT_TRIALS, "tuner": _usual_tuner(config), "executions": 1, "max_parameters": None}
    before = {name: getattr(saved, name) for name in usual} if saved else usual
    settings = {name: before[name] if given[name] is None else given[name] for name in usual}
    plan = Plan(config, hypermodel.searched.fix, hypermodel.searched.choose, **settings)
    # The folder first: the images may take long to load.
    record.claim(plan, resume, overwrite)
    plan = dataclasses.replace(plan, space=_describe_space(hypermodel), data=_describe_data(hypermodel.dataset))
    if saved:
        record.claim(plan, resume)
    return record, hypermodel, plan


def _hypermodel_of(plan):
    return AttentionHyperModel(plan.config, fix=plan.fix, choose=plan.choose)


def _usual_tuner(config):
    cached = config.caches and config.unfreeze_after is None
    return "random" if cached else "hyperband"


def _describe_space(hypermodel):
    hp = keras_tuner.HyperParameters()
    hypermodel.configure(hp)  # a space that makes no settings is refused here
    return hp.get_config()["space"]


def _describe_data(dataset):
    return {
        "name": dataset.name,
        "image_size": dataset.image_size,
        "class_names": list(dataset.class_names),
        "images": {name: dataset.split(name).count for name in ("train", "validation", "test")},
        "sample": dataset.train.thinned(SAMPLE).fingerprint(),
    }


def _open_tuner(record, plan, hypermodel, runner, tell):
    """The tuner, where it stood; what it does not remember is drawn again, and finds what was trained."""
    try:
        tuner = AttentionTuner(_oracle(plan), hypermodel, runner, record.folder)
    except ValueError as error:
        tell(f"damaged {error} So the trials are drawn again; what was trained is found.")
        remove(record.folder / PROJECT)
        tuner = AttentionTuner(_oracle(plan), hypermodel, runner, record.folder)
    tuner.oracle.max_trials = plan.max_trials  # of a search that is continued it may have grown
    for trial_id in tuner.oracle.end_order[:]:
        if not runner.result_path(trial_id).exists():
            tuner.oracle.run_again(trial_id)
    return tuner


def _oracle(plan):
    return make_oracle(plan.tuner, plan.monitor, plan.max_trials, plan.config.last_epoch, plan.config.seed)


def _runner(hypermodel, record, plan, worker=None):
    return TrialRunner(
        hypermodel, record.folder, plan.executions, plan.max_parameters, plan.tuner == "hyperband", worker
    )


def _fill_cache(hypermodel, verbose):
    """Computes the features of a frozen backbone for all trials at once, so that no trial has to."""
    config, dataset = hypermodel.config, hypermodel.dataset
    if not config.caches:
        return
    fill_cache(config, hypermodel.searched.layers, dataset, build_backbone(config, dataset), verbose)


def _run(tuner, hypermodel, progress):
    """Runs the trials in this process, with a line for each."""
    for step in tuner.trials():
        if isinstance(step, TrialResult):
            progress.end(step)
        else:
            progress.begin(step.trial_id, _settings(hypermodel, step.hyperparameters))


def _settings(hypermodel, hp):
    """The settings of a trial that begins; where there can be none, the trial itself will say why."""
    try:
        return hypermodel.space(hp)
    except Exception:
        return {}


def _serve(tuner, runner, address, record, progress, tell):
    """Serves the trials to workers, with a line for each that ends."""
    chief = Chief(tuner.oracle, address, record.folder)
    with chief.serving():
        tell(f"chief   waits for workers: {program()} search --worker NAME --chief {address} --run {record.folder}")
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
    """Runs trials for a chief until there are no more."""
    config = hypermodel.config if hypermodel else DEFAULT_CONFIG
    record = Search(f"runs/{config.subject}-search" if run is None else run)
    plan, at_work = record.plan, Worker(name, chief, record.folder)
    at_work.check_chief()  # before the images, which may take long to load
    hypermodel = hypermodel or _hypermodel_of(plan)
    own = dataclasses.replace(
        plan,
        config=hypermodel.config,
        space=_describe_space(hypermodel),
        data=_describe_data(hypermodel.dataset),
    )
    record.extended(own, "is that of a search that differs from this worker's")
    with at_work.working():
        _fill_cache(hypermodel, False)
        runner = _runner(hypermodel, record, plan, name)
        tuner = AttentionTuner(_oracle(plan), hypermodel, runner, record.folder, at_work.check_chief)
        tell(f"worker  {name} works for {chief} in {record.folder}")
        _run(tuner, hypermodel, Progress(record, plan, tell, alone=False))
    tell("worker  there are no more trials")
    return record


def _finish(record, plan, tell, verbose):
    """What the search found, and the winner as a run."""
    record.write_table()
    if record.best_trial(plan.monitor) is None:
        failed = next((trial for trial in record.trials if trial.status == FAILED), None)
        if failed is None:
            least = min(trial.error for trial in record.trials)
            raise invalid("Every network was too large.", "a larger limit of parameters", least, RuntimeError)
        raise invalid(
            "Every trial failed.", "one that ends", f"{failed.error}; see {record.folder / 'trials'}", RuntimeError
        )
    config = write_results(record, plan)
    remove_backups(record)
    tell(f"\n{conclusion(record, plan)}\n")
    epochs = f"up to its best epoch, {config.last_epoch} of {config.epochs}"
    tell(f"winner  trained again on train and validation, {epochs}")
    retrain(record, config, 2 if verbose else 0)
    return record

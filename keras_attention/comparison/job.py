"""Runs a whole comparison, from a plan to a report: runs → costs → statistics → verdict → report."""

import functools
import time

from keras_attention.arguments import invalid, one_line
from keras_attention.comparison.analysis import summarize
from keras_attention.comparison.cost import measure_cost
from keras_attention.comparison.execution import check_backend, usual_jobs, workers
from keras_attention.comparison.progress import announce, follow
from keras_attention.comparison.repeat import about
from keras_attention.comparison.request import claim, seeds_asked
from keras_attention.comparison.rounds import TimeLimit, ended, ranking, rounds, states
from keras_attention.comparison.tasks import Task, clear_attempts, foreign_members, grouped
from keras_attention.comparison.words import on_seeds
from keras_attention.export.graph import require_tensorflow
from keras_attention.memory import released
from keras_attention.own_process import call_in_own_process
from keras_attention.report import write_comparison_report
from keras_attention.runs import load_data, read_once
from keras_attention.seeding import kept
from keras_attention.text import teller, time_left
from keras_attention.training import build_backbone, build_model, fill_cache, require_monitor, shown_examples
from keras_attention.variants import CONTROLS, Variant


@kept()
@read_once()
def compare(
    config=None,
    variants=None,
    seeds=None,
    run=None,
    jobs=None,
    backend="processes",
    scheduler=None,
    costs=None,
    resume=False,
    overwrite=False,
    verbose=True,
    margin=None,
    until=None,
    max_seeds=None,
    minutes=None,
    choose=None,
    confirm=None,
    resplit=None,
    folds=None,
    tune=None,
):
    """Trains several networks with several seeds under equal conditions, and says whether attention helped.

    All variants use the data, the budget and the augmentation of `config`. A seed gives every variant the same initial
    backbone and the same order of images, so that differences are paired. The figure that decides is the monitor, which
    chooses the best epoch of a run (`config.monitor`), measured on the test split.

    Args:
        config: the `TrainConfig` that the variants share; if `None`, one for small images of `cluttered_digits`, with
            which networks are trained in a minute or two.
        variants: names, or `Variant`s; see `make_variants`. `plain` and `multiscale`, the references, are added if
            missing. By default the references and `additive+softmax`.
        seeds: how many seeds, counted upwards from the seed of `config`. If `None`, 3; or for more than eight variants
            besides the controls, if nothing else is said of seeds, `choose=4` and `confirm=7`. One seed gives no
            interval.
        run: the folder; `runs/<data>-compare` if `None`.
        jobs: how many runs at once, each in a separate process, which share the cores. If `None`, 1; but where `config`
            is `None` and there is no accelerator, as many as there are cores, up to 4, as networks so narrow gain
            nothing from a second core.
        backend: `"processes"` on this machine, or `"dask"`.
        scheduler: the address of the Dask scheduler; its workers must see the folder under the same path.
        costs: whether to measure the cost of each network at the end; `True` if `None`.
        resume: whether to continue the comparison in the folder. Finished runs are not repeated; variants and seeds may
            be added; arguments that are `None` are kept.
        overwrite: whether a comparison in the folder may be replaced.
        verbose: whether to print the plan, and a line for each run.
        margin: the difference up to which two variants count as the same, such as .01; "the same" is then a verdict
            too. To be chosen before the figures are seen. If `None`, there is none, but .02 where `config` is `None`.
        until: `"settled"` adds seeds, one at a time, to the variants whose verdict is open and to the references, until
            each verdict is settled or more seeds cannot settle it.
        max_seeds: up to how many seeds; 20 if `None`. Only with `until`.
        minutes: how long that may take; no limit if `None`. Only with `until`.
        choose: how many variants are chosen by the validation figure of one seed each. Only they and the controls then
            get the seeds of `confirm`, on which alone the verdict rests.
        resplit: whether each seed draws its own split of a folder of images (validation alone, if the folder has a test
            split). The verdict is then on data like these and not on this one split; its error allows for the training
            images that the seeds share.
        folds: into how many folds the images of a folder are split, each of which is the test split of a seed in turn;
            `seeds` is then the number of folds if `None`.
        tune: how many learning rates each run is tried with, each √10 times the one below and that of `config` among
            them; the one with the best validation figure is the run, so that no variant is favoured by a rate that
            suits it. If `None`, 1.
        confirm: how many fresh seeds the chosen variants get; 7 if `None`. Only with `choose`, instead of `seeds`.

    Returns:
        The `Comparison`: its folder holds `report.html`, `report.md`, `results.csv`, `summary.json`, and the runs.

    Raises:
        ValueError: a variant does not exist or cannot run on these data, or the settings, the data or the folder cannot
            be used; nothing is written then.

    Example:

    >>> import pathlib, tempfile
    >>> from keras_attention import TrainConfig, compare
    >>> config = TrainConfig(data_options={"count": 60}, image_size=32, width=0.05, units=16, epochs=1)
    >>> folder = pathlib.Path(tempfile.mkdtemp()) / "small"
    >>> comparison = compare(config, ["dot+sigmoid"], seeds=1, run=folder, costs=False, verbose=False)
    >>> comparison.verdict.split(",")[0]
    'One seed cannot tell whether attention helps'
    >>> [variant["name"] for variant in comparison.summary["variants"]], comparison.report_path.name
    (['plain', 'multiscale', 'dot+sigmoid'], 'report.html')
    >>> comparison.run("plain", seed=0).finished
    True
    """
    require_tensorflow()
    check_backend(jobs, backend, scheduler)
    tell = teller(verbose)
    asked = seeds_asked(seeds, until, max_seeds, minutes, choose, confirm)
    asked |= {"costs": costs, "margin": margin, "resplit": resplit, "folds": folds, "tune": tune}
    comparison, plan, dataset, backbone = prepared(config, variants, run, resume, overwrite, asked)
    if minutes is not None and plan.max_seeds is None:
        raise invalid("`minutes` limits how long seeds are added.", "`until` as well", f"minutes={minutes}")
    for damaged in comparison.forget_damaged_runs(plan) if resume else ():
        tell(f"damaged {damaged}: its files cannot be read, so it is run again", flush=True)
    jobs = jobs or (usual_jobs(plan.config) if backend == "processes" else 1)
    tell(announce(comparison, plan, dataset, jobs, resume), flush=True)
    comparison.begin(plan, resume)
    comparison.save_examples(shown_examples(dataset))
    _fill_cache(plan, dataset, backbone, verbose)
    del backbone
    final, errors = _run_rounds(comparison, plan, TimeLimit(minutes), tell, (jobs, backend, scheduler))
    if plan.costs:
        _measure_costs(comparison, final, dataset, tell)
    summary = summarize(comparison, final, errors) | about(plan, dataset, comparison.folder)
    summary |= _how_seeds_were_spent(comparison, plan, final, summary)
    write_comparison_report(comparison, summary)
    comparison.finish(summary)
    return comparison


def prepared(config, variants, run, resume, overwrite, asked):
    """The folder, the plan, the data and the backbone of a comparison, all checked; nothing is written yet."""
    comparison, plan = claim(config, variants, run, resume, overwrite, asked)
    dataset = _first_data(plan)
    return comparison, plan, dataset, _check_networks(plan, dataset)


def _run_rounds(comparison, plan, limit, tell, where):
    """Does all rounds of runs; returns the plan of the verdict, and `{(variant, seed): error}` of the failed runs."""
    final, errors = None, {}
    for each in rounds(plan, comparison, functools.partial(_states, comparison), limit):
        if each.about:
            tell(each.about, flush=True)
        errors |= _run_all(comparison, each.runs, plan, tell, *where)
        final = each.plan
    return final, errors


def _first_data(plan):
    """The data of the first seed; raises `ValueError` if the seeds cannot draw their splits of them."""
    if plan.folds is None:
        dataset = load_data(plan.config)
        _require_drawn(plan, dataset)
        return dataset
    _require_drawn(plan, load_data(plan.config))
    try:
        return load_data(plan.config_of(plan.variants[0], plan.config.seed))
    except ValueError as error:
        raise invalid(
            f"The images cannot be divided into {plan.folds} folds.",
            "at least as many images, or groups, in each class",
            f"folds={plan.folds}",
        ) from error


def _require_drawn(plan, dataset):
    """Raises `ValueError` if each seed shall draw a split, and the data leave nothing to draw."""
    if plan.resplit and not dataset.drawn:
        raise invalid(
            "`resplit` draws the splits that a folder of images lacks.",
            "a folder without a validation or a test split",
            f"{dataset.name}, which has all splits",
        )
    if plan.folds is not None and "test" not in dataset.drawn:
        raise invalid(
            "`folds` makes test splits, and the data have one.",
            "a folder without a test split",
            f"{dataset.name}, folds={plan.folds}",
        )


def _states(comparison, plan):
    """The state of each variant with attention after a round, for `rounds`; it is a look, which is remembered."""
    summary = summarize(comparison, plan)
    comparison.remember_look(summary)
    return states(summary)


def _how_seeds_were_spent(comparison, plan, final, summary):
    """Which variants were chosen, or why no more seeds followed; and the verdict with a sentence on it."""
    found = {}
    if plan.choose is not None:
        chosen = [variant.name for variant in final.variants if not variant.is_control]
        found["choice"] = {"seed": plan.config.seed, "ranking": ranking(plan, comparison), "chosen": chosen}
    if plan.max_seeds is not None:
        found["ended"] = ended(states(summary), final)
    found["seeds_spent"] = on_seeds(summary | found)
    return found | {"verdict": [*summary["verdict"], *found["seeds_spent"]]}


@released()
def _check_networks(plan, dataset):
    """The shared backbone; raises a `ValueError` if the network of a variant cannot be built on these data."""
    backbone = build_backbone(plan.config, dataset)
    for variant in plan.variants:
        try:
            config = variant.config(plan.config)
            require_monitor(config, dataset)
            build_model(config, dataset, backbone if config.backbone == plan.config.backbone else None)
        except (TypeError, ValueError) as error:
            raise ValueError(f"The variant {variant.name!r} cannot run. {error}") from error
    return backbone


def _fill_cache(plan, dataset, backbone, verbose):
    """Computes the features of a frozen backbone once, for all variants."""
    configs = [variant.config(plan.config) for variant in plan.variants]
    cached = [config for config in configs if config.caches]
    cached = [config for config in cached if config.backbone == plan.config.backbone]
    if cached:
        layers = dict.fromkeys(layer for config in cached for layer in config.attend)
        fill_cache(plan.config, tuple(layers), dataset, backbone, verbose)


def _run_all(comparison, runs, plan, tell, jobs, backend, scheduler):
    """Does the unfinished runs, prints a line for each, and returns `{(variant, seed): error}` of the failed ones.

    Args:
        comparison: the `Comparison`.
        runs: the name of the variant and the seed of each run.
        plan: the `Plan`.
        tell: a function that prints.
        jobs, backend, scheduler: as of `compare`.
    """
    members, variants = foreign_members(), {variant.name: variant for variant in plan.variants}
    tasks = [
        Task(name, plan.config_of(variants[name], seed), str(run.folder.resolve()), members, plan.tune)
        for name, seed in runs
        if not (run := comparison.run(name, seed)).finished
    ]
    clear_attempts(tasks)
    with workers(jobs, backend, scheduler, comparison.folder) as (carry_out, processes):
        groups, in_turn = grouped(tasks, processes), (jobs, backend) == (1, "processes")
        outcomes = list(follow(carry_out(groups), groups, in_turn, comparison, plan.metric, tell))
    errors = {(each.task.variant, each.task.config.seed): each.error for each in outcomes if each.error}
    if errors and len(errors) == len(runs):
        error = next(iter(errors.values()))
        raise invalid(
            "Every run failed.",
            "at least one run without an error",
            f"{error}; see {comparison.folder / 'runs'}",
            RuntimeError,
        )
    return errors


def _measure_costs(comparison, plan, dataset, tell):
    """Measures the cost of each network that has none saved, one after the other, while nothing else runs."""
    todo = [variant for variant in plan.variants if comparison.cost(variant.name) is None]
    reference = Variant("plain", CONTROLS["plain"]).config(plan.config)
    for number, variant in enumerate(todo, start=1):
        began = time.monotonic()
        config = variant.config(plan.config)
        try:
            shape = (dataset.image_size, dataset.class_names)
            cost = call_in_own_process(measure_cost, config, reference, *shape, foreign_members())
        except Exception as error:
            tell(f"cost {number}/{len(todo)} {variant.name}: not measured: {one_line(error)}", flush=True)
            continue
        comparison.save_cost(variant.name, cost)
        ratio = cost["step_seconds"] / cost["reference_step_seconds"]
        spent = time.monotonic() - began
        left = time_left(spent * (len(todo) - number))
        tell(f"cost {number}/{len(todo)} {variant.name}: a training step takes {ratio:.2f} × plain{left}", flush=True)

"""Runs a whole comparison, from a plan to a report: runs → costs → statistics → verdict → report."""

import time

from keras_attention.arguments import invalid, one_line
from keras_attention.comparison.analysis import summarize
from keras_attention.comparison.cost import measure_cost
from keras_attention.comparison.execution import check_backend, workers
from keras_attention.comparison.folder import Comparison, Plan
from keras_attention.comparison.progress import announce, follow
from keras_attention.comparison.repeat import about
from keras_attention.comparison.tasks import Task, clear_attempts, foreign_members
from keras_attention.comparison.variants import CONTROLS, DEFAULT_VARIANTS, Variant, make_variants
from keras_attention.config import TrainConfig
from keras_attention.export.graph import require_tensorflow
from keras_attention.memory import released
from keras_attention.own_process import call_in_own_process
from keras_attention.report import write_comparison_report
from keras_attention.runs import load_data
from keras_attention.seeding import kept
from keras_attention.text import teller, time_left
from keras_attention.training import build_backbone, build_model, fill_cache, require_monitor, shown_examples

DEFAULT_CONFIG = TrainConfig(data_options={"count": 3000})  # 8 runs in less than 12 minutes on two slow cores
DEFAULT_SEEDS = 2


@kept()
def compare(
    config=None,
    variants=None,
    seeds=None,
    run=None,
    jobs=1,
    backend="processes",
    scheduler=None,
    costs=None,
    resume=False,
    overwrite=False,
    verbose=True,
):
    """Trains several networks with several seeds under equal conditions, and says whether attention helped.

    All variants use the data, the budget and the augmentation of `config`. A seed gives every variant the same initial
    backbone and the same order of images, so that differences are paired. The figure that decides is the monitor, which
    chooses the best epoch of a run (`config.monitor`), measured on the test split.

    Args:
        config: the `TrainConfig` that the variants share; 3,000 images of `cluttered_digits` if `None`.
        variants: names, or `Variant`s; see `make_variants`. `plain` and `multiscale`, the references, are added if
            missing. By default the references, `additive+softmax` and `additive+sigmoid`.
        seeds: how many seeds, counted upwards from the seed of `config`; 2 if `None`. One seed gives no interval.
        run: the folder; `runs/<data>-compare` if `None`.
        jobs: how many runs at once, each in a separate process.
        backend: `"processes"` on this machine, or `"dask"`.
        scheduler: the address of the Dask scheduler; its workers must see the folder under the same path.
        costs: whether to measure the cost of each network at the end; `True` if `None`.
        resume: whether to continue the comparison in the folder. Finished runs are not repeated; variants and seeds may
            be added; arguments that are `None` are kept.
        overwrite: whether a comparison in the folder may be replaced.
        verbose: whether to print the plan, and a line for each run.

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
    'One seed gives no interval'
    >>> [variant["name"] for variant in comparison.summary["variants"]], comparison.report_path.name
    (['plain', 'multiscale', 'dot+sigmoid'], 'report.html')
    >>> comparison.run("plain", seed=0).finished
    True
    """
    require_tensorflow()
    check_backend(jobs, backend, scheduler)
    tell = teller(verbose)
    comparison, plan = _claim(config, variants, seeds, costs, run, resume, overwrite)
    dataset = load_data(plan.config)
    backbone = _check_networks(plan, dataset)
    for damaged in comparison.forget_damaged_runs(plan) if resume else ():
        tell(f"damaged {damaged}: its files cannot be read, so it is run again", flush=True)
    tell(announce(comparison, plan, dataset), flush=True)
    comparison.begin(plan, resume)
    comparison.save_examples(shown_examples(dataset))
    _fill_cache(plan, dataset, backbone, verbose)
    del backbone
    errors = _run_all(comparison, plan, tell, jobs, backend, scheduler)
    if plan.costs:
        _measure_costs(comparison, plan, dataset, tell)
    summary = summarize(comparison, plan, errors) | about(plan, dataset, comparison.folder)
    write_comparison_report(comparison, summary)
    comparison.finish(summary)
    return comparison


def _claim(config, variants, seeds, costs, run, resume, overwrite):
    """The folder and the plan, both checked; nothing is written yet."""
    comparison = Comparison(run or f"runs/{(config or DEFAULT_CONFIG).subject}-compare")
    saved = comparison.plan if resume and not comparison.abandoned else None
    config = config or (saved.config if saved else DEFAULT_CONFIG)
    if variants is None:
        variants = saved.variants if saved else DEFAULT_VARIANTS
    if seeds is None:
        seeds = saved.seeds if saved else DEFAULT_SEEDS
    if costs is None:
        costs = saved.costs if saved else True
    if config.train_on_validation:
        raise invalid(
            "The runs of a comparison choose their best epoch on the validation images.",
            "train_on_validation=False",
            "train_on_validation=True",
        )
    plan = Plan(config, make_variants(variants, config.backbone), seeds, costs)
    return comparison, comparison.claim(plan, resume, overwrite)


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


def _run_all(comparison, plan, tell, jobs, backend, scheduler):
    """Does the unfinished runs, prints a line for each, and returns `{(variant, seed): error}` of the failed ones."""
    members = foreign_members()
    # All variants of one seed run before the next seed, so that a comparison that is cut short has complete pairs.
    tasks = [
        Task(variant.name, variant.config(plan.config, seed), str(run.folder.resolve()), members)
        for seed in plan.seed_numbers
        for variant in plan.variants
        if not (run := comparison.run(variant.name, seed)).finished
    ]
    clear_attempts(tasks)
    with workers(jobs, backend, scheduler, comparison.folder) as carry_out:
        one_by_one = (jobs, backend) == (1, "processes")
        outcomes = list(follow(carry_out(tasks), tasks, one_by_one, comparison, plan.metric, tell))
    errors = {(each.task.variant, each.task.config.seed): each.error for each in outcomes if each.error}
    if errors and len(errors) == len(plan.variants) * plan.seeds:
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

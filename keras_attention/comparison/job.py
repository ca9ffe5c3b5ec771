"""A plan in, a finished comparison out: runs → statistics → cost → verdict → report."""

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
from keras_attention.own_process import call_in_own_process
from keras_attention.report import write_comparison_report
from keras_attention.runs import load_data
from keras_attention.text import teller, time_left
from keras_attention.training import build_backbone, build_model, fill_cache, shown_examples

DEFAULT_CONFIG = TrainConfig(data_options={"count": 3000})  # 8 runs in less than 12 minutes on two slow cores
DEFAULT_SEEDS = 2


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

    Data, budget and augmentation are those of `config` for all. A seed gives every variant the same initial backbone
    and the same order of images, so that differences are paired. The figure that decides is that by which a run chooses
    its best epoch (`config.monitor`), measured on the test split.

    Args:
        config: the `TrainConfig` that the variants share; 3,000 images of `cluttered_digits` where it is `None`.
        variants: names, or `Variant`s; see `make_variants`. `plain` and `multiscale`, the references, join them where
            they are not there. By default the two, `additive+softmax` and `additive+sigmoid`.
        seeds: how many, from that of `config` upwards; 2 where it is `None`. One gives no interval.
        run: the folder; `runs/<data>-compare` where it is `None`.
        jobs: how many runs at once, each in a process of its own.
        backend: `"processes"` on this machine, or `"dask"`.
        scheduler: address of the scheduler of a Dask cluster, whose workers see the folder under the same path.
        costs: whether to measure at the end what each network costs; `True` where it is `None`.
        resume: whether to continue the comparison in that folder. Runs that are finished are not done again; variants
            and seeds may have been added, and what is `None` is as it was.
        overwrite: whether a comparison in that folder may be replaced.
        verbose: whether to print the plan, and a line for each run.

    Returns:
        The `Comparison`: its folder holds `report.html`, `report.md`, `results.csv`, `summary.json`, and the runs.

    Raises:
        ValueError: a variant that is none or cannot run on these data, or settings, data or a folder that cannot be
            used; nothing is written then.

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
        tell(f"damaged {damaged}: its files cannot be read, so it is done again", flush=True)
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
    """The folder, and the plan to carry out in it, both checked; nothing is written yet."""
    comparison = Comparison(run or f"runs/{(config or DEFAULT_CONFIG).subject}-compare")
    saved = comparison.plan if resume else None
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


def _check_networks(plan, dataset):
    """The backbone of all; raises for a variant whose network cannot be built on these data."""
    backbone = build_backbone(plan.config, dataset)
    for variant in plan.variants:
        try:
            config = variant.config(plan.config)
            build_model(config, dataset, backbone if config.backbone == plan.config.backbone else None)
        except (TypeError, ValueError) as error:
            raise ValueError(f"The variant {variant.name!r} cannot run. {error}") from error
    return backbone


def _fill_cache(plan, dataset, backbone, verbose):
    """Computes the features of a frozen backbone for all variants at once, so that none has to."""
    configs = [variant.config(plan.config) for variant in plan.variants]
    cached = [config for config in configs if config.caches]
    cached = [config for config in cached if config.backbone == plan.config.backbone]
    if cached:
        layers = dict.fromkeys(layer for config in cached for layer in config.attend)
        fill_cache(plan.config, tuple(layers), dataset, backbone, verbose)


def _run_all(comparison, plan, tell, jobs, backend, scheduler):
    """Does what is not finished, with a line for each run; returns `{(variant, seed): error}` of those that failed."""
    members = foreign_members()
    # All variants of a seed before the next seed: what is cut short has pairs, at least.
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
        raise invalid("Every run failed.", "one that ends", f"{error}; see {comparison.folder / 'runs'}", RuntimeError)
    return errors


def _measure_costs(comparison, plan, dataset, tell):
    """What each network costs, one after the other while nothing else runs; kept, so that it is measured once."""
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

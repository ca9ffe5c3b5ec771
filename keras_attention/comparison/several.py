"""Compares on several data sets: each as `compare` does, and then all of them together."""

import inspect

from keras_attention.arguments import invalid, one_line, unknown
from keras_attention.comparison.contrasts import LEVEL
from keras_attention.comparison.defaults import DEFAULT_SEEDS
from keras_attention.comparison.execution import check_backend
from keras_attention.comparison.job import compare, prepared
from keras_attention.comparison.joining import join_summaries
from keras_attention.comparison.looks import level_of_look
from keras_attention.comparison.request import seeds_asked
from keras_attention.comparison.several_folder import DatasetsComparison, planned
from keras_attention.export.graph import require_tensorflow
from keras_attention.report import write_datasets_report
from keras_attention.seeding import kept
from keras_attention.sources import named_sources
from keras_attention.text import teller

# Arguments of `compare` that are not the same for each data set.
OWN = ("config", "variants", "run", "resume", "overwrite", "verbose")
OPTIONS = tuple(name for name in inspect.signature(compare).parameters if name not in OWN)
SPENDING = ("seeds", "until", "max_seeds", "minutes", "choose", "confirm")  # how the seeds are spent
QUESTION = ("costs", "margin", "resplit", "folds", "tune")


@kept()
def compare_datasets(
    sources=None, config=None, variants=None, run=None, resume=False, overwrite=False, verbose=True, **options
):
    """Compares the same networks on several data sets, and says whether attention helps over all of them.

    Each data set is compared by `compare` in a folder of its own. Then for each variant and reference the mean of its
    differences over the data sets is taken, with the variance between data sets in its error, and the variants are
    ranked over the data sets. What is said of all of them rests on as many numbers as there are data sets: two or three
    can show only what is large and alike.

    Args:
        sources: paths or names of data, as `TrainConfig.data`; at least two different ones. To resume, more may be
            added; those of the comparison if `None`.
        config: the `TrainConfig` that all share; its `data` do not count. `masks` may be `"beside"` only.
        variants: as of `compare`.
        run: the folder; `runs/<names joined by +>-compare` if `None`. The comparison of each data set is in
            `<run>/<name>`, where the name is the last part of the path.
        resume: whether to continue the comparison in the folder; arguments that are `None` are kept.
        overwrite: whether a comparison in the folder may be replaced.
        verbose: whether to print what `compare` prints, and the answer on each data set.
        **options: the other arguments of `compare`, for each data set by itself: `seeds`, `jobs`, `backend`,
            `scheduler`, `costs`, `margin`, `until`, `max_seeds`, `minutes`, `choose`, `confirm`, `resplit`, `folds`,
            `tune`.

    Returns:
        The `DatasetsComparison`: its folder holds `report.html`, `report.md`, `summary.json`, and the comparisons.

    Raises:
        ValueError: fewer than two different sources, one folder of masks for several, or what `compare` refuses for one
            of them; nothing is written then.
        RuntimeError: fewer than two comparisons finished, or none of their variants ran on two data sets.

    Reference:
        Demšar, *Statistical Comparisons of Classifiers over Multiple Data Sets*, JMLR 2006.

    Example:

    >>> import pathlib, tempfile
    >>> from keras_attention import TrainConfig, compare_datasets
    >>> config = TrainConfig(image_size=32, width=0.05, units=16, epochs=1)
    >>> compare_datasets(["photos"], config)
    Traceback (most recent call last):
        ...
    ValueError: Several data sets are compared. Expected at least two different sources. Received: photos.
    """
    require_tensorflow()
    _check_options(options)
    folder, plan = _claim(sources, config, variants, run, resume, overwrite, options)
    for name in plan.sources:
        _check(folder, plan, name, resume)
    folder.begin(plan, resume)
    tell = teller(verbose)
    errors = {name: error for name in plan.sources if (error := _compare_one(folder, plan, name, verbose, tell))}
    summary = _summarize(folder, plan, errors)
    for each in summary["sets"]:
        tell(f"{each['name']}  {each['answer']}")
    write_datasets_report(folder, summary)
    folder.finish(summary)
    return folder


def _check_options(options):
    for name in options:
        if name not in OPTIONS:
            raise unknown("option", name, OPTIONS)
    check_backend(options.get("jobs"), options.get("backend") or "processes", options.get("scheduler"))


def _claim(sources, config, variants, run, resume, overwrite, options):
    """The folder and the plan of all data sets; to resume, with what the folder holds where nothing is given."""
    if sources is None and not (resume and run):
        raise invalid("`sources` are missing.", "at least two, or `resume` and `run`", f"run={run!r}")
    saved = DatasetsComparison(run).plan if sources is None else None
    named = saved.sources if saved else named_sources(sources)
    folder = DatasetsComparison(run or f"runs/{_joined(named)}-compare")
    if resume and config is None and not folder.abandoned:
        config = folder.plan.config
    plan = planned(named, config, variants, options)
    return folder, folder.claim(plan, resume, overwrite)


def _joined(names, most=4):
    names = list(names)
    return "+".join(names[:most] + ([f"{len(names) - most}-more"] if len(names) > most else []))


def _options(plan, own):
    """The options of the comparison on one data set. Another choice of variants on each could not be joined."""
    spends = any(plan.options.get(each) is not None for each in (*SPENDING, "folds"))
    return plan.options if spends or own.begun else {"seeds": DEFAULT_SEEDS} | plan.options


def _check(folder, plan, name, resume):
    """Raises what a comparison on a data set would raise before it begins."""
    own = folder.comparison(name)
    options = _options(plan, own)
    spending = seeds_asked(*(options.get(each) for each in SPENDING))
    asked = spending | {each: options.get(each) for each in QUESTION}
    try:
        prepared(plan.config_of(name), plan.variants, own.folder, resume and own.begun, not resume, asked)
    except (TypeError, ValueError) as error:
        raise type(error)(f"The data set {name!r} cannot be compared. {error}") from error


def _compare_one(folder, plan, name, verbose, tell):
    """Compares on one data set; returns why that failed, or `None`."""
    tell(f"\n{name}")
    own = folder.comparison(name)
    options = _options(plan, own)
    try:
        compare(plan.config_of(name), plan.variants, run=own.folder, resume=own.begun, verbose=verbose, **options)
    except Exception as error:
        tell(f"failed  {one_line(error)}")
        return one_line(error)
    return None


def _summarize(folder, plan, errors):
    """The summary of all data sets; raises `RuntimeError` if fewer than two comparisons finished."""
    summaries = {name: folder.comparison(name).summary for name in plan.sources if name not in errors}
    if len(summaries) < 2:
        name, error = next(iter(errors.items()))
        raise invalid(
            "Fewer than two comparisons finished.", "two data sets or more", f"{name}: {error}", error=RuntimeError
        )
    seeds, looks = sum(len(each["seeds"]) for each in summaries.values()), folder.looks
    level = round(level_of_look(LEVEL, seeds, looks), 12)
    found = join_summaries(summaries, level)
    looks = [{"seeds": count, "level": each} for count, each in sorted((looks | {seeds: level}).items())]
    sets = [_of_set(folder, plan, name, summary) for name, summary in summaries.items()]
    failed = [{"name": name, "error": error} for name, error in errors.items()]
    return found | {"sets": sets, "failures": failed, "looks": looks, "plan": plan.to_dict()}


def _of_set(folder, plan, name, summary):
    return {
        "name": name,
        "source": plan.sources[name],
        "images": summary["images"],
        "seeds": len(summary["seeds"]),
        "answer": summary["verdict"][0],
        "report": f"{name}/report.html",
        "failures": len(summary["failures"]),
    }

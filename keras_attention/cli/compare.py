"""`keras-attention compare`: whether attention helps, which kind, and how sure that is."""

import argparse
import pathlib
import shlex
import textwrap

from keras_attention.cli.paths import require_begun
from keras_attention.cli.settings import (
    add_settings,
    check_each,
    given_settings,
    require_names,
    usual_settings,
    with_given,
)
from keras_attention.config.rules import OF_A_VARIANT
from keras_attention.members import BACKENDS, UNTIL
from keras_attention.plugins import program
from keras_attention.sources import EMBEDDED, require_source, split_sources

# The settings that the name of a variant gives, and one that leaves no images to choose the best epoch by.
NOT_SHARED = (*OF_A_VARIANT, "train_on_validation")
# Flags that say which runs each variant gets, besides the seeds.
HOW_MANY = ("margin", "until", "max_seeds", "minutes", "choose", "confirm", "resplit", "folds", "tune")
WHERE = ("jobs", "backend", "scheduler")  # where the runs take place
DESCRIPTION = """\
Trains several networks with several seeds under equal conditions, and says with intervals whether attention helped.
Without --data it does so on small images of cluttered_digits, in about 10 minutes on two cores, with settings of
its own (32 px, width 0.125, 8 epochs, 16 images per step, rate 0.004), each of which a flag changes. The networks are
compared by the figure of --monitor, measured on the test split. --data A,B compares on each data set, and over all."""
EXAMPLES = """\
variants, separated by commas:
  plain                           the backbone as it is
  multiscale                      the head over the same feature maps, without attention
  uniform                         attention whose weights are 1/n
  additive+softmax                any score with any alignment, see `keras-attention list`
  scaled_dot+sparsemax@block4_pool
                                  the same with other attended layers, joined by +
  gem, simpool, abmil, ep         a pooling instead of attention
  se, cbam, eca                   gates after each pooling of the backbone; with --freeze, of the attended features
  all-poolings                    all seven of these
  all-scores, all-alignments      every score with softmax, additive with every alignment
  all                             the controls, and every score with every alignment
plain and multiscale, the references of all differences, are added if missing.
"""


def add(commands):
    """Declares the command."""
    parser = commands.add_parser(
        "compare",
        help="train several networks with several seeds, and say whether attention helped",
        description=textwrap.fill(DESCRIPTION, 100),
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    group = parser.add_argument_group("comparison")
    text = "what to compare, see below (default plain,multiscale,additive+softmax)"
    group.add_argument("--variants", metavar="A,B", help=text)
    group.add_argument(
        "--seeds",
        type=int,
        metavar="N",
        help="number of seeds, from --seed on (default 3; for more than eight variants --choose 4; 1: no interval)",
    )
    text = "the difference up to which two networks count as the same, such as .01; then that is a verdict too"
    group.add_argument("--margin", type=float, metavar="F", help=text)
    text = "settled: add seeds to the variants whose verdict is open, until none is or more seeds cannot tell"
    group.add_argument("--until", metavar="NAME", help=text)
    text = "with --until: up to how many seeds (default 20)"
    group.add_argument("--max-seeds", type=int, metavar="N", help=text)
    text = "with --until: how long that may take (default no limit)"
    group.add_argument("--minutes", type=float, metavar="F", help=text)
    text = "train each variant once, and go on with the best K by validation, and the controls"
    group.add_argument("--choose", type=int, metavar="K", help=text)
    text = "with --choose: how many fresh seeds they get, on which alone the verdict rests (default 7)"
    group.add_argument("--confirm", type=int, metavar="N", help=text)
    text = "each seed draws its own split of a folder of images, so that the verdict is on data like these"
    group.add_argument("--resplit", action="store_true", default=None, help=text)
    text = "cross-validation: each of K folds of a folder of images is the test split of a seed in turn"
    group.add_argument("--folds", type=int, metavar="K", help=text)
    text = "try each run with N learning rates, and take the best by validation (default 1)"
    group.add_argument("--tune", type=int, metavar="N", help=text)
    text = "runs at the same time, in processes (default 1; without --data and a GPU as many as cores, up to 4)"
    group.add_argument("--jobs", type=int, metavar="N", help=text)
    group.add_argument(
        "--backend", default="processes", metavar="NAME", help="where the runs take place: processes (default), dask"
    )
    group.add_argument(
        "--scheduler", default=None, metavar="ADDRESS", help="address of a Dask cluster that shares the folder"
    )
    text = "do not measure the cost of each network, which takes half a minute each"
    group.add_argument("--no-costs", dest="costs", action="store_false", default=None, help=text)
    group.add_argument("--run", metavar="DIR", help="folder of the comparison (default runs/<data>-compare)")
    either = group.add_mutually_exclusive_group()
    text = "continue the comparison in that folder; variants and seeds may be added"
    either.add_argument("--resume", action="store_true", help=text)
    either.add_argument("--overwrite", action="store_true", help="replace the comparison in that folder")
    add_settings(parser, without=NOT_SHARED)
    return parser


def check(options):
    """Raises `ValueError` for settings, names and paths that cannot be right, whatever a folder to resume holds."""
    from keras_attention.config import DEFAULT_COMPARISON, TrainConfig
    from keras_attention.variants import DEFAULT_VARIANTS, make_variants

    given, folder = given_settings(options), getattr(options, "run", None)
    sources = split_sources(given.get("data", EMBEDDED))
    if folder is not None or len(sources) < 2:
        folder = folder or f"runs/{_named(given).subject}-compare"
        require_begun(options, folder, "comparison", "comparison.json")
    for source in sources:
        require_source(source, given.get("masks"), given.get("group"))
    require_names(options, until=UNTIL, backend=BACKENDS)
    if getattr(options, "resume", False):
        check_each(given)
        return
    several = {name: value for name, value in given.items() if name != "data"}
    config = (
        with_given(usual_settings(given, DEFAULT_COMPARISON), given)
        if len(sources) < 2
        else TrainConfig().with_settings(**several)
    )
    make_variants(_variants(options) or DEFAULT_VARIANTS, config.backbone)


def run(options):
    """Runs the command; returns 1 if some runs failed."""
    sources = _several(options)
    return _on_one(options) if sources is None else _on_several(options, sources)


def _several(options):
    """The sources of data if there are several, `[]` to go on with those of the folder; `None` for one."""
    from keras_attention.comparison import DatasetsComparison

    data, folder = getattr(options, "data", None), getattr(options, "run", None)
    sources = [] if data is None else split_sources(data)
    if len(sources) > 1:
        return sources
    resumes = data is None and folder and getattr(options, "resume", False)
    return [] if resumes and DatasetsComparison(folder).begun else None


def _on_several(options, sources):
    """Compares on several data sets; returns 1 if some comparison or run failed."""
    from keras_attention.comparison import DatasetsComparison, compare_datasets
    from keras_attention.config import TrainConfig
    from keras_attention.report import datasets_table

    resume, folder = getattr(options, "resume", False), getattr(options, "run", None)
    given = {name: value for name, value in given_settings(options).items() if name != "data"}
    base = DatasetsComparison(folder).plan.config if resume and folder else TrainConfig()
    comparison = compare_datasets(
        sources or None,
        base.with_settings(**given),
        _variants(options),
        folder,
        resume,
        getattr(options, "overwrite", False),
        **{name: getattr(options, name, None) for name in (*HOW_MANY, "seeds", "costs", *WHERE)},
    )
    summary = comparison.summary
    print(f"\n{datasets_table(summary)}\n\n{comparison.verdict}\n\nreport  {comparison.report_path}")
    return int(bool(summary["failures"]) or any(each["failures"] for each in summary["sets"]))


def _variants(options):
    names = getattr(options, "variants", None)
    return None if names is None else [name for name in names.split(",") if name.strip()]


def _on_one(options):
    """Compares on one data set; returns 1 if some runs failed."""
    from keras_attention.comparison import compare
    from keras_attention.report import best_run, results_table

    resume, config = getattr(options, "resume", False), _config(options)
    options.run = getattr(options, "run", None) or f"runs/{config.subject}-compare"
    comparison = compare(
        config,
        _variants(options),
        getattr(options, "seeds", None),
        options.run,
        getattr(options, "jobs", None),
        options.backend,
        options.scheduler,
        options.costs,
        resume,
        getattr(options, "overwrite", False),
        **{name: getattr(options, name, None) for name in HOW_MANY},
    )
    summary = comparison.summary
    print(f"\n{results_table(summary)}\n\n{comparison.verdict}\n\nreport  {comparison.report_path}")
    print(f"best    {program()} export {shlex.quote(best_run(summary))}")
    return int(bool(summary["failures"]))


def after_interrupt(options):
    """How to continue after Ctrl-C, as text."""
    folder = getattr(options, "run", None)
    plans = ("comparison.json", "datasets.json")
    if folder and any((pathlib.Path(folder) / plan).exists() for plan in plans):
        return f"; continue with: {program()} compare --resume --run {folder}"
    return ""


def _config(options):
    """The given settings, on top of the usual ones or, to resume, of those of the comparison."""
    from keras_attention.comparison import Comparison
    from keras_attention.config import DEFAULT_COMPARISON

    given, folder = given_settings(options), getattr(options, "run", None)
    comparison = Comparison(folder or f"runs/{_named(given).subject}-compare")
    resumes = getattr(options, "resume", False) and not comparison.abandoned
    return with_given(comparison.plan.config if resumes else usual_settings(given, DEFAULT_COMPARISON), given)


def _named(given):
    """Settings with the given data and backbone, which name the folder."""
    from keras_attention.config import TrainConfig

    return TrainConfig(**{name: given[name] for name in ("data", "backbone") if name in given})

"""`keras-attention search`: the best score, alignment and dimensions for your images, as a finished run."""

import argparse
import pathlib
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
from keras_attention.cli.train import summary
from keras_attention.config.checks import plain_value
from keras_attention.members import TUNERS, members, parts_of
from keras_attention.plugins import program
from keras_attention.sources import EMBEDDED, require_source

# Settings that are searched; a flag for one of them fixes it.
SEARCHED = ("score", "alignment", "attend", "units", "normalize", "num_heads", "dropout", "learning_rate")
# Settings that a search decides itself.
NOT_SHARED = ("stop_after", "train_on_validation", "pooling", "pooling_options", "feature_gate", "feature_gate_options")
DESCRIPTION = """\
Searches over scores, alignments, their options and dimensions with KerasTuner, by a metric of the validation split;
trains the winner on train and validation, measures it on test, draws where it looks, and exports it. Without arguments
it does so on cluttered_digits."""
EXAMPLES = """\
names of what is searched:
  score, alignment        see `keras-attention list`; score may also be none or uniform, the controls,
                          or a pooling or a gate to compare attention with, such as gem or se
  additive.activation …   options of a score or an alignment, tried with that one only
  attend                  attended layers; several are joined by +: block3_pool+block4_pool
  units, normalize, num_heads, dropout, learning_rate
--fix NAME=VALUE fixes one of them, as does its flag, such as --units 64; --choose NAME=A,B narrows one.

on several machines that share a folder:
  keras-attention search --run DIR --chief 10.0.0.1:8787
  keras-attention search --run DIR --chief 10.0.0.1:8787 --worker one
"""


def add(commands):
    """Declares the command."""
    parser = commands.add_parser(
        "search",
        help="search for the best score, alignment and dimensions",
        description=textwrap.fill(DESCRIPTION, 100),
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    group = parser.add_argument_group("search")
    group.add_argument("--max-trials", type=int, metavar="N", help="largest number of trials (default 20)")
    text = "random (default with cached features), hyperband (default without), bayesian, grid"
    group.add_argument("--tuner", metavar="NAME", help=text)
    group.add_argument("--fix", action="append", metavar="NAME=VALUE", help="fix a hyperparameter; may be repeated")
    group.add_argument(
        "--choose", action="append", metavar="NAME=A,B", help="values to choose a hyperparameter from; may be repeated"
    )
    group.add_argument(
        "--executions",
        type=int,
        metavar="N",
        help="networks per trial, which differ by seed and are averaged (default 1)",
    )
    group.add_argument("--max-parameters", type=int, metavar="N", help="skip networks with more parameters")
    group.add_argument("--chief", metavar="HOST:PORT", help="address where the chief serves trials to workers")
    group.add_argument("--worker", metavar="NAME", help="name of this worker, which runs trials for the chief")
    group.add_argument("--run", metavar="DIR", help="folder of the search (default runs/<data>-search)")
    either = group.add_mutually_exclusive_group()
    either.add_argument("--resume", action="store_true", help="continue the search in that folder, with more trials")
    either.add_argument("--overwrite", action="store_true", help="replace the search in that folder")
    add_settings(parser, without=NOT_SHARED)
    return parser


def check(options):
    """Raises `ValueError` for settings, names and paths that cannot be right, whatever a folder to resume holds."""
    from keras_attention.config import DEFAULT_SEARCH

    given = _given(options)
    fix, choose = _narrowed(options, given)
    require_begun(options, _folder(options), "search", "search.json")
    require_source(given.get("data", EMBEDDED), given.get("masks"), given.get("group"))
    require_names(options, tuner=TUNERS)
    values = {name: [value] for name, value in fix.items()} | choose
    for name in values:
        _require_hyperparameter(name)
    if getattr(options, "resume", False) or hasattr(options, "worker"):
        check_each(given)
        return
    config = with_given(usual_settings(given, DEFAULT_SEARCH), given)
    for name, each in values.items():
        for value in each:
            _require_value(config, name, value)


def run(options):
    """Runs the command; returns 1 if some trials failed."""
    from keras_attention.tuning import search
    from keras_attention.tuning.trials import FAILED

    options.run = folder = _folder(options)
    hypermodel = _hypermodel(options)
    names = ("max_trials", "tuner", "executions", "max_parameters", "chief", "worker")
    given = {name: getattr(options, name, None) for name in names}
    resume, overwrite = getattr(options, "resume", False), getattr(options, "overwrite", False)
    found = search(hypermodel, run=folder, resume=resume, overwrite=overwrite, **given)
    if given["worker"] is None:
        print(f"\n{summary(found.winner)}")
        print(f"trials  {found.csv_path}\nplots   {found.picture_path}")
        print(f"again   {program()} train --from {found.best_path}")
    return int(any(trial.status == FAILED for trial in found.trials))


def after_interrupt(options):
    """How to continue after Ctrl-C, as text."""
    folder = getattr(options, "run", None)
    if folder and not hasattr(options, "worker") and (pathlib.Path(folder) / "search.json").exists():
        chief = f" --chief {options.chief}" if hasattr(options, "chief") else ""
        return f"; continue with: {program()} search --resume --run {folder}{chief}"
    return ""


def _folder(options):
    from keras_attention.config import TrainConfig

    named = {name: getattr(options, name) for name in ("data", "backbone") if hasattr(options, name)}
    return getattr(options, "run", f"runs/{TrainConfig(**named).subject}-search")


def _hypermodel(options):
    """The hypermodel of the options; `None` to resume, or to work for a chief, without changes to the plan."""
    from keras_attention.config import DEFAULT_SEARCH
    from keras_attention.tuning import AttentionHyperModel, Search

    given, resumes = _given(options), getattr(options, "resume", False) and not Search(options.run).abandoned
    continues = resumes or hasattr(options, "worker")
    fix, choose = _narrowed(options, given)
    if hasattr(options, "worker"):
        _check_empty(given | fix | choose)
    if continues and not (given or fix or choose):
        return None
    base = usual_settings(given, DEFAULT_SEARCH)
    if continues:
        plan = Search(options.run).plan
        base, fix, choose = plan.config, plan.fix | fix, plan.choose | choose
    return AttentionHyperModel(with_given(base, given), fix=fix, choose=choose)


def _require_hyperparameter(name):
    from keras_attention.arguments import unknown

    families = {family: members(family) for family in ("score", "alignment")}
    options = [f"{each}.{option}" for known in families.values() for each in known for option in known[each].searched]
    if name not in (*SEARCHED, *options):
        raise unknown("hyperparameter", name, (*SEARCHED, *options))


def _require_value(config, name, value):
    """Raises `ValueError` for an unknown score, alignment or layer."""
    from keras_attention.variants import without_attention

    settings = {}
    if name in ("score", "alignment"):
        known = without_attention() if name == "score" else {}
        heads = {"num_heads": len(parts_of(str(value)))} if name == "alignment" else {}
        settings = {**known.get(value, {name: value}), f"{name}_options": {}, **heads}
    elif name == "attend":
        settings = {name: tuple(str(value).split("+"))}
    try:
        config.with_settings(**settings)
    except (TypeError, ValueError) as error:
        raise ValueError(f"`{name}` cannot be {value!r}. {error}") from error


def _check_empty(given):
    from keras_attention.arguments import invalid

    for name, value in given.items():
        raise invalid("A worker takes this from the chief's plan.", f"`{name}` left out", f"{name}={value!r}")


def _given(options):
    """The settings that were given."""
    given = given_settings(options)
    for family in ("score", "alignment"):
        if f"{family}_options" in given and family not in given:
            from keras_attention.arguments import invalid

            raise invalid(f"`{family}_options` needs `{family}`.", "both of them", f"only `{family}_options`")
    return given


def _narrowed(options, given):
    """The fixed values and the choices; searched settings are moved from `given` to the fixed values."""
    fix = {}
    for name in SEARCHED:
        if name in given:
            value = given.pop(name)
            fix[name] = "none" if value is None else "+".join(value) if name == "attend" else value
            if name in ("score", "alignment") and f"{name}_options" in given:
                given[name] = value
    held = _texts_by_name("--fix", "NAME=VALUE", options, fix)
    fix |= {name: _one_value(name, text) for name, text in held.items()}
    choose = _texts_by_name("--choose", "NAME=A,B", options, {})
    return fix, {name: [plain_value(value) for value in text.split(",") if value] for name, text in choose.items()}


def _texts_by_name(flag, form, options, before):
    """Name → text of a flag that may be repeated, each time with another name."""
    from keras_attention.arguments import invalid

    found = {}
    for given in getattr(options, flag.removeprefix("--"), ()):
        name, equals, text = given.partition("=")
        if not name or not equals or not text.strip(","):
            raise invalid(f"{flag} needs a name and a value.", f"{flag} {form}", f"{flag} {given}")
        if name in found or name in before:
            raise invalid(f"`{name}` must be given once.", "one value, or one list", f"{flag} {given}")
        found[name] = text
    return found


def _one_value(name, text):
    from keras_attention.arguments import invalid

    if name == "attend":
        return text.replace(",", "+")
    if "," in text:
        raise invalid(f"`{name}` can be fixed at one value only.", f"--choose {name}={text}", f"--fix {name}={text}")
    return plain_value(text)

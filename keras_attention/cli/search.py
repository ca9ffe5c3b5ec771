"""`keras-attention search`: the best score, alignment and dimensions for your images, as a finished run."""

import argparse
import pathlib

from keras_attention.cli.settings import add_settings, given_settings
from keras_attention.cli.train import summary
from keras_attention.config.checks import plain_value
from keras_attention.plugins import program

# Settings that are searched: given as flags they are fixed.
SEARCHED = ("score", "alignment", "attend", "units", "num_heads", "dropout", "learning_rate")
# What a search decides itself.
NOT_SHARED = ("stop_after", "train_on_validation")
EXAMPLES = """\
what is searched, by name:
  score, alignment        of `keras-attention list`; a score may also be none or uniform, the controls
  additive.activation …   options of a score or an alignment, each tried with its own member alone
  attend                  attended layers; several are joined by +: block3_pool+block4_pool
  units, num_heads, dropout, learning_rate
--fix NAME=VALUE holds one of them, --choose NAME=A,B narrows it, and so do their own flags: --units 64.

on several machines that share a folder:
  keras-attention search --run DIR --chief 10.0.0.1:8787
  keras-attention search --run DIR --chief 10.0.0.1:8787 --worker one
"""


def add(commands):
    """Declares the command."""
    parser = commands.add_parser(
        "search",
        help="search for the best score, alignment and dimensions",
        description="Searches over scores, alignments, their options and dimensions with KerasTuner, by a figure of "
        "the validation split; trains the winner on train and validation, measures it on test, draws where it looks, "
        "and exports it. Without arguments it does so on cluttered_digits.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    group = parser.add_argument_group("search")
    group.add_argument("--max-trials", type=int, metavar="N", help="trials at most (default 20)")
    text = "random (default with cached features), hyperband (default without), bayesian, grid"
    group.add_argument("--tuner", metavar="NAME", help=text)
    group.add_argument("--fix", action="append", metavar="NAME=VALUE", help="hold a hyperparameter; may be repeated")
    group.add_argument("--choose", action="append", metavar="NAME=A,B", help="narrow one to these; may be repeated")
    group.add_argument("--executions", type=int, metavar="N", help="networks of a trial, by seed, averaged (default 1)")
    group.add_argument("--max-parameters", type=int, metavar="N", help="skip networks with more")
    group.add_argument("--chief", metavar="HOST:PORT", help="serve the trials to workers there, or, as one, find them")
    group.add_argument("--worker", metavar="NAME", help="run trials for that chief")
    group.add_argument("--run", metavar="DIR", help="the folder (default runs/<data>-search)")
    either = group.add_mutually_exclusive_group()
    either.add_argument("--resume", action="store_true", help="continue the search in that folder, with more trials")
    either.add_argument("--overwrite", action="store_true", help="replace the search in that folder")
    add_settings(parser, without=NOT_SHARED)
    return parser


def run(options):
    """Does the command; 1 where some trials failed."""
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
    """How to go on after Ctrl-C."""
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
    """What was asked for; `None` where nothing was, so that a search that is continued is as it was."""
    from keras_attention.tuning import AttentionHyperModel, Search
    from keras_attention.tuning.job import DEFAULT_CONFIG

    given, continues = _given(options), getattr(options, "resume", False) or hasattr(options, "worker")
    fix, choose = _narrowed(options, given)
    if hasattr(options, "worker"):
        _check_empty(given | fix | choose)
    if continues and not (given or fix or choose):
        return None
    base = DEFAULT_CONFIG if given.get("data", DEFAULT_CONFIG.data) == DEFAULT_CONFIG.data else type(DEFAULT_CONFIG)()
    if continues:
        plan = Search(options.run).plan
        base, fix, choose = plan.config, plan.fix | fix, plan.choose | choose
    if "data_options" in given:
        given["data_options"] = base.data_options | given["data_options"]
    return AttentionHyperModel(base.with_settings(**given), fix=fix, choose=choose)


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

            raise invalid(f"An option belongs to one {family}.", f"`{family}` beside it", f"`{family}_options`")
    return given


def _narrowed(options, given):
    """What is fixed and what is to choose from; flags of what is searched, taken out of `given`, fix it."""
    fix = {}
    for name in SEARCHED:
        if name in given:
            value = given.pop(name)
            fix[name] = "none" if value is None else "+".join(value) if name == "attend" else value
            if name in ("score", "alignment") and f"{name}_options" in given:
                given[name] = value
    held = _named("--fix", "NAME=VALUE", options, fix)
    fix |= {name: _one_value(name, text) for name, text in held.items()}
    choose = _named("--choose", "NAME=A,B", options, {})
    return fix, {name: [plain_value(value) for value in text.split(",") if value] for name, text in choose.items()}


def _named(flag, form, options, before):
    """Name → text of a flag that may be repeated, for other names each time."""
    from keras_attention.arguments import invalid

    found = {}
    for given in getattr(options, flag.removeprefix("--"), ()):
        name, equals, text = given.partition("=")
        if not name or not equals or not text.strip(","):
            raise invalid(f"{flag} wants a name and a value.", f"{flag} {form}", f"{flag} {given}")
        if name in found or name in before:
            raise invalid(f"`{name}` is given twice.", "one value, or one list", f"{flag} {given}")
        found[name] = text
    return found


def _one_value(name, text):
    from keras_attention.arguments import invalid

    if name == "attend":
        return text.replace(",", "+")
    if "," in text:
        raise invalid(f"`{name}` is held at one value.", f"--choose {name}={text}", f"--fix {name}={text}")
    return plain_value(text)

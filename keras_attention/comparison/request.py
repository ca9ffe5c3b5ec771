"""What a comparison is asked for → its folder and its plan, both checked."""

import dataclasses

from keras_attention.arguments import invalid, require_choice, require_number
from keras_attention.comparison.contrasts import LEVEL
from keras_attention.comparison.defaults import (
    CHOSEN,
    CONFIRMING_SEEDS,
    DEFAULT_MARGIN,
    DEFAULT_SEEDS,
    MANY,
    USUAL_MOST_SEEDS,
    asks_the_default,
)
from keras_attention.comparison.folder import Comparison
from keras_attention.comparison.plan import Plan
from keras_attention.config import DEFAULT_COMPARISON, TrainConfig
from keras_attention.members import UNTIL
from keras_attention.precision import precision_of
from keras_attention.variants import DEFAULT_VARIANTS, make_variants

NO_LEVEL = 1e-6  # a level below which no verdict can be given


def seeds_asked(seeds, until, max_seeds, minutes, choose, confirm):
    """How the seeds are spent, as fields of the `Plan`; `None` for what is kept or usual."""
    if until is not None:
        require_choice("until", until, UNTIL)
    for name, value, needs, given in (
        ("max_seeds", max_seeds, "until", until),
        ("confirm", confirm, "choose", choose),
    ):
        if value is not None and given is None:
            raise invalid(f"`{name}` needs `{needs}`.", f"`{needs}` as well", f"{name}={value!r}")
    if minutes is not None:
        require_number("minutes", minutes, above=0)
    if choose is not None and seeds is not None:
        raise invalid(
            "`choose` gives fresh seeds to the chosen variants.", "`confirm` instead of `seeds`", f"seeds={seeds!r}"
        )
    return {
        "seeds": seeds if confirm is None else confirm,
        "max_seeds": USUAL_MOST_SEEDS if until and max_seeds is None else max_seeds,
        "choose": choose,
    }


def claim(config, variants, run, resume, overwrite, asked):
    """The folder and the plan, both checked; nothing is written yet. What is `None` in `asked` is kept, or usual."""
    if not isinstance(config, TrainConfig | None):
        raise invalid("`config` must hold settings.", "a TrainConfig", f"config={config!r}", TypeError)
    comparison = Comparison(run or f"runs/{(config or DEFAULT_COMPARISON).subject}-compare")
    saved = comparison.plan if resume and not comparison.abandoned else None
    config = _in_one_precision(config or (saved.config if saved else DEFAULT_COMPARISON), saved)
    if variants is None:
        variants = saved.variants if saved else DEFAULT_VARIANTS
    variants = make_variants(variants, config.backbone)
    if config.train_on_validation:
        raise invalid(
            "The runs of a comparison choose their best epoch on the validation images.",
            "train_on_validation=False",
            "train_on_validation=True",
        )
    kept = {name: getattr(saved, name) for name in asked} if saved else _usual(asked, config, variants)
    given = {name: value for name, value in asked.items() if value is not None}
    plan = comparison.claim(Plan(config, variants, **kept | given), resume, overwrite)
    if plan.config.precision == "auto":  # begun by an earlier version
        plan = dataclasses.replace(
            plan, config=plan.config.with_settings(precision=_precision_so_far(comparison, plan))
        )
    if saved and comparison.looks:
        _require_a_fair_look(saved, plan, comparison.looks)
    return comparison, plan


def _in_one_precision(config, saved):
    """The settings with a precision instead of `auto`: runs that are added on another processor must have the same."""
    if config.precision != "auto":
        return config
    return config.with_settings(precision=saved.config.precision if saved else precision_of(config))


def _precision_so_far(comparison, plan):
    """The precision of the runs that are finished, or if none is, of this processor."""
    runs = (comparison.run(variant.name, seed) for variant in plan.variants for seed in plan.seed_numbers)
    found = (run.metrics.get("precision") for run in runs if run.finished)
    return next(filter(None, found), precision_of(plan.config))


def _require_a_fair_look(saved, plan, looks):
    """Raises `ValueError` for what would not keep the level after verdicts that were given, or could not be decided."""
    if plan.margin != saved.margin:
        raise invalid(
            "A margin must be chosen before the figures are seen.",
            "no margin, or a new comparison in another `run`",
            f"margin={plan.margin}",
        )
    if plan.max_seeds is not None and LEVEL - sum(looks.values()) < NO_LEVEL:
        raise invalid(
            f"The verdicts so far have used up the level of {LEVEL:.0%}, so that more seeds can settle nothing.",
            "a new comparison in another `run`",
            f"max_seeds={plan.max_seeds}",
        )


def _usual(asked, config, variants):
    """The usual values of a new plan; how many seeds, and for which variants, depends on how they are spent."""
    choose = asked["choose"]
    if all(asked[name] is None for name in ("seeds", "max_seeds", "choose", "folds")):
        choose = CHOSEN if sum(not variant.is_control for variant in variants) > MANY else None
    return dict.fromkeys(asked) | {
        "seeds": asked["folds"] or (DEFAULT_SEEDS if choose is None else CONFIRMING_SEEDS),
        "choose": choose,
        "costs": True,
        "resplit": False,
        "tune": 1,
        "margin": DEFAULT_MARGIN if asks_the_default(config) else None,
    }

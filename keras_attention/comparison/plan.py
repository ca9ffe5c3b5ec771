"""The plan of a comparison: its settings, variants and seeds, and how the seeds are spent."""

import dataclasses
import math

from keras_attention.arguments import invalid, require_integer, require_number, require_truth
from keras_attention.config import TrainConfig, is_older, with_current_names, with_older_start
from keras_attention.metrics import METRICS
from keras_attention.variants import Variant

MOST_SEEDS = 1000
PLAIN = ("seeds", "costs", "margin", "max_seeds", "choose", "resplit", "folds", "tune")


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is compared, and how.

    Args:
        config: the `TrainConfig` that all variants share; its seed is the first.
        variants: the `Variant`s.
        seeds: how many seeds the verdict rests on, counted upwards from the seed of `config`; the first ones, if seeds
            are added until the verdict is settled.
        costs: whether the cost of each network is measured.
        margin: the difference up to which two variants are the same; `None` if that is not asked.
        max_seeds: up to how many seeds are added until the verdict is settled; `None` if none are added.
        resplit: whether each seed draws its own split of the images, so that the verdict is on data like these.
        tune: how many learning rates each run is tried with, of which its validation images choose one.
        folds: into how many folds the images are split, each of which is the test split of a seed in turn.
        choose: how many variants are chosen by one run each, before the seeds; `None` if all get all seeds.

    Raises:
        ValueError: numbers that do not fit each other or the variants.
    """

    config: TrainConfig
    variants: tuple
    seeds: int
    costs: bool = True
    margin: float | None = None
    max_seeds: int | None = None
    choose: int | None = None
    resplit: bool = False
    folds: int | None = None
    tune: int = 1

    def __post_init__(self):
        require_integer("seeds", self.seeds, at_least=1, at_most=MOST_SEEDS)
        require_truth("costs", self.costs)
        require_integer("tune", self.tune, at_least=1)
        require_truth("resplit", self.resplit)
        _require_margin(self)
        _require_stages(self)
        _require_splits(self)

    @property
    def seed_numbers(self):
        """The seeds on which the verdict rests; those of a choice come before them."""
        first = self.config.seed + (self.choose is not None)
        return tuple(range(first, first + self.seeds))

    @property
    def draws_splits(self):
        """Whether each seed has a split of its own."""
        return self.resplit or self.folds is not None

    def config_of(self, variant, seed):
        """The `TrainConfig` of a run: that of the variant, with the seed, and with the split of the seed."""
        config = variant.config(self.config, seed)
        number, first = seed - self.config.seed, self.config.split_seed
        if self.folds is not None:
            again, fold = divmod(number, self.folds)
            return config.with_settings(split_seed=first + again, fold=f"{fold + 1}/{self.folds}")
        return config.with_settings(split_seed=first + number) if self.resplit else config

    @property
    def metric(self):
        """The figure that decides: the monitor, which chooses the best epoch of a run, measured on the test split."""
        return self.config.monitor.removeprefix("val_")

    def to_dict(self):
        """The plan as plain data."""
        return {
            "config": self.config.to_dict(),
            "variants": {variant.name: variant.settings for variant in self.variants},
            **{name: getattr(self, name) for name in PLAIN},
        }

    @classmethod
    def from_dict(cls, plan):
        """The plan that `to_dict` gave."""
        variants = variants_from_dict(plan["variants"], plan["config"])
        known = {field.name: plan[field.name] for field in dataclasses.fields(cls) if field.name in plan}
        return cls(**known | {"config": TrainConfig.from_dict(plan["config"]), "variants": variants})

    def extended(self, other):
        """This plan with the variants, the seeds and the limits of another plan, which must be the same in all else.

        Raises:
            ValueError: the other plan has different settings, a variant of the same name with different settings, fewer
                seeds, another margin, or another choice.
        """
        self.config.require_same(other.config, "comparison")
        mine = {variant.name: variant for variant in self.variants}
        for variant in other.variants:
            known = mine.setdefault(variant.name, variant)
            if known.config(self.config) != variant.config(self.config):
                raise invalid(
                    f"The variant {variant.name!r} differs from that of the comparison.",
                    f"the settings {known.settings}",
                    variant.settings,
                )
        for name in ("seeds", "max_seeds"):
            least, given = getattr(self, name), getattr(other, name)
            if least is not None and (given is None or given < least):
                raise invalid(f"`{name}` is less than that of the comparison.", f"at least {least}", f"{name}={given}")
        self._require_same_question(other)
        return dataclasses.replace(other, config=self.config, variants=tuple(mine.values()))

    def _require_same_question(self, other):
        """Raises `ValueError` for a margin or a choice made after figures were seen, which would not keep its level."""
        for name in ("margin", "choose", "resplit", "folds", "tune"):
            mine, given = getattr(self, name), getattr(other, name)
            if mine != given and not (name == "margin" and mine is None):
                raise invalid(f"`{name}` differs from that of the comparison.", f"{name}={mine}", f"{name}={given}")
        added = [each.name for each in other.variants if each not in self.variants]
        if self.choose is not None and added:
            raise invalid(
                "Variants cannot join a choice that was made.", "those of the comparison", f"variants={added[0]!r}"
            )


def _require_margin(plan):
    if plan.margin is not None:
        metric = METRICS[plan.metric]
        most = metric.most - metric.least
        require_number("margin", plan.margin, above=0, below=most if math.isfinite(most) else None)


def _require_stages(plan):
    """Raises `ValueError` if the numbers of seeds and of chosen variants do not fit each other."""
    if plan.max_seeds is not None:
        require_integer("max_seeds", plan.max_seeds, at_least=2, at_most=MOST_SEEDS)
        if plan.choose is not None:
            raise invalid(
                "`choose` has a fixed number of seeds.", "`choose` or `until`, not both", f"choose={plan.choose}"
            )
        if plan.seeds < 2 or plan.max_seeds < plan.seeds:
            raise invalid(
                "A comparison until the verdict is settled needs two seeds to begin with, and at most `max_seeds`.",
                f"seeds from 2 to {plan.max_seeds}",
                f"`seeds={plan.seeds}` and `max_seeds={plan.max_seeds}`",
            )
        if not any(variant.config(plan.config).weighs for variant in plan.variants):
            raise invalid(
                "`until` adds seeds until attention is judged, and no variant attends to anything.",
                "a score and an alignment, such as additive+softmax, among `variants`",
                ", ".join(variant.name for variant in plan.variants),
            )
    if plan.choose is not None:
        others = sum(not variant.is_control for variant in plan.variants)
        require_integer("choose", plan.choose, at_least=1)
        if plan.choose >= others:
            raise invalid(
                "`choose` must be less than the number of variants that are not controls.",
                f"less than {others}",
                f"choose={plan.choose}",
            )
        if plan.seeds < 2:
            raise invalid("A confirmation needs at least two seeds.", "confirm=2 or more", f"confirm={plan.seeds}")


def _require_splits(plan):
    """Raises `ValueError` if the splits that the seeds draw do not fit each other or the settings."""
    if plan.folds is None:
        return
    require_integer("folds", plan.folds, at_least=2)
    if plan.resplit:
        raise invalid("`folds` draws the splits already.", "`folds` or `resplit`, not both", "resplit=True")
    if plan.config.fold is not None:
        raise invalid("`folds` takes each fold in turn.", "`fold` left out", f"fold={plan.config.fold!r}")


def variants_from_dict(variants, config):
    """The `Variant`s of a plan as JSON holds them, name → settings, beside the settings that they share."""
    variants = {name: with_current_names(settings) for name, settings in variants.items()}
    if is_older(config):
        variants = {name: with_older_start(settings) for name, settings in variants.items()}
    return tuple(Variant(name, _with_tuples(settings)) for name, settings in variants.items())


def _with_tuples(settings):
    """Settings from JSON, with lists as the tuples that `TrainConfig` has."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}

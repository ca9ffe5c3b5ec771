"""The folder of a comparison: its plan, a run for each variant and seed, and the results.

`comparison.json` holds the plan, `runs/<variant>/seed-<n>/` the runs, `costs/` the cost of each network, `examples.npz`
the test images that the report shows, and `looks.json` the numbers of seeds with which a verdict was given.
`summary.json`, `results.csv`, `report.md` and `report.html` are made from those.
"""

import dataclasses

from keras_attention.arguments import invalid, require_integer, require_truth
from keras_attention.atomic import remove
from keras_attention.comparison.variants import Variant
from keras_attention.config import TrainConfig, with_current_names
from keras_attention.files import read_arrays, read_json, write_arrays, write_json
from keras_attention.runs import Run, WorkFolder

MOST_SEEDS = 1000


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is compared, and how.

    Args:
        config: the `TrainConfig` that all variants share; its seed is the first.
        variants: the `Variant`s.
        seeds: how many seeds, counted upwards from the seed of `config`.
        costs: whether the cost of each network is measured.
    """

    config: TrainConfig
    variants: tuple
    seeds: int
    costs: bool = True

    def __post_init__(self):
        require_integer("seeds", self.seeds, at_least=1, at_most=MOST_SEEDS)
        require_truth("costs", self.costs)

    @property
    def seed_numbers(self):
        """The seeds."""
        return tuple(range(self.config.seed, self.config.seed + self.seeds))

    @property
    def metric(self):
        """The figure that decides: the monitor, which chooses the best epoch of a run, measured on the test split."""
        return self.config.monitor.removeprefix("val_")

    def to_dict(self):
        """The plan as plain data."""
        return {
            "config": self.config.to_dict(),
            "variants": {variant.name: variant.settings for variant in self.variants},
            "seeds": self.seeds,
            "costs": self.costs,
        }

    @classmethod
    def from_dict(cls, plan):
        """The plan that `to_dict` gave."""
        variants = plan["variants"].items()
        variants = tuple(Variant(name, _with_tuples(with_current_names(settings))) for name, settings in variants)
        return cls(TrainConfig.from_dict(plan["config"]), variants, plan["seeds"], plan.get("costs", True))

    def extended(self, other):
        """This plan with the variants and seeds of another plan, which must not differ in anything else.

        Raises:
            ValueError: the other plan has different settings, a variant of the same name with different settings, or
                fewer seeds.
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
        if other.seeds < self.seeds:
            raise invalid(
                "`seeds` is less than that of the comparison.", f"at least {self.seeds}", f"seeds={other.seeds}"
            )
        return Plan(self.config, tuple(mine.values()), other.seeds, other.costs)


class Comparison(WorkFolder):
    """The folder of a comparison, and its content.

    Args:
        folder: its path; it need not exist yet.

    Example:

    >>> from keras_attention import Comparison
    >>> comparison = Comparison("runs/photos-compare")  # what `compare` made there, or will make
    >>> str(comparison.report_path), str(comparison.run("additive+softmax", seed=1).folder)
    ('runs/photos-compare/report.html', 'runs/photos-compare/runs/additive+softmax/seed-1')
    """

    kind, plan_name, result_name, plan_type = "comparison", "comparison.json", "summary.json", Plan
    grows = True

    def __init__(self, folder):
        super().__init__(folder)
        self.report_path = self.folder / "report.html"

    @property
    def summary(self):
        """All results as plain data: the content of `summary.json`.

        Raises:
            ValueError: the comparison is not finished.
        """
        return self.result

    @property
    def verdict(self):
        """The answer in words, one sentence per line."""
        return "\n".join(self.summary["verdict"])

    def run(self, variant, seed):
        """The `Run` of a variant, given by name, and a seed."""
        return Run(self.folder / "runs" / variant / f"seed-{seed}")

    @property
    def looks(self):
        """The numbers of seeds with which a verdict was given, in order; each spends a share of the level."""
        path = self.folder / "looks.json"
        if path.is_file():
            return read_json(path)
        return [len(self.summary["seeds"])] if self.finished else []

    @property
    def has_older_verdict(self):
        """Whether a verdict was given under the rule of versions that did not count looks."""
        return self.finished and self.summary.get("older_rule", "level" not in self.summary)

    def finish(self, result):
        """Writes the summary, and remembers that a verdict was given with so many seeds."""
        looks = sorted({*self.looks, len(result["seeds"])})
        write_json(self.folder / "looks.json", looks)
        super().finish(result)

    def forget_damaged_runs(self, plan):
        """Marks finished runs that cannot be read as unfinished, so that they run again; returns their names."""
        damaged = []
        for variant in plan.variants:
            for seed in plan.seed_numbers:
                run = self.run(variant.name, seed)
                try:
                    _ = run.finished and (run.metrics, run.arrays())
                except ValueError:
                    remove(run.folder / "metrics.json")
                    damaged.append(f"{variant.name}, seed {seed}")
        return damaged

    def save_examples(self, examples):
        """Saves the test images that the report shows."""
        write_arrays(self.folder / "examples.npz", examples)

    def examples(self):
        """Arrays `number`, `image`, `label`, and `mask` if there are masks."""
        return read_arrays(self.folder / "examples.npz")

    def save_cost(self, variant, cost):
        """Saves the cost of a variant."""
        write_json(self.folder / "costs" / f"{variant}.json", cost)

    def cost(self, variant):
        """The cost of a variant; `None` if it was not measured."""
        path = self.folder / "costs" / f"{variant}.json"
        return read_json(path) if path.is_file() else None


def _with_tuples(settings):
    """Settings from JSON, with lists as the tuples that `TrainConfig` has."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}

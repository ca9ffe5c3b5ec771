"""The folder of a comparison: its plan, a run for each variant and seed, and the results.

`comparison.json` holds the plan, `runs/<variant>/seed-<n>/` the runs, `costs/` the cost of each network, `examples.npz`
the test images that the report shows, and `looks.json` the numbers of seeds with which a verdict was given.
`summary.json`, `results.csv`, `report.md` and `report.html` are made from those.
"""

from keras_attention.atomic import remove
from keras_attention.comparison.plan import Plan
from keras_attention.files import read_arrays, read_json, write_arrays, write_json
from keras_attention.runs import Run, WorkFolder


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

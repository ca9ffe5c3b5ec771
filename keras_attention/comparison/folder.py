"""The folder of a comparison: its plan, a run for each variant and seed, and the results.

`comparison.json` holds the plan, `runs/<variant>/seed-<n>/` the runs, `costs/` the cost of each network, `examples.npz`
the test images that the report shows, and `looks.json` how many seeds each verdict so far had, and at which level.
`summary.json`, `results.csv`, `report.md` and `report.html` are made from those.
"""

from keras_attention.atomic import remove
from keras_attention.comparison.contrasts import LEVEL
from keras_attention.comparison.looks import level_of_look
from keras_attention.comparison.plan import Plan
from keras_attention.comparison.verdicts import DECIDED
from keras_attention.files import read_arrays, read_json, write_arrays, write_json
from keras_attention.members import BETWEEN
from keras_attention.runs import Run, WorkFolder


class ReportedFolder(WorkFolder):
    """A folder whose result is a summary with a report, and which may grow after it is finished."""

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


class Comparison(ReportedFolder):
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

    @property
    def verdict(self):
        """The answer in words, one sentence per line."""
        return "\n".join(self.summary["verdict"])

    def run(self, variant, seed):
        """The `Run` of a variant, given by name, and a seed."""
        return Run(self.folder / "runs" / _plain(variant) / f"seed-{seed}")

    @property
    def looks(self):
        """The number of seeds of each verdict that was given → the level that it had."""
        path = self.folder / "looks.json"
        if path.is_file():
            return {look["seeds"]: look["level"] for look in read_json(path)}
        # Of versions that did not count looks.
        return {seeds: level_of_look(LEVEL, seeds) for seeds in [len(self.summary["seeds"])]} if self.finished else {}

    def remember_look(self, summary):
        """Remembers that a verdict was given: with how many seeds, at which level, and what it decided."""
        path, seeds = self.folder / "looks.json", len(summary["seeds"])
        before = read_json(path) if path.is_file() else [{"seeds": n, "level": each} for n, each in self.looks.items()]
        now = {"seeds": seeds, "level": summary["level"], "decided": decided(summary)}
        write_json(
            path, sorted([now, *(each for each in before if each["seeds"] != seeds)], key=lambda each: each["seeds"])
        )

    @property
    def decisions(self):
        """Variant → reference → the first verdict that settled their difference, and with how many seeds."""
        path, found = self.folder / "looks.json", {}
        for look in read_json(path) if path.is_file() else ():
            for variant, each in look.get("decided", {}).items():
                for reference, verdict in each.items():
                    found.setdefault(variant, {}).setdefault(reference, {"verdict": verdict, "seeds": look["seeds"]})
        return found

    @property
    def has_older_verdict(self):
        """Whether a verdict was given under the rule of versions that did not count looks."""
        return self.finished and self.summary.get("older_rule", "level" not in self.summary)

    def finish(self, result):
        """Writes the summary, and remembers that a verdict was given."""
        self.remember_look(result)
        super().finish(result)

    def forget_damaged_runs(self, plan):
        """Marks finished runs that cannot be read as unfinished, so that they run again; returns their names."""
        damaged = []
        for variant in plan.variants:
            for folder in sorted((self.folder / "runs" / _plain(variant.name)).glob("seed-*/")):
                run, seed = Run(folder), folder.name.removeprefix("seed-")
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
        write_json(self.folder / "costs" / f"{_plain(variant)}.json", cost)

    def cost(self, variant):
        """The cost of a variant; `None` if it was not measured."""
        path = self.folder / "costs" / f"{_plain(variant)}.json"
        return read_json(path) if path.is_file() else None


def _plain(variant):
    """The name of a variant as that of a folder: alignments that share the heads are joined by a hyphen."""
    return variant.replace(BETWEEN, "-")


def decided(summary):
    """Variant → reference → verdict, of the differences that are settled."""
    found = {}
    for variant in summary["variants"]:
        for reference, each in variant["differences"].items():
            verdict = each.get(summary["metric"], {}).get("verdict")
            if verdict in DECIDED:
                found.setdefault(variant["name"], {})[reference] = verdict
    return found

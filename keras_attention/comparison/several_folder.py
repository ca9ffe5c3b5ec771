"""The folder of a comparison on several data sets: its plan, a comparison for each, and what they say together.

`datasets.json` holds the plan, `<name>/` the comparison on each data set; `summary.json`, `report.md` and `report.html`
are made from those.
"""

import dataclasses

from keras_attention.arguments import invalid
from keras_attention.comparison.folder import Comparison, ReportedFolder
from keras_attention.comparison.plan import variants_from_dict
from keras_attention.config import TrainConfig
from keras_attention.variants import make_variants

OF_ONE_CALL = ("jobs", "backend", "scheduler", "minutes")  # options that do not hold when the work is resumed


@dataclasses.dataclass(frozen=True)
class DatasetsPlan:
    """What is compared on which data sets.

    Args:
        sources: name of the data set, which is that of its folder → source.
        config: the `TrainConfig` that all share but for the data.
        variants: the `Variant`s; `None` for the usual ones.
        options: the other arguments of `compare` that are given.
    """

    sources: dict
    config: TrainConfig
    variants: tuple | None = None
    options: dict = dataclasses.field(default_factory=dict)

    def config_of(self, name):
        """The `TrainConfig` of the comparison on a data set."""
        return self.config.with_settings(data=self.sources[name])

    def to_dict(self):
        """The plan as plain data."""
        variants = self.variants and {variant.name: variant.settings for variant in self.variants}
        options = {name: value for name, value in self.options.items() if name not in OF_ONE_CALL}
        return {"sources": self.sources, "config": self.config.to_dict(), "variants": variants, "options": options}

    @classmethod
    def from_dict(cls, plan):
        """The plan that `to_dict` gave."""
        variants = plan["variants"] and variants_from_dict(plan["variants"], plan["config"])
        return cls(plan["sources"], TrainConfig.from_dict(plan["config"]), variants, plan["options"])

    def extended(self, other):
        """The other plan with the data sets and the options of this one; the comparisons check the rest.

        Raises:
            ValueError: a name stands for another source.
        """
        for name, source in other.sources.items():
            if self.sources.get(name, source) != source:
                raise invalid(f"The data set {name!r} is another one.", self.sources[name], source)
        return dataclasses.replace(
            other,
            sources=self.sources | other.sources,
            variants=other.variants or self.variants,
            options=self.options | other.options,
        )


class DatasetsComparison(ReportedFolder):
    """The folder of a comparison on several data sets, and its content.

    Args:
        folder: its path; it need not exist yet.

    Example:

    >>> from keras_attention.comparison import DatasetsComparison
    >>> found = DatasetsComparison("runs/photos+scans-compare")  # what `compare_datasets` made there, or will make
    >>> str(found.report_path), str(found.comparison("scans").folder)
    ('runs/photos+scans-compare/report.html', 'runs/photos+scans-compare/scans')
    """

    kind, plan_name, result_name, plan_type = "comparison of data sets", "datasets.json", "summary.json", DatasetsPlan

    @property
    def verdict(self):
        """The answer over all data sets, in one sentence."""
        return self.summary["answer"]

    def comparison(self, name):
        """The `Comparison` on a data set, given by name."""
        return Comparison(self.folder / name)

    @property
    def looks(self):
        """The number of seeds of all data sets at each verdict that was given → the level that it had."""
        return {look["seeds"]: look["level"] for look in self.summary["looks"]} if self.finished else {}


def planned(sources, config, variants, options):
    """The plan of what is asked for, checked as far as all data sets have it in common."""
    config = config or TrainConfig()
    if config.masks not in (None, "beside"):
        raise invalid(
            "One folder of masks cannot belong to several data sets.", "masks='beside', or none", f"{config.masks!r}"
        )
    given = {name: value for name, value in options.items() if value is not None}
    variants = None if variants is None else make_variants(variants, config.backbone)
    return DatasetsPlan(sources, config, variants, given)

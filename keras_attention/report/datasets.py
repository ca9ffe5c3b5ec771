"""The report of a comparison on several data sets: an HTML page and a Markdown version, beside those of each set."""

import functools

from keras_attention.atomic import replacing
from keras_attention.metrics import METRICS
from keras_attention.report.comparison_figures import svg
from keras_attention.report.datasets_figures import ranks_figure, sets_figure
from keras_attention.report.rendering import load_template
from keras_attention.text import columns, interval, number

REFERENCES = ("plain", "multiscale")


def write_datasets_report(comparison, summary):
    """Writes `report.md` and `report.html`.

    Args:
        comparison: the `DatasetsComparison`.
        summary: its summary, as plain data.
    """
    context = _context(summary)
    with replacing(comparison.folder / "report.md") as temporary:
        temporary.write_text(load_template("datasets.md").render(context), "utf-8")
    page = load_template("datasets.html").render(context, **_figures(summary, context["title"]))
    with replacing(comparison.report_path) as temporary:
        temporary.write_text(page, "utf-8")


def datasets_table(summary):
    """The joined differences of each variant, its mean rank, and its figure on each data set, as text in columns."""
    ranks = summary["ranks"]["mean"] if summary["ranks"] else {}
    names = [each["name"] for each in summary["sets"]]
    rows = [("variant", "to plain", "to multiscale", "rank", *names)]
    for variant in summary["variants"]:
        joined = (variant["differences"].get(name, {}).get(summary["metric"]) for name in REFERENCES)
        cells = ["" if each is None else f"{interval(each)} {each['verdict']}" for each in joined]
        figures = [number(variant["figures"].get(name)) for name in names]
        rows.append((variant["name"], *cells, number(ranks.get(variant["name"]), 2), *figures))
    return columns(rows)


def _context(summary):
    metric = summary["metric"]
    tables = {
        reference: [
            (variant["name"], variant["differences"][reference][metric])
            for variant in summary["variants"]
            if metric in variant["differences"].get(reference, {})
        ]
        for reference in REFERENCES
    }
    return summary | {
        "title": METRICS[metric].title,
        "tables": {reference: rows for reference, rows in tables.items() if rows},
        "means": {name: found[metric] for name, found in summary["pooled"].items()},
    }


def _figures(summary, title):
    """The figures as inline SVG."""
    metric = summary["metric"]
    drawn = {
        reference: svg(
            functools.partial(sets_figure, summary["variants"], reference, metric, title),
            f"Differences in {title} to {reference} over data sets",
        )
        for reference in REFERENCES
        if any(metric in each["differences"].get(reference, {}) for each in summary["variants"])
    }
    ranks = summary["ranks"]
    return {
        "differences": drawn,
        "diagram": ranks and svg(functools.partial(ranks_figure, ranks), "Mean ranks over data sets"),
    }

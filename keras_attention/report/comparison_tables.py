"""Tables of a comparison: as text in columns, and as files of comma-separated values."""

import csv

from keras_attention.metrics import METRICS
from keras_attention.text import columns, interval, number

RUN_COLUMNS = (
    "variant",
    "seed",
    *METRICS,
    "validation",
    "learning_rate",
    "failed_rates",
    "best_epoch",
    "epochs",
    "seconds",
    "parameters",
    "folder",
    "error",
)
DIFFERENCE_COLUMNS = (
    *("variant", "reference", "metric", "seeds", "mean", "low", "high", "p", "p_corrected", "verdict"),
    *("decided_with", "better", "best", "rank", "detectable", "needed_seeds", "needed_images", "minutes"),
)


def results_table(summary):
    """The mean of each variant and its differences to plain and multiscale, as text in columns.

    A line below says what would settle what is open, if anything is.
    """
    title = METRICS[summary["metric"]].title
    rows = [("variant", title, "to plain", "to multiscale")]
    for variant in summary["variants"]:
        found = variant["metrics"].get(summary["metric"])
        cells = [
            _with_verdict(variant["differences"].get(name, {}).get(summary["metric"]))
            for name in ("plain", "multiscale")
        ]
        rows.append((variant["name"], "no run" if found is None else number(found["mean"]), *cells))
    settle = f"\n\nto settle what is open: {summary['to_settle']}" if summary.get("to_settle") else ""
    return columns(rows) + settle


def best_run(summary):
    """The folder of the run to use: the one with the best validation figure of the variant with the best mean."""
    sign = METRICS[summary["metric"]].sign
    variants = [variant for variant in summary["variants"] if summary["metric"] in variant["metrics"]]
    variant = max(variants, key=lambda each: sign * each["metrics"][summary["metric"]]["mean"])
    known = [run for run in variant["runs"] if run["validation"] is not None] or variant["runs"][:1]
    return max(known, key=lambda run: sign * (run["validation"] or 0))["folder"]


def _with_verdict(difference):
    return "" if difference is None else f"{interval(difference)} {difference['verdict']}"


def write_runs(path, summary):
    """Writes a row for each run; a run that failed has its error instead of figures."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=RUN_COLUMNS, restval="")
        writer.writeheader()
        for variant in summary["variants"]:
            writer.writerows({"variant": variant["name"], **run} for run in variant["runs"])
        writer.writerows(summary["failures"])


def write_differences(path, summary):
    """Writes a row for each variant, reference and metric; a variant without runs has none."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, fieldnames=DIFFERENCE_COLUMNS, restval="", extrasaction="ignore")
        table.writeheader()
        for variant in summary["variants"]:
            for reference, found in variant["differences"].items():
                for metric, difference in found.items():
                    seeds, images = difference["needed"] or ("", "")
                    named = {"variant": variant["name"], "reference": reference, "metric": metric}
                    needed = {"needed_seeds": seeds, "needed_images": images}
                    table.writerow(difference | variant["chances"].get(metric, {}) | named | needed)

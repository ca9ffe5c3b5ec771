"""The report of a comparison: an HTML page, a Markdown version, and tables of the runs and the differences."""

import base64
import functools
import io

import numpy as np
from PIL import Image

from keras_attention.atomic import replacing
from keras_attention.data.split import evenly_spaced
from keras_attention.maps.measures import MEASURES
from keras_attention.maps.pictures import map_scales, outlined, overlay
from keras_attention.maps.placed import place
from keras_attention.metrics import METRICS
from keras_attention.models.grids import from_config
from keras_attention.models.outputs import JOINT, LOGITS
from keras_attention.report.comparison_figures import (
    cost_figure,
    curve_figure,
    curve_limits,
    differences_figure,
    means_figure,
    power_figure,
    svg,
)
from keras_attention.report.comparison_tables import write_differences, write_runs
from keras_attention.report.rendering import load_template
from keras_attention.text import COSTS

SHOWN = 6  # test images whose maps are shown side by side
SIDE = 112  # pixels: the side of a picture


def write_comparison_report(comparison, summary):
    """Writes `results.csv`, `differences.csv`, `report.md` and `report.html`.

    Args:
        comparison: the `Comparison`, from which runs and examples are read.
        summary: the summary of the comparison, as plain data.
    """
    context = _context(summary)
    for name, write in (("results.csv", write_runs), ("differences.csv", write_differences)):
        with replacing(comparison.folder / name) as temporary:
            write(temporary, summary)
    with replacing(comparison.folder / "report.md") as temporary:
        temporary.write_text(load_template("comparison.md").render(context), "utf-8")
    figures = _figures(context["variants"], summary)
    page = load_template("comparison.html").render(context, **figures, examples=_examples(comparison, summary))
    with replacing(comparison.report_path) as temporary:
        temporary.write_text(page, "utf-8")


def _context(summary):
    """The values for the templates: the summary, with the variants ordered and numbered from the best."""
    metric = summary["metric"]
    sign = -METRICS[metric].sign

    def rank(variant):
        found = variant["metrics"].get(metric)
        return (found is None, sign * found["mean"] if found else 0)

    variants = [
        {**variant, "number": place} for place, variant in enumerate(sorted(summary["variants"], key=rank), start=1)
    ]
    return summary | {
        "variants": variants,
        "title": METRICS[metric].title,
        "titles": {name: each.title for name, each in METRICS.items()},
        "open_differences": _open_differences(variants, metric),
        "spreads": [(each["name"], each["spread"][metric]) for each in variants if metric in each["spread"]],
        "earlier": [seeds for seeds in summary["looks"] if seeds < len(summary["seeds"])],
        "measures": _measures(variants),
        "costs": COSTS,
        "layers": _layers(variants),
        "seed_count": "1 seed" if len(summary["seeds"]) == 1 else f"{len(summary['seeds'])} seeds",
    }


def _open_differences(variants, metric):
    """The variant, the reference and the difference of each with attention that is open and has an interval."""
    return [
        (variant["name"], reference, found[metric])
        for variant in variants
        if variant["attends"] and not variant["control"]
        for reference, found in variant["differences"].items()
        if metric in found and not found[metric]["settled"] and found[metric]["low"] is not None
    ]


def _measures(variants):
    """Name → title of each measure that all variants with maps have."""
    measured = [variant["maps"] for variant in variants if variant["maps"]]
    return {name: each.title for name, each in MEASURES.items() if all(name in maps for maps in measured)}


def _layers(variants):
    """The attended layers whose maps are measured, sorted by name, then the joint map."""
    layers = {layer for variant in variants for found in variant["maps"].values() for layer in found}
    return sorted(layers, key=lambda layer: (layer == JOINT, layer))


def _figures(variants, summary):
    """The figures as inline SVG."""
    metric, title = summary["metric"], METRICS[summary["metric"]].title
    finished = [variant for variant in variants if variant["runs"]]
    reference = next((variant for variant in finished if variant["name"] == "plain"), None)
    limits, epochs = curve_limits(finished)
    partial = functools.partial
    rows = [*_all_together(summary), *finished]
    drawn = ("image_milliseconds", "step_milliseconds", "gigaflops", "step_megabytes")
    costs = [cost for cost in drawn if any((variant["cost"] or {}).get(cost) is not None for variant in finished)]
    return {
        "means": svg(partial(means_figure, finished, metric, title), f"{title} of each variant"),
        "differences": svg(
            partial(differences_figure, rows, metric, title, summary["margin"]), f"Differences in {title}"
        ),
        "power_curve": _power_curve(summary, title),
        "curves": [
            (variant, svg(partial(curve_figure, variant, reference, limits, epochs), f"Course of {variant['name']}"))
            for variant in finished
        ],
        "cost_figures": [
            svg(partial(cost_figure, finished, metric, title, cost, COSTS[cost]), f"{title} against {COSTS[cost]}")
            for cost in costs
        ],
    }


def _power_curve(summary, title):
    """The power curve as inline SVG; `None` if nothing is known about the seeds."""
    if not summary["power"]:
        return None
    return svg(functools.partial(power_figure, summary["power"], title), f"Chance to find a difference in {title}")


def _all_together(summary):
    """All variants with attention together, as a row before theirs; a list, empty unless there are several."""
    several = sum(variant["attends"] and not variant["control"] for variant in summary["variants"]) > 1
    row = {"name": "all with attention", "number": "", "control": False, "differences": summary["pooled"]}
    return [row] if several else []


def _examples(comparison, summary):
    """Some test images, each with the maps and the answer of every variant with maps, for its first seed."""
    examples, names = comparison.examples(), summary["class_names"]
    chosen = evenly_spaced(len(examples["number"]), SHOWN)
    maps_of = {variant["name"]: _first_maps(comparison, variant) for variant in summary["variants"]}
    cards = []
    for shown in chosen:
        image, row = examples["image"][shown], int(examples["number"][shown])
        card = {"number": row, "label": names[int(examples["label"][shown])], "variants": []}
        card["image"] = _picture(outlined(image, examples["mask"][shown]) if "mask" in examples else image)
        for name, found in maps_of.items():
            if found:
                layers, probabilities = found
                best = int(probabilities[row].argmax())
                pictures = [
                    (layer, _picture(overlay(image, values[shown], scale))) for layer, (values, scale) in layers.items()
                ]
                answer = {"label": names[best], "probability": float(probabilities[row][best])}
                right = best == int(examples["label"][shown])
                card["variants"].append({"name": name, "pictures": pictures, "right": right, **answer})
        cards.append(card)
    return cards


def _first_maps(comparison, variant):
    """Of the first seed: attended layer → its maps and their scale, and the probabilities of all test images.

    `None` if there are no maps.
    """
    if not variant["runs"]:
        return None
    run = comparison.run(variant["name"], variant["runs"][0]["seed"])
    arrays = run.arrays()
    maps = {key.removeprefix("map/"): values for key, values in arrays.items() if key.startswith("map/")}
    if not maps:
        return None
    probabilities = np.exp(arrays[LOGITS] - np.logaddexp.reduce(arrays[LOGITS], axis=-1, keepdims=True))
    maps = place(maps, from_config(run.metrics.get("grids", {})))
    return {layer: (maps[layer], scale) for layer, scale in map_scales(maps).items()}, probabilities


def _picture(pixels):
    """Pixels as a data URL for a page."""
    image = Image.fromarray(np.asarray(pixels).astype("uint8"))
    if image.width != SIDE:
        image = image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"

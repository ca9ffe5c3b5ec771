"""`MapReport`: the results of `measure` as figures with intervals, as plain data, and as text."""

import functools

import numpy as np
from scipy.stats import bootstrap

from keras_attention.maps.measures import BEST_JACCARD, CURVE, MEASURES, THRESHOLDS
from keras_attention.models.outputs import JOINT, PROBABILITIES
from keras_attention.text import columns

LEVEL, RESAMPLES = 0.95, 2000


class MapReport:
    """The measures of the maps of a model.

    Args:
        values: name → the figure of each image, NaN if it is not defined: `<measure>/<map>`, `agreement/<map>/<map>`,
            `chance`, `label`, `probabilities`.
        maps: the names of the maps.
        layer: the layer of Grad-CAM.
        seed: for the bootstrap.

    Example:

    >>> import numpy as np
    >>> from keras_attention.maps import MapReport
    >>> figures = {"entropy/block4_pool": np.array([0.5, 0.75]), "energy_inside/block4_pool": np.array([0.25, 0.5])}
    >>> others = {"chance": np.array([0.1, 0.1]), "label": np.array([0, 1]), "probabilities": np.eye(2)}
    >>> report = MapReport(figures | others, ["block4_pool"], layer="block5_relu3")
    >>> report.summary["accuracy"], report.summary["maps"]["block4_pool"]["energy_inside"]
    (1.0, {'score': 0.375, 'low': 0.25, 'high': 0.5, 'chance': 0.1, 'count': 2, 'skipped': 0})
    """

    def __init__(self, values, maps, layer, seed=0):
        self.maps, self.layer, self.seed = tuple(maps), layer, seed
        self.thresholds = {}
        self.values = dict(values)
        for name in self.maps:
            curve = self.values.pop(f"{CURVE}/{name}", None)
            if curve is not None:
                self._take_best(name, curve)

    def _take_best(self, name, curve):
        defined = np.isfinite(curve[:, 0])
        best = 0  # every value is NaN if no image has a mask
        if defined.any():
            best = int(curve[defined].mean(axis=0).argmax())
            self.thresholds[name] = float(THRESHOLDS[best])
        self.values[f"{BEST_JACCARD}/{name}"] = curve[:, best]

    @property
    def count(self):
        """The number of images."""
        return len(self.values["label"])

    @functools.cached_property
    def summary(self):
        """All figures as plain data.

        `maps` has for each map and measure: `score`, the mean over the images for which it is defined; `low` and
        `high`, its 95 % interval by a bootstrap over these images (`None` for fewer than two); `chance`, if the measure
        has one; `count` and `skipped`, the numbers of images for which it is and is not defined. `agreement` has the
        same for each two maps. `chance` has deletion and insertion by a random map. `thresholds` has those of the best
        Jaccard index, chosen on the same images.
        """
        perturbed = [name for name, measure in MEASURES.items() if measure.perturbs]
        chance = {name: self._figure(f"{name}/chance") for name in perturbed if f"{name}/chance" in self.values}
        pairs = [name.removeprefix("agreement/") for name in self.values if name.startswith("agreement/")]
        return {
            "images": self.count,
            "accuracy": self._accuracy(),
            "grad_cam_layer": self.layer,
            "thresholds": self.thresholds,
            "maps": {name: self._figures_of(name) for name in self.maps},
            "agreement": {pair.replace("/", " and "): self._figure(f"agreement/{pair}") for pair in pairs},
            "chance": chance,
        }

    def _accuracy(self):
        """The share of right answers; `None` if a label is not known."""
        labels = self.values["label"]
        if not np.isfinite(labels).all():
            return None
        return float((self.values[PROBABILITIES].argmax(-1) == labels).mean())

    def _figures_of(self, name):
        return {
            measure.name: self._figure(f"{measure.name}/{name}", measure.against_mask)
            for measure in MEASURES.values()
            if f"{measure.name}/{name}" in self.values
        }

    def _figure(self, key, has_chance=False):
        values = self.values[key]
        used = np.isfinite(values)
        figure = {"score": None, "low": None, "high": None}
        if used.any():
            figure["score"] = float(values[used].mean())
        if used.sum() > 1:
            figure["low"], figure["high"] = self._interval(values[used])
        if has_chance:
            chance = self.values["chance"][used]
            figure["chance"] = float(chance.mean()) if used.any() else None
        return figure | {"count": int(used.sum()), "skipped": int((~used).sum())}

    def rows(self, names, class_names):
        """A dictionary for each image: its name, classes and figures; a figure that is not defined is `None`."""
        figures = {name: values for name, values in self.values.items() if values.shape == (self.count,)}
        labels, probabilities = figures.pop("label"), self.values[PROBABILITIES]
        rows = []
        for number, name in enumerate(names):
            best, label = int(probabilities[number].argmax()), labels[number]
            answer = {"predicted": class_names[best], "probability": float(probabilities[number, best])}
            true = class_names[int(label)] if np.isfinite(label) else None
            found = {key: float(values[number]) for key, values in figures.items()}
            known = {key: value if np.isfinite(value) else None for key, value in found.items()}
            rows.append({"name": name, "true": true, **answer, **known})
        return rows

    def _interval(self, values):
        if np.ptp(values) == 0:
            return float(values[0]), float(values[0])
        found = bootstrap(
            (values,),
            np.mean,
            n_resamples=RESAMPLES,
            batch=100,
            confidence_level=LEVEL,
            method="percentile",
            rng=np.random.default_rng(self.seed),
        ).confidence_interval
        return float(found.low), float(found.high)

    def table(self):
        """The figures as text in columns: a row for each map, and one for chance."""
        parts = [self._table(against_mask=True), self._table(against_mask=False)]
        agreement = {pair: _with_interval(figure) for pair, figure in self.summary["agreement"].items()}
        parts.append(columns([("agreement (rank correlation)", ""), *agreement.items()]))
        return "\n\n".join([part for part in parts if part] + self._notes())

    def _table(self, against_mask):
        maps = self.summary["maps"]
        measures = [name for name in maps[self.maps[0]] if MEASURES[name].against_mask == against_mask]
        if not measures:
            return ""
        rows = [("map", *(MEASURES[name].title for name in measures))]
        rows += [(name, *(_with_interval(maps[name][measure]) for measure in measures)) for name in self.maps]
        chances = [maps[self.maps[0]][measure].get("chance") for measure in measures]
        chances = [
            self.summary["chance"].get(measure, {}).get("score", chance)
            for measure, chance in zip(measures, chances, strict=True)
        ]
        if any(chance is not None for chance in chances):
            rows.append(("chance", *("" if chance is None else f"{chance:.3f}" for chance in chances)))
        return columns(rows)

    def _notes(self):
        first = self.summary["maps"][self.maps[0]]
        notes = [f"{_images(self.count)}; Grad-CAM of {self.layer}"]
        notes[0] += (
            f"; {JOINT} is the joint map, the product of the maps of all attended layers" if JOINT in self.maps else ""
        )
        notes[0] += "; 95 % intervals in brackets" if self.count > 1 else ""
        if "jaccard" in first and first["jaccard"]["skipped"]:
            notes.append(
                f"images not measured against a mask, because it is missing or empty: {first['jaccard']['skipped']:,}"
            )
        if self.thresholds:
            listed = ", ".join(f"{name} {threshold:g}" for name, threshold in self.thresholds.items())
            notes.append(f"thresholds of the best Jaccard, chosen on these images: {listed}")
        if "deletion" in first:
            notes.append(f"insertion and deletion on {first['deletion']['count']:,} of them")
        for measure in ("entropy", "random_weights"):
            skipped = {name: found[measure]["skipped"] for name, found in self.summary["maps"].items()}
            for name, count in skipped.items():
                if count:
                    notes.append(f"{MEASURES[measure].title} of {name} is not defined for {_images(count)}")
        return ["\n".join(notes)]


def _images(count):
    return "1 image" if count == 1 else f"{count:,} images"


def _with_interval(figure):
    if figure["score"] is None:
        return "–"
    interval = "" if figure["low"] is None else f" [{figure['low']:.3f}, {figure['high']:.3f}]"
    return f"{figure['score']:.3f}{interval}"

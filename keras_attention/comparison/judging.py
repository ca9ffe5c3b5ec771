"""One metric of all variants as plain data: their means, differences to the references, and verdicts."""

import functools
import math

import numpy as np

from keras_attention.comparison.chances import chances_of_rank
from keras_attention.comparison.contrasts import JointModel, least_error
from keras_attention.comparison.design import POWER, detectable, limit_of_images, needed, power_curve
from keras_attention.comparison.family import corrected, first_step_level, holm
from keras_attention.comparison.verdicts import DECIDED, verdict, within_margin
from keras_attention.variants import REFERENCES


class Judged:
    """A metric of all variants, judged by a `Rule`.

    Args:
        runs: variant → seed → `(figure, deviations)` of each finished run; the deviations are those of
            `metrics.image_deviations`.
        attending: the names of the variants with attention.
        metric: the `Metric`.
        images: the number of test images.
        rule: the `Rule`; its margin counts only if `decides`.
        seeds: the number of seeds that the verdict is given with, which may be more than a variant has.
        decides: whether this is the metric that decides.
        independent: the number of test images that vary independently, or of their groups; `images` if `None`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.comparison.judging import Judged
    >>> from keras_attention.comparison.verdicts import Rule
    >>> from keras_attention.metrics import METRICS
    >>> figures = {"plain": (0.70, 0.71, 0.69), "multiscale": (0.71, 0.70, 0.72), "dot+softmax": (0.82, 0.80, 0.81)}
    >>> runs = {name: {seed: (one, np.zeros(1)) for seed, one in enumerate(each)} for name, each in figures.items()}
    >>> judged = Judged(runs, ["dot+softmax"], METRICS["accuracy"], 300, Rule(), seeds=3)
    >>> found = judged.differences("dot+softmax")["plain"]
    >>> round(found["mean"], 2), found["verdict"]
    (0.11, 'helps')
    """

    def __init__(self, runs, attending, metric, images, rule, seeds, decides=True, independent=None):
        self.names, self.attending, self.metric = list(runs), list(attending), metric
        self.level, self.margin = rule.level_with(seeds), rule.margin if decides else None
        # What would settle a difference is judged at the level of a later look; if none is left, of a new comparison.
        self.later = rule.level_later(seeds) or rule.level
        independent = independent or images
        self.images_each = images / max(independent, 1)
        tested = independent if rule.same_images else independent * seeds
        least = least_error(metric.most - metric.least, max(tested, 1))
        self.model = JointModel(*_arrays(runs), independent, rule.same_images, rule.held_out_ratio, least)
        self._designs = {}
        self._differences = {reference: self._family(reference) for reference in REFERENCES}

    def mean(self, variant):
        """The mean of a variant with its interval; `None` without a run."""
        place = self.names.index(variant)
        if not self.model.present[place].any():
            return None
        return as_data(self.model.mean(place), self.metric.least, self.metric.most)

    def differences(self, variant):
        """Reference → the difference of a variant to it."""
        return {reference: found[variant] for reference, found in self._differences.items() if variant in found}

    def pooled(self):
        """Reference → the mean of all variants with attention minus the reference."""
        found = {}
        for reference in (name for name in REFERENCES if name in self.names):
            variants = [self.names.index(name) for name in self.attending if name != reference]
            estimate = self.model.pooled(variants, self.names.index(reference)) if variants else None
            if estimate is not None:
                p_within = within_margin(estimate, self.margin)
                found[reference] = self._as_data(
                    estimate, estimate.p_value, p_within, self.level, self.later, self.later
                )
        return found

    def chances(self, variant):
        """How probable it is that a variant is the best, and its expected rank; `None` if it cannot be said."""
        if self._ranks is None or np.isnan(self._ranks[0][place := self.names.index(variant)]):
            return None
        return {"best": float(self._ranks[0][place]), "rank": float(self._ranks[1][place])}

    def spread(self, variant):
        """The standard deviation of a variant over the seeds: its own, and moved towards that of all; its df."""
        place, spread = self.names.index(variant), self.model.spread
        if not np.isfinite(spread.moderated[place]):
            return None
        return {
            "own": float(np.sqrt(spread.own[place])) if spread.own_df[place] else None,
            "moderated": float(np.sqrt(spread.moderated[place])),
            "df": float(spread.df[place]),
        }

    def power(self):
        """Reference → the power over true differences, for the variant with attention whose error is in the middle."""
        curves = {}
        for reference, (names, estimates, level) in self._designs.items():
            known = [place for place, estimate in enumerate(estimates) if estimate.has_interval]
            known = [place for place in known if names[place] in self.attending] or known
            if not known:
                continue
            middle = sorted(known, key=lambda place: estimates[place].error)[len(known) // 2]
            curve = power_curve(estimates[middle], level)
            if curve is not None:
                possible = curve[0] <= self.metric.most - self.metric.least
                curves[reference] = {
                    "variant": names[middle],
                    "differences": curve[0][possible].tolist(),
                    "powers": curve[1][possible].tolist(),
                    "found_from": detectable(estimates[middle], level),
                    "chance": POWER,
                }
        return curves

    def _family(self, reference):
        """Name → the difference to a reference as plain data, corrected for all that are compared to it."""
        if reference not in self.names:
            return {}
        place = self.names.index(reference)
        pairs = {name: self.model.pair(other, place) for other, name in enumerate(self.names) if other != place}
        pairs = {name: weights for name, weights in pairs.items() if weights.any()}
        if not pairs:
            return {}
        estimates = [self.model.contrast(weights) for weights in pairs.values()]
        correlation = self.model.correlation(list(pairs.values()))
        p_corrected = corrected([estimate.p_value for estimate in estimates], correlation)
        p_within = holm([within_margin(estimate, self.margin) for estimate in estimates])
        level = first_step_level(self.level, correlation) if self.level else 0.0
        self._designs[reference] = list(pairs), estimates, level
        found = zip(pairs, estimates, p_corrected, p_within, strict=True)
        later = first_step_level(self.later, correlation) if self.later else 0.0
        within = self.later / len(pairs)  # of Holm's first step
        return {name: self._as_data(*each, level, later, within) for name, *each in found}

    def _needed(self, estimate, level, within):
        """The seeds and the test images with which a difference would likely be settled; `None` if none would."""
        found = needed(estimate, level, margin=self.margin, level_within=within)
        return found and [found[0], round(found[1] * self.images_each)]

    @functools.cached_property
    def _ranks(self):
        return chances_of_rank(self.model, self.metric.more_is_better)

    def _as_data(self, estimate, p_corrected, p_within, level, later, later_within):
        """A difference as plain data; the levels are those of its single test now, and of those of a later look."""
        most = self.metric.most - self.metric.least  # the largest possible difference
        smallest, limit = detectable(estimate, level), limit_of_images(estimate, level)
        above = estimate.chance_above(0.0)
        decided = verdict(estimate, p_corrected, p_within, self.level, self.metric.more_is_better)
        return {
            **as_data(estimate, -most, most),
            "p": estimate.p_value,
            "p_corrected": p_corrected,
            "p_within": p_within,
            "better": None if above is None else above if self.metric.more_is_better else 1 - above,
            "seed_error": estimate.seed_error,
            "seed_df": estimate.seed_df,
            "image_error": estimate.image_error,
            "detectable": within_range(smallest, most),
            "limit_of_images": within_range(limit, most),
            "needed": self._needed(estimate, later, later_within),
            "verdict": decided,
            "settled": decided in DECIDED,
        }


def within_range(size, most):
    """The size of a difference; `None` if it is not known, not finite, or larger than differences can be."""
    return None if size is None or not math.isfinite(size) or size > most else size


def as_data(estimate, least, most):
    """An estimate as plain data, its interval cut to the range of the figure."""
    low, high = estimate.interval() or (None, None)
    bounds = {} if low is None else {"low": max(low, least), "high": min(high, most)}
    return {"mean": estimate.mean, "low": None, "high": None, "seeds": estimate.seeds} | bounds


def _arrays(runs):
    """Figures `(variants, seeds)` and deviations `(variants, seeds, count)`, NaN and 0 where a run is missing."""
    seeds = sorted({seed for each in runs.values() for seed in each})
    count = max((len(deviations) for each in runs.values() for _, deviations in each.values()), default=1)
    figures, deviations = np.full((len(runs), len(seeds)), np.nan), np.zeros((len(runs), len(seeds), count))
    for row, each in enumerate(runs.values()):
        for seed, (figure, values) in each.items():
            figures[row, seeds.index(seed)] = figure
            deviations[row, seeds.index(seed), : len(values)] = values
    return figures, deviations

"""Whether the verdict of a comparison holds its level, and what it finds: simulated comparisons whose truth is known.

Logits and labels of variants × seeds × images are drawn, their figures and influence values computed as for real runs,
and judged by the package. Variants differ in how much a seed moves them; seeds have heavy tails.

    python benchmarks/verdict_simulation.py                       # every table, 4,000 simulations of each design
    python benchmarks/verdict_simulation.py --simulations 400 --tables power,looks
    python benchmarks/verdict_simulation.py --world FILE          # in another world (see `other_world`)
"""

import argparse
import dataclasses
import importlib.util
import time

import numpy as np
from scipy import special

from keras_attention.comparison.chances import chance_of_margin
from keras_attention.comparison.contrasts import JointModel
from keras_attention.comparison.family import corrected, holm
from keras_attention.comparison.looks import level_of_look

LEVEL = 0.05


@dataclasses.dataclass(frozen=True)
class Design:
    """A comparison of `effects`, whose first variant is the reference.

    Args:
        effects: the true difference of each variant to the first, in the metric.
        seeds, images: how many.
        sd: the standard deviation over the seeds of a run's true figure, in the root of the mean square over variants.
        unequal: the standard deviation of the logarithm of that over the variants.
        tails: the degrees of freedom of Student's t, from which the seeds' effects come; large for a normal.
        metric: `accuracy` or `roc_auc`.
        group: the share of the seeds' variance that all variants but the first have in common.
    """

    effects: tuple
    seeds: int = 3
    images: int = 300
    sd: float = 0.016
    unequal: float = 0.5
    tails: float = 3.0
    metric: str = "roc_auc"
    group: float = 0.0


def figures_and_deviations(generator, design):
    """A comparison: figures `(variants, seeds)`, deviations `(variants, seeds, images)`, and the spreads.

    An image has a difficulty that all runs share, one for each variant, and one for each run. A score is the distance
    of the run's quality from that difficulty. The quality is set so that the metric has its true value.
    """
    variants, seeds, images = len(design.effects), design.seeds, design.images
    sd = design.sd * np.exp(generator.normal(0, design.unequal, variants) - design.unequal**2)
    tails = generator.standard_t(design.tails, (variants, seeds)) / np.sqrt(design.tails / (design.tails - 2))
    shared = generator.standard_normal(seeds)
    moved = np.sqrt(1 - design.group) * tails + np.sqrt(design.group) * shared * (np.arange(variants)[:, None] > 0)
    of_seed = generator.normal(0, 0.01, seeds)
    truth = np.clip(0.78 + np.array(design.effects)[:, None] + of_seed + moved * sd[:, None], 0.51, 0.99)
    labels = np.zeros(images, int)
    labels[: max(3, round(0.35 * images))] = 1
    return *_measured(generator, truth, labels, design.metric), sd


def _measured(generator, truth, labels, metric):
    """Scores of runs whose true figures are `truth`, and what the metric makes of them."""
    shape = (*truth.shape, len(labels))
    hard = np.sqrt(0.73) * generator.standard_normal(len(labels), dtype="float32")
    hard = hard + np.sqrt(0.07) * generator.standard_normal((shape[0], 1, shape[2]), dtype="float32")
    hard = hard + np.sqrt(0.2) * generator.standard_normal(shape, dtype="float32")
    quality = special.ndtri(truth) / (np.sqrt(2) if metric == "roc_auc" else 1)
    scores = hard + (2 * labels - 1) * quality[..., None].astype("float32")
    figures, influence = (area if metric == "roc_auc" else accuracy)(scores, labels)
    return figures, influence / np.sqrt(len(labels) * (len(labels) - 1))


def accuracy(scores, labels):
    """The accuracy and the influence values of many runs with two classes, `(…, images)`."""
    right = ((scores > 0) == labels).astype("float32")
    return right.mean(-1), right - right.mean(-1, keepdims=True)


def area(scores, labels):
    """The ROC-AUC and the influence values of many runs with two classes, `(…, images)`, as the package has them."""
    images, positive = len(labels), labels.sum()
    order = np.argsort(scores, axis=-1)
    truth = labels[order]
    below = np.where(truth, np.cumsum(1 - truth, -1) / (images - positive), 1 - np.cumsum(truth, -1) / positive)
    right = np.empty(scores.shape)
    np.put_along_axis(right, order, below, axis=-1)
    figures = right[..., labels == 1].mean(-1)
    sides = np.where(labels == 1, positive, images - positive)
    scale = images / sides * np.sqrt(sides / (sides - 1) * (images - 1) / images)
    return figures, (right - figures[..., None]) * scale


def other_world(path):
    """A world from a file with `simulate(rng, n, S, target, sd_vs, metric, tail=)` and `figures(z, y, metric)`."""
    spec = importlib.util.spec_from_file_location("other_world", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def world(generator, design):
        spread = generator.normal(0, design.unequal, len(design.effects))
        sd = design.sd * np.exp(spread - design.unequal**2)
        metric = "auc" if design.metric == "roc_auc" else design.metric
        truth = 0.75 + np.array(design.effects)
        drawn = module.simulate(generator, design.images, design.seeds, truth, sd, metric, tail=design.tails)
        figures, influence = module.figures(*drawn, metric)
        return figures, influence / np.sqrt(design.images * (design.images - 1)), sd

    return world


def judge(figures, deviations, level=LEVEL):
    """The package's verdicts on all variants against the first: estimates, and p-values corrected for the family."""
    model = JointModel(figures, deviations, deviations.shape[-1])
    pairs = [model.pair(variant, 0) for variant in range(1, len(figures))]
    estimates = [model.contrast(weights) for weights in pairs]
    p_values = [estimate.p_value for estimate in estimates]
    return model, estimates, np.array(corrected(p_values, model.correlation(pairs)), float)


def outcomes(design, simulations, level=LEVEL, seed=0, world=figures_and_deviations):
    """In per cent: `coverage`, `noisy` of the noisiest quarter, `family_error`, `found`, false verdicts of `pooled`."""
    generator, effects = np.random.default_rng(seed), np.array(design.effects[1:])
    inside, noisy, false, found, pooled = [], [], [], [], []
    for _ in range(simulations):
        figures, deviations, sd = world(generator, design)
        model, estimates, p_values = judge(figures, deviations)
        bounds = np.array([estimate.interval(1 - LEVEL) for estimate in estimates])
        covered = (bounds[:, 0] <= effects) & (effects <= bounds[:, 1])
        inside.append(covered.mean())
        noisy.append(covered[sd[1:] >= np.quantile(sd[1:], 0.75)].mean())
        signs = np.sign([estimate.mean for estimate in estimates])
        verdicts = (p_values < level) * signs
        false.append((verdicts[effects == 0] != 0).any())
        if (effects > 0).any():
            found.append((verdicts[effects > 0] > 0).mean())
        whole = model.pooled(range(1, len(figures)), 0)
        pooled.append(abs(whole.mean - effects.mean()) > whole.half_width(level))
    parts = {"coverage": inside, "noisy": noisy, "family_error": false, "found": found, "pooled": pooled}
    return {name: 100 * float(np.mean(values)) for name, values in parts.items() if values}


def two_stages(simulations, gain=0.04, better=2, level=LEVEL, seed=0, world=figures_and_deviations):
    """54 runs for 17 variants and a reference: the chance in per cent to find a better one, for two designs.

    One stage is 3 seeds each. Two stages are one seed each, the best four on 150 validation images, and seven fresh
    seeds for these and the reference, whose test figures alone are judged.
    """
    generator, found = np.random.default_rng(seed), {"one stage": [], "two stages": [], "false in two stages": []}
    for _ in range(simulations):
        effects = np.zeros(18)
        effects[generator.choice(np.arange(1, 18), better, replace=False)] = gain
        design = Design(tuple(effects), seeds=11, images=300)
        figures, deviations, _ = world(generator, design)
        found["one stage"].append(_finds(figures[:, :3], deviations[:, :3], effects, level)[0])
        noise = generator.normal(0, 0.03, 18)  # of 150 validation images
        chosen = np.r_[0, 1 + np.argsort(-(figures[1:, 3] + noise[1:]))[:4]]
        right, wrong = _finds(figures[chosen, 4:], deviations[chosen, 4:], effects[chosen], level)
        found["two stages"].append(right)
        found["false in two stages"].append(wrong)
    return {name: 100 * float(np.mean(values)) for name, values in found.items()}


def _finds(figures, deviations, effects, level):
    _, estimates, p_values = judge(figures, deviations)
    helps = (p_values < level) & (np.array([estimate.mean for estimate in estimates]) > 0)
    return (helps & (effects[1:] > 0)).any(), (helps & (effects[1:] <= 0)).any()


def looked_at(simulations, looks, effect=0.0, image_error=0.0, variants=2, most_seeds=None, seed=0):
    """Comparisons that are looked at with each number of seeds of `looks` until one verdict is given.

    A run's figure is normal; `effect` and `image_error` are in standard deviations of a seed's difference.

    Returns:
        The share with a verdict in per cent, and the mean number of seeds at the end.
    """
    generator, given, ends = np.random.default_rng(seed), [], []
    for _ in range(simulations):
        figures = generator.normal(0, 1 / np.sqrt(2), (variants, looks[-1]))
        figures[1:] += effect + generator.normal(0, image_error, (variants - 1, 1))
        # What an image does to all seeds of a variant alike.
        common = generator.standard_normal((variants - 1, 300)) * image_error / np.sqrt(300)
        end = next((n for n in looks if _settled(figures[:, :n], common, looks, n, most_seeds)), None)
        given.append(end is not None)
        ends.append(end or looks[-1])
    return 100 * float(np.mean(given)), float(np.mean(ends))


def _settled(figures, common, looks, seeds, most_seeds):
    deviations = np.concatenate([np.zeros((1, 300)), common])[:, None].repeat(seeds, axis=1)
    level = level_of_look(LEVEL, seeds, [look for look in looks if look < seeds], most_seeds)
    return judge(figures, deviations)[2].min() < level


def wrongly_the_same(simulations, margin=0.02, variants=4, seeds=5, images=1000, seed=0, world=figures_and_deviations):
    """The chance in per cent that any difference as large as the margin is called the same within it."""
    generator, wrong = np.random.default_rng(seed), []
    design = Design((0.0,) + (margin,) * (variants - 1), seeds, images, sd=0.006, unequal=0.2)
    for _ in range(simulations):
        _, estimates, _ = judge(*world(generator, design)[:2])
        p_within = holm([chance_of_margin(estimate, margin) for estimate in estimates])
        wrong.append(min(p_within) < LEVEL)
    return 100 * float(np.mean(wrong))


MANY = (0.0,) + (0.0,) * 8 + (1.0,) * 9
FEW = (0.0, 0.0, 1.0, 0.0)
SPREADS = {"calm": (0.006, 0.2), "noisy": (0.03, 0.2), "unequal": (0.016, 0.5), "very unequal": (0.03, 1.0)}


def times(effects, gain):
    """Effects in units of a gain → effects in the metric."""
    return tuple(gain * effect for effect in effects)


POWER = {
    "17 comparisons, 3 seeds, 8 points": Design(times(MANY, 0.08), 3),
    "17 comparisons, 5 seeds, 4 points": Design(times(MANY, 0.04), 5),
    "3 comparisons, 3 seeds, 8 points": Design(times(FEW, 0.08), 3),
    "17 comparisons, 2 seeds, 8 points": Design(times(MANY, 0.08), 2),
}


def level_designs():
    """Name → design without a true difference, over spreads, seeds, images and metrics."""
    return {
        f"{kind}, {seeds} seeds, {images} images, {metric}": Design((0.0,) * 18, seeds, images, *spread, metric=metric)
        for kind, spread in SPREADS.items()
        for seeds in (3, 5, 10)
        for images in (50, 300, 1000)
        for metric in ("accuracy", "roc_auc")
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--simulations", type=int, default=4000)
    parser.add_argument("--tables", default="power,two-stages,looks,margin,level")
    parser.add_argument("--only", default="", help="the designs of the level whose names hold this text")
    parser.add_argument("--world", type=other_world, default=figures_and_deviations, help="the file of another world")
    options = parser.parse_args()
    tables = {"power": _power, "two-stages": _two_stages, "looks": _looks, "margin": _margin, "level": _level}
    for name in options.tables.split(","):
        began = time.perf_counter()
        tables[name](options)
        print(f"  {name}: {time.perf_counter() - began:.0f} s\n", flush=True)


def _print(name, shares):
    print(f"{name:52} " + "  ".join(f"{key} {value:.1f}" for key, value in shares.items()), flush=True)


def _power(options):
    for name, design in POWER.items():
        for level in (LEVEL, level_of_look(LEVEL, design.seeds)):
            _print(f"{name}, level {level:.2f}", outcomes(design, options.simulations, level, world=options.world))


def _two_stages(options):
    for better, gain in ((2, 0.04), (2, 0.08), (9, 0.04)):
        _print(
            f"54 runs, {better} of 17 better by {gain}",
            two_stages(options.simulations, gain, better, world=options.world),
        )


def _looks(options):
    for looks in ((2, 3, 5, 8, 12, 16, 20), tuple(range(2, 21))):
        for image_error in (0.0, 0.3, 1.0):
            for variants in (2, 5):
                share, _ = looked_at(options.simulations, looks, 0.0, image_error, variants)
                name = f"{len(looks)} looks, {variants - 1} comparisons, image error {image_error}"
                _print(name, {"false verdict": share})
    for step in (1, 2):
        looks = tuple(range(4, 21, step))
        for effect in (0.0, 1.0):
            share, seeds = looked_at(options.simulations, looks, effect, most_seeds=20)
            _print(f"planned to 20, every {step}, effect {effect}", {"verdict": share, "mean seeds": seeds})


def _margin(options):
    for variants in (2, 4):
        share = wrongly_the_same(options.simulations, variants=variants, world=options.world)
        _print(f"{variants - 1} comparisons as large as the margin", {"wrongly the same": share})


def _level(options):
    for name, design in level_designs().items():
        if options.only in name:
            _print(name, outcomes(design, options.simulations, world=options.world))


if __name__ == "__main__":
    main()

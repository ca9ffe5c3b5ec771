"""The time for the statistics of a comparison: influence values, against the bootstrap of the test images.

The figures of 18 variants × 10 seeds × 2,000 images with three classes. The bootstrap computes every metric under each
of 1,000 resamples of the images, all at once, as the package did before; influence values need one pass. The rest, from
errors to verdicts, is measured by itself.

    python benchmarks/verdict_statistics.py
    python benchmarks/verdict_statistics.py --images 10000 --classes 200 --variants 1 --seeds 1
"""

import argparse
import time

import numpy as np
from scipy.special import log_softmax

from keras_attention.comparison.judging import Judged
from keras_attention.comparison.verdicts import Rule
from keras_attention.metrics import METRICS, classification_metrics, image_deviations
from keras_attention.metrics.answers import Answers
from keras_attention.metrics.resampling import draw_weights


def under_resamples(answers, weights):
    """Each metric under each resample: `weights` `(resamples, images)` → name → `(resamples,)`."""
    right = (answers.predicted == answers.labels).astype("float64")
    losses = -log_softmax(answers.logits, axis=-1)[np.arange(len(answers.labels)), answers.labels]
    areas, precisions = [], []
    for number, odds in zip(answers.classes, answers.log_odds.T, strict=True):
        truth = answers.labels == number
        order = np.argsort(-odds, kind="stable")
        starts = np.flatnonzero(np.diff(odds[order], prepend=np.inf))
        drawn = weights[:, order]
        positive = np.add.reduceat(drawn * truth[order], starts, axis=1)
        negative = np.add.reduceat(drawn * ~truth[order], starts, axis=1)
        found, others = np.cumsum(positive, axis=1), np.cumsum(negative, axis=1)
        total = np.maximum(positive.sum(1), 1)
        below = negative.sum(1, keepdims=True) - others + negative / 2
        areas.append((positive * below).sum(1) / total / np.maximum(negative.sum(1), 1))
        precisions.append((positive * found / np.maximum(found + others, 1)).sum(1) / total)
    return {
        "accuracy": weights @ right / weights.sum(1),
        "loss": weights @ losses / weights.sum(1),
        "macro_f1": _macro_f1(answers, weights),
        "roc_auc": np.mean(areas, axis=0),
        "average_precision": np.mean(precisions, axis=0),
    }


def _macro_f1(answers, weights):
    scores = []
    for number in answers.classes:
        found, true = answers.predicted == number, answers.labels == number
        sizes = weights[:, found].sum(1) + weights[:, true].sum(1)
        scores.append(2 * weights[:, found & true].sum(1) / np.maximum(sizes, 1))
    return np.mean(scores, axis=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--variants", type=int, default=18)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--classes", type=int, default=3)
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    labels = np.arange(options.images) % options.classes
    names = ["plain", "multiscale", *(f"variant {number}" for number in range(2, options.variants))][: options.variants]
    hard = generator.normal(size=(options.images, options.classes)) + 1.5 * np.eye(options.classes)[labels]
    logits = {
        (name, seed): hard + 0.5 * generator.normal(size=hard.shape) for name in names for seed in range(options.seeds)
    }
    weights, times = draw_weights(options.images), {"bootstrap": 0.0, "influence values": 0.0}
    deviations = {}
    for run, answers in logits.items():  # in turn, so that drift of the machine cancels
        began = time.perf_counter()
        under_resamples(Answers(answers, labels), weights)
        middle = time.perf_counter()
        deviations[run] = image_deviations(answers, labels)
        times["bootstrap"] += middle - began
        times["influence values"] += time.perf_counter() - middle
    metrics = {run: classification_metrics(answers, labels, range(options.classes)) for run, answers in logits.items()}
    began = time.perf_counter()
    for name, metric in METRICS.items() if options.variants > 2 else ():
        runs = {
            variant: {
                seed: (metrics[variant, seed][name], deviations[variant, seed][name]) for seed in range(options.seeds)
            }
            for variant in names
        }
        judged = Judged(runs, names[2:], metric, options.images, Rule(), options.seeds)
        judged.pooled(), judged.power()
        for variant in names:
            judged.mean(variant), judged.differences(variant), judged.chances(variant), judged.spread(variant)
    times["from influence values to verdicts"] = time.perf_counter() - began
    for name, seconds in times.items():
        print(f"{name:35} {seconds:8.2f} s")
    new = times["influence values"] + times["from influence values to verdicts"]
    print(f"{'new over bootstrap alone':35} {new / times['bootstrap']:8.3f}")


if __name__ == "__main__":
    main()

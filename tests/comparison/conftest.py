"""Finished runs that were never trained: folders with the answers that a test chooses."""

import numpy as np
import pytest
import seams

from keras_attention import TrainConfig
from keras_attention.comparison.folder import Comparison
from keras_attention.comparison.plan import Plan
from keras_attention.metrics import classification_metrics
from keras_attention.runs import Run, load_data
from keras_attention.runs.data import write_split
from keras_attention.variants import make_variants

CLASSES = ("circle", "square", "star")
EPOCHS = 4
IMAGES_OF_A_TEST = 400


@pytest.fixture
def plan():
    """`plan(names, seeds, **settings)`: a plan over a tiny configuration."""

    def make(names=("additive+softmax",), seeds=3, **settings):
        return Plan(TrainConfig(**{"epochs": EPOCHS} | settings), make_variants(names), seeds)

    return make


@pytest.fixture
def labels(rng):
    return rng.integers(0, 3, 90)


@pytest.fixture
def finish(rng, labels):
    """`finish(run, strength)`: a finished run whose logits favour the true class by `strength`; with a share of hits,
    also measures of its maps."""

    def write(run, strength, hits=None, noise=None, validation=None):
        noise = rng.normal(size=(len(labels), 3)) if noise is None else noise
        logits = noise + strength * np.eye(3)[labels]
        metrics = classification_metrics(logits, labels, CLASSES)
        run.folder.mkdir(parents=True)
        extra = {}
        if hits is not None:
            extra = {"map/block4_pool": rng.random((12, 4, 4))}
            for measure in ("pointing_game", "energy_inside", "jaccard"):
                for block in ("block4_pool", "joint"):
                    extra[f"measure/{measure}/{block}"] = (rng.random(len(labels)) < hits).astype(float)
            extra["chance"] = np.full(len(labels), 0.25)
        run.save_arrays(logits=logits, labels=labels, **extra)
        rows = [{"epoch": epoch, "val_accuracy": 0.5 + 0.1 * epoch} for epoch in range(1, EPOCHS + 1)]
        run.write_history(rows)
        counts = {"train": 500, "validation": 90, "test": 90}
        about = {
            "epochs": EPOCHS,
            "best_epoch": 2,
            "seconds": 1.5,
            "parameters": 1234,
            "validation": validation or {"val_accuracy": 0.7},
        }
        run.finish(metrics | about | {"class_names": CLASSES, "images": counts})
        return metrics

    return write


@pytest.fixture
def comparison(tmp_path):
    return Comparison(tmp_path / "comparison")


@pytest.fixture
def begun(comparison, rng):
    """`begun(plan)`: the comparison with its plan and twelve examples written."""

    def begin(plan):
        comparison.begin(plan, resume=False)
        masks = np.zeros((12, 32, 32, 1), "uint8")
        masks[:, 8:20, 10:24] = 1
        images = rng.integers(0, 255, (12, 32, 32, 3)).astype("uint8")
        numbers = np.arange(0, 90, 8)[:12]
        comparison.save_examples({"number": numbers, "image": images, "label": rng.integers(0, 3, 12), "mask": masks})
        return comparison

    return begin


@pytest.fixture
def written(monkeypatch, rng):
    """`written(strengths)`: runs are written with answers that favour the true class by the strength of their score.

    The strength may be a function of the seed. Returns the `(score, seed)` of all runs, as they are written.
    """

    def prepare(strengths, splits=False):
        done, common = [], rng.normal(size=(IMAGES_OF_A_TEST, 10))

        def write(config, folder, **_):
            score = config.score if config.attends else "plain" if not config.attend else "multiscale"
            done.append((score, config.seed))
            strength = strengths.get(score, 1.0)
            strength = strength(config.seed) if callable(strength) else strength
            labels, own = np.arange(IMAGES_OF_A_TEST) % 10, np.random.default_rng(len(done))
            if splits:
                labels = load_data(config).test.labels()
            classes = labels.max() + 1
            noise = common[: len(labels), :classes] + 0.3 * own.normal(size=(len(labels), classes))
            write_run(Run(folder), config, noise + strength * np.eye(classes)[labels], labels, splits)

        seams.training_of_a_task(monkeypatch, write)
        seams.shallow_backbone(monkeypatch)
        return done

    return prepare


def write_run(run, config, logits, labels, splits):
    run.folder.mkdir(parents=True, exist_ok=True)
    names = [str(number) for number in range(logits.shape[1])]
    metrics = classification_metrics(logits, labels, names)
    counts = {"train": 70, "validation": 15, "test": 15}
    if splits:
        dataset = load_data(config)
        counts = {name: dataset.split(name).count for name in counts}
        write_split(run.folder, dataset)
    run.save_arrays(logits=logits, labels=labels)
    run.write_history([{"epoch": 1, "val_accuracy": metrics["accuracy"]}])
    about = {"epochs": 1, "best_epoch": 1, "seconds": 1.0, "parameters": 9, "images": counts, "class_names": names}
    run.finish(metrics | about | {"validation": {"val_accuracy": metrics["accuracy"]}})

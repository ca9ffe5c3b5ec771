"""Finished runs that were never trained: folders with the answers that a test chooses."""

import numpy as np
import pytest

from keras_attention import TrainConfig
from keras_attention.comparison.folder import Comparison
from keras_attention.comparison.plan import Plan
from keras_attention.comparison.variants import make_variants
from keras_attention.metrics import classification_metrics

CLASSES = ("circle", "square", "star")
EPOCHS = 4


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

"""The cost and the gain of caching the features of a frozen, pretrained backbone, and the metrics of three heads on it.

The task is one class of a folder of images against the rest.

The script times how long the features of all images take into an empty cache. Then it trains the plain head, the
multi-scale head without attention, and attention from the cache, each with several seeds, and attention for one epoch
without the cache.

    python benchmarks/frozen_backbone.py --data images --weights vgg16.safetensors --positive melanoma

takes about 15 minutes on two cores for 2,150 images of 224 px.
"""

import argparse
import pathlib
import statistics
import tempfile
import time

import keras

from keras_attention import TrainConfig, train
from keras_attention.evaluation import predict_split
from keras_attention.features import FeatureCache, FeatureDataset
from keras_attention.metrics import classification_metrics
from keras_attention.models import over_features
from keras_attention.runs import load_data
from keras_attention.training import build_backbone

HEADS = {
    "plain": {"attend": ()},
    "score=None": {"score": None},
    "attention": {},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, help="a folder of images, <root>/<split>/<class>/*")
    parser.add_argument("--weights", required=True, help="a file of VGG16 weights, or imagenet")
    parser.add_argument("--positive", required=True, metavar="CLASS", help="the class against the rest")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        one_against_rest(pathlib.Path(options.data), options.positive, folder / "data")
        settings = {
            "data": folder / "data",
            "allow_duplicates": True,  # ISIC 2017 has one photograph in train and in validation
            "image_size": options.image_size,
            "weights": options.weights,
            "freeze": "all",
            "cache_dir": folder / "cache",
            "monitor": "val_roc_auc",
        }
        fill_cache(TrainConfig(**settings))
        seconds = {name: measure(name, changes, settings, options, folder) for name, changes in HEADS.items()}
        uncached = train(TrainConfig(**settings, epochs=1, cache_features=False), folder / "uncached", verbose=2)
        cached = statistics.median(seconds["attention"]) / options.epochs
        ratio = uncached.metrics["seconds"] / cached
        print(
            f"an epoch: {cached:.1f} s from the cache, {uncached.metrics['seconds']:.0f} s without, {ratio:.1f} times"
        )


def one_against_rest(source, positive, target):
    """Makes a tree of links with two classes: `positive`, and `rest` for all other classes."""
    for path in sorted(source.glob("*/*/*")):
        split, name = path.parts[-3:-1]
        link = target / split / (positive if name == positive else "rest") / path.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path.resolve())


def fill_cache(config):
    """Computes the features of all three splits, and prints the time."""
    dataset = load_data(config)
    backbone = build_backbone(config, dataset)
    began = time.perf_counter()
    FeatureDataset(dataset, FeatureCache(config.cache_dir, backbone, config.network_layers, verbose=2))
    count = sum(dataset.split(split).count for split in ("train", "validation", "test"))
    print(f"features of {count:,} images: {time.perf_counter() - began:.0f} s")


def measure(name, changes, settings, options, folder):
    """Trains one head with several seeds, prints its metrics, and returns the seconds of each training."""
    figures, seconds = {"validation": [], "test": []}, []
    for seed in range(options.seeds):
        config = TrainConfig(**settings, **changes, epochs=options.epochs, seed=seed)
        began = time.perf_counter()
        run = train(config, folder / f"{name}-{seed}", verbose=0)
        print(f"{name}, seed {seed}: {time.perf_counter() - began:.0f} s with measuring and export", flush=True)
        seconds.append(run.metrics["seconds"])
        for split, found in figures.items():
            found.append(positive_figures(run, split, options.positive))
    for split, found in figures.items():
        columns = zip(*found, strict=True)
        for label, values in zip(("ROC-AUC", "average precision"), columns, strict=True):
            listed = ", ".join(f"{value:.3f}" for value in values)
            print(f"{name}: {split} {label} {statistics.mean(values):.3f} ({listed})", flush=True)
    print(f"{name}: {statistics.median(seconds):.0f} s of training, {options.epochs} epochs", flush=True)
    return seconds


def positive_figures(run, split, positive):
    """ROC-AUC and average precision of the positive class, of the best epoch by validation ROC-AUC."""
    dataset, model = load_data(run.config), keras.models.load_model(run.model_path)
    layers = run.config.network_layers
    features = FeatureDataset(dataset, FeatureCache(run.config.cache_dir, build_backbone(run.config, dataset), layers))
    logits, labels = predict_split(over_features(model, layers), features, split)
    figures = classification_metrics(logits, labels, dataset.class_names)["per_class"][positive]
    return figures["roc_auc"], figures["average_precision"]


if __name__ == "__main__":
    main()

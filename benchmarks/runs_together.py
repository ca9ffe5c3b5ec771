"""The runs of one seed over cached features: trained one by one, and together, in turn; and the peak memory of both.

    python benchmarks/runs_together.py --data isic2017/images --masks isic2017/masks --weights vgg16.safetensors

takes about 10 minutes on two cores for 18 variants and 2,150 images of 128 px, once the features are cached. A run is
all that `train` does without the export: it reads, trains ten epochs, measures, draws and saves.
"""

import argparse
import pathlib
import statistics
import tempfile
import time

from keras_attention import TrainConfig, train
from keras_attention.comparison.cost import peak_memory, reset_peak_memory
from keras_attention.own_process import call_in_own_process
from keras_attention.training import train_together
from keras_attention.variants import make_variants


def measured(configs, folder, together):
    """Seconds and megabytes of the training of all runs, in a fresh process."""
    return call_in_own_process(_measured, configs, str(folder), together)


def _measured(configs, folder, together):
    folders = [pathlib.Path(folder) / str(number) for number in range(len(configs))]
    reset_peak_memory()
    began = time.perf_counter()
    if together:
        assert train_together(configs, folders) == [None] * len(configs)
    else:
        for config, each in zip(configs, folders, strict=True):
            train(config, each, verbose=0, export=False)
    return time.perf_counter() - began, peak_memory() / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, help="a folder of images")
    parser.add_argument("--masks", help="their masks")
    parser.add_argument("--weights", required=True, help="a file of VGG16 weights, or imagenet")
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--variants", default="all-scores,all-alignments")
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    config = TrainConfig(
        data=options.data,
        masks=options.masks,
        weights=options.weights,
        image_size=options.image_size,
        epochs=options.epochs,
        freeze="all",
        monitor="val_roc_auc",
        allow_duplicates=True,
    )
    configs = [variant.config(config) for variant in make_variants(options.variants.split(","))]
    with tempfile.TemporaryDirectory() as folder:
        measured([config.with_settings(epochs=1)], pathlib.Path(folder) / "cache", False)  # fills the cache
        _report(configs, pathlib.Path(folder), options.repeats)


def _report(configs, folder, repeats):
    ways = {"one": (configs[2:3], False), "one by one": (configs, False), "together": (configs, True)}
    found = {name: [] for name in ways}
    for repeat in range(repeats):
        for name, (some, together) in ways.items():
            found[name].append(measured(some, folder / f"{name}-{repeat}", together))
            print(f"{name}: {found[name][-1][0]:.1f} s, {found[name][-1][1]:,.0f} MB", flush=True)
    seconds = {name: statistics.median(each[0] for each in values) for name, values in found.items()}
    memory = {name: statistics.median(each[1] for each in values) for name, values in found.items()}
    all_of_them = f"{len(configs)} runs together"
    print(f"{all_of_them}: {seconds['together'] / seconds['one by one']:.2f} of the time that they take one by one")
    print(f"{all_of_them}: {seconds['together'] / seconds['one']:.1f} times as long as one alone")
    print(f"{all_of_them}: {memory['together'] / memory['one by one']:.2f} of the peak memory")


if __name__ == "__main__":
    main()

"""The effect of masks on attention maps: training without masks, with masks, and with inverted masks.

    python benchmarks/supervised_attention.py --data IMAGES --masks MASKS --weights VGG16.safetensors

The backbone is frozen and its features are cached; each training is repeated with several seeds. The Jaccard index
compares the map, scaled to 0…1, with the mask, on the validation split. Inverted masks are the negative control: they
teach the wrong places.
"""

import argparse
import pathlib
import tempfile

import keras
import numpy as np
from PIL import Image, ImageOps

from keras_attention import TrainConfig, train
from keras_attention.data import load
from keras_attention.maps import attention_maps
from keras_attention.maps.measures import THRESHOLDS, measure_pixels
from keras_attention.metrics import classification_metrics

# The gate of Yan et al. for sigmoid; the defaults for softmax.
ALIGNMENTS = {
    "sigmoid": {"score_options": {"activation": "relu", "use_output_bias": True, "use_bias": False}},
    "softmax": {},
}
SUPERVISION = ("none", "masks", "inverted")


def main():
    options = arguments()
    # ISIC 2017 has one photograph in train and in validation.
    dataset = load(options.data, masks=options.masks, image_size=options.image_size, allow_duplicates=True)
    batches = list(dataset.batches("validation", 64, with_masks=True).as_numpy_iterator())
    images, labels, masks = (
        np.concatenate([batch[part] for batch in batches]) for part in ("images", "labels", "masks")
    )
    print(f"chance  {masks.mean():.3f} (mean share of an image that its mask covers)")
    with tempfile.TemporaryDirectory() as folder:
        inverted = write_inverted(pathlib.Path(options.masks), pathlib.Path(folder) / "inverted")
        for alignment in ALIGNMENTS:
            for supervision in SUPERVISION:
                rows = []
                for seed in range(options.seeds):
                    config = config_of(options, alignment, supervision, inverted, seed)
                    run = train(config, pathlib.Path(folder) / "run", overwrite=True, verbose=0, export=False)
                    rows.append(measures_of(run, images, labels.argmax(-1), masks, dataset.class_names))
                print_figures(alignment, supervision, rows)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("data", "masks", "weights"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--cache-dir")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--weight", type=float, default=3.0)
    return parser.parse_args()


def config_of(options, alignment, supervision, inverted, seed):
    return TrainConfig(
        data=options.data,
        allow_duplicates=True,
        masks=str(inverted) if supervision == "inverted" else options.masks,
        supervise_attention=None if supervision == "none" else options.weight,
        weights=options.weights,
        cache_dir=options.cache_dir,
        image_size=options.image_size,
        epochs=options.epochs,
        freeze="all",
        alignment=alignment,
        units=256,
        learning_rate=1e-3,
        monitor="val_roc_auc",
        precision="float32",
        seed=seed,
        **ALIGNMENTS[alignment],
    )


def write_inverted(masks, folder):
    for path in masks.rglob("*.png"):
        target = folder / path.relative_to(masks)
        target.parent.mkdir(parents=True, exist_ok=True)
        ImageOps.invert(Image.open(path).convert("L")).save(target)
    return folder


def measures_of(run, images, labels, masks, class_names):
    """ROC-AUC of a run, and for each attended layer the Jaccard index at .5 and at its best threshold."""
    model = keras.models.load_model(run.model_path, compile=False)
    figures = classification_metrics(model.predict(images, batch_size=16, verbose=0), labels, class_names)
    found, _ = measure_pixels(attention_maps(model, images, batch_size=16), masks)
    row = {"roc_auc": figures["roc_auc"], "melanoma": figures["per_class"][class_names[0]]["roc_auc"]}
    for layer, values in found.items():
        curve = np.nanmean(values["curve"], axis=0)
        row[f"{layer} at .5"] = np.nanmean(values["jaccard"])
        row[f"{layer} best"], row[f"{layer} threshold"] = curve.max(), THRESHOLDS[curve.argmax()]
    return row


def print_figures(alignment, supervision, rows):
    print(f"{alignment}, {supervision}")
    for name in rows[0]:
        values = [row[name] for row in rows]
        listed = " ".join(f"{value:.3f}" for value in values)
        print(f"    {name:22}{np.mean(values):.3f}  ({listed})", flush=True)


if __name__ == "__main__":
    main()

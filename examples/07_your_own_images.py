# %% [markdown]
"""
# Your own images

*Shows:* the way from a folder of pictures to a model that runs without this package: look, train, search, explain,
export, predict; beside each step the command that does the same.
*Takes:* about four and a half minutes on two cores; with `--smoke` under a minute, on fewer images.
*Reaches:* from 210 training images of five digits a test accuracy of about .73 on a backbone that was pretrained on the
other five digits, and about .29 from scratch.
"""

# %%
import argparse
import dataclasses
import importlib.util
import logging
import pathlib
import shutil
import sys

import keras
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from keras_attention import (
    VGG16BN,
    AttentionHyperModel,
    TrainConfig,
    attention_classifier,
    explain,
    export_run,
    load_predictor,
    predict_files,
    search,
    train,
)
from keras_attention.data import load
from keras_attention.prediction import find_images


def is_installed(name):
    """Whether a module can be imported, without importing it."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


if missing := [name for name in ("onnx", "onnxruntime", "tf2onnx", "ai_edge_litert") if not is_installed(name)]:
    sys.exit(f"This chapter needs {', '.join(missing)}: pip install onnx tf2onnx onnxruntime ai-edge-litert")

parser = argparse.ArgumentParser()
parser.add_argument("--smoke", action="store_true", help="run everything once, on fewer images")
parser.add_argument("--images", metavar="FOLDER", type=pathlib.Path, help="of <class>/* or of <split>/<class>/*")
parser.add_argument("--masks", metavar="FOLDER", help="a tree parallel to it, with a mask for each image or for some")
parser.add_argument("--weights", metavar="FILE", help="of a VGG16, or imagenet, which is downloaded once")
parser.add_argument("--image-size", metavar="N", type=int, help="side of the images in pixels")
options, _ = parser.parse_known_args()  # a notebook has other arguments
for folder in filter(None, (options.images, options.masks)):
    if not pathlib.Path(folder).is_dir():
        parser.error(f"there is no folder {folder}")
if options.weights not in (None, "imagenet") and not pathlib.Path(options.weights).is_file():
    parser.error(f"there is no file {options.weights}")

SMOKE = options.smoke
FOLDER = pathlib.Path("runs/tutorial")
FOLDER.mkdir(parents=True, exist_ok=True)
SIZE = options.image_size or (128 if options.images else 32 if SMOKE else 64)
WIDTH = 0.05 if SMOKE else 0.25
for name in ("absl", "tensorflow"):  # their notes say nothing about what is shown here
    logging.getLogger(name).addFilter(lambda record: record.levelno >= logging.ERROR)

# %% [markdown]
"""
## A folder

Put your own images into a folder for each class: `<root>/<class>/*`. If they are divided already, use
`<root>/<split>/<class>/*` with the splits `train`, `validation` and `test`; missing splits are taken from the training
images, the same share of each class. Masks of the object, if you have any, go into a parallel tree under the same
names.

Run the chapter as `python examples/07_your_own_images.py --images FOLDER --weights imagenet` (and `--masks FOLDER`),
and everything below happens to your images. Without these options it writes a small folder first: 60 PNG files for each
of five digits, out of `cluttered_digits`, with their masks. Ten others, of other handwriting, go into another folder;
they play the new images that come when the model is in use.
"""

# %%
NAMES = ("five", "six", "seven", "eight", "nine")


def digits(count, split="train"):
    """Images, labels from 0 to 9, and masks of a split of `cluttered_digits`."""
    data = load("cluttered_digits", count=count, image_size=SIZE)
    batch = next(data.batches(split, count, with_masks=True).as_numpy_iterator())
    return batch["images"].astype("uint8"), batch["labels"].argmax(axis=-1), batch["masks"]


def write_files(root, masks_root, images, labels, masks, each):
    """Writes the first `each` images of every class from 5 to 9 as `<root>/<class>/<number>.png`, and their masks."""
    for label, name in enumerate(NAMES, start=5):
        for number in np.flatnonzero(labels == label)[:each]:
            for folder, picture in ((root, images[number]), (masks_root, masks[number, ..., 0])):
                (folder / name).mkdir(parents=True, exist_ok=True)
                Image.fromarray(picture).save(folder / name / f"{number:04}.png")


IMAGES, MASKS = options.images or FOLDER / "07-digits", options.masks
if not options.images:
    MASKS = FOLDER / "07-digits-masks"
    for folder in (IMAGES, MASKS, FOLDER / "07-new", FOLDER / "07-new-masks"):
        shutil.rmtree(folder, ignore_errors=True)  # what another run wrote
    write_files(IMAGES, MASKS, *digits(240 if SMOKE else 900), each=12 if SMOKE else 60)
    write_files(FOLDER / "07-new", FOLDER / "07-new-masks", *digits(240 if SMOKE else 900, "test"), each=2)
files = [pathlib.Path(found.path) for found in find_images([IMAGES]) if found.error is None]
if not files:
    sys.exit(f"There are no images in {IMAGES}.")
print(f"{len(files):,} image files in {IMAGES.name}, the first {files[0].relative_to(IMAGES)}")

# %% [markdown]
"""
## A look at the data

Before anything is trained, look at what was read: how many images of each class are in each split, what the loader
notes, which files it could not read, and a few images as the network will see them, square and of one size, with the
outline of the mask. Most disappointments later on can be seen here: a class of eleven images, a mask that is shifted, a
label that the background gives away. (`keras-attention train` prints the same counts and notes at its start.)
"""

# %%
try:
    data = load(IMAGES, masks=MASKS, image_size=SIZE)
except ValueError as error:  # such as a folder with one class
    sys.exit(str(error))
for split in ("train", "validation", "test"):
    counts = np.bincount(data.split(split).labels(), minlength=len(data.class_names))
    listed = ", ".join(f"{name} {count}" for name, count in zip(data.class_names, counts, strict=True))
    print(f"{split:10} {counts.sum():5,} images: {listed}")
print("\n".join(data.notes) or "no notes", f"\n{len(data.skipped)} files skipped")

shown = data.evenly("train", 8)
figure, cells = plt.subplots(2, 4, figsize=(8, 4.4), layout="constrained")
for number, cell in enumerate(cells.flat):
    cell.imshow(shown["image"][number])
    if "mask" in shown and shown["mask"][number].any():
        cell.contour(shown["mask"][number, ..., 0] > 0, levels=[0.5], colors="white", linewidths=1)
    cell.set_title(data.class_names[shown["label"][number]])
    cell.axis("off")
figure.savefig(FOLDER / "07-images.png", dpi=110)

# %% [markdown]
"""
## Weights to start from

Two hundred images are too few to learn what an edge, a stroke or a corner is. A network that has learned it from other
images has it already. For photographs these are the 1.3 million images of ImageNet: `weights="imagenet"` downloads the
VGG16 of Keras once (56 MB), and a file of torchvision's or timm's `vgg16_bn` serves as well. This chapter needs no
network, so it does the same in miniature: it trains a backbone for a minute or two on the digits from 0 to 4, none of
which is in the folder, and saves its weights. The rest of the chapter takes either file alike.
"""


# %%
def pretrained(path):
    """Trains a backbone on the digits from 0 to 4, and saves its weights."""
    keras.utils.set_random_seed(0)
    images, labels, _ = digits(240 if SMOKE else 6000)
    others = labels < 5
    backbone = VGG16BN((SIZE, SIZE, 3), width=WIDTH)
    model = attention_classifier(backbone, num_classes=5, attend=())
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(1e-3), loss, metrics=["accuracy"])
    epochs = 1 if SMOKE else 6
    model.fit(images[others], labels[others], batch_size=32, epochs=epochs, verbose=2)
    backbone.save_weights(path)
    return str(path)


weights = options.weights or ("imagenet" if options.images else pretrained(FOLDER / "07-backbone.weights.h5"))

# %% [markdown]
"""
## Training on frozen features

`freeze="all"` keeps the backbone as it is. Then each image has the same features in every epoch, and these are computed
once, into a cache on disk; what is trained is the attention and the classifier upon it, a second or less an epoch. A
`TrainConfig` holds all settings, and `train` makes a folder of the run: the settings, a row for each epoch, figures of
the test split, pictures, the model. As a command:

    keras-attention train --data FOLDER --masks FOLDER --weights imagenet --freeze --epochs 15 --learning-rate 0.001
"""

# %%
source = {"data": str(IMAGES), "masks": MASKS and str(MASKS), "image_size": SIZE}
network = {"weights": weights, "freeze": "all", "width": None if options.weights or options.images else WIDTH}
training = {"epochs": 1 if SMOKE else 8 if options.images else 15, "learning_rate": 1e-3}
training["precision"] = "float32"  # the same figures on every processor; without it some are faster
config = TrainConfig(**source, **network, **training, cache_dir=str(FOLDER / "07-cache"))
run = train(config, FOLDER / "07-run", overwrite=True, verbose=2, export=False)
for name, figures in run.metrics.get("pointing_game", {}).items():
    print(f"{name}: points at the object in {figures['score']:.0%} of the test images (chance {figures['chance']:.0%})")

# %% [markdown]
"""
What did the weights bring? The same images and as many epochs, from random weights, in a network of a quarter of the
width of VGG16, as the one above is too, unless its weights are those of ImageNet:
"""

# %%
scratch_config = dataclasses.replace(config, weights=None, freeze=None, width=WIDTH)
scratch = train(scratch_config, FOLDER / "07-scratch", overwrite=True, verbose=0, export=False)
for name, each in (("pretrained and frozen", run), ("from scratch", scratch)):
    figures = each.metrics
    print(f"{name:22} test accuracy {figures['accuracy']:.3f}, ROC-AUC {figures['roc_auc']:.3f}, ", end="")
    print(f"{figures['seconds']:.0f} seconds of training")

# %% [markdown]
"""
About .73 against .29, where guessing gives .2. The test split is small, so the figures are rough: of 45 images one is
two hundredths. The gap is four tenths.

## A small search

Which score, which alignment? From the cache a network costs seconds, so you need not guess. The search tries a grid of
four, chooses by the validation images, trains the winner once more on training and validation images together, and
measures it on the test images, which no trial has seen. As a command, with more trials drawn at random:

    keras-attention search --data FOLDER --masks FOLDER --weights imagenet --freeze --max-trials 20
"""

# %%
fixed = {"attend": "block3_pool+block4_pool", "units": 128, "num_heads": 1, "dropout": 0.0, "learning_rate": 1e-3}
fixed |= {"additive.activation": "tanh", "softmax.temperature": 1.0}
grid = {"score": ["additive", "scaled_dot"], "alignment": ["softmax", "sigmoid"]}
hypermodel = AttentionHyperModel(config, fix=fixed, choose=grid)
found = search(hypermodel, 1 if SMOKE else 4, "grid", FOLDER / "07-search", overwrite=True, verbose=False)
for trial in found.trials:
    settings, figures = trial.settings, trial.figures
    print(f"{settings['score']:10} + {settings['alignment']:8} ", end="")
    print(f"validation accuracy {figures['val_accuracy']:.3f}, loss {figures['val_loss']:.3f}, {trial.seconds:.0f} s")
best, winner = found.best["settings"], found.winner
print(f"winner {best['score']} + {best['alignment']}: test accuracy {winner.metrics['accuracy']:.3f}")

# %% [markdown]
"""
On the digits `softmax` is ahead of `sigmoid`, and of the two scores neither of the other: on 45 validation images .67
and .71 are two images apart. If trials are that close, the choice is a matter of luck, and the winner's validation
figure is optimistic; chapter 5 is about that. The figure to report is the last one, of the test images. It is about
.71, no better than that of the first run: there was little to find.

## Where it looks

Before you trust a model, look at what it looks at, on images that it was not trained on (from your own folder this
chapter takes ten files, most of which were training images). `explain` takes files or folders and writes a picture for
each file: the image, the map of each attended layer, the joint map, which is their product, and Grad-CAM beside them.

    keras-attention explain runs/tutorial/07-search/winner FILE FILE --maps grad_cam --out pictures
"""

# %%
new = files[:: max(1, len(files) // 10)] if options.images else sorted((FOLDER / "07-new").rglob("*.png"))
explanation = explain(winner.folder, new[::3][:3], FOLDER / "07-pictures", maps="grad_cam", verbose=0)
figure, cells = plt.subplots(len(explanation.figures), 1, figsize=(8, 8), layout="constrained")
for cell, path in zip(cells, explanation.figures, strict=True):
    cell.imshow(plt.imread(path))
    cell.axis("off")
figure.savefig(FOLDER / "07-where.png", dpi=110)

# %% [markdown]
"""
## Outside this package

The run is tied to this package and to Keras. An export is not: a SavedModel for TensorFlow Serving, `model.onnx` for
ONNX Runtime, `model.tflite` for LiteRT on a phone or a small computer. Each file is run after it is written and
compared with the Keras model on test images; if they disagree, nothing is kept.

    keras-attention export runs/tutorial/07-search/winner --format savedmodel,onnx,litert --out runs/tutorial/07-export
"""

# %%
card = export_run(winner, FOLDER / "07-export", ("savedmodel", "onnx", "litert"))
for form, about in card["formats"].items():
    print(f"{form:10} {about['bytes'] / 1e6:5.1f} MB")

# %% [markdown]
"""
## New images

`load_predictor` takes a run, a `.keras` file, or an export of any format, and `predict_files` streams files through it:
decoded in threads beside the model, in batches, one result after the other, with a reason for what cannot be read. All
formats take raw RGB images, and all give the same: the classes agree, and the probabilities up to the rounding of
float32.

    keras-attention predict runs/tutorial/07-export/model.onnx FOLDER --json

The ten new digits are by other writers. About half are classified correctly, which with ten images says little; and a
wrong answer may have a high probability.
"""

# %%
forms = {"run": winner.folder, "savedmodel": "", "onnx": "model.onnx", "litert": "model.tflite"}
answers = {}
for form, path in forms.items():
    predictor = load_predictor(FOLDER / "07-export" / path if form != "run" else path)
    answers[form] = np.stack([each.outputs["probabilities"] for each in predict_files(predictor, new)])
    print(f"{form:10} largest difference to the run {np.abs(answers[form] - answers['run']).max():.0e}")
for path, probabilities in zip(new, answers["onnx"], strict=True):
    print(f"{path.parent.name}/{path.name}: {data.class_names[probabilities.argmax()]} ({probabilities.max():.2f})")

# %% [markdown]
"""
## The card

An exported model should say what it is. `card.md` in the folder of the export tells people, and `card.json` programs:
the data, the settings, the figures, each file with its size and its SHA-256, limits, and the lines that load each
format. A file that does not match its card is refused.
"""

# %%
print((FOLDER / "07-export" / "card.md").read_text("utf-8").split("\n## Data")[0])

# %% [markdown]
"""
## What to take from this

A folder with a subfolder for each class is all that is needed; look at it first. With few images start from weights
that were trained on many, and freeze them: training takes seconds then, and a search over scores and alignments
minutes. Judge by test images on which nothing was chosen, and by where the maps point. What you hand on is the export
with its card.

In the next chapter, *Your own score function*, you add a score function to the nine of the package.
"""

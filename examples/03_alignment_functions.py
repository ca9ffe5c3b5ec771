# %% [markdown]
"""
# Alignment functions

*Shows:* what each alignment of the package makes of the same scores, and which of them sees both of two objects.
*Takes:* eight to fourteen minutes on two cores, as busy as they are, for eight networks; with `--smoke` under a
minute, on fewer images.
*Reaches:* with softmax a mean ROC-AUC of about .99 on images of two digits; the map of `block3_pool` gives about
three quarters of its weight to the digits, but sees both in only about a fifth of the images, sigmoid's in about four
fifths.
"""

# %%
import logging
import pathlib
import sys
import warnings

import keras
import matplotlib.pyplot as plt
import numpy as np

from keras_attention import VGG16BN, attention_classifier
from keras_attention.data import digit_pairs
from keras_attention.layers import ALIGNMENTS
from keras_attention.maps import attention_maps, resize_maps

SMOKE = "--smoke" in sys.argv
FOLDER = pathlib.Path("runs/tutorial")
FOLDER.mkdir(parents=True, exist_ok=True)
keras.utils.set_random_seed(0)
logging.getLogger("tensorflow").setLevel("ERROR")  # it mistakes eight networks in a row for one that is traced again

# %% [markdown]
r"""
An alignment turns the scores $e_1 \dots e_n$ of a query into the weights $a_1 \dots a_n$ of the keys.

| alignment | $a_l$ | the weights |
|---|---|---|
| `softmax` | $\exp(e_l / \tau) / \sum_j \exp(e_j / \tau)$ | sum to 1, all above 0 |
| `sigmoid` | $1 / (1 + \exp(-e_l))$ | each from 0 to 1, independent of the others |
| `sparsemax` | $\max(e_l - t, 0)$, with $t$ so that they sum to 1 | many are exactly 0 |
| `entmax` | $\max((\alpha - 1) e_l - t, 0)^{1 / (\alpha - 1)}$, with $t$ as above | between the two; α is 1.5 |
| `hard` | 1 for one key, 0 for the others | the key is drawn from softmax in training |
| `local_monotonic` | softmax inside a window around the query's place | 0 outside the window |
| `local_predictive` | softmax times a Gaussian around a place that the query predicts | sum to less than 1 |
| `reinforced` | softmax inside a subset of the keys | the subset is drawn by a policy in training |

All give a context $\sum_l a_l v_l$, but `sigmoid`: its weights may sum to anything, so its context is the *mean* of
$a_l v_l$. There are two more, near relatives of these: `softmax1`, whose weights may sum to less than 1, so that it can
look nowhere, and `budget`, whose weights sum to a number of keys.

## The same scores for all

The next cell passes one row of 24 scores, with two peaks of nearly the same height, through each of these
eight, outside of training. `local_predictive` also wants the query, of which it predicts where to look; here
both are random. The place of a single query is the middle of the keys, where `local_monotonic` has its window of 7.
"""

# %%
keys = np.arange(24)
scores = 3 * np.exp(-((keys - 6) ** 2) / 4) + 2.7 * np.exp(-((keys - 14) ** 2) / 8) - 1
row = scores[None, None].astype("float32")  # (batch, queries, keys)
query = keras.random.normal((1, 1, 8))
NAMES = ("softmax", "sigmoid", "local_monotonic", "local_predictive", "hard", "reinforced", "sparsemax", "entmax")
alignments = {name: ALIGNMENTS[name]() for name in NAMES}
weights = {name: align(row, query=query).numpy()[0, 0] for name, align in alignments.items()}

columns = 3
panels_needed = {"the scores": scores, **weights}
rows = -(-len(panels_needed) // columns)
figure, panels = plt.subplots(rows, columns, figsize=(8.4, 1.9 * rows), sharex=True, layout="constrained")
for panel, (name, heights) in zip(panels.flat, panels_needed.items(), strict=False):
    panel.bar(keys, heights, color="tab:gray" if heights is scores else "tab:blue")
    panel.set(title=name, ylabel="score" if heights is scores else "weight")
for panel in panels.flat[len(panels_needed) :]:
    panel.remove()
figure.supxlabel("key")
figure.savefig(FOLDER / "03-weights.png", dpi=110)

# %% [markdown]
"""
Now as a table. In training some alignments draw at random; the cell calls each of them eight times in training and
looks whether the weights change. `reinforced` warns if it samples and no loss rewards it; nothing is learned here, so
the warning is filtered out.
"""

# %%
print(f"{'alignment':17} {'sum':>6} {'largest':>8} {'exact zeros':>12}  {'in training':11}")
for name, align in alignments.items():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*nothing rewards it")
        draws = np.array([align(row, query=query, training=True).numpy() for _ in range(8)])
    kind = "draws" if np.ptp(draws, axis=0).any() else "the same"
    values = weights[name]
    print(f"{name:17} {values.sum():6.3f} {values.max():8.3f} {(values == 0).sum():12}  {kind:11}")

many = np.repeat(row, 2000, axis=1)
drawn = alignments["hard"](many, training=True).numpy()[0].mean(axis=0)
print("how often `hard` draws keys 5 to 7:", drawn[5:8].round(2), "softmax:", weights["softmax"][5:8].round(2))
np.testing.assert_allclose(drawn, weights["softmax"], atol=0.05)

# %% [markdown]
"""
`sparsemax` keeps four keys and `entmax` six, and all others get exactly 0, from the same scores; `hard` keeps one.
`sigmoid` sums to 11.8: it does not share anything out. The draws of `hard` follow softmax in their frequencies.
`reinforced` keeps all keys here: its untrained policy keeps a key outside of training where its score is above −1.

## How sharp

`softmax` has a temperature, and `entmax` an α, which may also be learned (`EntmaxAlignment(learned=True)`). The next
cell prints how many of the 24 keys get more than 1 % of the weight, and how many exactly 0.
"""

# %%
settings = [("softmax", {"temperature": value}) for value in (0.1, 0.5, 1.0, 4.0)]
settings += [("entmax", {"alpha": value}) for value in (1.1, 1.3, 1.5, 2.0)]
for name, options in settings:
    values = ALIGNMENTS[name](**options)(row).numpy()
    used, zeros = (values > 0.01).sum(), (values == 0).sum()
    print(f"{name:8} {options!s:20} largest {values.max():.3f}, above 1 %: {used:2}, exactly 0: {zeros:2}")

# %% [markdown]
"""
A low temperature sharpens, but softmax never gives a 0; `entmax` does, the more the larger α is (at 1.1 there is none
yet). With α = 2 it is `sparsemax`, and towards 1 it becomes softmax.

## One object suppresses the other, or not

Weights that sum to 1 are shared out: what one key wins the others lose. The next cell raises the score of key 6 by 2,
and prints what becomes of key 14, the other peak.
"""

# %%
raised = row + 2.0 * (keys == 6).astype("float32")
for name, align in alignments.items():
    after = align(raised, query=query).numpy()[0, 0]
    print(f"{name:17} weight of key 14: before {weights[name][14]:.3f}, after {after[14]:.3f}")

# %% [markdown]
"""
With `sigmoid` key 14 keeps its weight: each key is judged by itself. Softmax takes half of it, and the sparse
alignments all. (For `local_monotonic` key 6 is outside the window, and `hard` gave key 14 nothing before.) One
expects, then, that on images with two objects sigmoid sees both, and softmax has to choose. Is that so?

## Two digits

`digit_pairs` paints two whole handwritten digits of different classes into each image, among fragments of others. A
label has a 1 for each of the two; a mask says for each class where its digit is. A small VGG16 with batch
normalization and two attended layers is trained once with each alignment: from the same initial weights of the
backbone, on the same images. Each class has its own sigmoid output, so that both digits can be predicted at once.
"""

# %%
SIDE, BATCH = 64, 32
COUNT, TESTS, EPOCHS = (64, 40, 1) if SMOKE else (2000, 500, 8)
images, labels, _ = digit_pairs(COUNT, SIDE)
test_images, test_labels, test_masks = digit_pairs(TESTS, SIDE, split="test")
pairs = np.nonzero(test_labels)[1].reshape(-1, 2)  # the classes of the two digits
masks = np.stack([test_masks[np.arange(TESTS), ..., digit] for digit in pairs.T], axis=1).astype("float32")


def train(alignment):
    """A network trained with this alignment, and its figures on the test images."""
    keras.utils.set_random_seed(0)
    backbone = VGG16BN((SIDE, SIDE, 3), width=0.25)
    model = attention_classifier(backbone, 10, alignment=alignment, units=64, activation="sigmoid")
    steps = EPOCHS * -(-COUNT // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps - steps // 10, warmup_target=1e-3, warmup_steps=steps // 10
    )
    area = keras.metrics.AUC(multi_label=True, num_labels=10, name="roc_auc")
    # Compiling a graph takes longer than the two steps of the smoke run.
    model.compile(keras.optimizers.AdamW(rate), "binary_crossentropy", metrics=[area], run_eagerly=SMOKE)
    model.fit(images, labels, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    return model, model.evaluate(test_images, test_labels, verbose=0, return_dict=True)


maps, figures = {}, {}
for name in NAMES:
    model, figures[name] = train(name)
    maps[name] = attention_maps(model, test_images)
    print(f"{name:17} test: mean ROC-AUC {figures[name]['roc_auc']:.3f}, loss {figures[name]['loss']:.3f}", flush=True)

# %% [markdown]
r"""
How is the weight of a map divided? With the map $a$, resized to the image, and the masks $m_1$ and $m_2$ of the two
digits, the energy of each is the share of the weight that is on it, $E_i = \sum a \, m_i / \sum a$. The table has,
for each attended layer, on average over the test images:

- *on digits:* $E_1 + E_2$, beside what equal weights everywhere have;
- *lesser:* $\min(E_1, E_2) / (E_1 + E_2)$, the part of the digit that gets less; at most .5;
- *both seen:* the share of images in which each digit gets at least half of what it would get at an equal division,
  $\min(E_1, E_2) \ge \frac{1}{4} (E_1 + E_2)$.
"""


# %%
def division(weights):
    """The three figures of maps `(n, H, W)`."""
    resized = resize_maps(weights, SIDE)
    energy = np.einsum("nhw,nihw->ni", resized, masks) / resized.sum(axis=(1, 2))[:, None]
    total, lesser = energy.sum(axis=1), energy.min(axis=1)
    seen = (lesser >= total / 4) & (total > 0)
    return total.mean(), (lesser[total > 0] / total[total > 0]).mean(), seen.mean()


layers = list(next(iter(maps.values())))
print(f"{'':17} " + " ".join(f"{layer:^30}" for layer in layers))
print(f"{'alignment':17} " + " ".join(f"{'on digits':>10}{'lesser':>9}{'both seen':>11}" for _ in layers))
equal = {layer: np.ones_like(maps["softmax"][layer]) for layer in layers}
for name, found in {**maps, "equal weights": equal}.items():
    cells = [division(found[layer]) for layer in layers]
    print(f"{name:17} " + " ".join(f"{total:10.3f}{lesser:9.3f}{seen:11.2f}" for total, lesser, seen in cells))

# %%
layer, shown = layers[0], 3
cells = {"images": np.hstack(test_images[:shown])}
for name, found in maps.items():
    strips = found[layer][:shown]
    cells[name] = np.hstack(resize_maps(strips / strips.max(axis=(1, 2), keepdims=True), SIDE))
outlines = np.hstack(masks[:shown].max(axis=1))
rows = -(-len(cells) // columns)
figure, panels = plt.subplots(rows, columns, figsize=(8.4, 1.25 * rows), layout="constrained")
for panel, (name, picture) in zip(panels.flat, cells.items(), strict=False):
    colours = panel.imshow(picture, vmin=0, vmax=None if name == "images" else 1)
    panel.contour(outlines, levels=[0.5], colors="white", linewidths=0.8)
    panel.set_title(name)
for panel in panels.flat:
    panel.axis("off")
figure.colorbar(colours, ax=panels, label="weight / largest weight", shrink=0.8)
figure.savefig(FOLDER / "03-maps.png", dpi=110)

# %% [markdown]
"""
The expectation is half right. With softmax about three quarters of the weight of `block3_pool` are on the digits, which
cover .22 of the image, but in most images on one of them: both are seen in about a fifth. The sparse alignments are
alike, and `hard`, which has one place, can only choose. In `block4_pool` no alignment that sums to 1 sees both in half
of the images. `sigmoid` sees both far more often, but mostly because it does not choose at all: in `block3_pool` less
than a third of the weight is on the digits, and in `block4_pool` as much as equal weights would put there. Nothing in
the loss forces a gate to close.

Compare the ROC-AUC: a map that sees one digit does not keep the network from naming both. Beside the contexts the
classifier gets the average of `block5_pool`, to which both digits contribute. `softmax`, `sigmoid`, `entmax` and the
local alignments come to about .98 or .99, `reinforced` to .96, and `hard` and `sparsemax` to about .93 after the same
number of steps. `hard` and `reinforced` sample, and a draw has no derivative: its substitute is noisier, or not exact.
`sparsemax` does not sample; the cause may be keys of weight 0, which pass no gradient, but that is not measured here.

`local_monotonic` may look anywhere in `block4_pool`, which has 4 × 4 places, and at all but one row and one column of
the 8 × 8 of `block3_pool`: its window of 7 is in the middle, since one map serves the whole image. It is made for
sequences of queries, each with its own place.

These are the figures of one training each, on 2,000 images. A second seed, tried for softmax and sigmoid, moved
them but gave the same picture. Chapter 5 shows how to compare with intervals, and chapter 9 gives each class its own
map, so that no digit has to share.

## What to take from this

Softmax shares weight out and is never 0; `sparsemax` and `entmax` share it out among few; `sigmoid` judges each place
by itself, and may let all of them through; `hard` and `reinforced` draw. Which alignment suits depends on the task, and
what one expects of it should be measured: here the alignment that could see both objects did so by looking nearly
everywhere. Now attention joins a real network: go on with `04_attention_on_vgg16_bn.py`.
"""

# %% [markdown]
r"""
# Attention on a VGG16-BN

*Shows:* the network piece by piece, with the shape of every tensor; then the same as one call, trained by ordinary
`fit`, with its maps before training and after each epoch.
*Takes:* about a minute and a half on two cores; with `--smoke` under half a minute, on fewer images.
*Reaches:* a test accuracy of about .94, and a map of `block4_pool` that points at the digit in about 64 % of the test
images, where chance is 22 %.
"""

# %%
import logging
import pathlib
import sys

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import ops

from keras_attention import VGG16BN, SpatialAttention, attention_classifier
from keras_attention.data import load
from keras_attention.maps import AttentionMaps, pointing_game, resize_maps

SMOKE = "--smoke" in sys.argv
EPOCHS = 2 if SMOKE else 6
ATTENDED = ("block3_pool", "block4_pool")
FOLDER = pathlib.Path("runs/tutorial")
FOLDER.mkdir(parents=True, exist_ok=True)
for name in ("absl", "tensorflow"):  # their notes on data sets and compilation say nothing about what is shown here
    logging.getLogger(name).setLevel(logging.ERROR)
keras.utils.set_random_seed(0)

# %% [markdown]
"""
## The images

`cluttered_digits` is the data set that comes with the package: one whole handwritten digit in each image, among
fragments of others. The label is the digit. The mask says where it is; it is not used for training here, but it lets
you measure whether a map points at the right place. The first 250 test images are kept aside for that.
"""

# %%
data = load("cluttered_digits", count=300 if SMOKE else 3000)
batch = next(data.batches("test", 250, with_masks=True).as_numpy_iterator())
images, labels, masks = batch["images"], batch["labels"], batch["masks"]
print(f"images {images.shape}, values {images.min():.0f} to {images.max():.0f}")
print(f"labels {labels.shape}, masks {masks.shape}")

# %% [markdown]
"""
## The backbone

VGG16 is five blocks of convolutions. At the end of each a pooling halves height and width, so that an image of 64
pixels leaves the third block as a map of 8 × 8 positions, the fourth as 4 × 4, and the fifth as 2 × 2. At each position
it has a vector, the features of the part of the image that the position sees. `width=0.25` gives the network a quarter
of the filters of the original, which is enough for digits and fast on a laptop.

The roles in the attention are these:

- `block3_pool` and `block4_pool` are attended. The vectors at their positions are keys and values at once.
- `block5_pool` is the query. Its positions see the largest part of the image, so it knows best what the image shows,
  but hardly where.

The next cell builds the backbone and looks at these three maps for four images.
"""

# %%
backbone = VGG16BN((64, 64, 3), width=0.25)
maps_of = keras.Model(backbone.input, [backbone.get_layer(name).output for name in (*ATTENDED, "block5_pool")])
pool3, pool4, pool5 = maps_of(images[:4])
for name, tensor in {"pool3": pool3, "pool4": pool4, "pool5": pool5}.items():
    print(f"{name}: {tuple(tensor.shape)}  (images, height, width, features)")

# %% [markdown]
r"""
## One attention layer, step by step

Take `pool3` as keys and values: $n = 8 \cdot 8 = 64$ positions with 64 features each. The query is a map too, of 2 × 2
positions with 128 features, so two things have to be brought together before anything can be compared: the number of
features and the number of positions.

1. *Projection.* Query and keys are each multiplied by a learned matrix, which gives both 32 features:
   $W_1 q$ and $W_2 k_l$. At every position this is the same matrix, so it is a convolution of 1 × 1.
2. *Resize.* The projected query is enlarged from 2 × 2 to 8 × 8 by bilinear interpolation. Now every key has a query at
   its place.
3. *Score.* Additive: $e_l = w^\top \tanh(W_1 q_l + W_2 k_l + b)$, one number for each position.
4. *Alignment.* Softmax over the 64 positions: $a_l = e^{e_l} / \sum_j e^{e_j}$. This is the attention map.
5. *Context.* $c = \sum_l a_l v_l$, one vector with the 64 features of `pool3`.

The layer `SpatialAttention` does all of it. Here its score is taken out of it, and each step is done by hand, to show
the shapes.
"""

# %%
layer = SpatialAttention("additive", "softmax", units=32)
context, attention_map = layer(pool5, pool3, return_attention_scores=True)

query, keys = layer.score.project_query(pool5), layer.score.project_key(pool3)
print(f"1. projected query {tuple(query.shape)}, projected keys {tuple(keys.shape)}")
query = ops.image.resize(query, (8, 8), interpolation="bilinear")
print(f"2. resized query {tuple(query.shape)}")
scores = layer.score.pair(query, keys)
print(f"3. scores {tuple(scores.shape)}")
weights = ops.reshape(ops.softmax(ops.reshape(scores, (4, 64))), (4, 8, 8))
print(f"4. map {tuple(weights.shape)}, sums {np.round(ops.sum(weights, axis=(1, 2)), 3)}")
by_hand = ops.sum(weights[..., None] * pool3, axis=(1, 2))
print(f"5. context {tuple(by_hand.shape)}")
print(f"difference to the layer: {np.abs(weights - attention_map).max():.0e}, {np.abs(by_hand - context).max():.0e}")

# %% [markdown]
"""
The last line shows that nothing else happens inside the layer: the two maps and the two contexts differ by rounding
alone.

Why is the query projected first and enlarged afterwards? Both steps are linear, so their order does not change the
result. It does change the cost: a map of 2 × 2 has 4 positions to project, a map of 8 × 8 has 64. The next cell does it
the other way round.
"""

# %%
other_order = layer.score.project_query(ops.image.resize(pool5, (8, 8), interpolation="bilinear"))
print(f"enlarged, then projected: largest difference {np.abs(query - other_order).max():.0e}")

# %% [markdown]
"""
## The head

`pool4` gets its own attention layer, with the same query. An image is then described by three vectors: the average of
`pool5`, and the two contexts. They are concatenated, and one dense layer turns them into ten logits. A plain
VGG of this kind has the average of `pool5` alone.
"""

# %%
context4 = SpatialAttention("additive", "softmax", units=32)(pool5, pool4)
joined = ops.concatenate([ops.mean(pool5, axis=(1, 2)), context, context4], axis=-1)
logits = keras.layers.Dense(10)(joined)
print(f"128 + {context.shape[-1]} + {context4.shape[-1]} = {joined.shape[-1]} features → logits {tuple(logits.shape)}")

# %% [markdown]
"""
## The same in one call

`attention_classifier` builds this network around a backbone, and returns an ordinary functional Keras model. With
`attend=()` it builds the plain one. `units=128` is the number of features in which query and keys are compared.
"""

# %%
plain = attention_classifier(VGG16BN((64, 64, 3), width=0.25), num_classes=10, attend=())
model = attention_classifier(
    backbone, num_classes=10, attend=ATTENDED, query="block5_pool", score="additive", alignment="softmax", units=128
)
print(f"plain: {plain.count_params():,} parameters")
print(f"with attention: {model.count_params():,}")
for name in (*(f"attention_{layer}" for layer in ATTENDED), "logits"):
    print(f"  {name}: {model.get_layer(name).count_params():,}")

# %% [markdown]
"""
The attention adds about 60,000 parameters to about 920,000, a fifteenth. A larger part of what the head sees is new,
though: 320 features instead of 128. Remember this when a network with attention turns out better; the next chapter
comes back to it.

## A callback that collects maps

To show how the maps develop, they are computed before the first epoch and after each one, always for the same test
images. `AttentionMaps` is prepared once for a model, and gives a dictionary: attended layer → its maps.
"""


# %%
class CollectMaps(keras.callbacks.Callback):
    """Keeps the maps of the test images, before training and after each epoch, and prints their pointing game."""

    def on_train_begin(self, logs=None):
        self.maps, self.games, self.attention_maps = [], [], AttentionMaps(self.model)
        self.on_epoch_end(-1)

    def on_epoch_end(self, epoch, logs=None):
        self.maps.append({name: resize_maps(maps, 64) for name, maps in self.attention_maps(images).items()})
        self.games.append({name: pointing_game(maps, masks) for name, maps in self.maps[-1].items()})
        scores = ", ".join(f"{name} {game['score']:.2f}" for name, game in self.games[-1].items())
        print(f"after epoch {epoch + 1}: pointing game {scores} (chance {self.games[-1]['block4_pool']['chance']:.2f})")


# %% [markdown]
"""
The *pointing game* checks for each map whether its largest value is on the digit. Chance is the share of the image that
the mask covers, about .22: a map that prefers no place scores that. Before training the maps are nearly even, but they
do have a largest value, often near the border, where there is no digit; so they score less.

## Training

Nothing here is special: an optimizer with a warm-up and a cosine decay of its rate, cross-entropy, `fit`. The stream of
training batches is endless, so `steps_per_epoch` says where an epoch ends; it is shuffled already.
"""

# %%
steps = data.steps_per_epoch(32)
rate = keras.optimizers.schedules.CosineDecay(
    0.0, EPOCHS * steps - steps // 2, warmup_target=1e-3, warmup_steps=steps // 2
)
model.compile(
    keras.optimizers.AdamW(rate), keras.losses.CategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
)
collected = CollectMaps()
history = model.fit(
    data.training_batches(32),
    steps_per_epoch=steps,
    epochs=EPOCHS,
    validation_data=data.batches("validation", 128),
    shuffle=False,
    callbacks=[collected],
    verbose=2,
)
accuracy = model.evaluate(data.batches("test", 128), verbose=0)[1]
print(f"test accuracy {accuracy:.3f}")

# %% [markdown]
"""
After the first epoch the network is hardly better than guessing, and its maps are worse than chance. During the second
epoch both change at once. Validation accuracy rises to about .67, and the map of `block4_pool` points at the digit in
about two thirds of the images. From then on the two differ: accuracy rises to about .95, the pointing game stays about
where it is, at .64 for `block4_pool` and between .4 and .5 for `block3_pool`. The test accuracy is about .94. These are
the figures of one training. With another seed they differ, those of the maps far more than the accuracy, as chapter 5
shows.

## The maps, epoch by epoch

Rows are test images, columns are moments of the training. The white line is the edge of the mask. All maps have
one colour scale, in multiples of the even weight 1/16: at 1 a position gets what it would get if all got the same,
at 16 it gets everything.
"""

# %%
SHOWN = 5
scale = {"cmap": "inferno", "vmin": 0, "vmax": 16}
figure, cells = plt.subplots(SHOWN, 2 + EPOCHS, figsize=(1.2 * (2 + EPOCHS), 6.6), layout="constrained", squeeze=False)
for row, axes in enumerate(cells):
    axes[0].imshow(images[row].astype("uint8"))
    axes[0].set_ylabel(f"digit {labels[row].argmax()}", fontsize=11)
    for column, maps in enumerate(collected.maps, start=1):
        drawn = axes[column].imshow(16 * maps["block4_pool"][row], **scale)
        axes[column].contour(masks[row, ..., 0] > 0, levels=[0.5], colors="white", linewidths=0.8)
for axes, title in zip(cells[0], ["image", "before", *(f"epoch {1 + epoch}" for epoch in range(EPOCHS))], strict=True):
    axes.set_title(title, fontsize=11)
for axes in cells.flat:
    axes.set(xticks=[], yticks=[])
figure.colorbar(drawn, ax=cells, location="bottom", label="block4_pool: weight / even weight", shrink=0.5, aspect=40)
figure.savefig(FOLDER / "04-maps.png", dpi=110)

# %% [markdown]
"""
Before training the maps are nearly even. After the second epoch almost all of the weight is on one or two of the 16
positions, and there it stays. The preferred position is often at the edge of the digit. One position of `block4_pool`
covers 16 × 16 pixels, and sees many more around them, so it can detect the digit without being in its middle. A map can
therefore be useful and lose the pointing game.

## Accuracy and pointing, side by side

The same training as two curves: how often the network is right on the validation images, and how often the map of each
attended layer points at the digit.
"""

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained", sharex=True)
epochs = range(1, EPOCHS + 1)
left.plot(epochs, history.history["accuracy"], marker="o", label="training")
left.plot(epochs, history.history["val_accuracy"], marker="o", label="validation")
left.set(xlabel="epoch", ylabel="accuracy", ylim=(0, 1))
for name in ATTENDED:
    right.plot([game[name]["score"] for game in collected.games], marker="o", label=name)
right.axhline(collected.games[0][ATTENDED[0]]["chance"], color="grey", linestyle="--", label="chance")
right.set(xlabel="epoch (0: before training)", ylabel="pointing game", ylim=(0, 1))
for axes in (left, right):
    axes.set_xticks(range(EPOCHS + 1))
    axes.legend()
    axes.grid(alpha=0.3)
figure.savefig(FOLDER / "04-curves.png", dpi=110)

# %% [markdown]
"""
## What to take from this

The attention of this network is five steps: project query and keys, resize the query, score, align, average. The layer
does them in one call, and the classifier around it is an ordinary Keras model that `fit` trains from labels alone. The
maps develop with the accuracy, although no training signal says where the digit is. They stop improving long before the
accuracy does, and nothing here shows whether the network needs them for that accuracy.

Next: `05_does_it_help.py`.
"""

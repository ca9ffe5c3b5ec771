# %% [markdown]
"""
# What attention is

*Shows:* query, keys, values, score, alignment and context on twelve small vectors, by hand in NumPy and then with the
layers of this package, and how a query is learned.
*Takes:* about twenty seconds on two cores, with and without `--smoke`.
*Reaches:* what is computed by hand and what the layers give differ by less than 1e-6.
"""

# %%
import pathlib
import sys

import keras
import matplotlib.pyplot as plt
import numpy as np

from keras_attention.layers import ALIGNMENTS, SCORES, Attention, LearnedQueries, SpatialAttention

SMOKE = "--smoke" in sys.argv
FOLDER = pathlib.Path("runs/tutorial")
FOLDER.mkdir(parents=True, exist_ok=True)
keras.utils.set_random_seed(0)

# %% [markdown]
"""
## Twelve places

A convolutional network turns an image into a *feature map*: a grid of places, each described by a vector. Then most
classifiers average the vectors over all places and put a dense layer on the average. The object may cover two places
of twelve; the average gives it two twelfths of the say, and the background the rest.

The cell below makes a feature map by hand. The image is cut into 3 × 4 places, and two numbers describe each: how
round and how red it is there, counted from the middle of the scale. A red ball covers two places in the
middle. At the upper right is a red sign, which is not round; at the lower left a wheel, which is not red. The rest is
grass, neither round nor red.
"""

# %%
features = np.array(
    [
        [[-1.0, -0.8], [-0.7, -1.1], [-0.9, -0.6], [-0.6, 1.2]],
        [[-1.2, -0.9], [1.3, 1.1], [1.1, 1.4], [-0.8, -1.0]],
        [[1.2, -0.7], [-0.5, -0.7], [-1.1, -0.5], [-0.9, -1.2]],
    ],
    "float32",
)
height, width, channels = features.shape
keys = features.reshape(-1, channels)
print(f"{height} × {width} places, {channels} features: {len(keys)} keys of dimension {channels}")
print("the average of all places:", keys.mean(axis=0).round(2))

# %% [markdown]
r"""
The average is about (−.34, −.32): neither round nor red. The ball has drowned in the grass.

## Query, score, alignment, context

Attention replaces the average by a weighted one, and a *query* decides on the weights. It takes three steps. With the
query $q$, the key $k_l$ and the value $v_l$ of the place $l = 1 \dots n$:

$$e_l = \mathrm{score}(q, k_l), \qquad a = \mathrm{align}(e), \qquad c = \sum_{l=1}^{n} a_l v_l$$

- The *score* says how well each key answers the query. Here it is the dot product, $e_l = q^\top k_l$: large where key
  and query point the same way.
- The *alignment* turns the scores into *weights*. Here it is softmax, $a_l = \exp(e_l) / \sum_j \exp(e_j)$: all weights
  are above 0, and they sum to 1.
- The *context* is the mean of the values, weighted by $a$. Keys say where to look; values are what is taken from
  there. Here, as in most networks for images, both are the features.

The query (1, 1) looks for what is round and red. In NumPy the three steps are three lines.
"""

# %%
query, values = np.array([1.0, 1.0], "float32"), keys

scores = keys @ query
weights = np.exp(scores) / np.exp(scores).sum()
context = weights @ values

print("scores\n", scores.reshape(height, width).round(2))
print("weights, which sum to", weights.sum().round(4), "\n", weights.reshape(height, width).round(3))
print("context:", context.round(2))

# %% [markdown]
"""
The two places of the ball have the weights .392 and .433. The sign and the wheel, which match half of the query, get
about .06 each; each place of grass gets about .01 or less. The context, about (.97, 1.03), describes the ball.

## The same with layers

In this package each of the three steps is a Keras layer. `SCORES` and `ALIGNMENTS` list them by name, and `Attention`
joins any score with any alignment. All work on batches, and on several queries at once: a query has the shape
`(batch, queries, dimension)`, keys and values have `(batch, keys, dimension)`, and scores and weights
`(batch, queries, keys)`. `[None]` adds the axes that are missing here.

`same` asserts that two results agree, and keeps the largest difference that it saw.
"""

# %%
differences = []


def same(by_hand, layers):
    """Asserts that what is computed by hand and what layers give agree to 1e-6."""
    np.testing.assert_allclose(by_hand, layers, rtol=0, atol=1e-6)
    differences.append(np.abs(by_hand - np.asarray(layers)).max())


layer_scores = SCORES["dot"]()(query[None, None], keys[None])
layer_weights = ALIGNMENTS["softmax"]()(layer_scores)
same(scores, layer_scores[0, 0])
same(weights, layer_weights[0, 0])

attention = Attention(score="dot", alignment="softmax")
layer_context, layer_weights = attention(query[None, None], values[None], keys[None], return_attention_scores=True)
same(weights, layer_weights[0, 0])
same(context, layer_context[0, 0])
print("scores", tuple(layer_scores.shape), "weights", tuple(layer_weights.shape), "context", tuple(layer_context.shape))
print(f"largest difference so far: {max(differences):.1e}")

# %% [markdown]
"""
## Other queries, other contexts

The features stay the same; the result depends on the query. The next cell passes three queries at once: for what is
round and red, for what is red and not round, and for nothing at all. The picture shows the keys as points, larger
and brighter where the weight is larger, the query as an arrow, and the context as a star. The cross is the plain
average.
"""

# %%
questions = {"round and red": (1.0, 1.0), "red, not round": (-1.5, 1.5), "nothing": (0.0, 0.0)}
queries = np.array(list(questions.values()), "float32")
contexts, rows = (part[0].numpy() for part in attention(queries[None], keys[None], return_attention_scores=True))
for name, one, row in zip(questions, contexts, rows, strict=True):
    print(f"{name:15} context {one.round(2)}, largest weight {row.max():.3f} at place {row.argmax()}")

figure, panels = plt.subplots(1, 3, figsize=(9, 3.7), sharex=True, sharey=True, layout="constrained")
for panel, name, arrow, one, row in zip(panels, questions, queries, contexts, rows, strict=True):
    points = panel.scatter(*keys.T, s=30 + 500 * row, c=row, vmin=0, vmax=0.6, edgecolors="black", linewidths=0.6)
    if arrow.any():
        panel.quiver(0, 0, *arrow, angles="xy", scale_units="xy", scale=1, color="tab:red", width=0.015)
    panel.plot([], [], color="tab:red", label="query")
    panel.plot(*keys.mean(axis=0), "x", color="black", markersize=9, markeredgewidth=2, label="average", linestyle="")
    panel.plot(*one, "*", color="tab:orange", markersize=15, markeredgecolor="black", label="context", linestyle="")
    panel.set(title=f"asked for: {name}", xlabel="how round", xlim=(-1.9, 1.9), ylim=(-1.9, 1.9), aspect="equal")
panels[0].set_ylabel("how red")
figure.colorbar(points, ax=panels, label="weight", shrink=0.75)
figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
figure.savefig(FOLDER / "01-queries.png", dpi=110)

# %% [markdown]
"""
The query for what is red and not round finds the sign, with a weight of .55, and the context moves towards it. The
query of zeros scores every key 0, so each gets 1/12, and the context is the average: average pooling is attention
with a query of zeros.

## Keys and values may differ

Nothing forces the values to be the keys. Below the keys stay the features, but the value of a place is its row and its
column. The context is then the place itself, averaged: attention tells *where* the answer is.
"""

# %%
positions = np.indices((height, width), "float32").reshape(2, -1).T
place = Attention("dot", "softmax")(query[None, None], positions[None], keys[None])
same(weights @ positions, place[0, 0])
print("the ball lies at row 1, columns 1 and 2; the context is", place[0, 0].numpy().round(2))

# %% [markdown]
"""
## Over a feature map

In an image classifier keys and values are a feature map `(batch, height, width, channels)`. `SpatialAttention` takes
it as it is, and a query `(batch, dimension)`. What it does is what you have seen: it flattens the places, scores,
aligns, and averages. Then it gives the weights the shape of the map. This *attention map* can be laid over the image,
and shows where the network looks.
"""

# %%
spatial = SpatialAttention(score="dot", alignment="softmax")
map_context, attention_map = spatial(query[None], features[None], return_attention_scores=True)
same(context, map_context[0])
same(weights.reshape(height, width), attention_map[0])
print("context", tuple(map_context.shape), "map", tuple(attention_map.shape))
print(f"by hand and by layers differ by at most {max(differences):.1e}")

figure, panels = plt.subplots(1, 3, figsize=(9, 2.5), layout="constrained")
pictures = {"how round": features[..., 0], "how red": features[..., 1], "attention map": attention_map[0].numpy()}
for panel, (name, picture) in zip(panels, pictures.items(), strict=True):
    image = panel.imshow(picture, cmap="viridis" if name == "attention map" else "cividis")
    middle = (picture.max() + picture.min()) / 2
    for (row, column), number in np.ndenumerate(picture):
        panel.text(
            column, row, f"{number:.2f}", ha="center", va="center", color="white" if number < middle else "black"
        )
    panel.set(title=name, xlabel="column", ylabel="row", xticks=range(width), yticks=range(height))
    figure.colorbar(image, ax=panel, shrink=0.7)
figure.savefig(FOLDER / "01-map.png", dpi=110)

# %% [markdown]
"""
## The query is learned

So far you chose the query. In a network it is computed from the image, or it is a weight; either way it is trained as
everything else is, by the gradient of the loss. All three steps can be differentiated.

The next cell makes 2,000 examples of twelve places, each described by three numbers. The first is about 1 at one
place, the *object*, and about 0 elsewhere. The second is noise. The third is about +1 or −1, and its sign at the object
is the label. The query comes from `LearnedQueries(1)`: one vector, the same for all examples, which is learned. Nobody
tells the network what the numbers mean. It is trained in two forms, with three seeds each, and looks at 500 others:

- *keys apart:* the first two numbers are the key, the third is the value;
- *keys are values:* all three numbers are key and value, as in a feature map.
"""

# %%
count, places = 2000, height * width
draw = np.random.default_rng(0)
signs = draw.choice([-1.0, 1.0], (count, places))
objects = draw.integers(places, size=count)
described = np.stack([np.eye(places)[objects], np.zeros((count, places)), signs], axis=-1)
examples = (described + draw.normal(0, [0.1, 1.0, 0.1], described.shape)).astype("float32")
labels = (signs[np.arange(count), objects] > 0).astype("float32")


def train(keys, values, seed):
    """Trains a network that attends, and prints what it learned."""
    keras.utils.set_random_seed(seed)
    question = LearnedQueries(1, name="question")(keys)
    context, weights = Attention("dot", "softmax")(question, values, keys, return_attention_scores=True)
    logit = keras.layers.Dense(1)(keras.layers.Flatten()(context))
    network = keras.Model(inputs, {"logit": logit, "weights": weights})
    network.compile(keras.optimizers.Adam(0.05), {"logit": keras.losses.BinaryCrossentropy(from_logits=True)})
    network.fit(examples[:1500], {"logit": labels[:1500]}, epochs=3 if SMOKE else 10, batch_size=50, verbose=0)
    found = network.predict(examples[1500:], verbose=0)
    right = (found["logit"][:, 0] > 0) == labels[1500:]
    on_object = found["weights"][np.arange(500), 0, objects[1500:]]
    learned = network.get_layer("question").get_weights()[0][0].round(1)
    print(f"  accuracy {right.mean():.3f}, weight on the object {on_object.mean():.2f}, learned query {learned}")


averages = examples[1500:, :, 2].mean(axis=1)
print(f"sign of the average: accuracy {((averages > 0) == labels[1500:]).mean():.3f}")
inputs = keras.Input((places, 3))
for name, keys, values in (("keys apart", inputs[..., :2], inputs[..., 2:]), ("keys are values", inputs, inputs)):
    print(name)
    for seed in range(3):
        train(keys, values, seed)

# %% [markdown]
"""
The sign of the average is right in about .6 of the examples, since the object is one place of twelve; attention reaches
1.0. With the keys apart, the learned query is about (5, 0): from labels that never say so, the network has found that
the first number tells where to look, and more than .9 of the weight is on the object.

If the keys are the values too, some seeds find the same, and others a query like (5, 0, 5), which looks for the object
and for a positive sign. Less than half of the weight is then on the object, and the accuracy is still 1.0. Training
makes the weights useful for the loss, and nothing else. Whether a map points at the object is another question, which
chapter 6 measures. And this task was made to need attention: whether attention helps a classifier of images has to be
measured too, in chapter 5.

## What to take from this

Attention is a weighted mean whose weights depend on a query. A score compares the query with each key, an alignment
turns the scores into weights, and the context is the mean of the values with these weights. Over a feature map the
weights are a map of where the network looks. There is more than one way to score and to align: go on with
`02_score_functions.py`.
"""

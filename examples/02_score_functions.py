# %% [markdown]
"""
# Score functions

*Shows:* what each score of the package calls similar, what it costs, and why the dot product is divided by √d.
*Takes:* about twenty-five seconds on two cores; with `--smoke` about fifteen, with fewer repetitions.
*Reaches:* at 1,024 dimensions the largest softmax weight of 49 keys is 1.00 by `dot` and about .11 by `scaled_dot`.
"""

# %%
import itertools
import pathlib
import sys
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from scipy.special import entr, softmax

from keras_attention.layers import SCORES

SMOKE = "--smoke" in sys.argv
FOLDER = pathlib.Path("runs/tutorial")
FOLDER.mkdir(parents=True, exist_ok=True)

# %% [markdown]
r"""
A score compares a query $q$ with a key $k$, and gives one number $e$. Everything that follows depends on the scores
alone: a key gets weight because its score is larger than that of others. This chapter looks at all scores of the
package. The registry `SCORES` names them, and a score that you register yourself (chapter 8) joins all that follows.

| score | $e$ | learned | dimensions |
|---|---|---|---|
| `additive` | $w^\top \tanh(W_1 q + W_2 k + b)$ | $w, W_1, W_2, b$ | any two |
| `concat` | $w^\top \tanh(W [q; k] + b)$ | $w, W, b$ | any two |
| `dot` | $q^\top k$ | | the same |
| `scaled_dot` | $q^\top k / \sqrt{d}$ | | the same |
| `general` | $k^\top W q$ | $W$ | any two |
| `biased_general` | $k^\top (W q + b)$ | $W, b$ | any two |
| `activated_general` | $\tanh(k^\top W q + b)$ | $W, b$ | any two |
| `euclidean` | $-\lVert q - k \rVert$ | | the same |
| `cosine` | $s \, q^\top k \, / \, (\lVert q \rVert \lVert k \rVert)$ | $s$, if asked for | the same |

`additive` and `concat` are small networks with a hidden layer, and with $W = [W_1 \; W_2]$ they are the same function:
they differ in how the weight is initialized and regularized. `dot` and its relatives are products. `euclidean` and
`cosine` are similarities in the everyday sense.

## What each calls similar

The next cell fixes one query, the arrow, and colours every key of the plane by its score: bright is similar. Learned
scores have their random initial weights. Each panel has its own colour scale, because only the
differences within one row of scores matter to softmax.
"""

# %%
keras.utils.set_random_seed(1)
query = np.array([1.0, 0.6], "float32")
side = np.linspace(-2, 2, 81, dtype="float32")
plane = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)

columns = 3
rows = -(-len(SCORES) // columns)
figure, panels = plt.subplots(rows, columns, figsize=(8.4, 2.6 * rows), sharex=True, sharey=True, layout="constrained")
for panel, (name, score) in zip(panels.flat, SCORES.items(), strict=False):
    table = score()(query[None, None], plane[None])
    field = panel.contourf(side, side, np.reshape(table, (len(side), len(side))), levels=16)
    panel.quiver(0, 0, *query, angles="xy", scale_units="xy", scale=1, color="white", width=0.02, ec="black", lw=0.7)
    panel.set(title=name, aspect="equal")
    figure.colorbar(field, ax=panel, ticks=plt.MaxNLocator(4), shrink=0.85)
for panel in panels.flat[len(SCORES) :]:
    panel.remove()
figure.supxlabel("first number of the key")
figure.supylabel("second number of the key")
figure.savefig(FOLDER / "02-fields.png", dpi=110)
print("drawn:", ", ".join(SCORES))

# %% [markdown]
"""
Read the panels by the direction in which a score grows. `dot` and `scaled_dot` grow along the query without end: a long
key beats a near one. The `general` scores do so too, along a direction that depends on the query and on the random
matrix; `activated_general` stops at 1. For `cosine` only the angle counts, and for `euclidean` only the distance, so
that the query itself is the best key. `additive` and `concat` are bounded, and prefer some direction that need not be
the query's: what counts as similar is learned in training.

## What they cost

The next cell counts parameters and measures the time for 784 keys (a map of 28 × 28) of 256 dimensions: once for one
query, as in a classifier, and once for 784 queries, as in self-attention. `additive` and `concat` have 256 hidden
units. Timings are noisy, and other programs disturb them; so each score is timed in turn with `dot`, several times, and
what is printed is the ratio of the medians. Expect it to differ from run to run, by a fifth or more.
"""

# %%
DIMENSION, KEYS = 256, 784
draw = np.random.default_rng(0)
keys = tf.constant(draw.normal(size=(1, KEYS, DIMENSION)), "float32")


def seconds(function, *tensors):
    """The time of one call."""
    start = time.perf_counter()
    function(*tensors)
    return time.perf_counter() - start


def cost(score, queries, repetitions):
    """The median time of a score, over that of `dot`, which is timed in turn with it."""
    functions = tf.function(score), tf.function(SCORES["dot"]())
    times = [[seconds(function, keys[:, :queries], keys) for function in functions] for _ in range(repetitions + 2)]
    ours, dots = np.median(times[2:], axis=0)  # the first calls compile
    return ours / dots


print(f"{'score':18} {'parameters':>10} {'1 query, / dot':>16} {'784 queries, / dot':>20}")
for name, score in SCORES.items():
    layer = score()
    one, many = cost(layer, 1, 10 if SMOKE else 100), cost(layer, KEYS, 3 if SMOKE else 11)
    print(f"{name:18} {layer.count_params():10,} {one:16.1f} {many:20.1f}")

# %% [markdown]
r"""
For one query no score takes more than about three times as long as `dot`. For self-attention `additive`
and `concat` are some tens of times as slow: for each of the 784 × 784 pairs they compute 256 hidden units, a tanh each,
where `dot` multiplies and adds. A classifier has one query for each place, or one for all. The largest cost is then
to project the keys, 784 · 256 · 256 or 51 million multiply-adds, where VGG16 takes about 15 billion for an image.

## Why √d

Let the entries of $q$ and $k$ be independent, with mean 0 and variance 1. Each product $q_i k_i$ then has variance 1
too, and the dot product sums $d$ of them:

$$\mathrm{Var}(q^\top k) = \sum_{i=1}^{d} \mathrm{Var}(q_i k_i) = d, \qquad \mathrm{Var}(q^\top k / \sqrt{d}) = 1$$

So at 1,024 dimensions the dot products of random vectors differ by about 32, and exp(32) is about 8 · 10¹³: one key
takes all of the weight. And what is certain does not learn. The derivative of softmax is

$$\frac{\partial a_i}{\partial e_j} = a_i (\delta_{ij} - a_j)$$

where $\delta_{ij}$ is 1 for $i = j$ and else 0. It vanishes where one weight is 1 and the others are 0, and with it the
gradient that reaches query and keys.

The next cell measures this. For d from 4 to 1,024 it draws a query and 49 keys (a map of 7 × 7) of unit variance, many
times, and takes all scores, learned ones as they are at their start. It computes the variance of the scores; of the
softmax weights the largest one and the entropy, divided by that of equal weights; and the norm of the matrix of
derivatives. All figures are medians over the draws, but the variance is that of all scores together.
"""

# %%
DIMENSIONS = 4 ** np.arange(1, 6)
PLACES, DRAWS = 49, 50 if SMOKE else 300
MEASURES = ("variance of the scores", "largest weight", "entropy / log 49", "norm of the derivative")


def measure(score, dimension):
    """The four figures of `MEASURES` of a new score of this name."""
    draw = np.random.default_rng(dimension)  # the same vectors for all scores
    query, keys = (draw.normal(size=(DRAWS, n, dimension)).astype("float32") for n in (1, PLACES))
    scores = score(query, keys).numpy()[:, 0].astype("float64")
    weights = softmax(scores, axis=-1)
    entropy = entr(weights).sum(axis=-1) / np.log(PLACES)
    derivative = weights[:, :, None] * (np.eye(PLACES) - weights[:, None, :])
    norm = np.linalg.norm(derivative, axis=(1, 2))
    return scores.var(), *(np.median(figure) for figure in (weights.max(axis=-1), entropy, norm))


keras.utils.set_random_seed(0)
curves = {name: np.array([measure(score(), d) for d in DIMENSIONS]) for name, score in SCORES.items()}
few, many = DIMENSIONS[[0, -1]]
print(f"{f'at {few} and at {many:,} dimensions':32}" + "".join(f"{what:>24}" for what in MEASURES))
for name, curve in curves.items():
    print(f"{name:32}" + "".join(f"{f'{first:.2g} and {last:.2g}':>24}" for first, last in curve[[0, -1]].T))
np.testing.assert_allclose(curves["dot"][:, 0] / DIMENSIONS, 1, atol=0.2)
np.testing.assert_allclose(curves["scaled_dot"][:, 0], 1, atol=0.2)

# %%
figure, panels = plt.subplots(2, 2, figsize=(8.4, 6.4), sharex=True, layout="constrained")
for number, (panel, what) in enumerate(zip(panels.flat, MEASURES, strict=True)):
    for (name, curve), style in zip(curves.items(), itertools.cycle(["-", "--", ":"])):
        panel.plot(DIMENSIONS, curve[:, number], style, marker="o", markersize=3, label=name)
    panel.set(ylabel=what, xscale="log", yscale="log" if number in (0, 3) else "linear", xticks=DIMENSIONS)
    panel.set_xticks(DIMENSIONS, DIMENSIONS)
    panel.minorticks_off()
for panel in panels[1]:
    panel.set_xlabel("dimension of query and keys")
figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
figure.savefig(FOLDER / "02-dimension.png", dpi=110)

# %% [markdown]
r"""
The variance of `dot` is d, as computed. At 1,024 dimensions its largest weight is 1.00 and the norm of the derivative
.0003: of 49 places it sees one, and nothing tells it to look elsewhere. `scaled_dot` stays level, with a largest weight
of about .11 and a norm of .20. `general` and its kin stay level too, because their random matrices are drawn so that
scores begin at unit variance; drawn as Keras draws kernels (`kernel_initializer="glorot_uniform"`), they would keep the
variance of the query and grow as `dot` does. `cosine` would fail the other way: directions of random vectors become
orthogonal, so that their products approach 0 and all weights 1/49. This is why it has a temperature $s$, which is
$\sqrt{d}$ unless another is given, and can be learned (`CosineScore(learned=True)`). The others stay within bounds.

These are random vectors and untrained weights: training may shrink what is too large. That the problem is real in
trained networks is a published result, not one of ours. Britz et al. (*Massive Exploration of Neural Machine
Translation Architectures*, EMNLP 2017, arXiv 1703.03906) trained translators with attention of several dimensions,
and report these BLEU scores, higher being better; without attention they report 9.98:

| dimension | 128 | 256 | 512 | 1,024 |
|---|---|---|---|---|
| multiplicative, not scaled | 22.03 | 22.33 | 21.78 | 18.22 |
| additive | 22.23 | 22.33 | 22.47 | 22.10 |

In `SpatialAttention` and `attention_classifier`, `units=` is the dimension in which query and keys are compared.

## What to take from this

Scores differ in what they call similar, in whether they learn it, and in what they cost. If the dimension is large,
divide by its root, or take a score that is bounded. `additive` is the default of this package: it takes query and keys
of any dimensions, and for one query it is cheap. How scores become weights is a separate choice: go on with
`03_alignment_functions.py`.
"""

# %% [markdown]
r"""
# Does it help?

*Shows:* a comparison of networks with and without attention over several seeds, how to read its verdict, and what a
single lucky run would have claimed.
*Takes:* about nine minutes on two cores; with `--smoke` under a minute, on few small images. A second run finds the
trained networks in the folder of the first and takes seconds.
*Reaches:* TODO
"""

# %%
import logging
import pathlib
import sys

import matplotlib.pyplot as plt
import numpy as np

from keras_attention import TrainConfig, compare

SMOKE = "--smoke" in sys.argv
FOLDER = pathlib.Path("runs/tutorial")
FOLDER.mkdir(parents=True, exist_ok=True)
for name in ("absl", "tensorflow"):  # their notes on data sets and compilation say nothing about what is shown here
    logging.getLogger(name).setLevel(logging.ERROR)

# %% [markdown]
"""
## The question

The network of chapter 4 reached a good accuracy. Would it have reached the same without attention? To train one network
with attention and one without, and to take the better one, does not answer that. Two trainings of the *same* network
differ too: the initial weights are random, and so is the order of the images. And the test images are a sample; on
others, both would have scored a little differently. A difference counts only where it is larger than what these two
kinds of chance make.

So each network is trained several times, with several *seeds*, and three networks are compared:

- `plain`: the backbone, the average of its last map, a dense layer. No attention.
- `multiscale`: the network with attention in which each context, a weighted average of a feature map, is replaced by
  the plain average of the same map. The head sees as many features, from the same blocks, but nothing is attended.
- `additive+softmax`: the network of chapter 4.

## The comparison

`compare` trains them under equal conditions. A seed gives all three the same initial backbone and the same order of
images, so that runs of one seed are a pair, and their difference is free of part of the chance. The settings that all
share are in a `TrainConfig`; `costs=False` leaves out the measurement of time and memory.

Everything is kept in a folder. If you interrupt this cell, the next start goes on where it stopped.
"""

# %%
RUN = FOLDER / ("05-smoke" if SMOKE else "05-comparison")
ATTENTION, REFERENCES, SEEDS = "additive+softmax", ("plain", "multiscale"), 2 if SMOKE else 4
config = TrainConfig(data_options={"count": 3000}, epochs=5, learning_rate=1e-3)
if SMOKE:
    config = TrainConfig(data_options={"count": 120}, image_size=32, width=0.05, units=16, epochs=1)
comparison = compare(
    config,
    [*REFERENCES, ATTENTION],
    seeds=SEEDS,
    run=RUN,
    costs=False,
    resume=(RUN / "comparison.json").exists(),
)

# %% [markdown]
"""
## The verdict

The answer in words follows from the figures by fixed rules, which `summary["rules"]` states. The first sentence is the
answer; it is one of *helps*, *hurts* and *no evidence*, against each of the two references.
"""

# %%
summary = comparison.summary
print(comparison.verdict)
print()
print(summary["rules"])

# %% [markdown]
"""
TODO

"No evidence" does not say that there is no effect. It says that an effect, if there is one, is too small for these
seeds and these test images.

## The figures behind it

`comparison.summary` is the content of `summary.json`: plain dictionaries. For each variant it has the figures of each
run, their mean, and the differences to the references. First the test accuracy of every run.
"""

# %%
variants = {variant["name"]: variant for variant in summary["variants"]}
accuracies = {name: np.array([run["accuracy"] for run in variant["runs"]]) for name, variant in variants.items()}
print(f"{summary['images']} test images, seeds {summary['seeds']}")
for name, values in accuracies.items():
    print(f"{name:18}" + "  ".join(f"{value:.3f}" for value in values) + f"   mean {values.mean():.3f}")

# %% [markdown]
"""
Read a row, and you see what the seed alone does to one and the same network. Then the differences of pairs:

- `mean`, `low`, `high`: the mean over the seeds, and its 95 % interval;
- `seed_error`, `image_error`: the two parts of the uncertainty, as standard errors. The first comes from how much the
  pairs differ among each other, the second from drawing the test images again and again (a bootstrap);
- `p`, `p_holm`: the p-value, and the same corrected for the number of variants that are compared to that reference;
- `detectable`: the smallest difference that a comparison of this size would find with a probability of 80 %;
- `needed`: the number of seeds, and of test images, with which a difference as large as this one would be found;
- `verdict`.
"""


# %%
def described(difference):
    """A difference to a reference, on three lines."""
    detectable, needed = difference["detectable"], difference["needed"]
    return (
        f"{difference['mean']:+.3f} [{difference['low']:+.3f}, {difference['high']:+.3f}], "
        f"p after correction {difference['p_holm']:.2f}: {difference['verdict']}\n"
        f"    standard error from seeds {difference['seed_error']:.4f}, from images {difference['image_error']:.4f}\n"
        f"    detectable: {'nothing' if detectable is None else f'{detectable:.3f}'}; needed to settle this one: "
        + ("more than 100 seeds" if needed is None else f"{needed[0]} seeds on {needed[1]:,} test images")
    )


for name, reference in ((ATTENTION, "plain"), (ATTENTION, "multiscale"), ("multiscale", "plain")):
    print(f"{name} − {reference}: {described(variants[name]['differences'][reference]['accuracy'])}")

# %% [markdown]
"""
TODO

## A picture of it

On the left each dot is a run, and a line joins the runs of one seed. On the right are the mean differences with their
intervals. The crosses are what two single runs could have said, from the least to the most favourable choice.
"""


# %%
def single_runs(name, reference):
    """The least and the most favourable difference of a run of one network and a run of another."""
    own, other = accuracies[name], accuracies[reference]
    return own.min() - other.max(), own.max() - other.min()


figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.8), layout="constrained", width_ratios=(1, 1.3))
for seed, values in zip(summary["seeds"], zip(*accuracies.values(), strict=True), strict=True):
    left.plot([name.replace("+", "\n+ ") for name in accuracies], values, marker="o", label=f"seed {seed}")
left.set(ylabel="test accuracy", xlabel="network")
left.margins(x=0.15)
left.legend(fontsize=8)
pairs = [(ATTENTION, "plain"), (ATTENTION, "multiscale"), ("multiscale", "plain")]
for place, (name, reference) in enumerate(reversed(pairs)):
    found = variants[name]["differences"][reference]["accuracy"]
    right.plot([found["low"], found["high"]], [place, place], color="tab:blue", linewidth=2.5, label="95 % interval")
    right.plot(found["mean"], place, "o", color="tab:blue", label="mean over the seeds")
    right.plot(single_runs(name, reference), [place - 0.2] * 2, "x", color="tab:red", label="two single runs, extremes")
right.axvline(0, color="grey", linestyle="--")
right.set_yticks(range(len(pairs)), [f"{name}\n− {reference}" for name, reference in reversed(pairs)])
right.locator_params(axis="x", nbins=6)
right.set(xlabel="difference in test accuracy", ylim=(-0.5, len(pairs) - 0.4))
handles, names = right.get_legend_handles_labels()
figure.legend(handles[:3], names[:3], loc="outside lower right", ncols=3, fontsize=8)
figure.savefig(FOLDER / "05-differences.png", dpi=110)

# %% [markdown]
"""
## What one lucky run would have claimed

Suppose each network had been trained once. Which runs it would have been, only chance decides. The next cell takes the
choice that flatters attention most, and the one that flatters it least.
"""

# %%
for reference in REFERENCES:
    least, most = single_runs(ATTENTION, reference)
    found = variants[ATTENTION]["differences"][reference]["accuracy"]
    print(
        f"against {reference}: two single runs could have said {least:+.3f} or {most:+.3f}; "
        f"{SEEDS} seeds say {found['mean']:+.3f} [{found['low']:+.3f}, {found['high']:+.3f}]"
    )

# %% [markdown]
r"""
TODO

## What `multiscale` is for

The attended network sees more than the plain one: the head gets features of three blocks and not of one. Suppose it
beats the plain network. That may be due to these features alone, whatever weighs them. The difference to `multiscale`
answers this, because that network has the same features and no attention:

$$\text{attention} - \text{plain} = (\text{attention} - \text{multiscale}) + (\text{multiscale} - \text{plain})$$

The first term is what attention adds, the second what more features add. A paper that shows only the left side has not
shown that attention helps. The verdict of `compare` therefore says *it is the attention* only where both references
are beaten.

## The report

The folder has all of it in one page that needs no network, `report.html`: the verdict, tables that sort, the learning
curves, the maps of the networks on the same test images, and the command that repeats the comparison. `results.csv` has
a row a run, and below `runs/` lies every trained network.
"""

# %%
for path in sorted(comparison.folder.iterdir()):
    print(path.name)

# %% [markdown]
"""
## More seeds

If the answer is open and matters to you, add seeds: with `seeds=8` and `resume=True` the same call trains only what is
missing. Decide on the number before you look, as the summary suggests it (`needed`). To add seeds one by one until the
interval happens to leave out 0 is another way to be lucky.

## What to take from this

TODO

Next: `06_where_does_it_look.py`.
"""

# %% [markdown]
r"""
# Does it help?

*Shows:* a comparison of networks with and without attention over several seeds, how to read its verdict, and what a
single lucky run would have claimed.
*Takes:* seven to seventeen minutes on two cores, as busy as they are; with `--smoke` about a minute, on few small
images. A second run finds the trained networks in the folder of the first and takes seconds.
*Reaches:* a test accuracy between .93 and .96 in each of nine runs, attention better than the plain network with every
seed, by .016 on average, a 95 % interval from +.002 to +.030; and still no verdict.
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
others, both would have scored a little differently. A difference counts only if it is larger than these two
sources of randomness can explain.

So each network is trained several times, with several *seeds*, and three networks are compared:

- `plain`: the backbone, the average of its last map, a dense layer. No attention.
- `multiscale`: the network with attention in which each context, a weighted average of a feature map, is replaced by
  the plain average of the same map. The head sees as many features, from the same layers, but nothing is attended.
- `additive+softmax`: the network of chapter 4.

## The comparison

`compare` trains them under equal conditions. A seed gives all three the same initial backbone and the same order of
images, so that runs of one seed are a pair, and their difference is free of part of the randomness. The settings that
all share are in a `TrainConfig`; `costs=False` leaves out the measurement of time and memory.

Everything is kept in a folder. If you interrupt this cell, the next start continues where it stopped.
"""

# %%
RUN = FOLDER / ("05-smoke" if SMOKE else "05-comparison")
ATTENTION, REFERENCES, SEEDS = "additive+softmax", ("plain", "multiscale"), 2 if SMOKE else 3
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
answer; the others say what it rests on, against each of the two references: attention *helps*, *hurts*, or there is
*no evidence*.
"""

# %%
summary = comparison.summary
print(comparison.verdict)
print()
print(summary["rules"])

# %% [markdown]
"""
With three seeds these runs cannot tell. One interval does not include 0, but this is not yet a verdict: two networks
are compared with the plain one, so that one of them is lucky more often than a single one would be; and a part of
the 5 % of false verdicts is kept for the day when you add seeds and look again. After both, p would have to be below
.04, and is .067. The last sentences say what a comparison of this size could have found, and what would settle it. The
next cells show where the figures come from.

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
Each row shows what the seed alone does to one and the same network. Next come the differences of pairs:

- `mean`, `low`, `high`: the mean over the seeds, and its 95 % interval;
- `seed_error`, `image_error`: the two parts of the uncertainty, as standard errors. The first comes from how much the
  seeds move the variants, read from all runs together, the second from what the test images do to all seeds alike;
- `p`, `p_corrected`: the p-value, and the same corrected for all variants that are compared to that reference;
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
        f"p after correction {difference['p_corrected']:.2f}: {difference['verdict']}\n"
        f"    standard error from seeds {difference['seed_error']:.4f}, from images {difference['image_error']:.4f}\n"
        f"    detectable: {'nothing' if detectable is None else f'{detectable:.3f}'}; needed to settle this one: "
        + ("more than 100 seeds" if needed is None else f"{needed[0]} seeds on {needed[1]:,} test images")
    )


for name, reference in ((ATTENTION, "plain"), (ATTENTION, "multiscale"), ("multiscale", "plain")):
    print(f"{name} − {reference}: {described(variants[name]['differences'][reference]['accuracy'])}")

# %% [markdown]
"""
Attention is ahead of the plain network by .016, and the interval goes from +.002 to +.030; the seeds make more of its
width than the test images. Against `multiscale` the difference is .005, from −.009 to +.018: it includes 0, so the
difference may be random, and it includes +.018 too, so that an effect worth having is not excluded either.

That is also what `needed` says. Against `plain`, about 11 seeds on the same images would settle a difference of this
size; against `multiscale`, about 11 seeds, but on 5,000 test images. With three seeds a difference of .024 could have
been expected to be found, and no smaller one. You can know that before you train for long: a first comparison with two
or three seeds tells how many the real one needs.

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

Suppose each network had been trained once. Which runs these would have been is random. The next cell takes the choice
that flatters attention most, and the one that flatters it least.
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
With bad luck attention would have looked harmful; with good luck, better by three hundredths, which would have been
called a success. In these runs every seed speaks for attention against the plain network, and still there is no
verdict.
Is that too strict? No: if attention made no difference at all, three pairs would agree on the sign in one of four
comparisons ($2 \cdot (1/2)^3$). A result that appears at random that often is not evidence.

## The maps of the same runs

Accuracy is not all that a seed decides. These images have masks, so each run of the attended network has measured how
often the map of each attended layer points at the digit.
"""

# %%
for seed in summary["seeds"]:
    run = comparison.run(ATTENTION, seed)
    games = {name: game["score"] for name, game in run.metrics["pointing_game"].items()}
    scores = ", ".join(f"{name} {score:.2f}" for name, score in games.items())
    print(f"seed {seed}: test accuracy {run.metrics['accuracy']:.3f}; pointing game {scores}")

# %% [markdown]
r"""
The three trainings differ little in accuracy, and much in their maps: that of `block3_pool` points at the digit in 85 %
of the images with one seed, and in 5 % with another, where chance would give 21 %. Whoever shows the maps of one run
shows one of many. The next chapter looks into it.

## What `multiscale` is for

The attended network sees more than the plain one: the head gets features of three layers and not of one. Suppose it
beats the plain network. That may be due to these features alone, whatever weighs them. The difference to `multiscale`
answers this, because that network has the same features and no attention:

$$\text{attention} - \text{plain} = (\text{attention} - \text{multiscale}) + (\text{multiscale} - \text{plain})$$

The first term is what attention adds, the second what more features add. Here they are .005 and .011, and neither is
settled. A paper that shows only the left side has not shown that attention helps. The verdict of `compare` therefore
says *it is the attention* only where both references are beaten.

## The report

The folder has all of it in one page that needs no network, `report.html`: the verdict, tables that sort, the learning
curves, the maps of the networks on the same test images, and the command that repeats the comparison. `results.csv` has
a row a run, and `runs/` holds every trained network.
"""

# %%
for path in sorted(comparison.folder.iterdir()):
    print(path.name)

# %% [markdown]
"""
## More seeds

If the answer is open and matters to you, add seeds: with `seeds=11` and `resume=True` the same call trains only what is
missing. To add seeds until something shows is another way to be lucky; therefore the folder remembers each verdict, and
every further one has a smaller part of the 5 %. `until="settled"` plans that in advance, and stops by itself.

## What to take from this

One run against one other says little: here two single runs could have differed by −.004 or by +.032. Train each network
with several seeds, pair them, and look at the interval of the difference and at the verdict, which allows for all that
was compared.
Hold attention against the same head without attention, not against the plain network alone, since more features are not
attention. And if the interval is too wide, the comparison tells how many seeds and test images would do.

Next: `06_where_does_it_look.py`.
"""

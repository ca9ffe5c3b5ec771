"""What is read from the folders of runs: the figures worked out a second time here, and what is missing left out."""

import dataclasses
import json

import numpy as np
import pytest

from keras_attention.comparison.analysis import METRICS, summarize
from keras_attention.comparison.contrasts import least_error
from keras_attention.comparison.family import holm
from keras_attention.comparison.verdicts import Rule
from keras_attention.files import write_json

STRENGTHS = {"plain": 0.3, "multiscale": 0.6, "additive+softmax": 2.5}


@pytest.fixture
def compared(plan, begun, finish, rng, labels):
    """Three variants with three seeds, the same noise for each seed; and the metrics of each run."""
    given = plan()
    comparison, metrics = begun(given), {}
    for seed in given.seed_numbers:
        noise = rng.normal(size=(len(labels), 3))
        for name, strength in STRENGTHS.items():
            hits = 0.7 if name == "additive+softmax" else None
            metrics[name, seed] = finish(comparison.run(name, seed), strength, hits, noise)
    return comparison, given, metrics


def by_name(summary):
    return {variant["name"]: variant for variant in summary["variants"]}


def test_means_and_differences_are_those_of_the_runs(compared):
    comparison, plan, metrics = compared
    summary = summarize(comparison, plan)
    variants = by_name(summary)
    for name in METRICS:
        values = {variant: np.array([metrics[variant, seed][name] for seed in range(3)]) for variant in STRENGTHS}
        for variant in STRENGTHS:
            assert variants[variant]["metrics"][name]["mean"] == pytest.approx(values[variant].mean())
            for reference, found in variants[variant]["differences"].items():
                differences = values[variant] - values[reference]
                assert found[name]["mean"] == pytest.approx(differences.mean())
                assert found[name]["seed_df"] > 2
                assert found[name]["low"] < found[name]["mean"] < found[name]["high"]
    assert set(variants["plain"]["differences"]) == {"multiscale"}
    assert set(variants["additive+softmax"]["differences"]) == {"plain", "multiscale"}


def test_the_images_count_once_and_for_both_of_a_pair(compared, labels):
    """The error of the images is what the differences of two seeds share; unpaired, it would be that of two shares."""
    comparison, plan, _ = compared
    found = by_name(summarize(comparison, plan))["multiscale"]["differences"]["plain"]["accuracy"]
    arrays = {name: [comparison.run(name, seed).arrays() for seed in range(3)] for name in ("plain", "multiscale")}
    right = {name: np.array([each["logits"].argmax(-1) == labels for each in arrays[name]], float) for name in arrays}
    covariance = np.cov(right["multiscale"] - right["plain"]) / len(labels)
    shared = covariance[np.triu_indices(3, 1)].mean()
    believed = max(shared, least_error(1.0, len(labels)) ** 2 - found["seed_error"] ** 2, 0)
    assert found["image_error"] == pytest.approx(believed**0.5)


def test_the_correction_goes_over_the_variants_of_a_reference(compared):
    comparison, plan, _ = compared
    variants = by_name(summarize(comparison, plan))
    family = [variants[name]["differences"]["plain"]["roc_auc"] for name in ("multiscale", "additive+softmax")]
    single, most = [found["p"] for found in family], holm([found["p"] for found in family])
    for p_value, found, bound in zip(single, family, most, strict=True):
        assert p_value <= found["p_corrected"] <= bound
    assert family[0]["p_corrected"] > single[0] or family[1]["p_corrected"] > single[1]


def test_the_verdict_of_each_variant(compared):
    comparison, plan, _ = compared
    summary = summarize(comparison, plan)
    variants = by_name(summary)
    assert variants["additive+softmax"]["differences"]["plain"]["accuracy"]["verdict"] == "helps"
    # Less cross-entropy is better.
    assert variants["additive+softmax"]["differences"]["plain"]["loss"]["mean"] < 0
    assert variants["additive+softmax"]["differences"]["plain"]["loss"]["verdict"] == "helps"
    assert [variants[name]["attends"] for name in STRENGTHS] == [False, False, True]
    assert summary["verdict"][0].startswith("With attention (additive+softmax) the network is right on about ")
    assert "images of 100, and it is the attention itself, not the added layers" in summary["verdict"][0]
    assert (summary["images"], summary["seeds"], summary["metric"]) == (90, [0, 1, 2], "accuracy")


def test_maps_are_measured_against_chance(compared):
    comparison, plan, _ = compared
    variants = by_name(summarize(comparison, plan))
    assert variants["plain"]["maps"] == {}
    maps = variants["additive+softmax"]["maps"]
    assert list(maps) == ["pointing_game", "energy_inside", "jaccard"]
    found = maps["jaccard"]["joint"]
    values = [comparison.run("additive+softmax", seed).arrays()["measure/jaccard/joint"].mean() for seed in range(3)]
    assert found["mean"] == pytest.approx(np.mean(values))
    assert found["chance"] == pytest.approx(0.25)
    assert found["gain"]["mean"] == pytest.approx(np.mean(values) - 0.25)
    assert found["low"] < found["mean"] < found["high"]
    assert found["gain"]["low"] > 0


def test_times_are_ratios_to_the_plain_network(compared, cost):
    comparison, plan, _ = compared
    comparison.save_cost("plain", cost | {"step_seconds": 0.03, "reference_step_seconds": 0.03})
    comparison.save_cost("additive+softmax", cost)
    variants = by_name(summarize(comparison, plan))
    assert variants["multiscale"]["cost"] is None
    assert variants["plain"]["cost"]["step_ratio"] == 1
    assert variants["additive+softmax"]["cost"]["step_ratio"] == pytest.approx(2)
    assert variants["additive+softmax"]["cost"]["step_milliseconds"] == pytest.approx(2 * 20)  # the median of both
    assert variants["additive+softmax"]["cost"]["image_milliseconds"] == pytest.approx(3)
    assert variants["additive+softmax"]["cost"]["gigaflops"] == pytest.approx(0.005)


def test_pairs_are_the_seeds_that_both_have(compared):
    comparison, plan, metrics = compared
    (comparison.run("plain", 2).folder / "metrics.json").unlink()
    summary = summarize(comparison, plan, {("plain", 2): "ValueError: broken"})
    variants = by_name(summary)
    found = variants["additive+softmax"]["differences"]["plain"]["accuracy"]
    expected = [metrics["additive+softmax", seed]["accuracy"] - metrics["plain", seed]["accuracy"] for seed in (0, 1)]
    assert (found["mean"], found["seeds"]) == (pytest.approx(np.mean(expected)), 2)
    assert variants["additive+softmax"]["differences"]["multiscale"]["accuracy"]["seeds"] == 3
    assert summary["failures"] == [{"variant": "plain", "seed": 2, "error": "ValueError: broken"}]


def test_a_variant_without_a_run(plan, begun, finish):
    given = plan(seeds=2)
    comparison = begun(given)
    for name in ("plain", "additive+softmax"):
        for seed in given.seed_numbers:
            finish(comparison.run(name, seed), 1.0)
    variants = by_name(summarize(comparison, given))
    assert variants["multiscale"]["metrics"] == {}
    assert variants["additive+softmax"]["differences"]["multiscale"] == {}
    assert "accuracy" in variants["additive+softmax"]["differences"]["plain"]


def test_intervals_end_where_the_figure_does(plan, begun, finish):
    given = plan(seeds=2)
    comparison = begun(given)
    for variant in given.variants:
        for seed, strength in enumerate((0.0, 4.0)):
            finish(comparison.run(variant.name, seed), strength if variant.name == "plain" else 4 - strength, 0.5)
    summary = summarize(comparison, given)
    for variant in summary["variants"]:
        assert (variant["metrics"]["accuracy"]["low"], variant["metrics"]["accuracy"]["high"]) == (0, 1)
        assert variant["metrics"]["loss"]["low"] == 0
        assert variant["metrics"]["loss"]["high"] > 1
        for blocks in variant["maps"].values():
            assert all(0 <= each["low"] <= each["high"] <= 1 for each in blocks.values())
    found = by_name(summary)["additive+softmax"]["differences"]["plain"]["accuracy"]
    assert (found["low"], found["high"], found["detectable"]) == (-1, 1, None)
    assert "could have found no difference at all" in " ".join(summary["verdict"])


def test_one_seed_says_so(plan, begun, finish):
    given = plan(seeds=1)
    comparison = begun(given)
    for variant in given.variants:
        finish(comparison.run(variant.name, 0), 1.0)
    summary = summarize(comparison, given)
    assert summary["verdict"] == [
        "One seed cannot tell whether attention helps, as chance alone makes such differences; more seeds can: resume "
        "the comparison with 3 seeds."
    ]
    found = by_name(summary)["additive+softmax"]["differences"]["plain"]["accuracy"]
    assert (found["low"], found["p"], found["verdict"]) == (None, None, "no interval")


def test_a_summary_is_strict_json(compared):
    comparison, plan, _ = compared
    rows = comparison.run("plain", 0).history()
    comparison.run("plain", 0).write_history([row | {"val_accuracy": float("nan")} for row in rows])
    summary = summarize(comparison, plan)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert by_name(summary)["plain"]["curves"]["0"] == [None] * 4


def test_runs_on_other_test_images_are_not_paired(compared):
    comparison, given, _ = compared
    run = comparison.run("multiscale", 1)
    arrays = run.arrays()
    run.save_arrays(**arrays | {"labels": arrays["labels"][::-1]})
    with pytest.raises(
        ValueError, match=r"multiscale.* was measured on other test images than .*plain.*Expected runs on"
    ):
        summarize(comparison, given)


def test_runs_on_changed_files_of_the_same_classes_are_not_paired(compared):
    comparison, given, _ = compared
    runs = [comparison.run(name, seed) for name in STRENGTHS for seed in given.seed_numbers]
    for number, run in enumerate(runs):
        files = {"train": {}, "validation": {}, "test": {"a.png": "0" if number < 5 else "1"}}
        write_json(run.folder / "images.json", {"classes": ["a"], "files": files})
    with pytest.raises(ValueError, match=r"was measured on other test images"):
        summarize(comparison, given)


def test_all_variants_with_attention_together(compared):
    comparison, plan, metrics = compared
    pooled = summarize(comparison, plan)["pooled"]
    assert set(pooled) == {"plain", "multiscale"}
    found = pooled["plain"]["accuracy"]
    values = [metrics["additive+softmax", seed]["accuracy"] - metrics["plain", seed]["accuracy"] for seed in range(3)]
    assert (found["mean"], found["verdict"]) == (pytest.approx(np.mean(values)), "helps")
    assert found["p_corrected"] == found["p"]  # a question of its own


def test_chances_and_spread_of_each_variant(compared):
    comparison, plan, _ = compared
    variants = by_name(summarize(comparison, plan))
    best = {name: variants[name]["chances"]["accuracy"]["best"] for name in STRENGTHS}
    assert sum(best.values()) == pytest.approx(1)
    assert best["additive+softmax"] > 0.99
    assert variants["additive+softmax"]["chances"]["loss"]["rank"] == pytest.approx(1, abs=0.05)
    for name in STRENGTHS:
        spread = variants[name]["spread"]["accuracy"]
        assert spread["own"] > 0
        assert spread["moderated"] > 0
        assert spread["df"] > 2
    assert variants["additive+softmax"]["differences"]["plain"]["loss"]["better"] > 0.99


def test_a_margin_is_one_of_the_metric_that_decides(compared):
    comparison, plan, _ = compared
    summary = summarize(comparison, plan, rule=Rule(margin=0.9))
    found = by_name(summary)["multiscale"]["differences"]["plain"]
    assert summary["margin"] == 0.9
    assert found["accuracy"]["verdict"] == "the same within the margin"
    assert found["accuracy"]["p_within"] < 0.04
    assert found["loss"]["p_within"] is None
    narrow = by_name(summarize(comparison, plan, rule=Rule(margin=1e-4)))["multiscale"]["differences"]["plain"]
    assert narrow["accuracy"]["p_within"] > 0.5
    assert narrow["accuracy"]["verdict"] in ("helps", "not settled")


def test_looks_lower_the_level(compared):
    comparison, plan, _ = compared
    first = summarize(comparison, plan)
    assert (first["level"], first["looks"]) == (pytest.approx(0.04), [])
    again = summarize(comparison, plan, rule=Rule(looks={2: 0.04}))
    assert again["level"] == pytest.approx(0.008)
    assert "There was a verdict with 2 seeds before" in again["rules"]
    comparison.finish(first)
    assert summarize(comparison, plan)["level"] == pytest.approx(0.04)  # no more seeds, no new look
    spent = summarize(comparison, plan, rule=Rule(most_seeds=2, looks={2: 0.05}))
    difference = by_name(spent)["additive+softmax"]["differences"]["plain"]["accuracy"]
    assert (spent["level"], difference["verdict"], difference["detectable"]) == (0, "no evidence", None)


def test_the_power_of_the_design(compared):
    comparison, plan, _ = compared
    power = summarize(comparison, plan)["power"]
    assert set(power) == {"plain", "multiscale"}
    assert power["plain"]["variant"] in ("multiscale", "additive+softmax")
    assert power["plain"]["powers"] == sorted(power["plain"]["powers"])
    assert len(power["plain"]["powers"]) == len(power["plain"]["differences"])


def test_an_older_summary_is_judged_anew_and_says_so(compared):
    comparison, plan, _ = compared
    write_json(comparison.folder / "summary.json", {"seeds": [0, 1, 2], "verdict": ["No evidence."]})
    summary = summarize(comparison, plan)
    assert (summary["older_rule"], summary["looks"]) == (True, [3])
    assert "The rule has changed since this comparison was first judged" in summary["rules"]
    assert summary["verdict"][0].startswith("With attention (additive+softmax) the network is right on about")
    assert summary["level"] == pytest.approx(0.04)
    comparison.finish(summary)
    assert summarize(comparison, plan)["older_rule"]


@pytest.mark.parametrize(("margin", "verdict"), [(None, "no evidence"), (0.01, "not settled"), (0.5, "the same")])
def test_networks_that_answer_alike_may_differ_on_other_images(margin, verdict, plan, begun, finish, rng, labels):
    """A figure without any variation is not certain: it is as sure as so few images allow."""
    given = dataclasses.replace(plan(), margin=margin)
    comparison = begun(given)
    for seed in given.seed_numbers:
        noise = rng.normal(size=(len(labels), 3))
        for variant in given.variants:
            finish(comparison.run(variant.name, seed), 1.0, None, noise)
    variants = by_name(summarize(comparison, given))
    found = variants["multiscale"]["differences"]["plain"]["accuracy"]
    assert found["verdict"].startswith(verdict)
    assert found["high"] == pytest.approx(3 / len(labels), rel=0.1)
    chances = [variant["chances"]["accuracy"] for variant in variants.values()]
    assert [each["best"] for each in chances] == pytest.approx([1 / len(chances)] * len(chances), abs=0.02)


def test_one_variant_with_one_seed_beside_two(compared):
    """Two variants have one spread between them, which says nothing about a third."""
    comparison, plan, _ = compared
    for seed in (1, 2):
        (comparison.run("multiscale", seed).folder / "metrics.json").unlink()
    variants = by_name(summarize(comparison, plan))
    one = variants["multiscale"]["differences"]["plain"]["accuracy"]
    three = variants["additive+softmax"]["differences"]["plain"]["accuracy"]
    assert (one["seeds"], one["low"], one["verdict"]) == (1, None, "no interval")
    assert (three["seeds"], three["verdict"]) == (3, "helps")
    assert "accuracy" not in variants["multiscale"]["spread"]

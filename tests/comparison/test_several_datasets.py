"""Comparisons on several data sets: their sources, what is said of all of them, and their reports."""

import html.parser
import json

import numpy as np
import pytest
import seams
from PIL import Image

from keras_attention import Comparison, TrainConfig, compare_datasets
from keras_attention.cli import main
from keras_attention.comparison import several
from keras_attention.comparison.datasets import join, rank
from keras_attention.comparison.joining import join_summaries
from keras_attention.comparison.several_folder import planned
from keras_attention.metrics import METRICS
from keras_attention.report import datasets_table
from keras_attention.report.comparison_figures import svg
from keras_attention.report.datasets_figures import ranks_figure
from keras_attention.sources import named_sources, split_sources

SMALL = {"image_size": 32, "width": 0.05, "units": 8, "epochs": 1}


# ---- sources ----


def test_commas_separate_sources_but_not_parts_of_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cats,dogs,2024").mkdir()
    assert split_sources("cats,dogs,2024") == ["cats,dogs,2024"]
    assert split_sources("a,cats,dogs,2024,b") == ["a", "cats,dogs,2024", "b"]
    assert split_sources("cats, dogs,") == ["cats", "dogs"]


def test_sources_are_named_by_the_last_part_of_their_path(tmp_path):
    assert named_sources(["x/a", "y/a/", "z/a", "b"]) == {"a": "x/a", "a-2": "y/a/", "a-3": "z/a", "b": "b"}
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with pytest.raises(ValueError, match=r"^Several data sets are compared\. Expected at least two different sources"):
        named_sources([tmp_path / "a", str(tmp_path / "link"), f"{tmp_path}/a/"])


@pytest.mark.parametrize(("sources", "error"), [([], ValueError), (["a"], ValueError), ("a,b", TypeError)])
def test_fewer_than_two_sources_are_refused(sources, error):
    with pytest.raises(error):
        named_sources(sources)


def test_all_data_sets_keep_all_variants_unless_a_choice_is_asked_for(tmp_path):
    own = Comparison(tmp_path / "a")
    for asked, expected in ({}, {"seeds": 3}), ({"margin": 0.1}, {"seeds": 3, "margin": 0.1}):
        plan = planned({"a": "x/a", "b": "x/b"}, None, ["all-scores"], asked)
        assert several._options(plan, own) == expected
    for asked in {"choose": 2}, {"folds": 3}, {"until": "settled"}, {"seeds": 5}:
        assert several._options(planned({"a": "x/a", "b": "x/b"}, None, ["all-scores"], asked), own) == asked


# ---- joined figures ----


def difference(mean, error=0.01, seeds=True, verdict="no evidence"):
    found = {
        "mean": mean,
        "p": 0.5,
        "low": mean - 0.02,
        "high": mean + 0.02,
        "verdict": verdict,
        "settled": False,
    }
    return found | {"seed_error": error if seeds else None, "image_error": 0.0}


def summary(means, metric="accuracy", margin=None, **about):
    """Of one data set: name of the variant → its figure; differences follow."""

    def differences(name):
        return {
            reference: {metric: difference(means[name] - means[reference], **about)}
            for reference in ("plain", "multiscale")
            if reference in means and reference != name
        }

    variants = [
        {
            "name": name,
            "attends": "+" in name,
            "control": "+" not in name,
            "metrics": {metric: {"mean": mean}},
            "differences": differences(name),
        }
        for name, mean in means.items()
    ]
    return {"metric": metric, "margin": margin, "variants": variants, "pooled": {}}


SETS = {
    "a": {"plain": 0.60, "multiscale": 0.61, "x+y": 0.70, "z+y": 0.62},
    "b": {"plain": 0.70, "multiscale": 0.70, "x+y": 0.81, "z+y": 0.69},
    "c": {"plain": 0.50, "multiscale": 0.52, "x+y": 0.60, "z+y": 0.49},
    "d": {"plain": 0.80, "multiscale": 0.80, "x+y": 0.89, "z+y": 0.83},
}


def joined(found, name, reference="plain", metric="accuracy"):
    variant = next(each for each in found["variants"] if each["name"] == name)
    return variant["differences"][reference][metric]


def test_differences_are_joined_and_corrected_by_holm():
    found = join_summaries({name: summary(means) for name, means in SETS.items()})
    expected = join([means["x+y"] - means["plain"] for means in SETS.values()], [0.01] * 4)
    one = joined(found, "x+y")
    assert (one["mean"], one["p"]) == pytest.approx((expected.mean, expected.p_value), rel=1e-6)
    assert (one["low"], one["high"]) == pytest.approx(expected.interval())
    assert one["p_corrected"] == pytest.approx(3 * one["p"])
    assert (one["verdict"], joined(found, "z+y")["verdict"]) == ("helps", "no evidence")
    assert found["answer"] == (
        "With attention (x+y) the network is right on about 10 more images of 100, and it is the attention itself, not "
        "the added layers."
    )
    assert list(one["single"]) == list(SETS)


def test_less_is_better_for_a_loss():
    sets = {name: summary({each: 2 - mean for each, mean in means.items()}, "loss") for name, means in SETS.items()}
    assert joined(join_summaries(sets), "x+y", metric="loss")["verdict"] == "helps"
    assert joined(join_summaries(sets), "x+y", metric="loss")["better"] > 0.99


def test_without_errors_the_data_sets_count_equally():
    sets = {name: summary(means, seeds=name != "b") for name, means in SETS.items()}
    one = joined(join_summaries(sets), "x+y")
    assert one["mean"] == pytest.approx(np.mean([means["x+y"] - means["plain"] for means in SETS.values()]))
    assert not one["errors_known"]


def test_no_difference_seen_on_any_data_set_is_no_evidence():
    unknown = {name: summary({"plain": 0.5, "x+y": 0.5}) for name in "ab"}
    assert joined(join_summaries(unknown), "x+y")["verdict"] == "no evidence"


def test_the_same_within_a_margin_over_data_sets():
    sets = {name: summary({**means, "z+y": means["plain"] + 0.001}, margin=0.05) for name, means in SETS.items()}
    found = join_summaries(sets)
    assert joined(found, "z+y")["verdict"] == "the same within the margin"
    assert joined(found, "x+y")["verdict"] == "helps"


def test_intervals_stay_within_what_the_metric_allows():
    sets = {"a": summary({"plain": 0.0, "x+y": 0.9}), "b": summary({"plain": 0.9, "x+y": 0.0})}
    one = joined(join_summaries(sets), "x+y")
    assert (one["low"], one["high"], one["verdict"], one["detectable"]) == (-1, 1, "no evidence", None)


def test_a_variant_that_is_not_on_two_data_sets_is_not_joined():
    sets = {name: summary(means) for name, means in SETS.items()}
    for name in "abc":
        sets[name]["variants"].pop()
    found = join_summaries(sets)
    assert next(each for each in found["variants"] if each["name"] == "z+y")["differences"]["plain"] == {}
    assert found["ranks"]["left_out"] == ["z+y"]
    alone = {"a": summary({"plain": 0.5, "x+y": 0.6}), "b": summary({"plain": 0.5, "z+y": 0.6})}
    with pytest.raises(RuntimeError, match=r"^No variant was compared on two data sets\."):
        join_summaries(alone)


def test_groups_that_ranks_cannot_tell_apart():
    """Demšar's example at .10: C4.5 is worse than with m, and with m and cf, while cf alone is in between."""
    found = rank([[0.9, 0.8, 0.7, 0.1], [0.9, 0.8, 0.7, 0.1]] * 9)
    assert found.groups == [[0, 1], [1, 2], [2, 3]]
    assert rank([[0.1, 0.2], [0.2, 0.1]]).groups == [[0, 1]]


def test_the_diagram_has_every_name_and_group():
    ranks = {"mean": {"x+y": 1.2, "plain": 2.1, "z+y": 2.7}, "critical": 1.0, "groups": [["x+y", "plain"]]}
    figure = ranks_figure(ranks)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts[-3:] == ["x+y 1.20", "plain 2.10", "z+y 2.70"]
    assert "critical difference 1.00" in texts
    bars = [line for line in figure.axes[0].lines if line.get_linewidth() == 4]
    assert [line.get_xdata().tolist() for line in bars] == [[pytest.approx(1.16), pytest.approx(2.14)]]
    assert svg(lambda: figure, "ranks").startswith("<svg")


# ---- whole ----


@pytest.fixture
def folders(tmp_path, rng):
    """Three folders of images of two classes."""
    found = []
    for name in ("2023/pets", "2024/pets", "zoo, small"):
        for label in ("cat", "dog"):
            (tmp_path / name / label).mkdir(parents=True)
            for number in range(20):
                pixels = rng.integers(0, 256, (8, 8, 3)).astype("uint8")
                Image.fromarray(pixels).save(tmp_path / name / label / f"{number}.png")
        found.append(str(tmp_path / name))
    return found


def run(folders, tmp_path, **more):
    options = {"seeds": 2, "costs": False, "verbose": False, "run": tmp_path / "it"} | more
    return compare_datasets(folders, TrainConfig(**SMALL), ["additive+softmax"], **options)


class Links(html.parser.HTMLParser):
    def handle_starttag(self, tag, attributes):
        if tag == "a":
            self.links.append(dict(attributes)["href"])


@pytest.mark.long
def test_a_comparison_on_several_data_sets(written, folders, tmp_path, capsys):
    done = written({"additive": 1.5})
    found = run(folders, tmp_path, verbose=True)
    assert len(done) == 3 * 3 * 2
    assert [each["name"] for each in found.summary["sets"]] == ["pets", "pets-2", "zoo, small"]
    lines = capsys.readouterr().out.splitlines()
    for each in found.summary["sets"]:
        assert f"{each['name']}  {each['answer']}" in lines
        assert found.comparison(each["name"]).finished
    page, markdown = found.report_path.read_text(), (found.folder / "report.md").read_text()
    links = Links()
    links.links = []
    links.feed(page)
    assert links.links == ["pets/report.html", "pets-2/report.html", "zoo%2C%20small/report.html"]
    one = joined(found.summary, "additive+softmax")
    for text in (page, markdown, datasets_table(found.summary)):
        assert f"{one['mean']:+.3f}" in text
    assert found.verdict in page
    assert page.count("<svg") == 3
    assert json.loads((found.folder / "summary.json").read_text())["looks"] == [{"seeds": 6, "level": 0.04}]
    with pytest.raises(ValueError, match="is finished"):
        run(folders, tmp_path)
    again = run(None, tmp_path, resume=True, seeds=3)
    assert len(done) == 3 * 3 * 3
    assert again.summary["level"] == pytest.approx(0.008)
    assert [each["seeds"] for each in again.summary["sets"]] == [3, 3, 3]


@pytest.mark.long
def test_a_data_set_whose_comparison_fails_is_told(written, folders, tmp_path, monkeypatch):
    written({"additive": 1.5})
    write = seams.training_of_a_task()

    def fails(config, folder, **more):
        if "2024" in config.data:
            raise ValueError("the disk is full")
        write(config, folder, **more)

    seams.training_of_a_task(monkeypatch, fails)
    found = run(folders, tmp_path)
    assert [each["name"] for each in found.summary["sets"]] == ["pets", "zoo, small"]
    assert found.summary["failures"][0]["name"] == "pets-2"
    assert "the disk is full" in found.report_path.read_text()
    with pytest.raises(RuntimeError, match=r"^Fewer than two comparisons finished\."):
        run(folders[:2], tmp_path, run=tmp_path / "two")


@pytest.mark.parametrize(
    ("settings", "options", "message"),
    [
        ({"masks": "masks"}, {}, r"^One folder of masks cannot belong to several data sets\."),
        ({}, {"seed": 3}, r"^Unknown option 'seed' \(did you mean 'seeds'\?\)\."),
        ({}, {"margin": -1.0}, r"^The data set 'pets' cannot be compared\. `margin` is out of range\."),
        ({}, {"confirm": 3}, r"^`confirm` needs `choose`\.|^The data set 'pets' cannot be compared\. `confirm` needs"),
        ({"data_options": {"count": 50}}, {}, r"^The data set 'pets' cannot be compared\."),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(settings, options, message, folders, tmp_path):
    with pytest.raises(ValueError, match=message):
        compare_datasets(folders, TrainConfig(**SMALL, **settings), run=tmp_path / "it", **options)
    assert not (tmp_path / "it").exists()


def test_a_source_that_does_not_exist_is_refused_by_name(folders, tmp_path):
    with pytest.raises(ValueError, match=r"^The data set 'nothing' cannot be compared\."):
        compare_datasets([folders[0], "nothing"], TrainConfig(**SMALL), run=tmp_path / "it")
    assert not (tmp_path / "it").exists()


@pytest.mark.long
def test_on_the_command_line(written, folders, tmp_path, capsys):
    written({"additive": 1.5})
    small = ["--image-size", "32", "--width", ".05", "--units", "8", "--epochs", "1", "--no-costs"]
    words = ["compare", "--data", ",".join(folders), "--variants", "additive+softmax", *small]
    assert main([*words, "--run", str(tmp_path / "it")]) == 0
    out = capsys.readouterr().out
    assert out.rstrip().endswith(f"report  {tmp_path / 'it' / 'report.html'}")
    assert "zoo, small" in out
    assert main(["compare", "--resume", "--run", str(tmp_path / "it"), "--seeds", "3"]) == 0
    assert main(["compare", "--data", f"{folders[0]},{folders[0]}", *small, "--run", str(tmp_path / "two")]) == 2
    assert "Several data sets are compared" in capsys.readouterr().err


@pytest.mark.long
def test_every_metric_is_joined(written, folders, tmp_path):
    written({"additive": 1.5})
    found = run(folders[:2], tmp_path)
    variant = next(each for each in found.summary["variants"] if each["attends"])
    assert set(variant["differences"]["plain"]) == set(METRICS)

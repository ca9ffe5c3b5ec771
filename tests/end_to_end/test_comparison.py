"""A comparison from a plan to its report: paired, continued, and stopped by nothing."""

import inspect
import json
import re
import shutil

import keras
import numpy as np
import pytest
import seams
from cases import some_now

from keras_attention import Comparison, TrainConfig, compare
from keras_attention.cli import main
from keras_attention.config import DEFAULT_COMPARISON
from keras_attention.models import VGG16BN

VARIANTS = ("plain", "multiscale", "additive+softmax")


pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture(scope="session")
def settings(tiny):
    return tiny(epochs=1, augment="none")


@pytest.fixture(scope="session")
def compared(settings, cost, tmp_path_factory):
    """A finished comparison of two seeds; what each run began with; and what was printed. Tests only read it."""
    began, folder = [], tmp_path_factory.mktemp("comparisons") / "finished"
    with pytest.MonkeyPatch.context() as patched:
        seams.shallow_backbone(patched)
        seams.process_of_the_cost(patched, lambda *_: cost)
        seams.without_pictures(patched)
        original = seams.batches_of_a_stage()

        def recording(stage, first_epoch):
            batches = original(stage, first_epoch)
            first = next(iter(batches.as_numpy_iterator()))[0]
            weights = np.concatenate([np.ravel(weight) for weight in stage.backbone.get_weights()])
            began.append((len(stage.config.attend), stage.config.seed, weights, first))
            return batches

        seams.batches_of_a_stage(patched, recording)
        lines = []
        patched.setattr("builtins.print", lambda text, end="\n", flush=False: lines.append(text + end))
        compare(settings, ["additive+softmax"], 2, folder)
    return Comparison(folder), began, "".join(lines).splitlines()


@pytest.fixture
def copied(compared, tmp_path):
    """A copy of the finished comparison to change; `without(variant, seed)` takes a run away."""
    comparison = Comparison(tmp_path / "comparison")
    shutil.copytree(compared[0].folder, comparison.folder)

    def without(*runs):
        for variant, seed in runs:
            shutil.rmtree(comparison.run(variant, seed).folder)
        return comparison

    return without


@pytest.fixture
def trained(monkeypatch):
    """The folders of the runs that are trained."""
    folders, train = [], seams.training_of_a_task()

    def recording(config, folder, **options):
        folders.append(folder)
        return train(config, folder, **options)

    seams.training_of_a_task(monkeypatch, recording)
    return folders


def figures(comparison):
    """All that was found, without the time that it took and the place where it is."""
    summary = json.loads((comparison.folder / "summary.json").read_text())
    for variant in summary["variants"]:
        for run in variant["runs"]:
            del run["seconds"], run["folder"]
        for difference in (each for found in variant["differences"].values() for each in found.values()):
            del difference["minutes"]
    summary["verdict"] = [re.sub(r", [\w. ]+ of training", "", sentence) for sentence in summary["verdict"]]
    return {name: summary[name] for name in ("variants", "verdict", "failures", "images")}


def test_a_comparison_holds_what_it_says(compared):
    comparison, _, lines = compared
    names = {path.name for path in comparison.folder.iterdir()}
    files = {"comparison.json", "examples.npz", "summary.json", "looks.json", "report.md", "report.html"}
    assert names == files | {"results.csv", "differences.csv", "runs", "costs"}
    runs = sorted(path.relative_to(comparison.folder / "runs") for path in comparison.folder.glob("runs/*/seed-?"))
    assert [str(path) for path in runs] == [f"{name}/seed-{seed}" for name in sorted(VARIANTS) for seed in (0, 1)]
    assert all(comparison.run(name, seed).finished for name in VARIANTS for seed in (0, 1))
    assert not list(comparison.folder.glob("runs/*/*/saved_model"))
    progress = [line for line in lines if line.startswith("[")]
    assert len(progress) == 6
    assert re.fullmatch(r"\[2/6\] multiscale, seed 0: accuracy 0\.\d{3}, \d+ s, about \d+ (s|min) left", progress[1])
    assert "left" not in progress[-1]
    assert comparison.verdict.startswith("These runs cannot tell")
    assert "keras-attention compare --variants additive+softmax --seeds 2" in comparison.report_path.read_text()


def test_a_seed_gives_every_variant_the_same_backbone_and_the_same_order(compared):
    _, began, _ = compared
    assert len(began) == 6
    for _, seed, weights, images in began:
        for _, other_seed, other_weights, other_images in began:
            assert np.array_equal(weights, other_weights) == (seed == other_seed)
            assert np.array_equal(images, other_images) == (seed == other_seed)


@pytest.mark.long
def test_only_what_is_missing_is_trained_and_the_figures_are_the_same(compared, copied, trained):
    comparison = copied(("additive+softmax", 1))
    compare(run=comparison.folder, resume=True, verbose=False)
    assert [path.split("/")[-2:] for path in trained] == [["additive+softmax", "seed-1"]]
    assert figures(comparison) == figures(compared[0])


def test_what_was_interrupted_goes_on(compared, copied):
    comparison = copied(("plain", 1))
    with pytest.MonkeyPatch.context() as patched:
        seams.interrupt_in_epoch(patched, epoch=0)
        with pytest.raises(KeyboardInterrupt):
            compare(run=comparison.folder, resume=True, verbose=False)
    assert not comparison.run("plain", 1).finished
    compare(run=comparison.folder, resume=True, verbose=False)
    assert figures(comparison) == figures(compared[0])


def test_no_cluster_is_one_message(settings, tmp_path, monkeypatch):
    pytest.importorskip("distributed", reason="the Dask backend is an extra")
    seams.seconds_to_find_a_scheduler(monkeypatch, 0.3)
    with pytest.raises(
        ValueError, match=r"^The Dask scheduler does not answer: .* Received: scheduler='tcp://127\.0\.0\.1:9'\.$"
    ):
        compare(settings, run=tmp_path / "a", backend="dask", scheduler="tcp://127.0.0.1:9", verbose=False)


@pytest.mark.long
def test_runs_that_fail_stop_none_of_the_others(copied, monkeypatch, capsys):
    comparison = copied(("additive+softmax", 1), ("plain", 0))
    train = seams.training_of_a_task()

    def breaking(config, folder, **options):
        if config.score == "additive" and config.attend:
            raise FloatingPointError("the loss is not finite")
        return train(config, folder, **options)

    seams.training_of_a_task(monkeypatch, breaking)
    assert main(["compare", "--resume", "--run", str(comparison.folder)]) == 1
    printed = capsys.readouterr().out
    assert "[2/2] additive+softmax, seed 1: failed twice: FloatingPointError: the loss is not finite" in printed
    assert comparison.run("plain", 0).finished
    summary = comparison.summary
    assert [failure["variant"] for failure in summary["failures"]] == ["additive+softmax"]
    assert "additive+softmax, seed 1: FloatingPointError" in comparison.report_path.read_text()
    assert (
        "the loss is not finite" in (comparison.folder / "runs" / "additive+softmax" / "seed-1.error.txt").read_text()
    )


def test_a_finished_comparison_prints_its_answer_again(copied, trained, capsys):
    comparison = copied()
    comparison.report_path.unlink()
    assert main(["compare", "--resume", "--run", str(comparison.folder)]) == 0
    printed = capsys.readouterr().out
    assert trained == []
    assert "6 of them finished before" in printed
    assert comparison.verdict in printed
    report, use = printed.splitlines()[-2:]
    assert report == f"report  {comparison.report_path}"
    assert re.fullmatch(r"best    keras-attention export .*/runs/.*/seed-[01]", use)
    assert comparison.report_path.exists()


def test_when_every_run_fails_there_is_no_report(settings, tmp_path, monkeypatch):
    def breaking(*_, **__):
        raise ValueError("broken")

    seams.training_of_a_task(monkeypatch, breaking)
    with pytest.raises(
        RuntimeError,
        match=r"^Every run failed\. Expected at least one run without an error\. Received: ValueError: broken",
    ):
        compare(settings, seeds=1, run=tmp_path / "comparison", verbose=False)
    assert not (tmp_path / "comparison" / "report.html").exists()


@pytest.mark.long
def test_variants_of_a_frozen_backbone_share_their_features(settings, data_dir, tmp_path, monkeypatch):
    filled, fill = [], seams.filling_of_features()

    def recording(cache, store, missing, split, label):
        filled.append(label)
        return fill(cache, store, missing, split, label)

    seams.filling_of_features(monkeypatch, recording)
    keras.utils.set_random_seed(1)
    VGG16BN((32, 32, 3), width=0.05).save_weights(tmp_path / "small.weights.h5")
    config = TrainConfig(
        data_options={"count": 90},
        data_dir=data_dir,
        image_size=32,
        width=0.05,
        units=7,
        epochs=1,
        weights=tmp_path / "small.weights.h5",
        freeze="all",
        cache_dir=tmp_path / "cache",
    )
    variants = ["uniform", "dot+sigmoid@block2_pool"]
    comparison = compare(config, variants, 1, tmp_path / "comparison", costs=False, verbose=False)
    assert len(filled) == 3  # one for each split
    found = {variant["name"]: variant for variant in comparison.summary["variants"]}
    for measure in found["uniform"]["maps"].values():
        for figure in measure.values():
            assert figure["gain"]["mean"] == pytest.approx(0, abs=1e-6)


BAD = {
    "variant": (
        ["--variants", "aditive+softmax"],
        "Unknown score in the variant 'aditive+softmax': 'aditive' (did you",
    ),
    "network": (
        ["--variants", "dot+softmax", "--units", "none"],
        "The variant 'dot+softmax' cannot run. `dot` needs a query and a key of the same dimension.",
    ),
    "seeds": (["--seeds", "0"], "--seeds is out of range. Expected an integer at least 1"),
    "jobs": (["--jobs", "0"], "--jobs is out of range"),
    "backend": (["--backend", "dask"], "--backend dask needs --scheduler."),
    "masks": (["--masks", "here"], "--masks needs a folder or a table of images"),
    "resume": (["--resume"], "holds no comparison"),
    "metric": (["--monitor", "val_f2"], "Unknown monitor 'val_f2'"),
}


def test_the_command_without_flags_is_that_of_the_library(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    given = {}

    def called(*arguments, **options):
        names = inspect.signature(compare).parameters
        given.update(zip(names, arguments, strict=False), **options)
        raise ValueError("enough")

    seams.comparison_of_the_command(monkeypatch, called)
    assert main(["compare"]) == 2
    usual = {name: parameter.default for name, parameter in inspect.signature(compare).parameters.items()}
    asked = {"config": DEFAULT_COMPARISON, "run": "runs/cluttered_digits-compare"}
    assert given == {name: asked.get(name, usual[name]) for name in given}
    assert set(usual) - set(given) == {"verbose"}


@pytest.mark.parametrize("case", some_now(BAD, *(BAD.keys() - {"network"})))
def test_bad_input_is_one_line_and_nothing_begins(case, data_dir, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments, message = BAD[case]
    small = ["--data-dir", data_dir, "--data-option", "count=90", "--image-size", "32", "--width", "0.05"]
    assert main(["compare", *small, *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("keras-attention: error: ")
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_another_comparison_is_refused(copied, settings, capsys):
    comparison = copied()
    before = (comparison.folder / "comparison.json").read_text()
    for way, epochs in (([], "7"), (["--resume"], "7")):
        assert main(["compare", "--run", str(comparison.folder), "--epochs", epochs, *way]) == 2
        assert "differs from that of the comparison" in capsys.readouterr().err
    assert main(["compare", "--resume", "--run", str(comparison.folder), "--seeds", "1"]) == 2
    assert "--seeds is less than that of the comparison. Expected at least 2." in capsys.readouterr().err
    assert (comparison.folder / "comparison.json").read_text() == before

"""Every run of a comparison with several learning rates is the one that its validation images choose."""

import json

import pytest
import seams

from keras_attention import TrainConfig, compare
from keras_attention.comparison.plan import Plan
from keras_attention.comparison.rates import FILE, candidates, choose, failed_rates, place_of_rates, rates_around
from keras_attention.comparison.tasks import Task, run_group
from keras_attention.files import write_json
from keras_attention.runs import Run
from keras_attention.variants import make_variants


@pytest.mark.parametrize(
    ("rate", "count", "rates"),
    [
        (1e-3, 1, (1e-3,)),
        (1e-3, 2, (1e-3, 3.16e-3)),
        (1e-3, 3, (3.16e-4, 1e-3, 3.16e-3)),
        (0.004, 5, (0.0004, 0.00126, 0.004, 0.0126, 0.04)),
    ],
)
def test_rates_are_around_the_given_one(rate, count, rates):
    assert rates_around(rate, count) == rates


@pytest.fixture
def task(tmp_path):
    config = TrainConfig(monitor="val_loss", epochs=1, learning_rate=1e-3)
    return Task("plain", config, str(tmp_path / "runs" / "plain" / "seed-0"), learning_rates=3)


def finish(task, figure):
    """What a finished run with this validation figure leaves, and another figure on its test images."""
    run = Run(task.folder)
    run.folder.mkdir(parents=True)
    (run.folder / "config.json").write_text(task.config.to_json())
    write_json(run.folder / "metrics.json", {"validation": {"val_loss": figure}, "loss": -(figure or 0)})


def test_the_best_on_validation_is_the_run(task):
    tried = candidates(task)
    for each, figure in zip(tried, (0.7, 0.5, None), strict=True):
        finish(each, figure)
    assert choose(task, {}) is None
    run = Run(task.folder)
    assert run.config.learning_rate == 1e-3
    assert run.metrics["validation"]["val_loss"] == 0.5
    rows = json.loads((run.folder / FILE).read_text())
    assert [(row["learning_rate"], row["val_loss"]) for row in rows] == [(3.16e-4, 0.7), (1e-3, 0.5), (3.16e-3, None)]
    assert [path.name for path in run.folder.parent.rglob("seed-0*") if path.is_dir()] == ["seed-0"]
    assert choose(task, {}) is None  # once more, as after a kill


def test_of_equal_figures_the_nearest_rate_counts(task):
    for each in candidates(task):
        finish(each, 0.5)
    assert choose(task, {}) is None
    assert Run(task.folder).config.learning_rate == 1e-3


def test_a_rate_that_fails_is_not_chosen_and_is_told(task):
    tried = candidates(task)
    finish(tried[0], 0.9)
    assert choose(task, {tried[2].folder: "FloatingPointError"}) is None
    run = Run(task.folder)
    assert run.config.learning_rate == 3.16e-4
    assert json.loads((run.folder / FILE).read_text())[2]["error"] == "FloatingPointError"
    assert failed_rates(run) == 1


def test_a_candidate_that_cannot_be_read_is_not_chosen(task):
    tried = candidates(task)
    for each in tried[:2]:
        finish(each, 0.5)
    (Run(tried[1].folder).folder / "metrics.json").write_text("{")
    assert choose(task, {}) is None
    assert Run(task.folder).config.learning_rate == 3.16e-4


def test_what_a_kill_left_beside_a_chosen_run_is_removed(task):
    finish(task, 0.5)
    finish(candidates(task)[0], 0.4)
    assert choose(task, {}) is None
    assert Run(task.folder).metrics["validation"]["val_loss"] == 0.5
    assert not place_of_rates(task.folder).exists()


def test_a_run_whose_candidates_have_begun_has_begun(task):
    assert not task.begun
    place_of_rates(task.folder).mkdir(parents=True)
    (place_of_rates(task.folder) / "0.001.attempts").write_text("1")
    assert task.begun


def test_a_run_fails_if_all_of_its_rates_do(task):
    tried = candidates(task)
    Run(task.folder).folder.parent.mkdir(parents=True)
    assert choose(task, {each.folder: f"error at {each.config.learning_rate:g}" for each in tried}) == (
        "error at 0.000316"
    )
    assert not Run(task.folder).finished


@pytest.mark.long
def test_a_comparison_with_rates(tmp_path, monkeypatch):
    seams.shallow_backbone(monkeypatch)
    config = TrainConfig(data_options={"count": 60}, data_dir=tmp_path, image_size=32, width=0.05, units=8, epochs=1)
    options = {"seeds": 1, "run": tmp_path / "compared", "costs": False, "verbose": False}
    compared = compare(config, "plain", tune=2, **options)
    for name in ("plain", "multiscale"):
        run = compared.run(name, 0)
        rows = json.loads((run.folder / FILE).read_text())
        best = max(rows, key=lambda row: row["val_accuracy"])
        assert run.config.learning_rate == best["learning_rate"]
        assert len(rows) == 2
    assert compared.plan.tune == compared.summary["tune"] == 2
    assert "Which learning rates were chosen" in compared.report_path.read_text()
    assert "--tune 2" in compared.summary["command"]
    rows = (compared.folder / "results.csv").read_text().splitlines()
    assert rows[0].split(",").index("learning_rate") > 0
    seams.assert_three_parts(lambda: compare(config, resume=True, **options, tune=3), "`tune` differs", "tune=3")


@pytest.mark.parametrize("tune", [0, -1, 1.5, True])
def test_fewer_rates_than_one(tune):
    seams.assert_three_parts(
        lambda: Plan(TrainConfig(), make_variants("plain"), 1, tune=tune), "`tune`", f"tune={tune}"
    )


def test_candidates_are_trained_together(task, monkeypatch):
    done = []

    def together(configs, folders):
        done.append([config.learning_rate for config in configs])
        for config, folder in zip(configs, folders, strict=True):
            finish(Task("plain", config, folder), config.learning_rate)
        return [None] * len(configs)

    seams.training_of_a_group(monkeypatch, together)
    frozen = task.config.with_settings(freeze="all", weights="vgg16.npz")
    (outcome,) = run_group([Task("plain", frozen, task.folder, learning_rates=3)])
    assert outcome.error is None
    assert done == [[3.16e-4, 1e-3, 3.16e-3]]
    assert Run(task.folder).config.learning_rate == 3.16e-4

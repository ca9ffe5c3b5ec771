"""A search from a command to the winner's run: continued after a kill, repeated from its file, refused bad input."""

import contextlib
import csv
import dataclasses
import io
import json
import re
import shutil

import pytest
import seams

from keras_attention import AttentionHyperModel, Run, Search, TrainConfig, train
from keras_attention.cli import main
from keras_attention.tuning import search

NARROW = {"attend": "block4_pool", "units": 7, "num_heads": 1, "dropout": 0.0, "softmax.temperature": 1.0}
CHOICE = {"score": ["dot", "general"], "alignment": ["softmax", "sigmoid"]}


pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture(scope="session")
def settings(tiny):
    return tiny(epochs=1, augment="none", dropout=0.0, attention_dropout=0.0)


@pytest.fixture(scope="session")
def searched(settings, tmp_path_factory):
    """A finished search of three trials, and what was printed. Tests only read it."""
    folder, printed = tmp_path_factory.mktemp("searches") / "finished", io.StringIO()
    with pytest.MonkeyPatch.context() as patched, contextlib.redirect_stdout(printed):
        seams.shallow_backbone(patched)
        seams.without_pictures(patched)
        search(AttentionHyperModel(settings, fix=NARROW, choose=CHOICE), 3, "random", folder)
    return Search(folder), printed.getvalue()


@pytest.fixture
def copied(searched, tmp_path):
    """A copy of the finished search to change."""
    shutil.copytree(searched[0].folder, tmp_path / "search")
    return Search(tmp_path / "search")


@pytest.fixture
def fitted(monkeypatch):
    """The folders of the networks that are trained in trials."""
    folders, fit_run = [], seams.training_of_a_trial()

    def recording(run, *arguments, **named):
        folders.append(run.folder.parent.name)
        return fit_run(run, *arguments, **named)

    seams.training_of_a_trial(monkeypatch, recording)
    return folders


def test_a_search_holds_what_it_says(searched):
    record, printed = searched
    assert len(record.trials) == 3
    line = r"^\[\d/3\] trial \d: (?:dot|general)\+(?:softmax|sigmoid).*, rate .*: val_accuracy 0\.\d{3}, "
    assert len(re.findall(line, printed, re.M)) == 3
    assert "val_accuracy 0." in printed.split("in the search: the best of 3 on the images that chose it")[0]
    with record.csv_path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["val_accuracy"]) for row in rows] == [trial.figures["val_accuracy"] for trial in record.trials]
    best = record.best
    assert best["figures"]["val_accuracy"] == max(trial.figures["val_accuracy"] for trial in record.trials)
    winner = record.winner
    assert winner.config == TrainConfig.from_json(json.dumps(best["config"]))
    assert winner.metrics["images"] == {"train": 90, "validation": 15, "test": 15}
    assert winner.metrics["validation"] == {}
    assert "trained on train and validation together" in winner.metrics["notes"][-1]
    assert list(winner.history()[0]) == ["epoch", "accuracy", "loss", "learning_rate"]
    assert winner.export_path.exists()
    assert not list(record.folder.glob("networks/*/*/backup"))


def test_the_figure_of_a_trial_is_that_of_a_run(searched, settings, tmp_path, only_training):
    """The same settings alone, after other trainings, give the same epoch to the last digit."""
    record, _ = searched
    trial = record.trials[-1]
    run = train(dataclasses.replace(settings, **trial.settings), tmp_path / "run", verbose=0)
    assert {name: Run(run.folder).history()[0][name] for name in trial.figures} == trial.figures


@pytest.mark.long
def test_a_search_that_was_cut_off_goes_on(searched, settings, tmp_path, fitted, monkeypatch, capsys):
    undisturbed, _ = searched
    fit_run = seams.training_of_a_trial()

    def interrupted(run, *arguments, **named):
        if len(fitted) == 1:
            raise KeyboardInterrupt
        return fit_run(run, *arguments, **named)

    with monkeypatch.context() as patched:
        seams.training_of_a_trial(patched, interrupted)
        with pytest.raises(KeyboardInterrupt):
            search(AttentionHyperModel(settings, fix=NARROW, choose=CHOICE), 3, "random", tmp_path, verbose=False)
    shutil.copytree(undisturbed.winner.folder, tmp_path / "winner")  # the same winner comes out of it
    last = undisturbed.folder / undisturbed.trials[2].folders[0]
    shutil.copytree(last, tmp_path / last.relative_to(undisturbed.folder))  # and the last trial is as it was
    assert main(["search", "--resume", "--run", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "3 trials, 1 of them done before" in printed
    record = Search(tmp_path)
    assert fitted == [trial.folders[0].split("/")[1] for trial in record.trials[:2]]
    assert [trial.figures for trial in record.trials] == [trial.figures for trial in undisturbed.trials]
    assert record.best == undisturbed.best
    assert f"again   keras-attention train --from {record.best_path}" in printed


@pytest.mark.long
def test_more_trials_after_the_last(copied, fitted, capsys):
    before = copied.trials
    assert main(["search", "--resume", "--run", str(copied.folder), "--max-trials", "4"]) == 0
    assert len(fitted) == 1
    assert copied.trials[:3] == before
    assert "[4/4] trial 3: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("damaged", "text", "said"),
    [
        ("trials/1.json", "{}", "damaged trial 1: its file cannot be read, so it is run again"),
        ("tuner/oracle.json", "{}", "oracle.json must hold the state of a tuner."),
        pytest.param("tuner/trial_1/trial.json", '{"half', "trial.json cannot be read.", marks=pytest.mark.long),
    ],
)
def test_what_is_damaged_is_mended(damaged, text, said, copied, fitted, capsys):
    before = copied.trials
    (copied.folder / damaged).write_text(text)
    assert main(["search", "--resume", "--run", str(copied.folder)]) == 0
    assert said in capsys.readouterr().out
    assert fitted == []
    assert [trial.figures for trial in copied.trials] == [trial.figures for trial in before]


def test_a_result_that_is_gone_is_found_again(copied, fitted):
    before = copied.trials
    (copied.folder / "trials" / "0.json").unlink()
    assert main(["search", "--resume", "--run", str(copied.folder)]) == 0
    assert (fitted, [trial.figures for trial in copied.trials]) == ([], [trial.figures for trial in before])


class Forgetful(AttentionHyperModel):
    """Its space gives nothing."""

    def space(self, hp):
        super().space(hp)


class Misspelt(AttentionHyperModel):
    """Its space gives a setting that is none."""

    def space(self, hp):
        return super().space(hp) | {"weight_decoy": 0.1}


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Forgetful, "`space` must return settings. Expected a dictionary. Received: space(hp)=None."),
        (Misspelt, "Unknown setting 'weight_decoy' (did you mean 'weight_decay'?)."),
        (lambda _: "additive", "`hypermodel` must be a hypermodel. Expected an AttentionHyperModel or a TrainConfig."),
    ],
)
def test_a_space_that_cannot_be_is_refused_before_anything_is_written(kind, message, settings, tmp_path):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        search(kind(settings), 1, run=tmp_path / "search", verbose=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_choices_that_fail_are_named_and_stop_nothing(settings, tmp_path, monkeypatch, capsys):
    build = seams.networks_of_a_trial()

    def failing(config, dataset):
        if config.score == "general":
            raise MemoryError("no room for a kernel of general")
        return build(config, dataset)

    seams.networks_of_a_trial(monkeypatch, failing)
    seams.training_of_the_winner(monkeypatch, lambda *_, **__: None)
    choose = {"score": ["general", "dot"], "learning_rate": [0.01, 0.001]}
    hypermodel = AttentionHyperModel(settings, fix=NARROW | {"alignment": "softmax"}, choose=choose)
    record = search(hypermodel, 3, "grid", tmp_path / "search")
    printed = capsys.readouterr().out
    assert [trial.status for trial in record.trials] == ["failed", "failed", "completed"]
    assert record.best["settings"]["score"] == "dot"
    assert "failed: MemoryError: no room for a kernel of general" in printed
    assert printed.count("Traceback (most recent call last)") == 1
    assert "like trial 0" in printed
    assert "trials  1 completed, 2 failed" in printed
    assert "failed  general+softmax(temperature=1), block4_pool, 7 units" in printed


@pytest.mark.long
def test_when_every_network_is_too_large(settings, tmp_path):
    with pytest.raises(RuntimeError, match=r"^Every network was too large\. Expected a larger `max_parameters`\. "):
        search(settings, 2, "random", tmp_path / "search", max_parameters=10, verbose=False)
    assert "skipped" in (tmp_path / "search" / "trials.csv").read_text()


def test_when_every_trial_fails(settings, tmp_path, monkeypatch, capsys):
    seams.networks_of_a_trial(monkeypatch, lambda *_: 1 / 0)
    with pytest.raises(
        RuntimeError,
        match=r"^Every trial failed\. Expected at least one trial without an error\. Received: ZeroDivisionError",
    ):
        search(
            AttentionHyperModel(settings, fix=NARROW, choose=CHOICE), 2, "random", tmp_path / "search", verbose=False
        )
    assert not (tmp_path / "search" / "best.json").exists()


def test_the_winner_is_trained_again_from_its_file(searched, tmp_path, monkeypatch):
    record, _ = searched
    asked = {}
    seams.training_of_the_command(
        monkeypatch, lambda config, folder, **named: asked.update(config=config) or record.winner
    )
    assert main(["train", "--from", str(record.best_path), "--run", str(tmp_path / "run")]) == 0
    assert asked["config"] == record.winner.config
    config_file = record.winner.folder / "config.json"
    assert main(["train", "--from", str(config_file), "--seed", "5", "--run", str(tmp_path / "run")]) == 0
    assert asked["config"].seed == 5
    assert asked["config"].score == record.winner.config.score


BAD = {
    "monitor": (["--monitor", "val_f2"], "Unknown monitor 'val_f2'"),
    "trials": (["--max-trials", "0"], "--max-trials is out of range. Expected an integer at least 1"),
    "tuner": (["--tuner", "rndom"], "Unknown tuner 'rndom' (did you mean 'random'?)"),
    "choice": (["--choose", "alignment=softmax,max"], "--alignment cannot be 'max'. Unknown alignment 'max'"),
    "name": (["--fix", "scores=dot"], "Unknown hyperparameter 'scores' (did you mean 'score'?)"),
    "form": (["--fix", "score"], "--fix needs a name and a value. Expected --fix NAME=VALUE"),
    "score": (["--score", "aditive"], "--score cannot be 'aditive'"),
    "units": (["--units", "0"], "--units cannot be 0"),
    "option": (["--score-option", "learned=true"], "--score-option needs --score. Expected both of them"),
    "resume": (["--resume"], "holds no search. Expected the folder of a search, with search.json"),
    "chief": (["--chief", "nowhere"], "The address of the chief must be a host and a port. Expected HOST:PORT"),
    "no chief": (["--worker", "one"], "--worker needs --chief. Expected the address of the chief"),
    "worker": (["--worker", "my-chief", "--chief", "localhost:1"], "--worker must be the name of a worker."),
    "empty": (["--choose", "units="], "--choose needs a name and a value. Expected --choose NAME=A,B"),
    "twice": (["--fix", "units=64", "--fix", "units=32"], "--units must be given once."),
    "flag and fix": (["--units", "64", "--fix", "units=32"], "--units must be given once."),
    "list": (["--fix", "alignment=softmax,hard"], "Expected --choose alignment=softmax,hard."),
    "folder": (["--run", ""], "--run must be a path."),
    "worker's settings": (
        ["--worker", "one", "--chief", "localhost:1", "--units", "64"],
        "A worker takes this from the chief's plan. Expected --units left out. Received: --units 64.",
    ),
    "worker's chief": (["--worker", "one", "--chief", "localhost"], "The address of the chief must be a host"),
    "worker's plan": (
        ["--worker", "one", "--chief", "localhost:1", "--max-trials", "3"],
        "A worker takes this from the chief's plan. Expected --max-trials left out. Received: --max-trials 3.",
    ),
    "no folder": (["--worker", "one", "--chief", "localhost:1"], "holds no search"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_nothing_begins(case, data_dir, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments, message = BAD[case]
    small = ["--data-dir", data_dir, "--data-option", "count=90", "--image-size", "32", "--width", "0.25"]
    small = [] if "--worker" in arguments else small
    assert main(["search", *small, *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("keras-attention: error: ")
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_another_search_is_refused(copied, capsys):
    before = (copied.folder / "search.json").read_text()
    for arguments, message in (
        (["--epochs", "7"], "--epochs differs from that of the search"),
        (["--choose", "score=dot"], "The space differs from that of the search"),
        (["--data-option", "seed=4"], "--data-option differs from that of the search"),
        (["--max-trials", "2"], "--max-trials is less than that of the search"),
        (["--tuner", "grid"], "--tuner differs from that of the search"),
    ):
        assert main(["search", "--resume", "--run", str(copied.folder), *arguments]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert "leave out what differs, or use another --run" in error
    assert main(["search", "--run", str(copied.folder)]) == 2
    assert "holds another search" in capsys.readouterr().err
    assert (copied.folder / "search.json").read_text() == before


def test_a_file_without_settings(tmp_path, capsys):
    (tmp_path / "best.json").write_text("[1]")
    for name, message in (("best.json", "must contain settings"), ("nothing.json", "does not exist")):
        assert main(["train", "--from", str(tmp_path / name)]) == 2
        assert message in capsys.readouterr().err

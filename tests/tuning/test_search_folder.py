"""The folder of a search: its plan, what may continue it, and what is made of its trials."""

import csv
import dataclasses
import json

import numpy as np
import pytest

from keras_attention import Search, TrainConfig
from keras_attention.report import search_figure
from keras_attention.tuning.folder import Plan
from keras_attention.tuning.progress import Progress, conclusion, described
from keras_attention.tuning.trials import COMPLETED, FAILED, SKIPPED, TrialResult
from keras_attention.tuning.winner import winning_config, write_results

SETTINGS = {
    "score": "cosine",
    "attend": ("block3_pool", "block4_pool"),
    "dropout": 0.0,
    "learning_rate": 0.0012,
    "score_options": {"temperature": 2.5, "learned": True},
    "alignment_options": {"alpha": 1.3},
    "alignment": "entmax",
    "units": 64,
    "num_heads": 2,
}
PLAIN = {name: SETTINGS[name] for name in ("attend", "dropout", "learning_rate")}
PLAIN |= {"score": None, "score_options": {}, "alignment_options": {}, "alignment": "softmax"}


def trial(number, value=None, settings=SETTINGS, status=COMPLETED, epochs=5, **more):
    figures = {} if value is None else {"val_accuracy": value, "val_loss": 1 - value}
    return TrialResult(f"{number:02d}", status, settings, figures, epochs=epochs, best_epoch=epochs - 1.0, **more)


@pytest.fixture
def plan():
    config = TrainConfig(patience=3)
    space = [{"class_name": "Choice", "config": {"name": "score", "values": ["dot", "cosine"]}}]
    return Plan(config, {"units": 64}, {"score": ["dot"]}, "random", 12, space=space, data={"name": "mine"})


@pytest.fixture
def record(plan, tmp_path):
    """A search of five trials."""
    search = Search(tmp_path / "search")
    search.begin(plan, resume=False)
    trials = [
        trial(0, 0.5, worker="one"),
        trial(1, 0.7, PLAIN, seconds=12.3456),
        trial(2, status=FAILED, error="ValueError: no, it is not"),
        trial(3, 0.7, epochs=2, repeats="01"),
        trial(4, status=SKIPPED, error="9 parameters, more than the limit of 8"),
    ]
    for each in trials:
        each.save(search.folder / "trials" / f"{each.trial}.json")
    return search


def test_a_plan_is_the_same_from_its_file(plan, tmp_path):
    search = Search(tmp_path)
    search.begin(plan, resume=True)
    assert search.plan == plan


def test_a_folder_without_a_search(tmp_path):
    for what in ("plan", "best"):
        with pytest.raises(ValueError, match=r"Expected the folder of a search, with"):
            getattr(Search(tmp_path), what)


def test_a_plan_of_something_else_is_named(tmp_path):
    (tmp_path / "search.json").write_text('{"seeds": 2}')
    with pytest.raises(ValueError, match=r"search\.json must be the plan of a search\."):
        _ = Search(tmp_path).plan


def test_more_trials_continue_a_search(plan, record):
    more = dataclasses.replace(plan, max_trials=20)
    assert record.claim(more, resume=True) == more
    unknown = dataclasses.replace(plan, space=[], data={})  # as long as the images are not loaded
    assert record.claim(unknown, resume=True) == unknown


DIFFERENT = {
    "config": ({"config": TrainConfig(patience=3, epochs=9)}, "`epochs` differs from that of the search. Expected"),
    "tuner": ({"tuner": "grid"}, "`tuner` differs from that of the search. Expected 'random'. Received: 'grid'."),
    "trials": (
        {"max_trials": 11},
        "`max_trials` is less than that of the search. Expected at least 12. Received: max_trials=11.",
    ),
    "data": ({"data": {"name": "yours"}}, "The images differ from those of the search. Expected {'name': 'mine'}."),
    "space": (
        {"space": [{"class_name": "Choice", "config": {"name": "score", "values": ["dot"]}}]},
        "The space differs from that of the search. Expected score in ['dot', 'cosine']. Received: score in ['dot'].",
    ),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_another_search_is_refused(name, plan, record):
    change, message = DIFFERENT[name]
    other = dataclasses.replace(plan, **change)
    refusals = {
        True: "cannot be resumed with different settings: leave out what differs",
        False: "holds another search: use another",
    }
    for resume, refusal in refusals.items():
        with pytest.raises(ValueError, match=refusal) as raised:
            record.claim(other, resume=resume)
        assert message in str(raised.value)
    record.claim(other, overwrite=True)


def test_a_search_that_is_there_is_not_replaced_unasked(plan, record):
    with pytest.raises(
        ValueError, match=r"that is unfinished\. Expected `resume=True` or `overwrite=True`, or another `run`\."
    ):
        record.claim(plan)


def test_folders_that_hold_something_else(plan, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("")
    with pytest.raises(ValueError, match=r"file is a file\."):
        Search(tmp_path / "file").claim(plan)
    for overwrite in (False, True):
        with pytest.raises(ValueError, match=r"is not empty and holds no search\."):
            Search(tmp_path / "full").claim(plan, overwrite=overwrite)
    with pytest.raises(ValueError, match=r"cannot be written: Not a directory\."):
        Search(tmp_path / "file" / "below").begin(plan, resume=False)


def test_one_process_at_a_time(plan, record):
    with record.alone():
        for action in (lambda: record.begin(plan, resume=False), lambda: record.begin(plan, resume=True)):
            with pytest.raises(ValueError, match=r"^Another process runs this search\."):
                action()
    record.begin(plan, resume=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tuner": "rndom"}, "Unknown tuner 'rndom' (did you mean 'random'?)."),
        ({"max_trials": 0}, "`max_trials` is out of range. Expected an integer at least 1. Received: max_trials=0."),
        ({"executions": 0}, "`executions` is out of range."),
        ({"max_parameters": 0}, "`max_parameters` is out of range."),
        ({"config": TrainConfig(train_on_validation=True)}, "A search compares its trials on the validation images."),
    ],
)
def test_plans_that_cannot_be(change, message, plan):
    with pytest.raises(ValueError, match="Expected") as raised:
        dataclasses.replace(plan, **change)
    assert str(raised.value).startswith(message)


def test_the_best_trial_is_the_first_of_equals(record):
    assert record.best_trial("val_accuracy").trial == "01"
    assert record.best_trial("val_loss").trial == "01"


def test_the_files_of_a_search(record, plan):
    config = write_results(record, plan)
    record.write_table()
    with record.csv_path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["trial"] for row in rows] == ["00", "01", "02", "03", "04"]
    assert rows[0]["score_options"] == "temperature=2.5 learned=True"
    assert (rows[0]["attend"], rows[1]["score"], rows[1]["units"]) == ("block3_pool+block4_pool", "none", "")
    assert (rows[1]["seconds"], rows[3]["repeats"], rows[0]["worker"]) == ("12.35", "01", "one")
    assert rows[2]["error"] == "ValueError: no, it is not"
    assert record.picture_path.stat().st_size > 10_000
    assert TrainConfig.from_json(json.dumps(record.best["config"])) == config
    assert (record.best["trial"], record.best["figures"]["val_accuracy"]) == ("01", 0.7)
    assert "optimistic" in record.best["note"]


@pytest.mark.parametrize("text", ['{"status": ', "{}", "[]", '{"settings": 3}'])
def test_results_that_are_damaged_are_forgotten(text, record):
    (record.folder / "trials" / "03.json").write_text(text)
    assert record.forget_damaged_trials() == ["03"]
    assert [trial.trial for trial in record.trials] == ["00", "01", "02", "04"]
    assert record.forget_damaged_trials() == []


def test_the_recipe_of_the_winner(plan):
    config = winning_config(plan, trial(0, 0.5))
    assert (config.score, config.num_heads, config.alignment_options) == ("cosine", 2, {"alpha": 1.3})
    assert (config.train_on_validation, config.stop_after, config.epochs, config.patience) == (True, 4, 5, None)


def test_what_a_person_reads(record, plan):
    text = conclusion(record, plan)
    assert "trials  3 completed, 1 failed, 1 skipped; no other settings are left to try" in text
    assert "failed  cosine(temperature=2.5, learned=True)+entmax(alpha=1.3), " in text
    assert "best    trial 01: multiscale, block3_pool+block4_pool, rate 0.0012" in text
    assert "val_accuracy 0.700 in the search: the best of 3 on the images that chose it, so optimistic" in text
    assert described(SETTINGS | {"weight_decay": 0.1}).endswith("64 units, 2 heads, rate 0.0012, weight_decay 0.1")


def test_the_lines_of_trials(record, plan):
    said = []
    progress = Progress(Search(record.folder / "nothing"), plan, lambda text, end="\n": said.append(text + end))
    (record.folder / "nothing" / "trials").mkdir(parents=True)
    for number in (5, 7):
        path = record.folder / "nothing" / "trials" / f"0{number}.error.txt"
        path.write_text("Traceback (most recent call last):\n  ValueError: no\n")
    for result in (
        trial(4, 0.5, seconds=3.2),
        trial(5, status=FAILED, error="ValueError: no"),
        trial(6, 0.4, epochs=2, repeats="04"),
        trial(7, status=FAILED, error="ValueError: no"),
        trial(8, status=SKIPPED, error="too large"),
    ):
        progress.begin(result.trial, result.settings)
        progress.end(result)
    text = "".join(said)
    assert text.startswith("[1/12] trial 04: cosine(temperature=2.5, learned=True)+entmax(alpha=1.3), ")
    assert "rate 0.0012: val_accuracy 0.500, 3 s, the best so far, about 0 s left\n[2/12]" in text
    assert "val_accuracy 0.400 after 2 of 5 epochs, same as trial 04, not run again, best 0.500 (trial 04)" in text
    assert text.count("Traceback") == 1
    assert "        settings: {'score': 'cosine'" in text
    assert "        like trial 05\n" in text
    assert "skipped: too large" in text
    said.clear()
    again = Progress(record, plan, said.append)
    again.begin("00", SETTINGS)
    again.end(trial(0, 0.5))
    assert said == []  # its result was known


@pytest.mark.parametrize("more_is_better", [True, False])
def test_the_picture_holds_every_trial(more_is_better):
    trials = [trial(1, 0.1), trial(2, 0.25, PLAIN), trial(3, 0.3)]
    trials.append(trial(9, 0.9, SETTINGS | {"units": 32}, epochs=1))
    figure = search_figure([dataclasses.asdict(each) for each in trials], "val_accuracy", more_is_better)
    course, by_score, by_alignment, by_units = figure.axes
    filled, hollow, best = (line.get_ydata() for line in course.get_lines())
    assert [len(filled), len(hollow)] == [3, 1]
    expected = [0.1, 0.25, 0.3, 0.9] if more_is_better else [0.1] * 4
    np.testing.assert_allclose(best, expected)
    names = [label.get_text() for label in by_score.get_yticklabels()]
    assert names == ["cosine (3)", "multiscale (1)"][:: 1 if more_is_better else -1]  # the best on top
    assert [label.get_text() for label in by_alignment.get_yticklabels()] == ["entmax (3)"]
    assert sorted(by_units.get_xticks()) == [32, 64]


def test_the_picture_of_controls_alone():
    figure = search_figure([dataclasses.asdict(trial(0, 0.5, PLAIN))], "val_accuracy")
    assert figure.axes[3].get_title() == "By units"

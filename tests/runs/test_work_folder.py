"""One protocol for every kind of work on disk: claiming, beginning, resuming and finishing a folder."""

import dataclasses
import pathlib
import re

import pytest

from keras_attention import Comparison, Run, Search, TrainConfig
from keras_attention.comparison import make_variants
from keras_attention.comparison.plan import Plan as ComparisonPlan
from keras_attention.tuning.folder import Plan as SearchPlan

CONFIG = TrainConfig(epochs=3)


def with_epochs(plan, epochs):
    if isinstance(plan, TrainConfig):
        return dataclasses.replace(plan, epochs=epochs)
    return dataclasses.replace(plan, config=dataclasses.replace(plan.config, epochs=epochs))


KINDS = {
    "run": (Run, CONFIG),
    "comparison": (Comparison, ComparisonPlan(CONFIG, make_variants(["dot+softmax"]), 2)),
    "search": (Search, SearchPlan(CONFIG, {}, {}, "random", 5)),
}


@pytest.fixture(params=KINDS)
def work(request, tmp_path):
    """A folder that is not there yet, and its plan."""
    kind, plan = KINDS[request.param]
    return kind(tmp_path / request.param), plan


# A result of any work: what a comparison remembers of it is in it too.
RESULT = {"done": True, "seeds": [0, 1], "level": 0.04, "metric": "accuracy", "variants": []}


def finish(folder):
    (folder.winner if isinstance(folder, Search) else folder).finish(RESULT)


def refused(folder, plan, message, **leave):
    with pytest.raises(ValueError, match=re.escape(message)):
        folder.claim(plan, **leave)


def test_claiming_writes_nothing(work):
    folder, plan = work
    assert folder.claim(plan) == plan
    assert not folder.folder.exists()
    assert not folder.begun


def test_what_is_begun_is_unfinished_and_can_be_resumed_or_replaced(work):
    folder, plan = work
    folder.begin(plan)
    assert (folder.begun, folder.finished) == (True, False)
    assert folder.plan == plan == folder.claim(plan, resume=True) == folder.claim(plan, overwrite=True)
    ways = "Expected `resume=True` or `overwrite=True`, or another `run`."
    refused(folder, plan, f"holds a {folder.kind} that is unfinished. {ways}")


def test_what_is_finished_is_resumed_only_if_it_can_grow(work):
    folder, plan = work
    folder.begin(plan)
    finish(folder)
    assert folder.finished
    ways = "`resume=True` or `overwrite=True`" if folder.grows else "`overwrite=True`"
    refused(folder, plan, f"holds a {folder.kind} that is finished. Expected {ways}, or another `run`.")


def test_other_settings_are_refused_and_named(work):
    folder, plan = work
    folder.begin(plan)
    differs = f"`epochs` differs from that of the {folder.kind}. Expected epochs=3. Received: epochs=4."
    other = with_epochs(plan, 4)
    refused(folder, other, f"cannot be resumed with different settings: leave out what differs, or use another `run`. "
                           f"{differs}", resume=True)  # fmt: skip
    refused(folder, other, f"holds another {folder.kind}: use another `run`, or `overwrite=True`. {differs}")
    assert folder.claim(other, overwrite=True) == other


def test_a_folder_of_something_else_is_never_replaced(work):
    folder, plan = work
    folder.folder.mkdir()
    (folder.folder / "letter.txt").write_text("mine")
    for leave in ({}, {"overwrite": True}):
        refused(folder, plan, f"is not empty and holds no {folder.kind}.", **leave)
    refused(folder, plan, f"holds no {folder.kind}.", resume=True)
    assert (folder.folder / "letter.txt").read_text() == "mine"


LEFT = ("images.json", ".unfinished-0123abcd-config.json")


@pytest.mark.parametrize("leave", [{}, {"overwrite": True}, {"resume": True}], ids=str)
@pytest.mark.parametrize("left", [LEFT, LEFT[:1], LEFT[1:]], ids=str)
def test_a_run_that_was_killed_before_it_had_begun_is_begun(left, leave, tmp_path):
    run = Run(tmp_path)
    for name in left:
        (tmp_path / name).write_text('{"classes": ["a"], "files": {}}')
    assert (run.abandoned, run.begun) == (True, False)
    assert run.claim(CONFIG, **leave) == CONFIG
    run.begin(CONFIG, resume="resume" in leave)
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
    assert (run.abandoned, run.begun) == (False, True)


@pytest.mark.parametrize("content", ['{"images": []}', "[3]", "3", "{"])
def test_an_image_list_of_something_else_is_never_replaced(content, tmp_path):
    (tmp_path / "images.json").write_text(content)
    assert not Run(tmp_path).abandoned
    refused(Run(tmp_path), CONFIG, "is not empty and holds no run.", overwrite=True)


def test_a_kill_while_a_folder_is_made_anew_leaves_its_plan(work, monkeypatch):
    folder, plan = work
    folder.begin(plan)
    (folder.folder / "images.json").write_text("{}")
    original = pathlib.Path.write_text

    def killed(path, *arguments, **options):
        assert original(path, *arguments, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(pathlib.Path, "write_text", killed)
    with pytest.raises(KeyboardInterrupt):
        folder.begin(with_epochs(plan, 4))
    monkeypatch.undo()
    assert folder.plan == plan
    assert (folder.folder / "images.json").exists()
    left = folder.folder.with_name(f".unfinished-0123abcd-old-{folder.folder.name}")
    left.mkdir()
    folder.begin(plan)
    assert not left.exists()


def test_an_empty_folder_may_be_taken(work):
    folder, plan = work
    folder.folder.mkdir()
    assert folder.claim(plan) == plan


def test_a_file_is_no_folder(work):
    folder, plan = work
    folder.folder.write_text("")
    for leave in ({}, {"overwrite": True}, {"resume": True}):
        refused(folder, plan, "is a file.", **leave)


def test_resuming_keeps_what_is_there_and_beginning_makes_the_folder_anew(work):
    folder, plan = work
    folder.begin(plan)
    (folder.folder / "kept").write_text("")
    folder.begin(plan, resume=True)
    assert (folder.folder / "kept").exists()
    folder.begin(plan)
    assert not (folder.folder / "kept").exists()


def test_a_plan_of_something_else_is_named(work):
    folder, plan = work
    folder.begin(plan)
    (folder.folder / folder.plan_name).write_text('{"epochs": 3}' if folder.kind != "run" else "[3]")
    with pytest.raises(ValueError, match=r"Expected .* Received: "):
        _ = folder.plan
    (folder.folder / folder.plan_name).write_text("{")
    with pytest.raises(ValueError, match=f"{folder.plan_name} cannot be read"):
        _ = folder.plan


@pytest.mark.parametrize("kind", [Run, Comparison, Search])
def test_the_path_of_a_folder_must_be_a_path(kind):
    with pytest.raises(TypeError, match=r"Received: run=3\."):
        kind(3)

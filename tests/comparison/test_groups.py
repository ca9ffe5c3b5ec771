"""Which runs of a comparison are trained together, and that what fails together is tried alone."""

import dataclasses

import pytest
import seams

from keras_attention import Run, TrainConfig
from keras_attention.comparison.tasks import Task, grouped, run_group
from keras_attention.files import write_json

FROZEN = TrainConfig(weights="w.weights.h5", freeze="all", epochs=4)


@pytest.fixture
def make(tmp_path):
    """`make(name, seed=0, **settings)`: a task over cached features."""

    def make(name, seed=0, **settings):
        return Task(name, FROZEN.with_settings(seed=seed, **settings), str(tmp_path / name / f"seed-{seed}"))

    return make


def names(groups):
    return [[f"{task.variant}{task.config.seed}" for task in group] for group in groups]


def begun(task, epochs, best=True):
    """The run of a task as it was cut off after so many epochs."""
    run = Run(task.folder)
    run.begin(task.config)
    rows = run.write_history([{"epoch": epoch + 1, "val_accuracy": 0.5} for epoch in range(epochs)])
    (run.folder / "backup").mkdir()
    write_json(run.folder / "backup" / "seconds.json", 1.0)
    (run.folder / "backup" / f"epoch-{len(rows):06d}.npz").touch()
    if best:
        run.best_path.touch()


def test_the_runs_of_a_seed_are_one_group(make):
    given = [make(name, seed) for seed in (0, 1) for name in "abc"]
    assert names(grouped(given)) == [["a0", "b0", "c0"], ["a1", "b1", "c1"]]


def test_runs_with_other_images_or_a_backbone_that_learns_are_apart(make):
    given = [make("a"), make("b", batch_size=8), make("c", unfreeze_after=2), make("d", learning_rate=1e-3), make("e")]
    assert names(grouped(given)) == [["a0", "d0", "e0"], ["b0"], ["c0"]]


def test_runs_that_were_cut_off_join_those_at_their_epoch(make):
    given = [make(name) for name in "abcde"]
    begun(given[1], 2)
    begun(given[3], 2)
    begun(given[4], 2, best=False)  # as earlier versions left it, with the best epoch in `model.keras`
    assert names(grouped(given)) == [["a0", "c0"], ["b0", "d0"], ["e0"]]


@pytest.mark.parametrize(("least", "sizes"), [(1, [5, 5]), (2, [5, 5]), (3, [3, 2, 3, 2]), (40, [1] * 10)])
def test_as_many_groups_as_processes(least, sizes, make):
    given = [make(name, seed) for seed in (0, 1) for name in "abcde"]
    assert list(map(len, grouped(given, least))) == sizes


def test_no_tasks_make_no_groups():
    assert grouped([], 4) == []


@pytest.fixture
def trained(monkeypatch):
    """What was trained together and alone; together `failing` holds the errors by the name of the variant."""
    done = dataclasses.make_dataclass("Done", ["together", "alone", "failing", "raises"])([], [], {}, None)

    def together(configs, folders):
        done.together.append([folder.split("/")[-2] for folder in folders])
        if done.raises:
            raise done.raises
        errors = [done.failing.get(folder.split("/")[-2]) for folder in folders]
        for config, folder, error in zip(configs, folders, errors, strict=True):
            if not Run(folder).begun:
                Run(folder).begin(config)
            if error is None:
                Run(folder).finish({})
        return errors

    def alone(config, folder, resume, overwrite, **_):
        done.alone.append((folder.split("/")[-2], resume))
        if not resume:
            Run(folder).begin(config)
        Run(folder).finish({})

    seams.training_of_a_group(monkeypatch, together)
    seams.training_of_a_task(monkeypatch, alone)
    return done


def test_a_group_is_trained_together(make, trained):
    given = [make(name) for name in "abc"]
    outcomes = run_group(given)
    assert [outcome.task for outcome in outcomes] == given
    assert [outcome.error for outcome in outcomes] == [None] * 3
    assert (trained.together, trained.alone) == ([["a", "b", "c"]], [])
    assert not any(task.beside(what).exists() for task in given for what in ("attempts", "error.txt"))


def test_one_that_fails_is_tried_alone_from_where_it_was(make, trained):
    trained.failing["b"] = "FloatingPointError: The loss became nan."
    outcomes = run_group([make(name) for name in "abc"])
    assert [outcome.error for outcome in outcomes] == [None] * 3
    assert trained.alone == [("b", True)]


def test_a_group_that_fails_is_tried_one_by_one(make, trained):
    trained.raises = MemoryError("too many")
    outcomes = run_group([make(name) for name in "abc"])
    assert [outcome.error for outcome in outcomes] == [None] * 3
    assert [name for name, _ in trained.alone] == ["a", "b", "c"]


def test_finished_runs_are_not_trained_again(make, trained):
    given = [make(name) for name in "abc"]
    Run(given[0].folder).begin(given[0].config)
    Run(given[0].folder).finish({})
    assert [outcome.error for outcome in run_group(given)] == [None] * 3
    assert trained.together == [["b", "c"]]
    assert [outcome.error for outcome in run_group(given)] == [None] * 3
    assert trained.together == [["b", "c"]]


def test_a_group_of_one_is_trained_alone(make, trained):
    assert [outcome.error for outcome in run_group([make("a")])] == [None]
    assert (trained.together, trained.alone) == ([], [("a", False)])

"""A task: done once, continued where it was cut off, tried again where it broke, and never an exception."""

import os
import warnings

import pytest
import seams

from keras_attention.comparison import execution, tasks
from keras_attention.comparison.tasks import Outcome, Task, clear_attempts, foreign_members, register_members, run_task
from keras_attention.config import DEFAULT_COMPARISON
from keras_attention.layers import SCORES, Score
from keras_attention.runs import Run


@pytest.fixture
def calls(monkeypatch):
    """What `train` was called with; each call does what the test says next, and finishes its run otherwise."""
    calls, plans = [], []

    def train(config, folder, resume, overwrite, **_):
        calls.append({"folder": folder, "resume": resume, "overwrite": overwrite})
        run = Run(folder)
        if not resume:
            run.begin(config)
        action = plans.pop(0) if plans else None
        if action:
            raise action
        run.finish({})

    calls_and_plans = type("Calls", (list,), {"plans": plans})()
    seams.training_of_a_task(monkeypatch, lambda *a, **k: (calls_and_plans.append(k), train(*a, **k))[1])
    return calls_and_plans


@pytest.fixture
def task(plan, tmp_path):
    return Task("plain", plan().config, str(tmp_path / "runs" / "plain" / "seed-0"))


def left_beside(task):
    return {path.name for path in Run(task.folder).folder.parent.iterdir()} - {"seed-0", "seed-0.lock"}


def test_a_task_is_done_once(task, calls):
    assert run_task(task).error is None
    assert run_task(task).error is None
    assert len(calls) == 1
    assert calls[0]["export"] is False
    assert left_beside(task) == set()


def test_what_breaks_is_tried_once_more_from_its_beginning(task, calls):
    calls.plans += [FloatingPointError("the loss is\nnot finite")]
    assert run_task(task).error is None
    assert [call["resume"] for call in calls] == [False, False]
    assert calls[1]["overwrite"]
    assert left_beside(task) == set()


def test_what_breaks_twice_is_reported(task, calls):
    calls.plans += [ValueError("first"), ValueError("second\ntime")]
    outcome = run_task(task)
    assert outcome.error == "ValueError: second time"
    assert len(calls) == 2
    assert left_beside(task) == {"seed-0.attempts", "seed-0.error.txt"}
    assert "second\ntime" in task.beside("error.txt").read_text()
    clear_attempts([task])
    assert left_beside(task) == set()
    assert run_task(task).error is None


def test_what_was_cut_off_is_continued(task, calls):
    """As a process that is killed leaves it: an attempt that was counted, and a run that is not finished."""
    calls.plans += [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        run_task(task)
    assert run_task(task).error is None
    assert [call["resume"] for call in calls] == [False, True]


def test_what_was_killed_before_it_had_its_settings_begins_anew(task, calls):
    folder = Run(task.folder).folder
    folder.mkdir(parents=True)
    (folder / ".unfinished-1234-config.json").write_text("{")
    assert run_task(task).error is None
    assert [path.name for path in sorted(folder.iterdir())] == ["config.json", "metrics.json"]


def test_what_is_killed_each_time_is_reported(task, calls):
    calls.plans += [KeyboardInterrupt(), KeyboardInterrupt()]
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run_task(task)
    assert run_task(task).error == "its process was killed each time"
    assert len(calls) == 2


def test_members_from_outside_travel_with_the_task():
    assert foreign_members() == ()
    try:

        @SCORES.register("manhattan_of_a_test")
        class ManhattanScore(Score):
            """e = −Σ |q − k|."""

        members = foreign_members()
        assert members == (("score", "manhattan_of_a_test", ManhattanScore),)
        del SCORES._members["manhattan_of_a_test"]
        register_members(members)
        register_members(members)
        assert SCORES["manhattan_of_a_test"] is ManhattanScore
    finally:
        SCORES._members.pop("manhattan_of_a_test", None)


class Processes:
    """In the place of processes: tasks whose variant is named `deadly` kill theirs, and with it all that had begun."""

    def __init__(self, monkeypatch):
        self.alone = []
        seams.processes_of_tasks(monkeypatch, self.parallel)

    def parallel(self, groups, jobs):
        given = [task for group in groups for task in group]
        if len(given) == 1:
            self.alone.append(given[0].variant)
        for task in given:
            task.beside("attempts").parent.mkdir(parents=True, exist_ok=True)
            task.beside("attempts").write_text("1")
        for task in given:
            if task.variant == "deadly":
                raise execution.TerminatedWorkerError("killed")
            task.beside("attempts").unlink()
            yield [Outcome(task, 1.0)]


def test_a_process_that_dies_stops_none_of_the_others(plan, tmp_path, monkeypatch):
    processes = Processes(monkeypatch)
    given = [Task(name, plan().config, str(tmp_path / name / "seed-0")) for name in ("a", "b", "deadly", "c", "d")]
    with execution.workers(jobs=2) as (carry_out, _):
        outcomes = {outcome.task.variant: outcome.error for (outcome,) in carry_out([[task] for task in given])}
    assert outcomes == {"a": None, "b": None, "deadly": "its process was killed each time", "c": None, "d": None}
    assert "deadly" in processes.alone


@pytest.mark.filterwarnings("error")
def test_a_process_that_joblib_replaces_is_no_warning(task, monkeypatch):
    def replaced(groups, jobs):
        warnings.warn("A worker stopped while some jobs were given to the executor.", UserWarning, stacklevel=1)
        yield from ([Outcome(each, 1.0) for each in group] for group in groups)

    seams.processes_of_tasks(monkeypatch, replaced)
    with execution.workers(jobs=2) as (carry_out, _):
        assert [outcome.task for outcomes in carry_out([[task]]) for outcome in outcomes] == [task]


def test_a_process_of_its_own_is_tried_again(task, monkeypatch):
    answers = [ChildProcessError("killed"), [Outcome(task, 2.0)]]

    def call(function, given):
        assert (function, given) == (tasks.run_group, [task])
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    seams.process_of_a_task(monkeypatch, call)
    assert tasks.run_group_in_own_process([task]) == [Outcome(task, 2.0)]
    answers += [ChildProcessError("killed"), ChildProcessError("killed")]
    assert tasks.run_group_in_own_process([task])[0].error == "its process was killed each time"


def done_at_once(group):
    return [Outcome(task, 1.0) for task in group]


@pytest.fixture
def cluster():
    distributed = pytest.importorskip("distributed", reason="the Dask backend is an extra")
    settings = {"processes": False, "dashboard_address": None, "silence_logs": 50}
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, **settings) as cluster:
        yield cluster.scheduler_address


def test_a_cluster_does_every_task(plan, tmp_path, cluster, monkeypatch):
    seams.group_on_a_cluster(monkeypatch, done_at_once)
    given = [Task(name, plan().config, str(tmp_path / name)) for name in "abcde"]
    with execution.workers(1, "dask", cluster, tmp_path) as (carry_out, processes):
        done = [outcome.task.variant for outcomes in carry_out([given[:2], given[2:]]) for outcome in outcomes]
    assert (sorted(done), processes) == (list("abcde"), 2)
    assert not list(tmp_path.iterdir())


def test_a_cluster_that_does_not_share_the_folder(tmp_path, cluster, monkeypatch):
    monkeypatch.setattr(os.path, "exists", lambda path: False)
    with (
        pytest.raises(ValueError, match=r"^Every worker must see the folder\. Expected a folder that all"),
        execution.workers(1, "dask", cluster, tmp_path),
    ):
        pass


def test_a_cluster_without_workers():
    distributed = pytest.importorskip("distributed", reason="the Dask backend is an extra")
    settings = {"processes": False, "dashboard_address": None, "silence_logs": 50}
    with (
        distributed.LocalCluster(n_workers=0, **settings) as cluster,
        pytest.raises(ValueError, match=r"^The Dask cluster must have workers"),
    ):
        execution.check_backend(1, "dask", cluster.scheduler_address)


@pytest.mark.parametrize(
    ("settings", "cores", "accelerators", "jobs"),
    [
        ({}, 2, [], 2),
        ({"seed": 9}, 2, [], 2),
        ({}, 1, [], 1),
        ({}, 64, [], 4),
        ({}, 64, ["gpu:0"], 1),
        ({"width": 1.0}, 2, [], 1),
        ({"data": "photos"}, 2, [], 1),
    ],
)
def test_how_many_processes_the_default_networks_get(settings, cores, accelerators, jobs, monkeypatch):
    seams.cores_for_tasks(monkeypatch, lambda: cores)
    seams.accelerators_for_tasks(monkeypatch, lambda: accelerators)
    assert execution.usual_jobs(DEFAULT_COMPARISON.with_settings(**settings)) == jobs


def test_processes_share_the_cores(task, monkeypatch):
    given = []
    seams.cores_for_tasks(monkeypatch, lambda: 8)
    seams.parallel_tasks(monkeypatch, lambda *_, **options: given.append(options["initargs"]) or [])
    for jobs in (2, 3, 16):
        list(seams.processes_of_tasks()([[task]], jobs))
    assert given == [(4,), (2,), (1,)]


def test_one_job_is_this_process(task, calls):
    with execution.workers() as (carry_out, _):
        assert [outcome.task for outcomes in carry_out([[task]]) for outcome in outcomes] == [task]
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"jobs": 0}, "`jobs` is out of range. Expected an integer at least 1. Received: jobs=0."),
        ({"backend": "dusk"}, "Unknown backend 'dusk' (did you mean 'dask'?). Expected one of: processes, dask."),
        ({"backend": "dask"}, '`backend="dask"` needs `scheduler`. Expected an address, such as tcp://host:8786'),
        (
            {"backend": "dask", "scheduler": "tcp://a:1", "jobs": 2},
            "A Dask cluster runs as many jobs as it has workers.",
        ),
        ({"scheduler": "tcp://a:1"}, '`scheduler` is for a Dask cluster only. Expected `backend="dask"`.'),
    ],
)
def test_settings_that_do_not_go_together(settings, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        execution.check_backend(**{"jobs": 1, "backend": "processes", "scheduler": None} | settings)
    assert str(caught.value).startswith(message)

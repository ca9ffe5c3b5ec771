"""Runs the tasks with joblib: in this process, in several processes on this machine, or on a Dask cluster."""

import contextlib
import os
import pathlib
import uuid
import warnings

import joblib
from joblib.externals.loky.process_executor import TerminatedWorkerError

from keras_attention.arguments import invalid, reason, require_choice, require_integer
from keras_attention.comparison.defaults import MOST_DEFAULT_JOBS, asks_the_default
from keras_attention.comparison.repeat import accelerators
from keras_attention.comparison.tasks import KILLED, Outcome, grouped, run_group, run_group_in_own_process
from keras_attention.members import BACKENDS
from keras_attention.own_process import prepare_process
from keras_attention.runs import Run

SECONDS_TO_CONNECT = 15


def check_backend(jobs, backend, scheduler):
    """Raises a `ValueError` if the settings do not fit together, or a cluster does not answer or has no workers."""
    require_integer("jobs", 1 if jobs is None else jobs, at_least=1)
    require_choice("backend", backend, BACKENDS)
    if backend == "dask" and not scheduler:
        raise invalid('`backend="dask"` needs `scheduler`.', "an address, such as tcp://host:8786", "none")
    if backend == "dask" and jobs not in (None, 1):
        raise invalid("A Dask cluster runs as many jobs as it has workers.", "`jobs` left out", f"jobs={jobs}")
    if backend != "dask" and scheduler:
        raise invalid("`scheduler` is for a Dask cluster only.", '`backend="dask"`', f"scheduler={scheduler!r}")
    if backend == "dask":
        with _client(scheduler) as client:
            if not client.scheduler_info(n_workers=-1)["workers"]:
                raise invalid(
                    "The Dask cluster must have workers.", f"at least one: dask worker {scheduler}", scheduler
                )


def usual_jobs(config):
    """How many processes the runs have if nothing is said: one, but more for networks as narrow as the default ones.

    An accelerator is not shared: a process takes its memory whole.
    """
    if not asks_the_default(config) or accelerators():
        return 1
    return min(MOST_DEFAULT_JOBS, joblib.cpu_count())


@contextlib.contextmanager
def workers(jobs=1, backend="processes", scheduler=None, folder="."):
    """Yields two results: a function from groups of tasks to an iterator over the `Outcome`s of each, in the order in
    which the groups end; and the number of processes.

    Args:
        jobs: how many processes, which share the cores; 1 stays in this process.
        backend: `"processes"` on this machine, or `"dask"`.
        scheduler: the address of the Dask scheduler.
        folder: the folder of the comparison, which the workers of a cluster must see under the same path.

    Raises:
        ValueError: the cluster does not answer, or a worker does not see the folder.
        ImportError: `distributed` is not installed.
    """
    if backend == "dask":
        with _client(scheduler) as client:
            _check_shared(client, folder)
            there = len(client.scheduler_info(n_workers=-1)["workers"])
            yield lambda groups: _parallel(run_group_in_own_process, groups, -1, backend="dask", client=client), there
    elif jobs == 1:
        yield lambda groups: map(run_group, groups), 1
    else:
        yield lambda groups: _in_processes(groups, jobs), jobs


def _parallel(function, groups, jobs, **backend):
    with joblib.parallel_config(n_jobs=jobs, **backend):
        parallel = joblib.Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="all")
        yield from parallel(joblib.delayed(function)(group) for group in groups)


def _in_processes(groups, jobs):
    """Like `_parallel`; if a process dies, the tasks that had begun run one by one, to find the cause."""
    pending = {task.folder: task for group in groups for task in group}
    while pending:
        try:
            with _without_restarts_told():
                for outcomes in _processes(grouped(pending.values(), jobs), jobs):
                    for outcome in outcomes:
                        del pending[outcome.task.folder]
                    yield outcomes
        except TerminatedWorkerError:
            begun = [task for task in pending.values() if task.begun]
            for task in begun or list(pending.values())[:jobs]:
                del pending[task.folder]
                yield [_alone(task)]


@contextlib.contextmanager
def _without_restarts_told():
    """joblib replaces a process that has grown by 300 MB between two tasks, as a run may, and warns of it each time."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given")
        yield


def _processes(groups, jobs):
    threads = max(1, joblib.cpu_count() // jobs)
    return _parallel(run_group, groups, jobs, backend="loky", initializer=prepare_process, initargs=(threads,))


def _alone(task):
    """Runs a task in a separate process."""
    try:
        # One job would run in this process.
        return next(_processes([[task]], 2))[0]
    except TerminatedWorkerError:
        finished = Run(task.folder).finished
        return Outcome(task, 0.0, None if finished else KILLED)


@contextlib.contextmanager
def _client(scheduler):
    try:
        from distributed import Client
    except ImportError as error:
        raise ImportError(
            'The Dask backend needs distributed. Expected pip install distributed. Received: backend="dask".'
        ) from error
    try:
        client = Client(scheduler, timeout=SECONDS_TO_CONNECT)
    except (OSError, ValueError, TypeError) as error:
        problem = reason(error)
        raise invalid(
            f"The Dask scheduler does not answer: {problem}.",
            "the address of a running scheduler",
            f"scheduler={scheduler!r}",
        ) from error
    with client:
        yield client


def _check_shared(client, folder):
    """Raises a `ValueError` unless all workers see the folder."""
    token = pathlib.Path(folder) / f".shared-{uuid.uuid4().hex[:8]}"
    token.write_text("")
    try:
        seen = client.run(os.path.exists, str(token.resolve()))
    finally:
        token.unlink()
    blind = [worker for worker, sees in seen.items() if not sees]
    if blind:
        raise invalid("Every worker must see the folder.", "a folder that all machines share", f"{folder}, {blind[0]}")

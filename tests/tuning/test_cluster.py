"""Chief and workers: no trial lost or run twice, whoever dies; and every wrong address or folder is one message."""

import contextlib
import os
import re
import socket
import threading
import time

import grpc
import pytest
import seams
from keras_tuner.src import protos

from keras_attention.atomic import remove
from keras_attention.files import write_json
from keras_attention.tuning.cluster import Chief, Worker, check_free, check_worker_name, parse_address
from keras_attention.tuning.hypermodel import AttentionHyperModel
from keras_attention.tuning.oracles import make_oracle
from keras_attention.tuning.trials import COMPLETED, FAILED, TrialResult, TrialRunner
from keras_attention.tuning.tuner import AttentionTuner, quiet

TRIALS = 12
ANY = "…"


@pytest.fixture
def address():
    """A free port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture(autouse=True)
def _hurry(monkeypatch):
    seams.seconds_to_find_a_chief(monkeypatch, 2.0)
    seams.seconds_between_beats(monkeypatch, 0.1)
    seams.seconds_until_a_worker_is_lost(monkeypatch, 2.0)
    seams.seconds_of_a_look(monkeypatch, 0.05)
    seams.seconds_between_questions(monkeypatch, 0.05)


class Runner(TrialRunner):
    """Trains nothing: a trial takes a moment, fails where it shall, and notes who did it."""

    def __init__(self, *arguments, figure_of, fails=(), **named):
        super().__init__(*arguments, **named)
        self.figure_of, self.fails, self.done = figure_of, fails, []

    def __call__(self, trial):
        time.sleep(0.02)
        settings = self.hypermodel.space(trial.hyperparameters)
        self.done.append(trial.trial_id)
        made = {"trial": trial.trial_id, "settings": settings, "worker": self.worker}
        if trial.trial_id in self.fails:
            result = TrialResult(status=FAILED, error="ValueError: no", **made)
        else:
            result = TrialResult(status=COMPLETED, figures={"val_accuracy": self.figure_of(settings)}, **made)
        result.save(self.result_path(trial.trial_id))
        return result


@pytest.fixture
def parts(config, tmp_path, figure_of):
    """`parts(worker)`: a tuner of a search, and its runner."""
    (tmp_path / "trials").mkdir()

    def make(worker=None, fails=(), tuner="random"):
        hypermodel = AttentionHyperModel(config)
        runner = Runner(hypermodel, tmp_path, worker=worker, figure_of=figure_of, fails=fails)
        return AttentionTuner(
            make_oracle(tuner, "val_accuracy", TRIALS, config.epochs, 0), hypermodel, runner, tmp_path
        ), runner

    return make


@contextlib.contextmanager
def at_work(name, address, folder, parts, **named):
    """The results of a worker, one by one."""
    with Worker(name, address, folder).working():
        tuner, _ = parts(name, **named)
        yield (step for step in tuner.trials() if isinstance(step, TrialResult))


@pytest.fixture
def served(parts, address, tmp_path):
    """A chief that serves in a thread; gives what it told, the results, and a function that waits for its end."""
    told, results = [], []
    tuner, runner = parts()
    chief = Chief(tuner.oracle, address, tmp_path)
    ready = threading.Event()

    def serve():
        with chief.serving():
            ready.set()
            results.extend(chief.results(runner, told.append))

    with quiet():
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        assert ready.wait(10)
        yield told, results, lambda: thread.join(20) or not thread.is_alive()
        chief.servicer.stop_triggered = True
        tuner.oracle.ongoing_trials.clear()
        tuner.oracle.tuner_ids.clear()
        thread.join(20)


def test_two_workers_share_the_trials(served, parts, address, tmp_path):
    told, results, ends = served
    with at_work("one", address, tmp_path, parts, fails=("03",)) as one:
        first = [next(one) for _ in range(5)]
        with at_work("two", address, tmp_path, parts) as two:
            second = [next(two) for _ in range(4)]
            first += list(one)
            second += list(two)
    assert ends()
    trials = [f"{number:02d}" for number in range(TRIALS)]
    assert sorted(result.trial for result in first + second) == trials
    assert sorted(result.trial for result in results) == trials
    assert {result.trial: result.worker for result in results} == {each.trial: each.worker for each in first + second}
    assert [result.trial for result in results if result.status == FAILED] == ["03"]
    assert told == ["worker  one is here", "worker  two is here"]
    assert "KERASTUNER_ORACLE_IP" not in os.environ


def test_the_trial_of_a_worker_that_dies_is_run_again(served, parts, address, tmp_path):
    told, results, ends = served
    dying = Worker("dying", address, tmp_path)
    with dying.working():
        lost = next(parts("dying")[0].trials())
        dying.over.set()  # its heart stops
        with at_work("other", address, tmp_path, parts) as other:
            done = [result.trial for result in other]
    assert ends()
    assert sorted(done) == [f"{number:02d}" for number in range(TRIALS)]
    assert f"worker  dying is gone; its trial {lost.trial_id} will be run again" in told
    assert len(results) == TRIALS


def test_what_was_done_before_is_not_given_again(parts, address, tmp_path):
    tuner, _ = parts()
    before = [next(step for step in tuner.trials() if isinstance(step, TrialResult)) for _ in range(3)]
    tuner, runner = parts()
    chief = Chief(tuner.oracle, address, tmp_path)
    assert {result.trial for result in before} == set(tuner.oracle.end_order)
    chief.servicer.stop_triggered = True
    assert list(chief.results(runner, print)) == []


@pytest.mark.parametrize("bad", ["here", "host:", ":80", "host:port", "host:99999", "host:0"])
def test_an_address_that_is_none(bad):
    with pytest.raises(
        ValueError, match=rf"must be a host and a port\. Expected HOST:PORT, .*Received: chief='{bad}'\.$"
    ):
        parse_address(bad)


@pytest.mark.parametrize("bad", ["", "a/b", "the-chief-1", "a b", "."])
def test_a_name_that_is_none(bad):
    with pytest.raises(ValueError, match=r"^`worker` must be the name of a worker\."):
        check_worker_name(bad)


def test_a_chief_that_does_not_answer(address, tmp_path, monkeypatch):
    seams.seconds_to_find_a_chief(monkeypatch, 0.3)
    refused(Worker("one", address, tmp_path).working(), f"The chief does not answer. {ANY} chief='{address}'.")


def test_a_folder_that_is_not_shared(served, address, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    message = f"The chief must see this worker in the folder of the search. {ANY} run='{elsewhere}'."
    refused(Worker("one", address, elsewhere).working(), message)
    assert "KERASTUNER_TUNER_ID" not in os.environ


def test_a_name_that_is_taken(served, address, tmp_path):
    with Worker("one", address, tmp_path).working():
        refused(
            Worker("one", address, tmp_path).working(), f"A worker of this name is already running. {ANY} worker='one'."
        )


def test_a_chief_comes_and_goes_while_workers_write(parts, address, tmp_path):
    over, chief = threading.Event(), Chief(parts()[0].oracle, address, tmp_path)

    def write(name):
        path = tmp_path / "workers" / f"{name}.json"
        while not over.is_set():
            with contextlib.suppress(OSError):
                write_json(path, {"beat": 1})
            remove(path)

    writers = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for writer in writers:
        writer.start()
    try:
        for _ in range(30):
            with chief.serving():
                pass
    finally:
        over.set()
        for writer in writers:
            writer.join()
    with chief.serving():
        assert list((tmp_path / "workers").iterdir()) == []


def test_a_port_that_is_taken(served, parts, address, tmp_path):
    (tmp_path / "another").mkdir()
    chief = Chief(parts()[0].oracle, address, tmp_path / "another")
    message = f"The chief cannot serve at this address. {ANY} Received: chief='{address}'."
    refused(chief.serving(), message)
    with pytest.raises(ValueError, match=r"^The chief cannot serve at this address\."):
        check_free(address)


def test_a_chief_that_falls_silent(served, parts, address, tmp_path, monkeypatch):
    monkeypatch.setattr(protos.get_service_grpc(), "OracleStub", lambda _: Silent())
    work = at_work("one", address, tmp_path, parts)
    with pytest.raises(ValueError, match=r"^The chief does not answer\."), work as results:
        list(results)


def test_a_chief_that_is_gone(parts, address, tmp_path, monkeypatch):
    """Nothing waits for it longer than for a connection."""
    chief = Chief(parts()[0].oracle, address, tmp_path)
    worker = Worker("one", address, tmp_path)
    with chief.serving():
        worker.check_chief()
    began = time.monotonic()
    with pytest.raises(ValueError, match=r"^The chief does not answer\."):
        worker.check_chief()
    assert time.monotonic() - began < 10


class Silent:
    """A connection that breaks at the first question."""

    def __getattr__(self, name):
        raise grpc.RpcError


def refused(entered, message):
    """Entering raises this message, of which a part does not matter."""
    begin, end = message.split(ANY)
    with pytest.raises(ValueError, match=f"^{re.escape(begin)}.*{re.escape(end)}$"):
        entered.__enter__()


def test_a_damaged_sign_of_life_is_passed_over(served, tmp_path):
    told, _, _ = served
    (tmp_path / "workers" / "half.json").write_text('{"session": ')
    write_json(tmp_path / "workers" / "whole.json", {"session": "1", "beat": 1})
    until = time.monotonic() + 5
    while not told and time.monotonic() < until:
        time.sleep(0.05)
    assert told == ["worker  whole is here"]

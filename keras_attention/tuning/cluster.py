"""KerasTuner's chief and workers: one process chooses the settings, others, on any machine, run the trials.

The chief serves KerasTuner's oracle over gRPC. All processes share the folder of the search. Each worker keeps a file
up to date there, which shows that the worker is alive and sees the folder. KerasTuner alone would wait for ever for a
dead worker.
"""

import concurrent.futures
import contextlib
import itertools
import os
import pathlib
import shutil
import socket
import threading
import time
import uuid

import grpc
from keras_tuner.src import protos
from keras_tuner.src.distribute.oracle_chief import OracleServicer

from keras_attention.arguments import invalid
from keras_attention.atomic import TEMPORARY, remove
from keras_attention.files import read_json, write_json
from keras_attention.tuning.trials import TrialResult

SECONDS_TO_CONNECT = 15.0
SECONDS_BETWEEN_BEATS = 2.0
SECONDS_UNTIL_LOST = 20.0
SECONDS_OF_A_LOOK = 0.5
CHIEF = "chief"  # KerasTuner takes any worker with this in its name for the chief


def parse_address(address):
    """`"host:port"` → (host, port).

    Raises:
        ValueError: the address has another form.
    """
    host, _, port = str(address).rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 2**16:
        raise invalid(
            "The address of the chief must be a host and a port.",
            "HOST:PORT, such as 10.0.0.1:8787",
            f"chief={address!r}",
        )
    return host, int(port)


def check_free(address):
    """Raises a `ValueError` if this process cannot serve at the address."""
    try:
        socket.create_server(parse_address(address)).close()
    except OSError as error:
        raise _address_error(address) from error


def _address_error(address):
    return invalid(
        "The chief cannot serve at this address.",
        "an address of this machine with a free port",
        f"chief={address!r}",
    )


def check_worker_name(name):
    """Raises a `ValueError` if a worker cannot have the name."""
    usable = isinstance(name, str) and name.strip(".") and not set(name) & set("/\\\0 ")
    if not usable or CHIEF in name:
        raise invalid(
            "`worker` must be the name of a worker.",
            f"a word without / and without {CHIEF!r} in it",
            f"worker={name!r}",
        )


class Chief:
    """Serves an oracle to workers, and watches the workers.

    Args:
        oracle: what `make_oracle` returned.
        address: `"host:port"`, where workers find the chief.
        folder: the folder of the search.
    """

    def __init__(self, oracle, address, folder):
        self.oracle, self.address, self.servicer = oracle, address, OracleServicer(oracle)
        self.beats = pathlib.Path(folder) / "workers"
        self.seen = {}  # name → (session, beat, time of that beat)

    @contextlib.contextmanager
    def serving(self):
        """Serves inside the `with` statement.

        Raises:
            ValueError: this process cannot serve at the address.
        """
        self._clear()
        self.beats.mkdir(exist_ok=True)
        # One request at a time, like KerasTuner's server, and no second chief at the same port.
        server = grpc.server(concurrent.futures.ThreadPoolExecutor(1), options=[("grpc.so_reuseport", 0)])
        protos.get_service_grpc().add_OracleServicer_to_server(self.servicer, server)
        try:
            bound = server.add_insecure_port(self.address)
        except RuntimeError:
            bound = 0
        if not bound:
            raise _address_error(self.address)
        server.start()
        try:
            yield
        finally:
            server.stop(grace=2).wait()
            self._clear()

    def _clear(self):
        """Removes the workers' signs of life, moved away first: a worker may still write or remove its own."""
        away = self.beats.with_name(f"{TEMPORARY}{uuid.uuid4().hex[:8]}-{self.beats.name}")
        with contextlib.suppress(FileNotFoundError):
            self.beats.rename(away)
        # What a worker began before the move may still come while this removes; nobody will read it.
        shutil.rmtree(away, ignore_errors=True)

    def look(self):
        """Greets new workers, and gives the trials of lost workers back to the oracle.

        Returns:
            A list of lines, one for each worker that came or went.
        """
        signs = dict(self._signs())
        news = [text for name, sign in signs.items() for text in self._greet(name, sign)]
        return [*news, *(text for name in list(self.seen) for text in self._miss(name, signs))]

    def _signs(self):
        """The workers' signs of life in the folder, as pairs of name and (session, beat)."""
        for path in sorted(self.beats.glob("[!.]*.json")):
            with contextlib.suppress(ValueError, KeyError, TypeError):
                sign = read_json(path)
                yield path.stem, (sign["session"], sign["beat"])

    def _greet(self, name, sign):
        """Notes a sign of life, and answers a new worker."""
        session, *before = self.seen.get(name, (None, None, None))
        if before[0] != sign[1] or session != sign[0]:
            self.seen[name] = (*sign, time.monotonic())
        if session == sign[0]:
            return []
        (self.beats / f"{name}.ack").write_text(sign[0])
        return [*self._lose(name), f"worker  {name} is here"]

    def _miss(self, name, signs):
        """Gives up a worker that left or gives no more signs of life."""
        if name in signs and time.monotonic() - self.seen[name][2] <= SECONDS_UNTIL_LOST:
            return []
        del self.seen[name]
        for suffix in ("json", "ack"):
            remove(self.beats / f"{name}.{suffix}")
        return self._lose(name)

    def _lose(self, name):
        trial = self.oracle.give_back(name)
        return [] if trial is None else [f"worker  {name} is gone; its trial {trial} will be run again"]

    @property
    def is_done(self):
        """Whether all trials have ended and every worker knows it."""
        oracle = self.oracle
        ended = self.servicer.stop_triggered or (len(oracle.trials) >= oracle.max_trials and not oracle.pending)
        return ended and not oracle.ongoing_trials and not oracle.tuner_ids & set(self.seen)

    def results(self, runner, tell):
        """Yields the result of each trial when it ends, until the last."""
        given = {trial_id for trial_id in self.oracle.end_order if runner.result_path(trial_id).exists()}
        while True:
            done = self.is_done  # read before the trials that ended, so that none is missed in between
            had_workers = bool(self.seen)
            for line in self.look():
                tell(line)
            if had_workers and not self.seen and not done:
                tell("chief   all workers are gone; waits for new ones")
            for trial_id in [each for each in self.oracle.end_order if each not in given]:
                given.add(trial_id)
                yield TrialResult.load(_when_visible(runner.result_path(trial_id)))
            if done:
                return
            time.sleep(SECONDS_OF_A_LOOK)


def _when_visible(path):
    """Returns the path once this machine sees the file that another machine wrote there."""
    until = time.monotonic() + SECONDS_TO_CONNECT
    while not path.exists() and time.monotonic() < until:
        time.sleep(SECONDS_OF_A_LOOK)
    return path


class Worker:
    """One worker: finds the chief, gives signs of life, and sets the environment variables of KerasTuner.

    Args:
        name: the name of the worker.
        address: the address of the chief.
        folder: the folder of the search, which the chief and the worker share.
    """

    def __init__(self, name, address, folder):
        self.name, self.address = name, address
        self.path = pathlib.Path(folder) / "workers" / f"{name}.json"
        self.session, self.over = uuid.uuid4().hex, threading.Event()

    @contextlib.contextmanager
    def working(self):
        """Makes this process a worker inside the `with` statement.

        Raises:
            ValueError: the chief does not answer or does not share the folder, or the name is taken.
        """
        host, port = parse_address(self.address)
        self.check_chief()
        self._check_name()
        beating = threading.Thread(target=self._beat, daemon=True)
        beating.start()
        names = {"TUNER_ID": self.name, "ORACLE_IP": host, "ORACLE_PORT": str(port)}
        try:
            self._await_chief()
            os.environ.update({f"KERASTUNER_{name}": value for name, value in names.items()})
            yield
        except grpc.RpcError as error:
            raise self._chief_error() from error
        finally:
            for name in names:
                os.environ.pop(f"KERASTUNER_{name}", None)
            self.over.set()
            beating.join()
            remove(self.path)

    def check_chief(self):
        """Raises a `ValueError` unless a chief answers."""
        with grpc.insecure_channel(self.address) as channel:
            try:
                grpc.channel_ready_future(channel).result(SECONDS_TO_CONNECT)
            except grpc.FutureTimeoutError as error:
                raise self._chief_error() from error

    def _chief_error(self):
        return invalid("The chief does not answer.", "the address of a running chief", f"chief={self.address!r}")

    def _check_name(self):
        if self.path.exists():
            before = self.path.read_text("utf-8")
            time.sleep(2 * SECONDS_BETWEEN_BEATS)
            if self.path.exists() and self.path.read_text("utf-8") != before:
                raise invalid("A worker of this name is already running.", "another name", f"worker={self.name!r}")

    def _beat(self):
        for beat in itertools.count():
            with contextlib.suppress(OSError):  # a shared disk may hang for a while
                write_json(self.path, {"session": self.session, "beat": beat})
            if self.over.wait(SECONDS_BETWEEN_BEATS):
                return

    def _await_chief(self):
        """Waits until the chief sees this worker in the folder."""
        answer, until = self.path.with_suffix(".ack"), time.monotonic() + SECONDS_TO_CONNECT
        while not (answer.exists() and answer.read_text() == self.session):
            if time.monotonic() > until:
                raise invalid(
                    "The chief must see this worker in the folder of the search.",
                    "a folder that both share, under any path",
                    f"run={str(self.path.parent.parent)!r}",
                )
            time.sleep(SECONDS_OF_A_LOOK / 5)

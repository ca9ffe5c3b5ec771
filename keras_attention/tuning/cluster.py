"""KerasTuner's chief and workers: one process chooses the settings, others, on any machine, run the trials.

The chief serves KerasTuner's oracle over gRPC. Each worker shows that it lives by a file in the folder, which all
share; that file also proves that they do. KerasTuner itself would wait for a dead worker for ever.
"""

import concurrent.futures
import contextlib
import itertools
import os
import pathlib
import socket
import threading
import time
import uuid

import grpc
from keras_tuner.src import protos
from keras_tuner.src.distribute.oracle_chief import OracleServicer

from keras_attention.arguments import invalid
from keras_attention.atomic import remove
from keras_attention.files import read_json, write_json
from keras_attention.tuning.trials import TrialResult

SECONDS_TO_CONNECT = 15.0
SECONDS_BETWEEN_BEATS = 2.0
SECONDS_UNTIL_LOST = 20.0
SECONDS_OF_A_LOOK = 0.5
CHIEF = "chief"  # KerasTuner takes any worker for the chief that has this in its name


def parse_address(address):
    """`"host:port"` → (host, port).

    Raises:
        ValueError: no such address.
    """
    host, _, port = str(address).rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 2**16:
        raise invalid("The chief has no such address.", "HOST:PORT, such as 10.0.0.1:8787", f"chief={address!r}")
    return host, int(port)


def check_free(address):
    """Raises `ValueError` for an address at which this process cannot serve."""
    try:
        socket.create_server(parse_address(address)).close()
    except OSError as error:
        raise _not_free(address) from error


def _not_free(address):
    return invalid("The chief cannot serve there.", "an address of this machine, its port free", f"chief={address!r}")


def check_worker_name(name):
    """Raises `ValueError` for a name that cannot be that of a worker."""
    usable = isinstance(name, str) and name.strip(".") and not set(name) & set("/\\\0 ")
    if not usable or CHIEF in name:
        raise invalid(
            "This is no name of a worker.", f"a word without / and without {CHIEF!r} in it", f"worker={name!r}"
        )


class Chief:
    """Serves an oracle to workers, and watches them.

    Args:
        oracle: one of `make_oracle`.
        address: `"host:port"` where workers find it.
        folder: of the search.
    """

    def __init__(self, oracle, address, folder):
        self.oracle, self.address, self.servicer = oracle, address, OracleServicer(oracle)
        self.beats = pathlib.Path(folder) / "workers"
        self.seen = {}  # name → (session, beat, when it was new)

    @contextlib.contextmanager
    def serving(self):
        """Serves while the block runs.

        Raises:
            ValueError: an address that cannot be served at.
        """
        remove(self.beats)
        self.beats.mkdir()
        # One at a time, as KerasTuner's own server does; and no second chief at the same port.
        server = grpc.server(concurrent.futures.ThreadPoolExecutor(1), options=[("grpc.so_reuseport", 0)])
        protos.get_service_grpc().add_OracleServicer_to_server(self.servicer, server)
        try:
            bound = server.add_insecure_port(self.address)
        except RuntimeError:
            bound = 0
        if not bound:
            raise _not_free(self.address)
        server.start()
        try:
            yield
        finally:
            server.stop(grace=2).wait()
            remove(self.beats)

    def look(self):
        """Greets new workers, and gives back the trials of those that are gone.

        Returns:
            Texts, about whoever came and went.
        """
        signs = dict(self._signs())
        news = [text for name, sign in signs.items() for text in self._greet(name, sign)]
        return [*news, *(text for name in list(self.seen) for text in self._miss(name, signs))]

    def _signs(self):
        """The signs of life in the folder: name → (session, beat)."""
        for path in sorted(self.beats.glob("[!.]*.json")):
            with contextlib.suppress(ValueError, KeyError, TypeError):
                sign = read_json(path)
                yield path.stem, (sign["session"], sign["beat"])

    def _greet(self, name, sign):
        """Notes a sign of life, and answers a worker that is new."""
        session, *before = self.seen.get(name, (None, None, None))
        if before[0] != sign[1] or session != sign[0]:
            self.seen[name] = (*sign, time.monotonic())
        if session == sign[0]:
            return []
        (self.beats / f"{name}.ack").write_text(sign[0])
        return [*self._lose(name), f"worker  {name} is here"]

    def _miss(self, name, signs):
        """Gives up a worker that has gone, or gives no more signs."""
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
        """Whether all trials have ended, and every worker knows it."""
        oracle = self.oracle
        ended = self.servicer.stop_triggered or (len(oracle.trials) >= oracle.max_trials and not oracle.pending)
        return ended and not oracle.ongoing_trials and not oracle.tuner_ids & set(self.seen)

    def results(self, runner, tell):
        """Gives the result of each trial as it ends, until the last one."""
        given = {trial_id for trial_id in self.oracle.end_order if runner.result_path(trial_id).exists()}
        while True:
            done = self.is_done  # before the look at what has ended, so that nothing falls between the two
            had_workers = bool(self.seen)
            for line in self.look():
                tell(line)
            if had_workers and not self.seen and not done:
                tell("chief   has no workers any more, and waits for one")
            for trial_id in [each for each in self.oracle.end_order if each not in given]:
                given.add(trial_id)
                yield TrialResult.load(_when_visible(runner.result_path(trial_id)))
            if done:
                return
            time.sleep(SECONDS_OF_A_LOOK)


def _when_visible(path):
    """The path, when what another machine has written there is seen on this one."""
    until = time.monotonic() + SECONDS_TO_CONNECT
    while not path.exists() and time.monotonic() < until:
        time.sleep(SECONDS_OF_A_LOOK)
    return path


class Worker:
    """A worker's part: finds the chief, shows that it lives, and puts KerasTuner's environment in place.

    Args:
        name: of the worker.
        address: of the chief.
        folder: of the search, which both see.
    """

    def __init__(self, name, address, folder):
        self.name, self.address = name, address
        self.path = pathlib.Path(folder) / "workers" / f"{name}.json"
        self.session, self.over = uuid.uuid4().hex, threading.Event()

    @contextlib.contextmanager
    def working(self):
        """Is a worker while the block runs.

        Raises:
            ValueError: a chief that does not answer, a folder that it does not share, or a name that is taken.
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
            raise self._silent_chief() from error
        finally:
            for name in names:
                os.environ.pop(f"KERASTUNER_{name}", None)
            self.over.set()
            beating.join()
            remove(self.path)

    def check_chief(self):
        """Raises `ValueError` unless a chief answers."""
        with grpc.insecure_channel(self.address) as channel:
            try:
                grpc.channel_ready_future(channel).result(SECONDS_TO_CONNECT)
            except grpc.FutureTimeoutError as error:
                raise self._silent_chief() from error

    def _silent_chief(self):
        return invalid(
            "The chief does not answer.",
            "the address of one that runs",
            f"chief={self.address!r}",
        )

    def _check_name(self):
        if self.path.exists():
            before = self.path.read_text("utf-8")
            time.sleep(2 * SECONDS_BETWEEN_BEATS)
            if self.path.exists() and self.path.read_text("utf-8") != before:
                raise invalid("A worker of that name is at work.", "another name", f"worker={self.name!r}")

    def _beat(self):
        for beat in itertools.count():
            with contextlib.suppress(OSError):  # a shared disk may hang for a while
                write_json(self.path, {"session": self.session, "beat": beat})
            if self.over.wait(SECONDS_BETWEEN_BEATS):
                return

    def _await_chief(self):
        """Waits until the chief has seen this worker in the folder."""
        answer, until = self.path.with_suffix(".ack"), time.monotonic() + SECONDS_TO_CONNECT
        while not (answer.exists() and answer.read_text() == self.session):
            if time.monotonic() > until:
                raise invalid(
                    "The chief does not see this worker in the folder.",
                    "a folder that both share, under any path",
                    f"run={str(self.path.parent.parent)!r}",
                )
            time.sleep(SECONDS_OF_A_LOOK / 5)

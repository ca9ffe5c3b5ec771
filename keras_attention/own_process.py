"""Calls a function in a fresh interpreter: nothing of this one disturbs it, and its death is not ours.

A process that does other things beside, such as a worker of a cluster, draws from Python's global random numbers, from
which Keras seeds its weights; and the memory that a network takes at its peak shows only where no other came before.
"""

import pathlib
import pickle
import subprocess
import sys
import tempfile

import cloudpickle

from keras_attention.plugins import load_plugins


def call_in_own_process(function, *arguments):
    """What `function(*arguments)` returns, computed in a process of its own.

    Function, arguments and result are pickled; what is defined in `__main__` goes along by its value, and
    whatever else the caller can import, the process can too.

    Raises:
        ChildProcessError: the process was killed.
        RuntimeError: whatever the function raised, as text.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, answer = pathlib.Path(folder) / "given", pathlib.Path(folder) / "answer"
        given.write_bytes(pickle.dumps((sys.path, cloudpickle.dumps((function, arguments)))))
        command = [sys.executable, "-m", "keras_attention.own_process", str(given), str(answer)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if not answer.exists():
            last = (done.stderr.strip().splitlines() or [""])[-1]
            raise ChildProcessError(f"The process ended with code {done.returncode}. Expected 0. Received: {last}")
        result, error = pickle.loads(answer.read_bytes())
    if error is not None:
        raise RuntimeError(error)
    return result


def _answer(given, answer):
    sys.path[:], call = pickle.loads(pathlib.Path(given).read_bytes())
    load_plugins()
    function, arguments = pickle.loads(call)
    try:
        outcome = (function(*arguments), None)
    except Exception as error:
        outcome = (None, f"{type(error).__name__}: {error}")
    pathlib.Path(answer).write_bytes(cloudpickle.dumps(outcome))


if __name__ == "__main__":
    _answer(*sys.argv[1:])

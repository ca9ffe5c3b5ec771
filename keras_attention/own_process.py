"""Calls a function in a fresh interpreter, which this process does not disturb, and whose crash does not end this one.

There are two uses. A process with other work, such as a worker of a cluster, also draws from Python's global random
numbers, from which Keras seeds its weights. And the peak memory of a network can only be measured in a process that has
run no other network before.
"""

import pathlib
import pickle
import subprocess
import sys
import tempfile

import cloudpickle

from keras_attention.plugins import load_plugins
from keras_attention.quiet import import_tensorflow


def call_in_own_process(function, *arguments):
    """Returns `function(*arguments)`, computed in a separate process.

    The function, its arguments and its result are pickled. What is defined in `__main__` is pickled by value;
    everything else is imported, and the process can import all that the caller can.

    Raises:
        ChildProcessError: the process was killed.
        RuntimeError: the function raised an error, which the message quotes.
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


def prepare_process(threads):
    """Prepares a process that joblib has started: imports TensorFlow quietly, then the plugins of the first process.

    The processes of one machine share its cores: each operation has that many `threads`.

    It is here because a worker imports the module of this function first, and any other would import TensorFlow aloud.
    """
    import_tensorflow(threads)
    load_plugins()


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

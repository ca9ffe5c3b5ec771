"""A function in a process of its own: its result, its error, its death, and nothing of this process in it."""

import os
import pickle
import random
import re
import subprocess
import sys

import pytest

from keras_attention.own_process import call_in_own_process, prepare_process


def test_results_come_back_from_another_process():
    here, there = os.getpid(), call_in_own_process(os.getpid)
    assert here != there
    assert call_in_own_process(divmod, 17, 5) == (3, 2)


def test_what_a_caller_defines_goes_along():
    def added(number):
        return number + offset

    offset = 5
    assert call_in_own_process(added, 2) == 7


def test_random_numbers_of_this_process_are_not_drawn_from():
    random.seed(3)
    state = random.getstate()
    call_in_own_process(random.random)
    assert random.getstate() == state


def test_an_error_is_told():
    with pytest.raises(RuntimeError, match=r"^ZeroDivisionError: .*zero"):
        call_in_own_process(divmod, 1, 0)


def test_a_process_that_dies_is_told():
    def die():
        os.kill(os.getpid(), 9)

    with pytest.raises(ChildProcessError, match=re.escape("The process ended with code -9.")):
        call_in_own_process(die)


@pytest.mark.long
def test_the_processes_of_one_machine_share_its_cores():
    def threads_of(threads):
        import tensorflow as tf

        prepare_process(threads)
        return tf.config.threading.get_intra_op_parallelism_threads()

    assert call_in_own_process(threads_of, 3) == 3


def test_a_worker_can_import_tensorflow_quietly_as_nothing_before_does():
    code = "import pickle, sys; pickle.loads(sys.stdin.buffer.read()); sys.exit('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(prepare_process), capture_output=True)
    assert done.returncode == 0, done.stderr
